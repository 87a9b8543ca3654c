# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""All components, in the order in which they start, and what follows from what they declare.

Ansible brings to a host only what is imported by name, hence the one list here. A component's own module does not
import it. What acts for all components does, and hands what it takes from here to the rooms below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import chain
from types import ModuleType
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._components import (
    apiserver,
    approver,
    certificate_monitor,
    certificate_renewal,
    containerd,
    controller_manager,
    etcd,
    etcd_progress,
    flannel,
    kube_proxy,
    kubeconfig,
    kubelet,
    load_balancer,
    scheduler,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import Declaration, Remains

COMPONENTS: tuple[ModuleType, ...] = (
    certificate_monitor,
    etcd,
    etcd_progress,
    apiserver,
    controller_manager,
    scheduler,
    kubeconfig,
    approver,
    containerd,
    load_balancer,
    kubelet,
    kube_proxy,
    flannel,
    certificate_renewal,
)
DECLARATIONS: tuple[Declaration, ...] = tuple(component.DECLARATION for component in COMPONENTS)


def steps() -> dict[str, ModuleType]:
    """What each component's module does, by the name of the module."""
    return {declared.name.replace("-", "_"): step for declared, step in zip(DECLARATIONS, COMPONENTS)}


def users() -> dict[str, str]:
    """The users that processes run as, and what each is for."""
    return {user.name: user.purpose for declared in DECLARATIONS for user in declared.users}


def certificates(role: str) -> list[dict[str, Any]]:
    """The certificates of the hosts of a role, in the form that travels."""
    return [asdict(one) for declared in DECLARATIONS if declared.role == role for one in declared.certificates]


def approved_subjects() -> tuple[tuple[str, str], ...]:
    """The processes whose certificates the approver gives to a node: common name and organization of each."""
    own = chain.from_iterable(declared.certificates for declared in DECLARATIONS)
    return tuple((certificate.common_name, certificate.organization) for certificate in own if certificate.approved)


def awaited(record: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What each module waits for on a host of such a record, and where each of it is asked for its health."""
    there = [declared for declared in DECLARATIONS if not declared.when or record[declared.when]]
    return {
        module: {declared.name: declared.health for declared in there if declared.awaited_by == step.DECLARATION.name}
        for module, step in steps().items()
    }


def remains() -> Remains:
    """What all components leave on a host."""
    own = [declared.remains for declared in DECLARATIONS]
    return Remains(
        tables=_united(each.tables for each in own),
        chains=_united(each.chains for each in own),
        interfaces=_united(each.interfaces for each in own),
        bridges=_united(each.bridges for each in own),
        paths=_united(each.paths for each in own),
        shared=_united(each.shared for each in own),
        routes=any(each.routes for each in own),
    )


def _united(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(parts)))
