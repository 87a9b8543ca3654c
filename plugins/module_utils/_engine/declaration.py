# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What a component says of itself, as plain data.

The checks before an install, certificates, users, permissions in the API, what the approver approves and what a reset
looks for are all derived from it. Each component declares itself in its own file of C(_components).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SERVER, AGENT = "server", "agent"
# From where a port has to be reached. What is for loopback is never bound to anything else.
LOOPBACK, SERVERS, NODES, ANYWHERE = "loopback", "servers", "nodes", "anywhere"
# One of the cluster's values: empty where no certificate lives any more of a version without a CA for kubelets.
EARLIER = "earlier_certificates"
# Whose names and addresses a certificate has: none, the node's, or all those by which a server, or its API, is known.
NOBODY, OF_NODE, OF_SERVER, OF_API = "", "node", "server", "api"


@dataclass(frozen=True)
class Port:
    """A port that a component listens on.

    C(option) is the variable that moves it, without C(k3a_). C(when) is a variable and the value with which the port is
    open at all; C(family) is 4 or 6, the family of addresses that pods have to have for that.
    """

    number: int
    reach: str = LOOPBACK
    protocol: str = "tcp"
    option: str = ""
    when: tuple[str, str] = ("", "")
    family: int = 0


@dataclass(frozen=True)
class Certificate:
    """A certificate that a component needs; C({node}) in its common name is the name of the node.

    C(stem) is where it is below the directory of certificates, by default its name. One with C(pair) is a single file
    of certificate and key at that path, which its process renews by itself after the first time. The approver gives one
    that is C(approved) to a node that asks for it through the API.
    """

    name: str
    authority: str
    common_name: str
    organization: str = ""
    usages: tuple[str, ...] = ("client",)
    names: str = NOBODY
    stem: str = ""
    pair: str = ""
    approved: bool = False


@dataclass(frozen=True)
class User:
    """A user of the host that a process runs as."""

    name: str
    purpose: str


@dataclass(frozen=True)
class Rule:
    """What may be done with some resources; C(names) are the only objects of them, if any are given."""

    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    group: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grant:
    """What some may do in the API, in one namespace or, without one, in the whole cluster.

    C(subjects) are kinds and names, such as C(("User", "system:k3a-approver")). C(role) is one of Kubernetes' own
    roles, given instead of rules. C(unless) is what it is of a policy.
    """

    name: str
    subjects: tuple[tuple[str, str], ...]
    rules: tuple[Rule, ...] = ()
    namespace: str = ""
    role: str = ""
    unless: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Requests:
    """Requests to the API, by what is done (C(operations)) with which resources of a group."""

    resources: tuple[str, ...]
    operations: tuple[str, ...] = ("CREATE", "UPDATE")
    group: str = ""


@dataclass(frozen=True)
class Policy:
    """What requests to the API have to be like besides what permissions say, as its admission judges them.

    C(conditions) say whose requests are judged: names and expressions of CEL. C(validations) are expressions that have
    to be true of these, each with what is answered otherwise. They may ask a ConfigMap, by the namespace and name in
    C(parameters); while it is not there all is allowed. A policy that C(warns) answers with a warning, and lets the
    request pass. C(unless) is one of the cluster's values, without C(k3a_), and what it is where no such policy is.
    """

    name: str
    requests: tuple[Requests, ...]
    validations: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str], ...] = ()
    parameters: tuple[str, str] = ("", "")
    warns: bool = False
    unless: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Remains:
    """What a component leaves on a host outside of k3a's own directories.

    C(tables) of nftables that are its own, and the first letters of its C(chains) in the tables of others;
    C(interfaces), and the C(bridges) among them to which pods are connected; C(paths), or patterns of these, that are
    its own; C(shared) directories, the innermost first, that others may use too: they go when nothing is in them.
    C(routes) says that it makes routes that stay when its interfaces go.
    """

    tables: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    routes: bool = False


@dataclass(frozen=True)
class Refused:
    """A flag that may not be among further arguments: why, what to do, and the values that change nothing."""

    flag: str
    why: str
    remedy: str
    harmless: tuple[str, ...] = ()


def refused(why: str, remedy: str, *flags: str, harmless: tuple[str, ...] = ()) -> tuple[Refused, ...]:
    """Several flags that may not be among further arguments for the same reason."""
    return tuple(Refused(flag, why, remedy, harmless) for flag in flags)


@dataclass(frozen=True)
class Declaration:
    """A component: its name, the role whose hosts have it, its program, and all that others have to know of it.

    C(health) is its endpoint on loopback; C(arguments) the variable of further arguments, without C(k3a_), which may
    hold none of the flags in C(fixed): these say which cluster, node or data it works with, or could lose what is in
    it. Nor those in C(refused), each for a reason of its own.

    C(configuration) is a flag that names a file of the operator's, which alone tells it then how to reach the API.

    C(namespaces) are those that it needs in the cluster, C(objects) what it needs there besides its permissions.

    C(awaited_by) is the component whose step waits until this one is well, since its own step does not; C(when) a value
    of a host's record, without which the host has none of it.
    """

    name: str
    role: str
    program: str = ""
    health: str = ""
    arguments: str = ""
    fixed: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    configuration: str = ""
    awaited_by: str = ""
    when: str = ""
    ports: tuple[Port, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    users: tuple[User, ...] = ()
    namespaces: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    policies: tuple[Policy, ...] = ()
    objects: tuple[Mapping[str, Any], ...] = ()
    remains: Remains = Remains()

    @property
    def unit(self) -> str:
        """The name of its service."""
        return f"k3a-{self.name}.service"
