# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What a host needs before it can be a node: what M(k3a.cluster.host) does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.k3a.cluster.plugins.module_utils import _address as address
from ansible_collections.k3a.cluster.plugins.module_utils import _host as host
from ansible_collections.k3a.cluster.plugins.module_utils._lock import Busy, host_lock

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OPTIONS = {
    "data_dir": {"type": "path", "default": "/var/lib/k3a"},
    "cluster_cidr": {"type": "list", "elements": "str", "default": ["10.42.0.0/16"]},
    "timeout": {"type": "int", "default": 300},
}


def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    wanted = host.wanted_host(params["data_dir"], address.families(params["cluster_cidr"]))
    try:
        plan = host.make_plan(wanted)
        if plan.changes and not module.check_mode:
            with host_lock(params["timeout"]):
                plan = host.make_plan(wanted)
                host.apply(wanted, plan)
    except (host.HostError, Busy, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(plan.changes),
        changes=[change.path for change in plan.changes],
        diff=[change.as_diff() for change in plan.changes],
    )
