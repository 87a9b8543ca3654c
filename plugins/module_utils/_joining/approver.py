# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Who may have which certificate: the decision about a certificate signing request, on plain data.

A machine that joins gets its kubelet's client certificate for a name that is free, or that is its own by the node's
password. A node gets what it needs besides that: a certificate for its own name and addresses, and those of the
processes that the components declare. Everything else is for a person to decide. Besides, what becomes of a password
that no Node owns.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password
from ansible_collections.k3a.cluster.plugins.module_utils._joining.csr import Request

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
KUBELET_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER = "kubernetes.io/kubelet-serving"
# What a request is: of a machine that joins, of a node for its kubelet's server, of a node for another process.
JOIN, SERVING, COMPONENT = "join", "serving", "component"
NODE = "system:node:"
NODES = "system:nodes"
SERVER_ROLE = "node-role.kubernetes.io/control-plane"

# By these names clients know the API, so a machine of such a name could pass for it.
RESERVED_NAME = re.compile(r"localhost|kubernetes(\..*)?|.*\.svc(\..*)?")
NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LONGEST_NAME = 253 - len(node_password.secret_name(""))
BOOTSTRAPPER = re.compile(r"system:bootstrap:[a-z0-9]{6}")
BOOTSTRAPPERS = "system:bootstrappers"

# A machine brings its password before its request; what comes later than this does not come.
PASSWORD_PATIENCE = 30.0
# A machine whose name was given to it longer ago than this, and that has no Node, does not come.
ORPHANED = 600.0

APPROVE, DENY, LATER = "Approved", "Denied", "later"
ADOPT, DELETE = "adopt", "delete"


class Decision(NamedTuple):
    """What to do with a request and why; enroll: the password that it came with is the node's from now on."""

    action: str
    text: str = ""
    enroll: bool = False


class Settings(NamedTuple):
    """What no node may have: the networks of pods and services, the names and addresses of the API."""

    networks: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()


class Context(NamedTuple):
    """What the cluster knows of the name that a request is for, at this moment."""

    settings: Settings = Settings()
    node: Mapping[str, Any] | None = None
    # The password that came with the request, and the hash of the one that the name's owner has: None without one.
    password: str = ""
    hashed: str | None = None
    # The addresses of all other nodes.
    others: frozenset[str] = frozenset()
    age: float = 0.0


def is_undecided(csr: Mapping[str, Any]) -> bool:
    """Whether nobody has judged a request yet."""
    return not (csr.get("status") or {}).get("conditions")


def kind_of(csr: Mapping[str, Any]) -> str:
    """Which of our kinds a request is; empty is none, and not ours to judge."""
    spec = csr["spec"]
    user, groups = spec.get("username", ""), spec.get("groups") or []
    joins = BOOTSTRAPPER.fullmatch(user) and BOOTSTRAPPERS in groups
    is_node = user.startswith(NODE) and NODES in groups
    if spec["signerName"] == KUBELET_SIGNER and joins:
        return JOIN
    if is_node:
        return {SERVING_SIGNER: SERVING, CLIENT_SIGNER: COMPONENT}.get(spec["signerName"], "")
    return ""


def node_name(csr: Mapping[str, Any], request: Request) -> str:
    """The node that a request is for: who joins says so in the subject, a node by its own name."""
    names = request.common_names if kind_of(csr) == JOIN else (csr["spec"]["username"],)
    return names[0][len(NODE) :] if len(names) == 1 and names[0].startswith(NODE) else ""


def decide(
    csr: Mapping[str, Any], request: Request, context: Context, approved: Sequence[Sequence[str]]
) -> Decision:
    """Judge a request of one of our kinds; C(approved) are the subjects that processes on a node may have."""
    kind, name = kind_of(csr), node_name(csr, request)
    wrong = wrong_form(csr, request, approved)
    if wrong:
        return Decision(DENY, wrong)
    if kind == JOIN:
        return _decide_join(name, context)
    if kind == SERVING:
        wrong = _wrong_names(name, request, context)
        return Decision(DENY, wrong) if wrong else Decision(APPROVE, f"the kubelet's server on node {name}")
    return Decision(APPROVE, f"{request.common_names[0]} on node {name}")


def subjects_of(name: str, approved: Iterable[Sequence[str]]) -> dict[tuple[str, str], str]:
    """The subjects that processes on a node may have, common name and organization, each in words."""
    own = [(common_name.replace("{node}", name), organization) for common_name, organization in approved]
    return {(cn, o): f"{cn} of the organization {o}" if o else f"{cn} of no organization" for cn, o in own}


