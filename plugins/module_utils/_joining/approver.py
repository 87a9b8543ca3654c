# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Who may have which certificate: the decision about a certificate signing request, on plain data.

A machine that joins gets its kubelet's client certificate for a name that is free, or that is its own by the node's
password. A node gets what it needs besides that, as long as it is one: a certificate for its own name and addresses,
those of the processes that the components declare, and the next one of its own. Everything else is for a person to
decide. Besides, what becomes of a password when its Node is gone.

What the operator wrote is believed: who the servers are, and which addresses and names are the API's. What a node can
set, labels and reported addresses, proves nothing against that, nor against what another node was given before.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, zip_longest
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import excerpt
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import valid_node_name
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password
from ansible_collections.k3a.cluster.plugins.module_utils._joining.csr import Request

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
KUBELET_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER = "kubernetes.io/kubelet-serving"
# What a request is: of a machine that joins, of a node for its next certificate as that node, for its kubelet's server,
# for another process.
JOIN, RENEWAL, SERVING, COMPONENT = "join", "renewal", "serving", "component"
KINDS = {KUBELET_SIGNER: RENEWAL, SERVING_SIGNER: SERVING, CLIENT_SIGNER: COMPONENT}
NODE = "system:node:"
NODES = "system:nodes"

# By these names clients know the API, so a machine of such a name could pass for it.
RESERVED_NAME = re.compile(r"localhost|kubernetes(\..*)?|.*\.svc(\..*)?")
BOOTSTRAPPER = re.compile(r"system:bootstrap:([a-z0-9]{6})")
# The group of the tokens with which machines join; a token of other groups is for something else.
JOINERS = "system:bootstrappers:k3a:default-node-token"

# Bounds before work: characters of a request, as the API writes it, and the names in it.
LARGEST, MOST_NAMES = 16 * 1024 * 4 // 3, 32
# Characters of a message.
LONGEST_TEXT = 512
# So many names may a token have been given for which no Node has come.
SHARE = 64

# Seconds. What a node proves itself with is valid for so long, whoever asks.
DAY = 24 * 3600
LIFETIME = 30 * DAY
# No certificate of a node lives longer: what was signed in a play, or what an earlier version gave its processes.
LONGEST_LIFETIME = 366 * DAY
# A machine brings its password before its request; what comes later than this does not come.
PASSWORD_PATIENCE = 30.0
# What was brought for a request that is not there is of no use after this.
ORPHANED = 120.0

APPROVE, DENY, LATER = "Approved", "Denied", "later"
ADOPT, MARK, DELETE = "adopt", "mark", "delete"
REMOVE = "remove the node first with remove_node.yml -e k3a_remove_node={} -e k3a_release_names=true"


class Decision(NamedTuple):
    """What to do with a request and why.

    enroll: the password that it came with is the node's from now on. told: others have to know why it waits.
    """

    action: str
    text: str = ""
    enroll: bool = False
    told: bool = False


class Settings(NamedTuple):
    """What the operator wrote: the networks of pods and services, and who the API is.

    C(servers) are the nodes that are servers, with their addresses.
    """

    networks: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    servers: Mapping[str, frozenset[str]] = {}


class Context(NamedTuple):
    """What the cluster knows of the name that a request is for, at this moment."""

    settings: Settings = Settings()
    node: Mapping[str, Any] | None = None
    # The password that came with the request, and the hash of the one that the name's owner has: None without one.
    password: str = ""
    hashed: str | None = None
    # The UID of the Node whose password that is; empty until a Node has come.
    owner: str = ""
    # Until when a name that was removed cannot be had; empty for others.
    removed: str = ""
    # The names that the request's token was given, and for which no Node has come.
    pending: int = 0
    # Other nodes: who was given a certificate for an address, or reports to have it. Those that this one was given.
    holders: Mapping[str, str] = {}
    claimants: Mapping[str, str] = {}
    given: frozenset[str] = frozenset()
    age: float = 0.0


def is_undecided(csr: Mapping[str, Any]) -> bool:
    """Whether nobody has judged a request yet."""
    return not (csr.get("status") or {}).get("conditions")


def asker(csr: Mapping[str, Any]) -> str:
    """Who has made a request."""
    return str(csr["spec"].get("username", ""))


def token_of(csr: Mapping[str, Any]) -> str:
    """The id of the token with which a request was made, or nothing."""
    found = BOOTSTRAPPER.fullmatch(asker(csr))
    return found.group(1) if found else ""


def kind_of(csr: Mapping[str, Any]) -> str:
    """Which of our kinds a request is; empty is none, and not ours to judge."""
    spec = csr["spec"]
    groups, signer = spec.get("groups") or [], spec["signerName"]
    if token_of(csr) and JOINERS in groups:
        return JOIN if signer == KUBELET_SIGNER else ""
    return KINDS.get(signer, "") if asker(csr).startswith(NODE) and NODES in groups else ""


