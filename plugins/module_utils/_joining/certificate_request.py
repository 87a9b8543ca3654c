# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Certificates of a node by the certificates API: who asks as whom, for what, and how it is to be waited for.

A machine that joins asks with its token for the kubelet's certificate first, and brings its node password along. Having
that certificate it is the node: it registers itself, since the cluster gives certificates to nodes that are there and
for addresses that they report, and asks as the node for the others. Nothing is kept but in memory: a run that ends
early leaves requests behind, which the cluster forgets, and the next run makes new ones.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves, pem

GROUP = "certificates.k8s.io/v1"
KIND = "certificatesigningrequests"
# Who signs what with the CAs that the API has; the node itself is known by the pair that its kubelet renews.
NODE_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SIGNERS = {
    "client": "kubernetes.io/kube-apiserver-client",
    "kubelet-serving": "kubernetes.io/kubelet-serving",
}
NODES = "/api/v1/nodes"
PAUSE = 0.2
CONFLICT, INVALID = 409, 422
# For so long a server that has just started may not know who is who, and who may do what.
STARTING, UNKNOWN = 5.0, (401, 403)

_Answer = TypeVar("_Answer")


class RequestError(K3aError):
    """A certificate cannot be had; the message says which, and why."""


class Asked(NamedTuple):
    """A request that the API has taken."""

    leaf: Mapping[str, Any]
    name: str

    def __str__(self) -> str:
        return f"the request {self.name} for the certificate {self.leaf['name']} ({self.leaf['common_name']})"


def of_node(leaf: Mapping[str, Any]) -> bool:
    """Whether a certificate is the one by which the machine is a node, and may ask for the others."""
    return bool(leaf["pair"])


def signer(leaf: Mapping[str, Any]) -> str:
    """Who in the cluster signs a certificate."""
    known = NODE_SIGNER if of_node(leaf) else SIGNERS.get(leaf["authority"], "")
    if not known:
        raise RequestError(f"no signer of the API makes the certificate {leaf['name']}")
    return known


def new_name(leaf: Mapping[str, Any]) -> str:
    """A name for a request; nobody can know it before, so nobody can make one for which another's password comes."""
    return f"k3a-{leaf['name']}-{secrets.token_hex(8)}"


def key_file(leaf: Mapping[str, Any]) -> str:
    """Where the key of a certificate is: in its own file or, once the kubelet has both, in that of the certificate."""
    if leaf["pair"] and not files.read_bytes(leaf["key"]):
        return leaf["certificate"]
    return leaf["key"]


def request_pem(leaf: Mapping[str, Any]) -> str:
    """The signing request as the API's signers want it, which take every name from it."""
    key = pem.private_key_in(files.read_bytes(key_file(leaf)))
    made = pem.request_for(key, leaf["common_name"], leaf["organization"], leaf["dns"], leaf["ips"]) if key else None
    if made is None:
        raise RequestError(f"the key {key_file(leaf)} is missing or damaged; remove it, and run again")
    return made


def body(leaf: Mapping[str, Any], name: str, request: str) -> dict[str, Any]:
    """The object that asks for a certificate."""
    return {
        "apiVersion": GROUP,
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(request.encode()).decode(),
            "signerName": signer(leaf),
            "usages": ["digital signature", *(f"{usage} auth" for usage in leaf["usages"])],
            "expirationSeconds": approver.LIFETIME,
        },
    }


def node(leaf: Mapping[str, Any], taints: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The Node of a machine as it is before its kubelet runs, of the certificate of that kubelet's server."""
    name = leaf["common_name"][len(approver.NODE) :]
    ips = [ip for ip in leaf["ips"] if not ipaddress.ip_address(ip).is_loopback]
    addresses = [{"type": "InternalIP", "address": ip} for ip in ips]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"taints": list(taints)} if taints else {},
        "status": {"addresses": [*addresses, {"type": "Hostname", "address": name}]},
    }


def outcome(asked: Asked, seen: Mapping[str, Any] | None) -> str:
    """The certificate of a request, or nothing while it is not there; raises when there will be none."""
    if seen is None:
        raise RequestError(f"{asked} is gone: somebody has deleted it")
    status = seen.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("type") in ("Denied", "Failed"):
            why = condition.get("message") or condition.get("reason") or "no reason given"
            verb = "was denied" if condition["type"] == "Denied" else "could not be signed"
            raise RequestError(f"{asked} {verb}: {why}")
    try:
        return base64.b64decode(status.get("certificate") or "", validate=True).decode()
    except (binascii.Error, ValueError):
        raise RequestError(f"{asked} was answered with something that is no certificate") from None


def waits_for(asked: Asked, seen: Mapping[str, Any] | None) -> str:
    """What a request lacks that was not answered in time."""
    conditions = ((seen or {}).get("status") or {}).get("conditions") or []
    if any(condition.get("type") == "Approved" for condition in conditions):
        return f"{asked} is approved, and waits for kube-controller-manager to sign it"
    return f"{asked} waits to be approved, which k3a-approver on the servers does (or says in its journal why not)"


def refused(error: node_api.ApiRefused) -> str:
    """Why the API refuses what a machine asks, and what to do: policies of another version know other requests."""
    if error.status != INVALID:
        return error.message
    return f"{error.message}; run k3a.cluster.site of this version of the collection on the cluster's servers"


def with_chain(certificate: str, authority: str) -> str:
    """A certificate with that of its CA, as M(k3a.cluster.certificate) installs it."""
    return certificate.rstrip("\n") + "\n" + authority


