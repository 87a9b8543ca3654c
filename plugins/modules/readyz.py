#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: readyz
short_description: Wait until the API of a server answers
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Waits until C(/readyz) of the server's own API server is ok. It changes nothing, and check mode waits for nothing.
  - Fails with the checks that are not ok and the last lines of the unit's journal, at once when the unit keeps failing.
extends_documentation_fragment: [k3a.cluster.attributes, k3a.cluster.attributes.node]
options:
  https_listen_port:
    description: The port of the API.
    type: int
    default: 6443
  data_dir:
    description: Where k3a keeps its files on the node.
    type: path
    default: /var/lib/k3a
  timeout:
    description: How many seconds the API may take.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Wait for the API
  k3a.cluster.readyz:
    timeout: 60
"""

RETURN = r"""
unit:
  description: The name of the systemd unit.
  returned: success
  type: str
  sample: k3a-apiserver.service
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils import _apiserver as apiserver
from ansible_collections.k3a.cluster.plugins.module_utils import _component as component
from ansible_collections.k3a.cluster.plugins.module_utils._layout import Layout

OPTIONS = {
    "https_listen_port": {"type": "int", "default": 6443},
    "data_dir": {"type": "path", "default": "/var/lib/k3a"},
    "timeout": {"type": "int", "default": 300},
}


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    condition = apiserver.ready(Layout(module.params["data_dir"]), module.params["https_listen_port"])
    api = component.Component(name="apiserver", unit="", healthy=(condition,))
    reason = None if module.check_mode else component.wait_until_well(api, module.params["timeout"])
    if reason:
        module.fail_json(msg=reason, unit=api.unit_name)
    module.exit_json(changed=False, unit=api.unit_name)


if __name__ == "__main__":
    main()
