# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What hosts and servers report, as records: the one place that knows what check_config and server_info call it.

A report is a claim. Its form is checked here, where it enters; what it says is judged by those who use it.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, TypeVar

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding, valid_node_name

Record = TypeVar("Record")

# All findings of a host together: they are shown several times, for all hosts.
LONGEST = 100_000
# A single thing that a host says of itself, which findings repeat.
LONGEST_WORD = 256
FAMILIES = (4, 6)


class ReportError(K3aError):
    """A report that cannot be used; the text says what of it."""


@dataclass(frozen=True)
class HostFacts:
    """What was seen on a host."""

    node_name: str = ""
    node_ips: tuple[str, ...] = ()
    machine_id: str = ""
    architecture: str = ""
    # The hash of the server CA that the host has: it is, or was, a server.
    authority: str = ""
    etcd_data: bool = False
    etcd_running: bool = False
    load_balancer: bool = False
    node_password: bool = False
    bundle_present: bool = False
    # The host's time, in seconds since 1970.
    clock: float = 0.0


@dataclass(frozen=True)
class HostReport:
    """A host that was looked at; C(facts) are missing where no module could run on it."""

    name: str
    server: bool = False
    node: bool = True
    replace: bool = False
    # Where a server's API is: its published URL, and the address and port that other nodes use.
    url: str = ""
    api: str = ""
    # Host and port of k3a_server_url.
    fixed: str = ""
    # The bundle on the controller that the host does not have yet.
    bundle: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    # The typed values of all variables that are no secrets, by their names without k3a_.
    settings: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    facts: HostFacts | None = None

    @property
    def seen(self) -> HostFacts:
        """The facts, empty where there are none."""
        return self.facts or HostFacts()

    @property
    def is_known(self) -> bool:
        """Whether the host has, or had, a part in a cluster."""
        return self.seen.node_password or self.seen.authority != ""


@dataclass(frozen=True)
class MemberReport:
    """A member of etcd."""

    id: str
    name: str = ""
    peer_urls: tuple[str, ...] = ()
    client_urls: tuple[str, ...] = ()
    learner: bool = False
    leader: bool = False
    healthy: bool = False


@dataclass(frozen=True)
class NodeReport:
    """A node of the cluster."""

    name: str
    machine_id: str = ""
    addresses: tuple[str, ...] = ()
    ready: bool = False


@dataclass(frozen=True)
class ServerReport:
    """What a server says of the cluster; C(host) is empty where none could be asked."""

    host: str = ""
    url: str = ""
    ca_certificates: Mapping[str, str] = field(default_factory=dict)
    healthy: bool = False
    reason: str = ""
    etcd_members: tuple[MemberReport, ...] = ()
    nodes: tuple[NodeReport, ...] = ()
    node_passwords: tuple[str, ...] = ()
    bootstrap_record: str = "absent"


def host_report(result: Mapping[str, Any]) -> HostReport:
    """The record of a result of check_config."""
    facts, findings = _claims(result)
    return record(HostReport, {**result["host"], "findings": findings, "facts": facts})


def host_claims(result: Mapping[str, Any]) -> tuple[HostFacts | None, tuple[Finding, ...]]:
    """What a host says of itself, and what it finds in the way: one that knows its name for unusable says no more."""
    facts, findings = _claims(result)
    if sum(len(finding.message) + len(finding.remedy) for finding in findings) > LONGEST:
        raise ReportError(f"its findings are more than {LONGEST} characters")
    if result and not facts and not any(finding.level == FAIL for finding in findings):
        raise ReportError("it has no node_name, and no finding says why")
    return facts, findings


def _claims(result: Mapping[str, Any]) -> tuple[HostFacts | None, tuple[Finding, ...]]:
    findings = tuple(map(_shown, records(Finding, "findings", result.get("findings", ()))))
    facts = result.get("facts") or {}
    if not isinstance(facts, Mapping):
        raise ReportError(f"its facts are {facts!r:.100}, which is no mapping")
    told = any(finding.name == "hostname" and finding.level == FAIL for finding in findings)
    return (host_facts(facts) if facts.get("node_name") and not told else None), findings


