#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Bring a bundle of binaries and images to a node
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Ships what a node lacks of a bundle in one compressed stream, verifies every file there (size and sha256), unpacks
    it beside its place, and links it as the current bundle last.
  - Each file is kept once, in a directory that its content names. A unit names its program there, so that a bundle
    with the same program restarts nothing.
  - A file that is damaged on the node is noticed, and shipped again. Files that the node holds are not shipped.
  - A damaged bundle, or one for another architecture, is refused, and nothing on the node is replaced.
  - Links the commands C(kubectl), C(crictl), C(ctr) and C(etcdctl), where no other program has that name.
  - Removes bundles that are neither current nor previous, and files of theirs that no unit and no process uses.
  - Has an action plugin, which reads the bundle on the controller.
extends_documentation_fragment: [k3a.cluster.attributes, k3a.cluster.attributes.node]
options:
  bundle:
    description:
      - Path of a bundle on the controller, a directory or an archive.
      - The lookup P(k3a.cluster.bundle#lookup) returns the one that C(playbooks/bundle.yml) builds.
    type: path
    required: true
  data_dir:
    description: Directory of everything k3a on the node.
    type: path
    default: /var/lib/k3a
  command_dir:
    description: Directory on the node where the commands are linked.
    type: path
    default: /usr/local/bin
  server:
    description:
      - Whether the host runs the control plane, whose Kubernetes and etcd cannot skip a minor version.
      - No host goes back to an older minor version of Kubernetes or containerd, no server to one of etcd.
        That is refused when the bundle is to be linked.
    type: bool
    default: false
  link:
    description: Whether to link the bundle as the current one. Without, it is only shipped and verified.
    type: bool
    default: true
  timeout:
    description: How many seconds another run on this host may take to end.
    type: int
    default: 300
  id:
    description: Id of the bundle. Filled in by the action plugin.
    type: str
  receiver:
    description: User on the node who brings the stream, a number. Filled in by the action plugin.
    type: int
  stream:
    description: Path of the shipped stream on the node. Filled in by the action plugin.
    type: path
"""

EXAMPLES = r"""
- name: Bring the bundle to the node
  k3a.cluster.bundle:
    bundle: "{{ lookup('k3a.cluster.bundle') }}"
  register: _k3a_bundle

- name: Stage a bundle for a later upgrade, without using it yet
  k3a.cluster.bundle:
    bundle: /media/stick/k3a-bundle.tar
    link: false
"""

RETURN = r"""
path:
  description: Directory of the bundle on the node, also when check mode did not make it.
  returned: success
  type: str
  sample: /var/lib/k3a/data/ab6ec0994f39e50b40d58ebce93614ddd9d174dfdecff5ca79469a58733be9b1
id:
  description: Id of the bundle, the sha256 of its manifest.
  returned: success
  type: str
  sample: ab6ec0994f39e50b40d58ebce93614ddd9d174dfdecff5ca79469a58733be9b1
versions:
  description: Version of each component.
  returned: success
  type: dict
  sample: {etcd: v3.7.3, kubernetes: v1.37.2}
images:
  description: Image archives of the bundle.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the image.
      type: str
      sample: registry.k8s.io/pause:3.10
    path:
      description: The archive on the node.
      type: str
      sample: /var/lib/k3a/data/ab6ec0994f39e50b40d58ebce93614ddd9d174dfdecff5ca79469a58733be9b1/images/pause.tar
programs:
  description:
    - Where the programs of a bundle will be that is not on the node yet, in check mode. Else modules find them in
      RV(path).
  returned: success
  type: dict
  sample: {}
installed_files:
  description: Files that were shipped, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [bin/etcd, bin/kubernetes]
damaged_files:
  description: Files of the bundle that were on the node and not right.
  returned: success
  type: list
  elements: str
  sample: []
removed_directories:
  description: Directories of unused bundles, and of interrupted runs, that were removed.
  returned: success
  type: list
  elements: str
  sample: []
foreign_commands:
  description: Commands that were left alone because they are not k3a's.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/bin/kubectl]
architecture:
  description: Architecture of the node, in Go's words.
  returned: success
  type: str
  sample: amd64
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import installation as bundle


def main() -> None:
    bundle.run(AnsibleModule(argument_spec=bundle.OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
