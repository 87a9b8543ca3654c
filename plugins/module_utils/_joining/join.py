# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""How a machine that has only a URL and a token comes to trust a cluster, and what it learns of it.

The token proves the cluster to the machine before the machine shows the token: the hash in it pins the CA, and
the cluster signs what it publishes with each token's secret. A machine that is a node already has a certificate, which
is as good and does not expire with the token.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves, pem
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens

CLUSTER_INFO = node_api.object_path("/api/v1", "configmaps", "kube-public", "cluster-info")
CONFIG = node_api.object_path("/api/v1", "configmaps", "kube-system", "k3a-config")
CONFIG_KEY = "config.json"
AUTHORITY_KEYS = {"client": "client-ca.crt", "kubelet-serving": "kubelet-serving-ca.crt"}

# The cluster signs for a new token within a moment, and a server that has just started knows tokens and permissions
# after another one. What has not come by then never will.
PATIENCE = 3.0
PAUSE = 0.2
LEAST_TIMEOUT = 0.1
# Bytes of an answer of somebody who has proved nothing yet: a ConfigMap has a mebibyte at most.
LONGEST_ANSWER = 4 * 2**20

# How an operator gets a token.
A_URL = "write it as in https://192.0.2.10:6443"
ANOTHER_TOKEN = "create one with k3a.cluster.token_create"

_Answer = TypeVar("_Answer")
_AUTHORITY = re.compile(r'"?certificate-authority-data"?:\s*"?([A-Za-z0-9+/=]+)')


class JoinError(K3aError):
    """The machine cannot join; the message says why and what to do."""


class NotYet(JoinError):
    """What may become right by itself; patience is for how many seconds from the start that is worth waiting for."""

    def __init__(self, message: str, patience: float = float("inf")) -> None:
        super().__init__(message)
        self.patience = patience


@dataclass(frozen=True)
class Published:
    """What a cluster tells to anybody."""

    authority: str
    content: str
    signatures: Mapping[str, str]


@dataclass(frozen=True)
class Cluster:
    """What a node has to know of its cluster."""

    url: str
    ca_certificates: dict[str, str]
    config: dict[str, Any] = field(default_factory=dict)
    member: bool = False


@dataclass(frozen=True)
class Membership:
    """What a node that has joined already proves itself with."""

    certificate_file: str
    certificate: str
    server_authority: str
    client_authority: str


def api_url(text: str) -> str:
    """The URL of the API of the cluster that a machine joins."""
    if not text:
        raise JoinError(f"k3a_server_url is missing, so it is not known which cluster to join; {A_URL}")
    try:
        return address.api_url(text)
    except address.AddressError as error:
        raise JoinError(f"k3a_server_url {error}; {A_URL}") from None


def agent_token(text: str) -> tokens.Token:
    """A token that lets a machine join: a bootstrap token with or without the CA's hash."""
    try:
        token = tokens.parse(text)
    except tokens.TokenError as error:
        raise JoinError(f"k3a_token cannot be used: {error}") from None
    if not token.id:
        raise JoinError(
            "k3a_token is a server token, which is no credential of the API: agents have tokens of their own;"
            f" {ANOTHER_TOKEN}"
        )
    return token


