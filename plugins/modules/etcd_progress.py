#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_progress
short_description: The record of how far etcd has come
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Has a server record every five minutes, by the timer C(k3a-etcd-progress.timer), up to which entry its member knows
    that a majority has agreed, in C(/etc/k3a/etcd-progress.json). etcd does not start with data that says less, since
    that is an old copy.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.component
"""

EXAMPLES = r"""
- name: Record how far etcd has come
  k3a.cluster.etcd_progress:
    bundle: "{{ bundle.path }}"
"""

RETURN = r"""
unit:
  description: The name of the systemd unit that the timer starts.
  returned: success
  type: str
  sample: k3a-etcd-progress.service
restarted:
  description: Whether a record that failed was made again, or would be in check mode.
  returned: success
  type: bool
  sample: false
unhealthy_reason:
  description: In check mode, why the component that would stay as it is does not work; else empty, since a run waits.
  returned: success
  type: str
  sample: ""
changes:
  description: The files and units that changed, or would in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/k3a-etcd-progress.service]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import etcd_progress


def main() -> None:
    etcd_progress.run(AnsibleModule(argument_spec=etcd_progress.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