def node_name(csr: Mapping[str, Any], request: Request) -> str:
    """The node that a request is for: who joins says so in the subject, a node by its own name."""
    names = request.common_names if kind_of(csr) == JOIN else (asker(csr),)
    return names[0][len(NODE) :] if len(names) == 1 and names[0].startswith(NODE) else ""


def in_turn(requests: Iterable[Mapping[str, Any]], turns: int) -> Iterator[Mapping[str, Any]]:
    """Requests in an order in which nobody waits for all of another's: one of each asker, and so on, C(turns) times."""
    queues: dict[str, list[Mapping[str, Any]]] = {}
    for csr in requests:
        queues.setdefault(asker(csr), []).append(csr)
    return filter(None, chain.from_iterable(islice(zip_longest(*queues.values()), turns)))


def listed(texts: Iterable[str]) -> str:
    """The first few of what somebody else wrote."""
    known = list(texts)
    more = f" and {len(known) - 3} more" if len(known) > 3 else ""
    return ", ".join(map(excerpt, known[:3])) + more


def oversize(csr: Mapping[str, Any]) -> str:
    """What is too large to be looked at."""
    size = len(csr["spec"].get("request") or "")
    return f"its request has {size} characters, and may have {LARGEST}" if size > LARGEST else ""


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
    doubt = _doubt(kind, name, context)
    if doubt:
        return doubt
    if kind == RENEWAL:
        return Decision(APPROVE, f"the next certificate of node {name}")
    if kind == SERVING:
        return _decide_serving(name, request, context)
    return Decision(APPROVE, f"{request.common_names[0]} on node {name}")


def subjects_of(name: str, approved: Iterable[Sequence[str]]) -> dict[tuple[str, str], str]:
    """The subjects that processes on a node may have, common name and organization, each in words."""
    own = [(common_name.replace("{node}", name), organization) for common_name, organization in approved]
    return {(cn, o): f"{cn} of the organization {o}" if o else f"{cn} of no organization" for cn, o in own}


def wrong_form(csr: Mapping[str, Any], request: Request, approved: Sequence[Sequence[str]]) -> str:
    """What in a request itself is not as it has to be, whatever the cluster knows of the node."""
    kind, name = kind_of(csr), node_name(csr, request)
    if not valid_node_name(name):
        return f"its subject has to be {NODE}<name> with a valid node name"
    if request.further:
        return f"it asks for more than it may: {listed(request.further)}"
    if request.weakness:
        return request.weakness
    if len(request.dns) + len(request.ips) > MOST_NAMES:
        return f"it names {len(request.dns) + len(request.ips)} names and addresses, and may name {MOST_NAMES}"
    role = "server auth" if kind == SERVING else "client auth"
    needed = {role} if kind == COMPONENT else {role, "digital signature"}
    usages = set(csr["spec"].get("usages") or [])
    if not needed <= usages <= needed | {"digital signature", "key encipherment"}:
        return f"it is for {listed(sorted(usages)) or 'nothing'} and has to be for {' and '.join(sorted(needed))}"
    if kind == COMPONENT:
        subjects = subjects_of(name, approved)
        if (request.common_names, request.organizations) not in [((cn,), (o,) if o else ()) for cn, o in subjects]:
            return f"node {name} may have certificates of {' and '.join(subjects.values())}, and no others"
    elif request.common_names != (NODE + name,) or request.organizations != (NODES,):
        return f"its subject has to be {NODE}{name} of the organization {NODES} and nothing else"
    if kind != SERVING and (request.dns or request.ips):
        return "a client's certificate has no alternative names"
    if kind == JOIN and not 0 < (csr["spec"].get("expirationSeconds") or 0) <= LIFETIME:
        return (
            f"a machine joins for {LIFETIME // DAY} days at most (expirationSeconds {LIFETIME}), and then renews that"
        )
    return ""


def fate(kept: node_password.Kept, node: str, now: float) -> str:
    """What becomes of a password, by the UID of the Node of its name, if there is one.

    A name stays its owner's as long as a certificate for it could be valid, though its Node is gone.
    """
    if node and kept.owner in ("", node):
        return ADOPT if kept.bare or not kept.owner or kept.until else LATER
    if not kept.until:
        return MARK
    return DELETE if now > kept.until else LATER


