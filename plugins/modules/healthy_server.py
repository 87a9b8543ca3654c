#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: healthy_server
short_description: One server through which a cluster's API can be asked
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Chooses one of the servers that M(k3a.cluster.server_info) was run on.
  - Runs on the controller; touches no host.
extends_documentation_fragment: [k3a.cluster.attributes]
options:
  server_reports:
    description: What the servers answered, the results of a loop over them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Choose the server that answers
  k3a.cluster.healthy_server:
    server_reports: "{{ asked.results }}"
  run_once: true
  register: healthy
"""

RETURN = r"""
server:
  description: The host to delegate to.
  returned: success
  type: str
  sample: server-1.example.org
data_dir:
  description: Where k3a keeps its files there.
  returned: success
  type: str
  sample: /var/lib/k3a
https_listen_port:
  description: Port of the API there.
  returned: success
  type: int
  sample: 6443
"""
