# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Bootstrap tokens as the Secrets that hold them: read, compared with what is wanted, and planned."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiError, ApiRefused
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import CONFIG_MAPS, SECRETS, ServerApi
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import ID_PATTERN, TokenError, parse

NAMESPACE = "kube-system"
PREFIX = "bootstrap-token-"
TYPE = "bootstrap.kubernetes.io/token"
USAGES = ("signing", "authentication")
DEFAULT_GROUP = "system:bootstrappers:k3a:default-node-token"
DEFAULT_TTL = "24h"
LONGEST_TTL = 100 * 366 * 24 * 3600
_USAGE = "usage-bootstrap-"
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\Z")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[hms])+\Z", re.A)
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_AUTHORITY = re.compile(r"certificate-authority-data\"?:\s*\"?([A-Za-z0-9+/=]+)")


@dataclass(frozen=True)
class BootstrapToken:
    """A bootstrap token. One that never expires has no time; one whose time cannot be read has expired."""

    id: str
    secret: str = field(repr=False)
    description: str = ""
    expires: datetime | None = None
    usages: tuple[str, ...] = USAGES
    groups: tuple[str, ...] = (DEFAULT_GROUP,)

    def expired(self, now: datetime) -> bool:
        """Whether it is of no use any more."""
        return self.expires is not None and self.expires <= now

    @property
    def public(self) -> dict[str, Any]:
        """What may be shown of it."""
        return {
            "id": self.id,
            "description": self.description,
            "expires": "" if self.expires is None else timestamp(self.expires),
            "usages": list(self.usages),
            "groups": list(self.groups),
        }


def path(token_id: str = "") -> str:
    """Where the API has the Secret that holds a token, or all of them."""
    return SECRETS.path(NAMESPACE, f"{PREFIX}{token_id}" if token_id else "")


def id_of(text: str) -> str:
    """The id of a token that is given in any form, or as its id alone."""
    found = text if ID_PATTERN.match(text) else parse(text).id
    if not found:
        raise TokenError("one of those to delete is neither a bootstrap token nor an id of 6 characters")
    return found


def lifetime(text: str) -> timedelta:
    """A duration as K3s takes it; 0 alone is for ever, and what is nothing in whole seconds is refused."""
    if text == "0":
        return timedelta()
    if not _DURATION.match(text):
        raise TokenError(f'ttl is "{text}", which is no duration such as 24h, 1h30m or 90s, nor 0 for ever')
    parts = re.findall(r"([\d.]+)([hms])", text)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not seconds:
        raise TokenError(f'ttl is "{text}", which is no time at all; 0 is for ever')
    if seconds > LONGEST_TTL:
        raise TokenError("ttl is more than a hundred years; 0 is for ever")
    return timedelta(seconds=math.ceil(seconds))


def check_groups(groups: Sequence[str]) -> None:
    """Refuse a group that the API does not give to a token."""
    for group in groups:
        if not _GROUP.match(group):
            raise TokenError(
                f'groups has "{group}"; a group of a token begins with system:bootstrappers: and goes on with lower'
                " case letters, digits, : and -"
            )


def timestamp(moment: datetime) -> str:
    """A time as Kubernetes writes it."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def expiry(current: BootstrapToken | None, ttl: str | None, now: datetime) -> datetime | None:
    """When a token is to expire.

    A time that is set is not moved, or each run would move it; one that has passed counts as none.
    """
    alive = current is not None and not current.expired(now)
    if current is not None and alive and ttl is None:
        return current.expires
    lasts = lifetime(DEFAULT_TTL if ttl is None else ttl)
    if not lasts:
        return None
    if current is not None and alive and current.expires is not None:
        return current.expires
    return (now + lasts).replace(microsecond=0)


def data_of(token: BootstrapToken) -> dict[str, str]:
    """The fields of the Secret."""
    data = {"token-id": token.id, "token-secret": token.secret}
    if token.description:
        data["description"] = token.description
    if token.expires is not None:
        data["expiration"] = timestamp(token.expires)
    if token.groups:
        data["auth-extra-groups"] = ",".join(token.groups)
    data.update({f"{_USAGE}{usage}": "true" for usage in token.usages})
    return {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}


def secret_of(token: BootstrapToken, existing: Mapping[str, Any] | None) -> dict[str, Any]:
    """The whole Secret: a new one, or an existing one with new fields."""
    if existing is not None:
        return {**existing, "data": data_of(token)}
    metadata = {"name": f"{PREFIX}{token.id}", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "type": TYPE, "metadata": metadata, "data": data_of(token)}


def read(secret: Mapping[str, Any]) -> BootstrapToken:
    """The token that a Secret holds."""
    name = secret["metadata"]["name"]
    try:
        data = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
    except (binascii.Error, ValueError):
        raise TokenError(f"the Secret kube-system/{name} cannot be read as a bootstrap token; delete it") from None
    if secret.get("type") != TYPE or name != f"{PREFIX}{data.get('token-id')}" or not data.get("token-secret"):
        raise TokenError(
            f"the Secret kube-system/{name} is not a whole bootstrap token (its type, token-id or token-secret"
            " does not fit); delete it"
        )
    return BootstrapToken(
        id=data["token-id"],
        secret=data["token-secret"],
        description=data.get("description", ""),
        expires=_moment(data["expiration"]) if data.get("expiration") else None,
        usages=tuple(usage for usage in USAGES if data.get(f"{_USAGE}{usage}") == "true"),
        groups=tuple(group for group in data.get("auth-extra-groups", "").split(",") if group),
    )


def _moment(text: str) -> datetime:
    # Python 3.9 reads neither Z nor other fractions of a second than those with six digits.
    text = re.sub(r"\.([0-9]+)", lambda fraction: f".{fraction[1][:6]:0<6}", text.replace("Z", "+00:00"))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.fromtimestamp(0, timezone.utc)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def public_fields(secret: Mapping[str, Any]) -> dict[str, Any]:
    """What may be shown of a Secret, whole or not."""
    try:
        return read(secret).public
    except TokenError:
        return {"id": secret["metadata"]["name"][len(PREFIX) :]}


def delete(api: ServerApi, where: str) -> None:
    """Delete a Secret that somebody else may just have deleted."""
    try:
        api.request("DELETE", where)
    except ApiRefused as error:
        if error.status != 404:
            raise


def published_authority(api: ServerApi) -> str:
    """The CA as the machines that join will see it."""
    for namespace, name in (("kube-public", "cluster-info"), ("kube-system", "kube-root-ca.crt")):
        found = authority_in(api.get(CONFIG_MAPS.path(namespace, name)))
        if found:
            return found
    raise ApiError("the cluster publishes no CA yet (ConfigMap kube-public/cluster-info)")


def authority_in(config_map: Mapping[str, Any] | None) -> str:
    """The CA that a ConfigMap publishes, byte by byte: cluster-info's kubeconfig, or kube-root-ca.crt."""
    data = (config_map or {}).get("data") or {}
    found = _AUTHORITY.search(data.get("kubeconfig", ""))
    return base64.b64decode(found.group(1)).decode() if found else data.get("ca.crt", "")
