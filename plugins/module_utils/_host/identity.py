# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Who this host is: its record, what M(k3a.cluster.identity) does with it, and what stands in for one.

A host that was installed before there were records has told systemd and the kubelet who it is. What follows from their
files is compared like a record, so that a host that was renamed meanwhile is refused, and not recorded by its new name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, options, own_units
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._engine.own_units import argument
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._identity import record_file
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import (
    ETCD,
    IDENTITY,
    EtcdIdentity,
    Identity,
    continued,
)
from ansible_collections.k3a.cluster.plugins.module_utils._trust import pem
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.module_utils._trust.leaves import AUTHORITIES, KUBELET_CLIENT

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

MACHINE_ID = "/etc/machine-id"
NODE_USER = "system:node:"


def machine_id() -> str:
    """The id of this machine, or nothing."""
    return (files.read_bytes(MACHINE_ID) or b"").decode(errors="replace").strip()


def recorded() -> Identity | None:
    """What this host has recorded of itself."""
    return record_file.read(IDENTITY, Identity)


def recorded_etcd() -> EtcdIdentity | None:
    """What this host has recorded of its etcd."""
    return record_file.read(ETCD, EtcdIdentity)


def implied(units: Mapping[str, str], machine: str, certificate: str = KUBELET_CLIENT) -> Identity:
    """Who a host without a record is, by its services and the kubelet's certificate; without services it is nobody."""
    if not units:
        return Identity()
    data_dir = next(filter(None, map(own_units.data_dir, units.values())), "")
    # A flag is looked for in all of them: it has one meaning, whichever component has it.
    text = "\n".join(units.values())
    issuer = argument(text, "service-account-issuer").partition("://kubernetes.default.svc.")
    return Identity(
        machine_id=machine,
        server_ca=server_ca(Layout(data_dir)) if data_dir else "",
        node_name=node_of(certificate) or argument(text, "hostname-override") or argument(text, "name"),
        node_ips=listed(argument(text, "node-ip")),
        data_dir=data_dir,
        cluster_cidr=listed(argument(text, "cluster-cidr")),
        service_cidr=listed(argument(text, "service-cluster-ip-range")),
        cluster_domain=issuer[2],
    )


def listed(text: str) -> tuple[str, ...]:
    """The items of a list with commas."""
    return tuple(item for item in text.split(",") if item)


def node_of(certificate: str) -> str:
    """The node that a kubelet's certificate names, or nothing."""
    name = pem.common_name(pem.certificates_in(files.read_bytes(certificate)))
    return name[len(NODE_USER) :] if name.startswith(NODE_USER) else ""


def server_ca(layout: Layout) -> str:
    """The hash of the server CA that this host trusts, or nothing."""
    for path in (layout.tls(f"{AUTHORITIES['server']}.crt"), layout.agent_tls("server-ca.crt")):
        text = pem.certificates_in(files.read_bytes(path))
        if text:
            return tokens.ca_hash(text)
    return ""


def has_state(data_dir: str) -> bool:
    """Whether anything of a node or a server is in a data directory."""
    return any(os.path.isdir(f"{data_dir}/{name}") for name in ("agent", "server"))


def is_emptied(data_dir: str) -> bool:
    """Whether this host has our services, and nothing that they could run with."""
    return bool(own_units.installed()) and not has_state(data_dir)


def own_data_dir(given: str) -> str:
    """Where this host has what is ours, whatever a variable says of it now."""
    return known_data_dir() or given


def known_data_dir() -> str:
    """Where this host has what is ours, as far as it has recorded that, or nothing."""
    try:
        known = recorded()
    except record_file.RecordDamaged:
        known = None
    return (known or implied(own_units.installed(), machine_id())).data_dir


OPTIONS: dict[str, dict[str, Any]] = {
    "cluster_id": {"type": "str", "default": ""},
    "ca_certificates": {"type": "dict", "default": {}},
    "node_name": options.NODE_NAME,
    "node_ip": options.NODE_IP,
    "cluster_cidr": options.CLUSTER_CIDR,
    "service_cidr": options.SERVICE_CIDR,
    "cluster_domain": options.CLUSTER_DOMAIN,
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
}


def given_identity(params: Mapping[str, Any]) -> Identity:
    """The identity that this run gives the host."""
    authority = params["ca_certificates"].get("server", "")
    return Identity(
        machine_id=machine_id(),
        cluster_id=params["cluster_id"],
        server_ca=tokens.ca_hash(authority) if authority else "",
        node_name=params["node_name"] or address.host_name(),
        node_ips=tuple(address.node_ips(params["node_ip"], address.families(params["cluster_cidr"]))),
        data_dir=params["data_dir"],
        cluster_cidr=tuple(params["cluster_cidr"]),
        service_cidr=tuple(params["service_cidr"]),
        cluster_domain=params["cluster_domain"],
    )


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    given = given_identity(module.params)
    directory = files.Directory(record_file.DIRECTORY, 0o755)
    record = record_file.as_file(IDENTITY, continued(recorded(), given))
    changes = [each for each in (files.directory_change(directory), files.file_change(record)) if each]
    if changes and not module.check_mode:
        with host_lock(module.params["timeout"]):
            files.make_directory(directory)
            files.write_file(record_file.as_file(IDENTITY, continued(recorded(), given)))
    module.exit_json(
        changed=bool(changes),
        changes=[change.path for change in changes],
        diff=[change.as_diff() for change in changes],
    )