def _shown(finding: Finding) -> Finding:
    """A finding as a line that is no more than that: it could pretend to be several, or steer a terminal."""
    return replace(finding, message=one_line(finding.message), remedy=one_line(finding.remedy))


def one_line(text: str) -> str:
    """A text without ends of lines, and with nothing in it that cannot be printed."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in " ".join(text.split()))


def host_reports(results: list[dict[str, Any]]) -> list[HostReport]:
    """The records of the hosts that were looked at; Ansible has told why of the others."""
    return [_named(host_report, result, result["host"]["name"]) for result in results if "host" in result]


def _named(read: Callable[[Mapping[str, Any]], Record], result: Mapping[str, Any], host: str) -> Record:
    try:
        return read(result)
    except ReportError as error:
        raise ReportError(f"what {host} says cannot be used: {error}") from None


def host_facts(facts: Mapping[str, Any]) -> HostFacts:
    """What a host says of itself, whose name is that of a node, and whose addresses are addresses."""
    seen = record(HostFacts, facts)
    # Either gets into paths of the API and lines of files.
    if not valid_node_name(seen.node_name):
        raise ReportError(f"its node_name is {seen.node_name!r:.100}, which cannot be the name of a node")
    for name in ("machine_id", "architecture", "authority"):
        if len(getattr(seen, name)) > LONGEST_WORD:
            raise ReportError(f"its {name} has more than {LONGEST_WORD} characters")
    if len(seen.node_ips) > len(FAMILIES):
        raise ReportError(f"its node_ips are {len(seen.node_ips)}, and a node has one of each address family")
    for address in seen.node_ips:
        try:
            if "%" in address:  # what follows it may be any text
                raise ValueError
            ipaddress.ip_address(address)
        except ValueError:
            raise ReportError(f"its node_ips name {address!r}, which is no address") from None
    return seen


def server_report(result: Mapping[str, Any]) -> ServerReport:
    """The record of a result of server_info; of a server that did not answer, why."""
    about = {
        **result,
        # Of one that cannot be reached Ansible tells what the loop was at.
        "host": result.get("host") or result.get("item", ""),
        "reason": result.get("reason") or result.get("msg") or "",
        "etcd_members": records(MemberReport, "etcd_members", result.get("etcd_members", ())),
        "nodes": records(NodeReport, "nodes", result.get("nodes", ())),
    }
    return record(ServerReport, about)


def server_reports(results: list[dict[str, Any]]) -> list[ServerReport]:
    """The records of the servers that were asked."""
    return [_named(server_report, result, str(result.get("host") or result.get("item"))) for result in results]


def record(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """A record from the keys of a mapping that it knows, each of the type that it has there."""
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    given = {name: _checked(name, values[name], str(each.type)) for name, each in known.items() if name in values}
    for name, each in known.items():
        if name not in given and each.default is MISSING and each.default_factory is MISSING:
            raise ReportError(f"it has no {name}")
    return kind(**given)


def records(kind: type[Record], name: str, values: Any) -> tuple[Record, ...]:
    """Records from a list of mappings."""
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, Mapping) for value in values):
        raise ReportError(f"its {name} is {values!r:.100}, which is no list of mappings")
    return tuple(record(kind, value) for value in values)


def _checked(name: str, value: Any, kind: str) -> Any:
    check = CHECKS.get(kind)
    if check is None:  # a record of ours already
        return value
    checked = check(value)
    if checked is None:
        raise ReportError(f"its {name} is {value!r:.100}, which is no {kind}")
    return checked


def _texts(value: Any) -> tuple[str, ...] | None:
    of_texts = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    return tuple(value) if of_texts else None


def _texts_by_name(value: Any) -> Mapping[str, str] | None:
    of_texts = isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())
    return value if of_texts else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _instance(kind: type) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kind) else None


CHECKS: dict[str, Callable[[Any], Any]] = {
    "str": _instance(str),
    "bool": _instance(bool),
    "float": _number,
    "tuple[str, ...]": _texts,
    "Mapping[str, str]": _texts_by_name,
    "Mapping[str, Any]": _instance(Mapping),
}