class Requester:
    """Asks the API of one cluster, as the owner of a token and then as the node, until a deadline."""

    def __init__(self, url: str, ca_certificates: Mapping[str, str], timeout: float) -> None:
        self._url = url
        self._authorities = ca_certificates
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout

    def certificates(
        self,
        wanted: Sequence[Mapping[str, Any]],
        token: str,
        password: str,
        taints: Sequence[Mapping[str, str]] = (),
    ) -> dict[str, str]:
        """The certificates by name, with their chains; C(taints) are those that the Node is registered with."""
        first = [leaf for leaf in wanted if of_node(leaf)]
        rest = [leaf for leaf in wanted if not of_node(leaf)]
        signed = self._ask(self._api(token=token), first, token.partition(".")[0], password) if first else {}
        if rest and first:
            # The certificate alone, which is no secret: its key stays where it is.
            with pem.in_file(signed[first[0]["name"]]) as own:
                signed.update(self._ask_as_node(self._api(certificate=own, key=key_file(first[0])), rest, taints))
        elif rest:
            signed.update(self._ask_as_node(self._api(certificate=leaves.KUBELET_CLIENT), rest, taints))
        return signed

    def renewed(self, leaf: Mapping[str, Any]) -> str:
        """The next certificate of a node, with its chain. One that has no Node any more is given none."""
        return self._ask(self._api(certificate=leaves.KUBELET_CLIENT), [leaf])[leaf["name"]]

    def _ask_as_node(
        self, api: node_api.NodeApi, wanted: Sequence[Mapping[str, Any]], taints: Sequence[Mapping[str, str]]
    ) -> dict[str, str]:
        """The certificates of a node, which registers itself first where nobody has yet."""
        for leaf in wanted:
            if "server" in leaf["usages"]:
                own = node(leaf, taints)
                what = f"the node {own['metadata']['name']}"
                if self._patiently(what, partial(api.get, f"{NODES}/{own['metadata']['name']}")) is None:
                    self._patiently(what, partial(_created, api, NODES, own))
        return self._ask(api, wanted)

    def _api(self, token: str = "", certificate: str = "", key: str = "") -> node_api.NodeApi:
        authority = self._authorities["server"]
        return node_api.NodeApi(self._url, ca_data=authority, token=token, certificate=certificate, key=key)

    def _ask(
        self, api: node_api.NodeApi, wanted: Sequence[Mapping[str, Any]], token_id: str = "", password: str = ""
    ) -> dict[str, str]:
        """All requests first, then all answers: the cluster works on them at once."""
        pending = [self._create(api, leaf, token_id, password) for leaf in wanted]
        signed: dict[str, str] = {}
        while True:
            for asked in list(pending):
                seen = self._patiently(asked, partial(api.get, _path(asked.name)))
                certificate = outcome(asked, seen)
                if certificate:
                    signed[asked.leaf["name"]] = with_chain(certificate, self._authorities[asked.leaf["authority"]])
                    pending.remove(asked)
                elif self._over():
                    raise RequestError(f"{waits_for(asked, seen)}, for more than {self._timeout:.0f} s by now")
            if not pending:
                return signed
            time.sleep(PAUSE)

    def _create(self, api: node_api.NodeApi, leaf: Mapping[str, Any], token_id: str, password: str) -> Asked:
        request = request_pem(leaf)
        asked = self._announced(api, leaf, token_id, password) if password else Asked(leaf, new_name(leaf))
        # One that is there is ours, made by an attempt whose answer was lost.
        self._patiently(asked, partial(_created, api, _path(), body(leaf, asked.name, request)))
        return asked

    def _announced(self, api: node_api.NodeApi, leaf: Mapping[str, Any], token_id: str, password: str) -> Asked:
        """A request to come, whose password has found a place that is free: another name means another place."""
        path = node_api.object_path("/api/v1", "secrets", node_password.JOIN_NAMESPACE)
        while True:
            asked = Asked(leaf, new_name(leaf))
            brought = node_password.join_secret(token_id, asked.name, password)
            if self._patiently(asked, partial(_created, api, path, brought)):
                return asked
            if self._over():
                raise RequestError(
                    f"the {node_password.PLACES} machines that may join with the token {token_id} at once do so, or"
                    f" somebody keeps their places, for more than {self._timeout:.0f} s by now: run again later, or"
                    " with another token, which k3a.cluster.token_create makes"
                )
            time.sleep(PAUSE)

    def _patiently(self, asked: object, attempt: Callable[[], _Answer]) -> _Answer:
        """A server may restart in between, and another one take its place."""
        started = time.monotonic()
        while True:
            try:
                return attempt()
            except node_api.ApiUnreachable as error:
                if error.untrusted or self._over():
                    raise RequestError(str(error)) from None
            except node_api.ApiRefused as error:
                starting = error.status in UNKNOWN and time.monotonic() - started < STARTING
                if not (error.later or starting) or self._over():
                    raise RequestError(f"the API at {self._url} refuses {asked}: {refused(error)}") from None
            time.sleep(PAUSE)

    def _over(self) -> bool:
        return time.monotonic() + PAUSE > self._deadline


def _path(name: str = "") -> str:
    return node_api.object_path(f"/apis/{GROUP}", KIND, name=name)


def _created(api: node_api.NodeApi, path: str, wanted: Mapping[str, Any]) -> bool:
    """Make an object, and say whether none of its name was there."""
    try:
        api.request("POST", path, body=wanted)
    except node_api.ApiRefused as error:
        if error.status != CONFLICT:
            raise
        return False
    return True