def _data_in(config_map: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The data of a ConfigMap of somebody who may have written anything."""
    data = (config_map or {}).get("data")
    return data if isinstance(data, dict) else {}


def published(config_map: Mapping[str, Any] | None, url: str) -> Published:
    """What the ConfigMap cluster-info says."""
    data = _data_in(config_map)
    content = str(data.get("kubeconfig") or "")
    found = _AUTHORITY.search(content)
    try:
        authority = base64.b64decode(found.group(1), validate=True).decode() if found else ""
    except (binascii.Error, ValueError):
        authority = ""
    if "-----BEGIN CERTIFICATE-----" not in authority:
        raise JoinError(
            f"{url} publishes no cluster-info with a CA: it is no cluster that can be joined by"
            " token; check the URL, and run k3a.cluster.site on the cluster's servers"
        )
    prefix = "jws-kubeconfig-"
    signatures = {name[len(prefix) :]: str(jws) for name, jws in data.items() if name.startswith(prefix)}
    return Published(authority, content, signatures)


def check_proof(token: tokens.Token, seen: Published, url: str) -> None:
    """Raise when what is published is not what the token stands for, its signature first."""
    jws = seen.signatures.get(token.id)
    if jws is None:
        raise NotYet(
            f"the token {token.id} is unknown to the cluster at {url}: it has expired or was deleted, or may not be"
            f" used for signing; {ANOTHER_TOKEN}",
            PATIENCE,
        )
    if not tokens.signature_ok(seen.content, jws, token.id, token.secret):
        raise JoinError(f"the secret of the token {token.id} is wrong; copy the whole token again")
    # Certificates are read after that: until then anybody may have written them.
    if token.ca_hash and token.ca_hash != tokens.ca_hash(seen.authority):
        raise JoinError(
            f"the token pins another CA than the one that {url} serves;"
            " give a token of that cluster, or the URL of the token's"
        )


def config_in(config_map: Mapping[str, Any] | None, url: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The cluster's values and, by their names, its CAs that sign for nodes, of the ConfigMap k3a-config."""
    data = _data_in(config_map)
    try:
        config = json.loads(str(data.get(CONFIG_KEY) or ""))
    except (ValueError, RecursionError):
        config = None
    authorities = {name: str(data.get(key) or "") for name, key in AUTHORITY_KEYS.items()}
    if not isinstance(config, dict) or not all(authorities.values()):
        raise JoinError(
            f"the cluster at {url} does not say how a node has to be set up (ConfigMap kube-system/k3a-config);"
            " run k3a.cluster.site of this version of the collection on its servers"
        )
    return config, authorities


def differences(expected: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """A sentence for each variable that was given and is not what the cluster has; what is not given is None or []."""
    found = []
    for name, given in sorted(expected.items()):
        if given in (None, "", []) or name not in config:
            continue
        wanted, actual = _comparable(given), _comparable(config[name])
        if wanted != actual:
            found.append(f"k3a_{name} is {', '.join(wanted)} here and {', '.join(actual) or 'nothing'} in the cluster")
    return found


def _comparable(value: Any) -> list[str]:
    """Lists may be written as one text with commas, numbers as text."""
    listed = value if isinstance(value, (list, tuple)) else str(value).split(",")
    return [str(item).strip() for item in listed if str(item).strip()]


def membership(layout: Layout, certificate_file: str = "") -> Membership | None:
    """What this machine has as a node: a valid certificate of its cluster, and the CAs. None when it lacks any.

    The kubelet's pair is looked at, since the kubelet keeps it valid.
    """
    certificate_file = certificate_file or leaves.KUBELET_CLIENT
    names = (certificate_file, layout.agent_tls("server-ca.crt"), layout.agent_tls("client-ca.crt"))
    certificate, server_authority, client_authority = (pem.certificates_in(files.read_bytes(name)) for name in names)
    if not (certificate and server_authority and client_authority):
        return None
    if not pem.issued_by(certificate, client_authority):
        return None
    return Membership(certificate_file, certificate, server_authority, client_authority)


class Discovery:
    """Asks the API at a URL until it is known what to make of it, or the time is over."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url = url
        self._started = time.monotonic()
        self._timeout = timeout

    def by_membership(self, own: Membership) -> Cluster | None:
        """The cluster as its node sees it; None when the API at the URL is not that cluster's, or not any more."""
        return self._patiently(lambda: self._by_membership(own))

    def by_token(self, token: tokens.Token) -> Cluster:
        """The cluster that a token stands for."""
        return self._patiently(lambda: self._by_token(token))

    def _patiently(self, attempt: Callable[[], _Answer]) -> _Answer:
        while True:
            try:
                return attempt()
            except NotYet as reason:
                if self._passed() + PAUSE > min(self._timeout, reason.patience):
                    raise
                time.sleep(PAUSE)

    def _by_membership(self, own: Membership) -> Cluster | None:
        try:
            answer = self._get(CONFIG, ca_data=own.server_authority, certificate=own.certificate_file)
            seen = self._published(own.server_authority)
        except node_api.ApiRefused as error:
            if error.status == 401:
                return None
            raise NotYet(f"the API at {self.url} refuses this node: {error.message}", PATIENCE) from None
        except node_api.ApiError:
            return None
        config, authorities = config_in(answer, self.url)
        anchors = tokens.anchors(seen.authority)
        return Cluster(self.url, {"server": anchors, **authorities}, config, member=True)

    def _by_token(self, token: tokens.Token) -> Cluster:
        seen = self._published()
        check_proof(token, seen, self.url)
        anchors = tokens.anchors(seen.authority)
        try:
            again = self._published(anchors)
            if again.authority != seen.authority:
                raise JoinError(f"{self.url} publishes one CA now and another then; check the URL")
            answer = self._get(CONFIG, ca_data=anchors, token=token.bearer)
        except node_api.ApiRefused as error:
            raise refusal(error, token.id, self.url) from None
        except node_api.ApiError as error:
            raise JoinError(
                f"{error}; the certificate that is served there is not of the token's CA, or not the API's: check"
                " k3a_server_url"
            ) from None
        config, authorities = config_in(answer, self.url)
        return Cluster(self.url, {"server": anchors, **authorities}, config)

    def _published(self, authority: str = "") -> Published:
        try:
            return published(self._get(CLUSTER_INFO, ca_data=authority), self.url)
        except node_api.ApiRefused as error:
            raise NotYet(
                f"{self.url} does not show its cluster-info ({error.message}); check the URL, and run k3a.cluster.site"
                " of this version of the collection on the cluster's servers",
                PATIENCE,
            ) from None

    def _get(self, path: str, **credentials: str) -> dict[str, Any] | None:
        """One request; what may pass by itself is NotYet."""
        remaining = max(self._timeout - self._passed(), LEAST_TIMEOUT)
        try:
            api = node_api.NodeApi(self.url, timeout=remaining, **credentials)
            api.longest = LONGEST_ANSWER
            return api.get(path)
        except node_api.ApiUnreachable as error:
            if error.untrusted:
                raise
            raise NotYet(f"{error}; check k3a_server_url and the way to it") from None
        except node_api.ApiRefused as error:
            if error.later:
                raise NotYet(f"the API at {self.url} is not ready: {error.message}") from None
            raise

    def _passed(self) -> float:
        return time.monotonic() - self._started


def refusal(error: node_api.ApiRefused, token_id: str, url: str) -> NotYet:
    """What it means that the API refuses a machine that joins."""
    if error.status == 401:
        message = (
            f"the API at {url} does not accept the token {token_id}: it has expired or was deleted, or may not be used"
            f" for authentication; {ANOTHER_TOKEN}"
        )
    else:
        message = (
            f"the API at {url} does not let a machine with a token in ({error.message}); run k3a.cluster.site"
            " of this version of the collection on the cluster's servers"
        )
    return NotYet(message, PATIENCE)


def conflict(own: Membership | None, cluster: Cluster) -> str | None:
    """Why a machine that is a node already cannot become one of this cluster."""
    if own is None or pem.issued_by(own.certificate, cluster.ca_certificates["client"]):
        return None
    return (
        f"this machine is a node of another cluster than the one at {cluster.url};"
        " take it out of that one first, with k3a.cluster.reset -e join_hosts=<this machine>"
    )


def no_token(own: Membership | None, url: str) -> str:
    """What to say to a machine that has no token and needs one."""
    if own is None:
        return f"k3a_token is empty, and this machine is no node yet; {ANOTHER_TOKEN}"
    return (
        f"the certificate of this node is not accepted by the API at {url}, and k3a_token is empty;"
        f" check k3a_server_url, or give a token: {ANOTHER_TOKEN}"
    )


def join(url: str, token: str, layout: Layout, timeout: float) -> tuple[Cluster, tokens.Token | None]:
    """The cluster at a URL, as a node of it sees it or as the token proves it; the token only when it was used."""
    url = api_url(url)
    own = membership(layout)
    discovery = Discovery(url, timeout)
    cluster = discovery.by_membership(own) if own else None
    if cluster:
        return cluster, None
    if not token:
        raise JoinError(no_token(own, url))
    credential = agent_token(token)
    cluster = discovery.by_token(credential)
    problem = conflict(own, cluster)
    if problem:
        raise JoinError(problem)
    return cluster, credential


def servers(config: Mapping[str, Any]) -> Sequence[str]:
    """The addresses of the cluster's servers, host and port each."""
    return [str(server) for server in config.get("servers") or []]
