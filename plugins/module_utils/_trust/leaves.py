# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Certificates as data: who signs them, for whom, where they are; which there are, the components declare."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    NOBODY,
    OF_API,
    OF_NODE,
    OF_SERVER,
    Certificate,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import KUBELET_DIRECTORY

# A CA's name, and where its certificate and key are under server/tls.
AUTHORITIES = {
    "server": "server-ca",
    "kubelet-serving": "kubelet-serving-ca",
    "client": "client-ca",
    "request-header": "request-header-ca",
    "etcd-server": "etcd/server-ca",
    "etcd-peer": "etcd/peer-ca",
}
KUBELET_CLIENT = f"{KUBELET_DIRECTORY}/pki/kubelet-client-current.pem"


@dataclass(frozen=True)
class Leaf:
    """A certificate as it should be.

    One with C(pair) is a single file of certificate and key that its process renews by itself after the first time.
    """

    name: str
    authority: str
    common_name: str
    certificate: str
    key: str
    organization: str = ""
    usages: tuple[str, ...] = ("client",)
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    pair: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The form that travels between the node and the controller."""
        return asdict(self)


@dataclass(frozen=True)
class Names:
    """By what a host and its cluster are known: C(dns) and C(ips) are all by which the host is reached."""

    node: str
    dns: tuple[str, ...]
    ips: tuple[str, ...]
    domain: str = "cluster.local"


def leaf_of(declared: Certificate, directory: str, names: Names) -> Leaf:
    """A declared certificate as that of one host, with its files in a directory."""
    path = f"{directory}/{declared.stem or declared.name}"
    dns, ips = _alternative_names(declared.names, names)
    return Leaf(
        name=declared.name,
        authority=declared.authority,
        common_name=declared.common_name.replace("{node}", names.node),
        certificate=declared.pair or f"{path}.crt",
        key=f"{path}.key",
        organization=declared.organization,
        usages=declared.usages,
        dns=unique(dns),
        ips=unique(ips),
        pair=bool(declared.pair),
    )


def _alternative_names(whose: str, names: Names) -> tuple[list[str], list[str]]:
    kubernetes = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    reached, loopback = ["localhost", *names.dns], ["127.0.0.1", "::1"]
    return {
        NOBODY: ([], []),
        OF_NODE: ([names.node, "localhost"], ["127.0.0.1", *names.ips]),
        OF_SERVER: (reached, [*loopback, *names.ips]),
        OF_API: ([*kubernetes, f"{kubernetes[-1]}.{names.domain}", *reached], [*loopback, *names.ips]),
    }[whose]


def pair_file(certificate: str) -> str:
    """Where a machine that renews by itself has a certificate and its key in one, so that they never part."""
    return os.path.splitext(certificate)[0] + ".pem"


def unique(items: Sequence[str]) -> tuple[str, ...]:
    """The items without repetition, in their order."""
    return tuple(dict.fromkeys(item for item in items if item))
