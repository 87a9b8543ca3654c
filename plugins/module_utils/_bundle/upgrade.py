# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""From which versions to which a host can go: upstream's programs cannot go back, nor those of a server skip a version.

Kubernetes's version skew policy has servers go from one minor version to the next. etcd and containerd write their data
in forms that older ones do not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._bundle import store as store_of
from ansible_collections.k3a.cluster.plugins.module_utils._engine import own_units

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Rule:
    """How a part of the bundle may change: its minor version never becomes less, a patch may be taken back.

    One that goes C(step_by_step) has to have run in every minor version, on servers.
    """

    name: str
    title: str
    step_by_step: bool = False
    of_servers: bool = False


RULES = (
    Rule("kubernetes", "Kubernetes", step_by_step=True),
    Rule("etcd", "etcd", step_by_step=True, of_servers=True),
    Rule("containerd", "containerd"),
)


def installed(store: store_of.Store) -> dict[str, str]:
    """The versions of what is installed on this host; of a bundle that nothing runs of, none."""
    return store_of.versions(store, store_of.CURRENT) if own_units.installed() else {}


def obstacles(before: Mapping[str, str], after: Mapping[str, str], server: bool) -> Iterator[tuple[str, str]]:
    """Why a host cannot go from some versions of components to others, each with what to do."""
    for rule in RULES:
        has, gets = parsed(before.get(rule.name, "")), parsed(after.get(rule.name, ""))
        if has is None or gets is None or (rule.of_servers and not server):
            continue
        way = f"from {before[rule.name]}, which the host has, to {after[rule.name]}, which the bundle has"
        bundle = f"use a bundle with {rule.title}"
        if gets[:2] < has[:2]:
            yield f"{rule.title} cannot go back {way}", f"{bundle} {before[rule.name]} or newer"
        elif server and rule.step_by_step and _skips(has, gets):
            next_one = f"v{has[0]}.{has[1] + 1}" if has[0] == gets[0] else f"v{gets[0]}.0"
            yield f"{rule.title} of a server cannot skip versions {way}", f"{bundle} {next_one} first"


def parsed(version: str) -> Version | None:
    """The numbers of a version such as v1.37.2, or nothing."""
    match = re.fullmatch(r"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})([-+].*)?", version)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def _skips(has: Version, gets: Version) -> bool:
    return gets[1] > has[1] + 1 if gets[0] == has[0] else gets[0] > has[0] + 1 or gets[1] > 0
