# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Opens a host's firewall for the cluster, where that is asked for, and closes again what was opened here."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, process, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_firewall

# What was opened, and not by somebody else: it is written before that is done.
RECORD = "/etc/k3a/firewall.json"
FIREWALLD, UFW = "firewalld", "ufw"
ADD, REMOVE = "add", "remove"
# Where firewalld writes a zone that it is told something of, whole, and beside it what was there before.
BUILT_IN, ZONES = (f"{directory}/zones" for directory in check_firewall.FIREWALLD_DIRECTORIES)
BEFORE = ".old"


class FirewallError(K3aError):
    """A firewall cannot be opened; the message says why."""


@dataclass(frozen=True)
class Opening:
    """What a firewall program has to let through: ports (6443/tcp), and everything from networks."""

    ports: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ports or self.networks)


Openings = Mapping[str, Opening]


def missing(wanted: Opening, peers: Sequence[str] = ()) -> dict[str, Opening]:
    """What of it the firewalls of this host do not let through; a network with all nodes, as these, may be trusted."""
    known = {name: _lacking(wanted, opened, peers) for name, opened in active().items()} if wanted else {}
    return {name: lacking for name, lacking in known.items() if lacking}


def active() -> dict[str, check_firewall.Opened]:
    """The firewalls that filter packets now, with what they let through."""
    found = {}
    if systemd.unit_state("firewalld.service").active == "active":
        found[FIREWALLD] = check_firewall.read_firewalld()
    ufw = check_firewall.read_ufw()
    return {**found, **({UFW: ufw} if ufw else {})}


def _lacking(wanted: Opening, opened: check_firewall.Opened, peers: Sequence[str]) -> Opening:
    return Opening(
        tuple(port for port in wanted.ports if not opened.lets_in(*_parted(port), peers)),
        tuple(network for network in wanted.networks if not opened.trusts(network)),
    )


def _parted(port: str) -> tuple[str, int]:
    number, _separator, protocol = port.partition("/")
    return protocol, int(number)


def changes(openings: Openings) -> list[files.Change]:
    """The same as a diff shows it."""
    return [
        files.Change(f"{name} {each}", "", "let through\n")
        for name, opening in openings.items()
        for each in (*(f"port {port}" for port in opening.ports), *(f"network {cidr}" for cidr in opening.networks))
    ]


def open_for(openings: Openings) -> None:
    """Have the firewalls let it through, now and whenever they start."""
    known = recorded()
    zones = recorded_zones() if FIREWALLD in known else _texts(ZONES)
    joined = {name: _joined(known.get(name, Opening()), opening) for name, opening in openings.items()}
    _record({**known, **joined}, zones if FIREWALLD in {*known, *openings} else {})
    for name, opening in openings.items():
        for command in commands(name, opening, ADD):
            done = process.run(command)
            if done.code != 0:
                raise FirewallError(f"{' '.join(command)} failed: {done.complaint}")


def close() -> None:
    """Have the firewalls keep out again what was let in here; one that is gone keeps nothing."""
    for name, opening in recorded().items():
        for command in commands(name, opening, REMOVE):
            try:
                process.run(command)
            except FileNotFoundError:
                break
        if name == FIREWALLD:
            _put_back(recorded_zones())
    files.remove_file(RECORD)


def _put_back(former: Mapping[str, str]) -> None:
    """Have the files of firewalld's zones as they were, those that say nothing else than they did then."""
    current = _texts(ZONES)
    # A zone that is in neither was made since, and not here.
    known = {zone: was for zone, was in {**_texts(BUILT_IN), **former}.items() if not zone.endswith(BEFORE)}
    for zone, was in known.items():
        if zone in current and check_firewall.zone_content(current[zone]) == check_firewall.zone_content(was):
            for name in (zone, zone + BEFORE):
                if name not in former:
                    files.remove_file(f"{ZONES}/{name}")
                elif former[name] != current.get(name):
                    files.write_file(files.File(f"{ZONES}/{name}", former[name].encode(), mode=0o644))


def _texts(directory: str) -> dict[str, str]:
    return {os.path.basename(path): files.text_of(path) for path in glob.glob(f"{directory}/*.xml*")}


def commands(name: str, opening: Opening, verb: str) -> list[list[str]]:
    """The commands of a firewall program that add such rules, or remove them."""
    if name == UFW:
        allow = ["ufw", "allow"] if verb == ADD else ["ufw", "delete", "allow"]
        return [[*allow, "from", network] for network in opening.networks] + [[*allow, port] for port in opening.ports]
    return [
        ["firewall-cmd", *lasting, *rule]
        # What runs first: what lasts is what a later run looks at.
        for lasting in ((), ("--permanent",))
        for rule in (
            *(("--zone=trusted", f"--{verb}-source={network}") for network in opening.networks),
            *((f"--{verb}-port={port}",) for port in opening.ports),
        )
    ]


def recorded() -> dict[str, Opening]:
    """What was opened here."""
    known = _read_record()
    try:
        opened = {name: known[name] for name in (FIREWALLD, UFW) if name in known}
        return {name: Opening(tuple(each["ports"]), tuple(each["networks"])) for name, each in opened.items()}
    except (KeyError, TypeError):
        raise _damaged() from None


def recorded_zones() -> dict[str, str]:
    """The files of firewalld's zones before they were written anew here."""
    try:
        return {str(name): str(text) for name, text in _read_record().get("zones", {}).items()}
    except AttributeError:
        raise _damaged() from None


def _read_record() -> dict[str, Any]:
    try:
        known = json.loads(files.read_bytes(RECORD) or b"{}")
    except ValueError:
        raise _damaged() from None
    if not isinstance(known, dict):
        raise _damaged()
    return known


def _damaged() -> FirewallError:
    return FirewallError(f"{RECORD} is damaged; remove it, and close yourself what is not needed any more")


def _joined(one: Opening, other: Opening) -> Opening:
    ports, networks = ({*own, *more} for own, more in ((one.ports, other.ports), (one.networks, other.networks)))
    return replace(one, ports=tuple(sorted(ports)), networks=tuple(sorted(networks)))


def _record(openings: Openings, zones: Mapping[str, str]) -> None:
    content = {**{name: asdict(each) for name, each in openings.items()}, **({"zones": zones} if zones else {})}
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    files.write_file(files.File(RECORD, text.encode(), mode=0o600))
