# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What a host writes down of itself, as data: its cluster, its node, and what cannot change while it has them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._identity.record_file import DIRECTORY

IDENTITY = f"{DIRECTORY}/identity.json"
ETCD = f"{DIRECTORY}/etcd.json"


class OtherCluster(K3aError):
    """The host has a record that is not of this cluster or not of this machine."""


@dataclass(frozen=True)
class Identity:
    """A host with a part in a cluster. What is empty is not known.

    C(cluster_id) is the UID of the namespace kube-system, which a restore keeps; it is empty until the cluster has
    begun. C(server_ca) is the hash of the first server CA. A restore raises C(epoch). The last three are settings that
    a cluster keeps for good.
    """

    machine_id: str = ""
    cluster_id: str = ""
    server_ca: str = ""
    epoch: int = 1
    node_name: str = ""
    node_ips: tuple[str, ...] = ()
    data_dir: str = ""
    cluster_cidr: tuple[str, ...] = ()
    service_cidr: tuple[str, ...] = ()
    cluster_domain: str = ""


@dataclass(frozen=True)
class EtcdIdentity:
    """The cluster and the member that a server's etcd is, decimal numbers as etcd's own client has them."""

    cluster_id: str = ""
    member_id: str = ""


def continued(recorded: Identity | None, given: Identity) -> Identity:
    """The record that follows another one: what it says of the cluster stays, and is never said anew."""
    if recorded is None:
        return given
    if recorded.machine_id != given.machine_id:
        raise OtherCluster(
            f"{IDENTITY} is of another machine ({recorded.machine_id}, this one is {given.machine_id});"
            " take k3a off this host with reset.yml --limit, and run again"
        )
    if recorded.cluster_id and given.cluster_id and recorded.cluster_id != given.cluster_id:
        raise OtherCluster(
            f"{IDENTITY} is of another cluster ({recorded.cluster_id}, not {given.cluster_id});"
            " take k3a off this host with reset.yml --limit, and run again"
        )
    return replace(
        given,
        cluster_id=recorded.cluster_id or given.cluster_id,
        server_ca=recorded.server_ca or given.server_ca,
        epoch=recorded.epoch,
    )
