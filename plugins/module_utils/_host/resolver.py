# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The resolver configuration that pods inherit from the host: which one, and which DNS servers it names."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files

RESOLV_CONFS = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
# K3s gives pods a public DNS server then. Who is asked is not for an installer to decide.
NONE_USABLE = f"neither {' nor '.join(RESOLV_CONFS)} names a DNS server that pods can reach"
REMEDY = "set k3a_resolv_conf to a file that does"


def usable_resolv_conf(candidates: Sequence[str] = RESOLV_CONFS) -> str:
    """The first resolver configuration that a pod can use, as K3s chooses it, or nothing."""
    return next((path for path in candidates if are_reachable(servers_in(path) or ())), "")


def servers_in(path: str) -> tuple[str, ...] | None:
    """The DNS servers that a resolver configuration names, or None where there is no such file."""
    try:
        content = files.read_bytes(path)
    except IsADirectoryError:
        return None
    if content is None:
        return None
    lines = [line.split() for line in content.decode(errors="replace").splitlines()]
    return tuple(line[1] for line in lines if len(line) > 1 and line[0] == "nameserver")


def are_reachable(servers: Sequence[str]) -> bool:
    """Whether there are servers, and none that only the host itself can reach.

    A link-local address of IPv4 is one that pods reach through their node: clouds have their DNS there. One of IPv6 is
    none without the interface, which pods do not have.
    """
    return bool(servers) and all(_is_reachable(server.split("%")[0]) for server in servers)


def _is_reachable(server: str) -> bool:
    try:
        ip = ipaddress.ip_address(server)
    except ValueError:
        return False
    return not (ip.is_loopback or (ip.version == 6 and ip.is_link_local) or ip.is_unspecified or ip.is_multicast)
