#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: import_config
short_description: Translates a configuration of K3s into variables
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Reads K3s's C(config.yaml) as K3s does, and shows the variables of the inventory that do the same, as YAML.
  - The files that end in C(.yaml) or C(.yml) in the folder beside it, C(config.yaml.d), come after it in the order of
    their names. A later file wins over an earlier one, key by key; a key that ends in C(+) adds to what is there.
  - What has no counterpart is named with the reason and with what to do instead. So is a value that is refused.
  - Secrets are named and not shown.
  - Runs on the controller only, and not on the host.
extends_documentation_fragment:
  - k3a.cluster.attributes
options:
  path:
    description: The C(config.yaml) on the controller. The files may be encrypted by C(ansible-vault).
    type: path
    default: ""
  environment_file:
    description:
      - A file on the controller with K3s's variables of the environment, C(K3S_*), as K3s's installer writes
        C(k3s.service.env). What a file of O(path) says wins over it.
    type: path
    default: ""
"""

EXAMPLES = r"""
- name: Translate the configuration
  k3a.cluster.import_config:
    path: /home/ann/config.yaml
    environment_file: /home/ann/k3s.service.env
"""

RETURN = r"""
variables:
  description: The variables of the inventory.
  returned: success
  type: dict
  sample:
    k3a_cluster_cidr: [10.42.0.0/16]
    k3a_node_label: [example.com/disk=ssd]
notes:
  description: What no variable does, or does otherwise, each a sentence that begins with K3s's name for it.
  returned: success
  type: list
  elements: str
  sample:
    - "embedded-registry: Nodes share no images with each other; name a mirror in k3a_registries."
"""