def settings(config: str, endpoints: Iterable[str] = ()) -> Settings:
    """The settings in the cluster's configuration (JSON) and the addresses of the API; ValueError when it lacks any."""
    if not config:
        raise ValueError("it is missing")
    try:
        values = json.loads(config)
        known = values["server_nodes"]
        if not isinstance(known, dict):
            raise ValueError("server_nodes is no mapping")
        cidrs = [*values.get("cluster_cidr", []), *values.get("service_cidr", [])]
        url = urlsplit(values.get("server_url") or "").hostname or ""
        hosts = [urlsplit(f"//{server}").hostname or "" for server in values.get("servers", [])]
        servers = {name.lower(): frozenset(filter(None, map(canonical, told))) for name, told in known.items()}
        names = [*hosts, url, *values.get("tls_san", []), *servers, *endpoints]
        networks = tuple(str(ipaddress.ip_network(cidr)) for cidr in cidrs)
        return Settings(
            networks,
            frozenset(name.lower() for name in names if name and not canonical(name)),
            frozenset(filter(None, map(canonical, names))).union(*servers.values()),
            servers,
        )
    except KeyError:
        raise ValueError("it does not name the servers' nodes") from None
    except (AttributeError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


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


def uid_of(node: Mapping[str, Any] | None) -> str:
    """The UID of a Node, if there is one."""
    return str(((node or {}).get("metadata") or {}).get("uid", ""))


def _decide_join(name: str, context: Context) -> Decision:
    if RESERVED_NAME.fullmatch(name) or name in context.settings.names:
        return Decision(DENY, f"no node may be named {name}, since clients know the API by this name")
    if context.removed:
        return Decision(
            DENY,
            f"a node named {name} was removed from the cluster, and certificates of it may be valid until"
            f" {excerpt(context.removed)}: give this machine another name, or, where nothing of that node is left, set"
            f" the name free with remove_node.yml -e k3a_remove_node={name} -e k3a_release_names=true",
        )
    if not context.password:
        if context.age < PASSWORD_PATIENCE:
            return Decision(LATER, "its node password has not come yet")
        return Decision(
            DENY,
            f"no node password came for it to {node_password.JOIN_NAMESPACE}, which machines bring there that have the"
            " version of the collection that the servers have",
        )
    if context.hashed is not None:
        if node_password.verify(context.password, context.hashed):
            return Decision(APPROVE, f"the kubelet of node {name}, by its node password")
        return Decision(
            DENY,
            f"a node named {name} is already a member and its password differs"
            f" ({node_password.PASSWORD_FILE} on the node): give this machine another name,"
            f" or, where it replaces that node, {REMOVE.format(name)}",
        )
    if context.node is not None:
        return Decision(
            DENY,
            f"a node named {name} is already a member: give this machine another name,"
            f" or, where it replaces that node, {REMOVE.format(name)}",
        )
    if "." in name:
        # Pods look names of nodes up before those of the world.
        return Decision(DENY, f"a machine that joins has a name without dots, not {excerpt(name)}: set k3a_node_name")
    if context.pending >= SHARE:
        return Decision(
            DENY,
            f"its token was given {context.pending} names for which no node has come: create another token, and"
            " take the names back with remove_node.yml",
        )
    return Decision(APPROVE, f"the kubelet of the new node {name}", enroll=True)


def _doubt(kind: str, name: str, context: Context) -> Decision | None:
    """Why whoever has the certificate of a node is none any more, if that is so."""
    if context.removed:
        return Decision(DENY, f"node {name} was removed from the cluster")
    if context.node is None:
        return Decision(DENY, f"the cluster has no node {name}")
    if context.hashed is None or context.owner != uid_of(context.node):
        # Its Node was deleted, and made anew by who was that node before, whoever that is now.
        text = (
            f"the cluster does not keep the password of this node {name}: run k3a.cluster.site where it is a host of"
            " the inventory; else reset the machine, and have it join again"
        )
        return Decision(LATER, text, told=True) if kind == RENEWAL else Decision(DENY, text)
    return None


def _decide_serving(name: str, request: Request, context: Context) -> Decision:
    if not request.dns and not request.ips:
        return Decision(DENY, "a server's certificate needs a name or an address")
    # A name that clients know the API by may belong to the server that has it, and to no other machine.
    foreign = sorted(set(request.dns) - {name, "localhost"})
    if foreign:
        return Decision(DENY, f"node {name} may have no certificate for {listed(foreign)}")
    if RESERVED_NAME.fullmatch(name) or (name in context.settings.names and name not in context.settings.servers):
        return Decision(DENY, f"node {name} has a name that clients know the API by")
    wrong = next(filter(None, (_wrong_address(name, ip, context) for ip in request.ips)), "")
    if wrong:
        return Decision(DENY, f"node {name} may have no certificate for {wrong}")
    disputed = [ip for ip in request.ips if ip in context.claimants and ip not in context.given]
    if disputed:
        other = context.claimants[disputed[0]]
        text = f"{disputed[0]} is reported by the node {excerpt(other)} as well as by {name}; see which one has it"
        return Decision(LATER, text, told=True)
    return Decision(APPROVE, f"the kubelet's server on node {name}")


def _wrong_address(name: str, text: str, context: Context) -> str:
    address = ipaddress.ip_address(text)
    if address.is_loopback:
        return ""
    if text in context.holders:
        return f"{text}: it is the address of another node, {excerpt(context.holders[text])}"
    if any(address in ipaddress.ip_network(network) for network in context.settings.networks):
        return f"{text}: it is in a network of pods or services"
    if text in context.settings.addresses and text not in context.settings.servers.get(name, ()):
        return f"{text}: it is an address of the API"
    if address.is_multicast or address.is_unspecified:
        return f"{text}: it is no address of a machine"
    own = addresses_of(context.node) | context.given
    if text not in own:
        return f"{text}: it is not among the addresses of the node ({listed(sorted(own))})"
    return ""
