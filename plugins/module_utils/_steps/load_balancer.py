# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""One address of the API on a node: what M(k3a.cluster.load_balancer) does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.k3a.cluster.plugins.module_utils import _component as component
from ansible_collections.k3a.cluster.plugins.module_utils import _load_balancer as load_balancer

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OPTIONS = component.argument_spec(
    {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "servers": {"type": "list", "elements": "str", "default": []},
        "prefer": {"type": "str", "default": ""},
        "fallback": {"type": "list", "elements": "str", "default": []},
        "port": {"type": "int", "default": 6444},
    }
)


def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    absent = params["state"] == "absent"
    try:
        config = {} if absent else load_balancer.configuration(params)
        wanted = load_balancer.load_balancer_component(params, config)
    except load_balancer.LoadBalancerError as error:
        module.fail_json(msg=str(error))
    act = component.withdraw if absent else component.converge
    module.exit_json(**act(module, wanted, params["pending"]))