def wrong_form(csr: Mapping[str, Any], request: Request, approved: Sequence[Sequence[str]]) -> str:
    """What in a request itself is not as it has to be, whatever the cluster knows of the node."""
    kind, name = kind_of(csr), node_name(csr, request)
    if not NODE_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        return f"its subject has to be {NODE}<name> with a valid node name"
    if request.further:
        return f"it asks for more than it may: {', '.join(request.further)}"
    role = "server auth" if kind == SERVING else "client auth"
    needed = {role} if kind == COMPONENT else {role, "digital signature"}
    usages = set(csr["spec"].get("usages") or [])
    if not needed <= usages <= needed | {"digital signature", "key encipherment"}:
        return f"it is for {', '.join(sorted(usages)) or 'nothing'} and has to be for {' and '.join(sorted(needed))}"
    if kind == COMPONENT:
        subjects = subjects_of(name, approved)
        if (request.common_names, request.organizations) not in [((cn,), (o,) if o else ()) for cn, o in subjects]:
            return f"node {name} may have certificates of {' and '.join(subjects.values())}, and no others"
    elif request.common_names != (NODE + name,) or request.organizations != (NODES,):
        return f"its subject has to be {NODE}{name} of the organization {NODES} and nothing else"
    if kind != SERVING and (request.dns or request.ips):
        return "a client's certificate has no alternative names"
    return ""


def fate(node: Mapping[str, Any] | None, age: float) -> str:
    """What becomes of a password without an owner, by its Node and the seconds since a machine was given the name."""
    if node is not None:
        return ADOPT
    return DELETE if age > ORPHANED else LATER


def settings(config: str, endpoints: Iterable[str] = ()) -> Settings:
    """The settings in the cluster's configuration (JSON) and the addresses of the API; ValueError when malformed."""
    values = json.loads(config or "{}")
    cidrs = [*values.get("cluster_cidr", []), *values.get("service_cidr", [])]
    hosts = [urlsplit(f"//{server}").hostname or "" for server in values.get("servers", [])]
    known = [*hosts, *values.get("tls_san", []), *endpoints]
    addresses = [address for address in map(canonical, known) if address]
    names = [host.lower() for host in known if host and not canonical(host)]
    return Settings(tuple(str(ipaddress.ip_network(cidr)) for cidr in cidrs), frozenset(names), frozenset(addresses))


def canonical(text: str) -> str:
    """An IP address in the one form that compares, or nothing."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def addresses_of(node: Mapping[str, Any] | None) -> frozenset[str]:
    """The IP addresses that a Node has reported."""
    reported = ((node or {}).get("status") or {}).get("addresses") or []
    return frozenset(filter(None, (canonical(entry.get("address", "")) for entry in reported)))


def _decide_join(name: str, context: Context) -> Decision:
    if RESERVED_NAME.fullmatch(name) or name in context.settings.names:
        return Decision(DENY, f"no node may be named {name}, since clients know the API by this name")
    if not context.password:
        if context.age < PASSWORD_PATIENCE:
            return Decision(LATER, "its node password has not come yet")
        return Decision(DENY, f"no Secret of its name with a node password came to {node_password.JOIN_NAMESPACE}")
    if context.hashed is not None:
        if node_password.verify(context.password, context.hashed):
            return Decision(APPROVE, f"the kubelet of node {name}, by its node password")
        return Decision(
            DENY,
            f"a node named {name} is already a member and its password differs"
            f" ({node_password.PASSWORD_FILE} on the node): give this machine another name,"
            " or, where it replaces that node, remove the node first with remove_node.yml",
        )
    if context.node is not None:
        return Decision(
            DENY,
            f"a node named {name} is already a member: give this machine another name,"
            " or, where it replaces that node, remove the node first with remove_node.yml",
        )
    return Decision(APPROVE, f"the kubelet of the new node {name}", enroll=True)


def _wrong_names(name: str, request: Request, context: Context) -> str:
    if not request.dns and not request.ips:
        return "a server's certificate needs a name or an address"
    # A name that clients know the API by may belong to the server that has it, and to no other machine.
    foreign = sorted(set(request.dns) - {name, "localhost"})
    if foreign:
        return f"node {name} may have no certificate for {', '.join(foreign)}"
    if RESERVED_NAME.fullmatch(name) or (name in context.settings.names and not _is_server(context.node)):
        return f"node {name} has a name that clients know the API by"
    return next(filter(None, (_wrong_address(name, ip, context) for ip in request.ips)), "")


def _wrong_address(name: str, text: str, context: Context) -> str:
    address = ipaddress.ip_address(text)
    own = addresses_of(context.node)
    refused = f"node {name} may have no certificate for {text}: it is"
    if address.is_loopback:
        return ""
    # A node reports its addresses itself, so they prove nothing against what the cluster knows.
    if text in context.others:
        return f"{refused} the address of another node"
    if any(address in ipaddress.ip_network(network) for network in context.settings.networks):
        return f"{refused} in a network of pods or services"
    if text in context.settings.addresses and not (_is_server(context.node) and text in own):
        return f"{refused} an address of the API"
    if address.is_multicast or address.is_unspecified:
        return f"{refused} no address of a machine"
    if own and text not in own:
        return f"{refused} not among the addresses of the node ({', '.join(sorted(own))})"
    return ""


def _is_server(node: Mapping[str, Any] | None) -> bool:
    """Whether a Node has the role of a server, which no kubelet may give itself."""
    return SERVER_ROLE in (((node or {}).get("metadata") or {}).get("labels") or {})
