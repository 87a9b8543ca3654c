#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_tools
short_description: Look for the tools that the build of a bundle needs
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Looks for the tools that all components need, and names everything that is missing, with the packages that bring it,
    before the first component is built.
  - A bundle is built on Linux, with Go in the newest release that a component asks for. Components that contain C need
    gcc, pkg-config and static C libraries, too.
  - Runs on the controller, and changes nothing.
extends_documentation_fragment: [k3a.cluster.attributes]
options:
  components:
    description: The recipes of all components by name, as in C(bundle/components.yml).
    type: dict
    required: true
  source:
    description: Folder with a folder for each component, each holding its lock files.
    type: path
    required: true
attributes:
  diff_mode:
    support: none
  platform:
    platforms: posix
"""

EXAMPLES = r"""
- name: Check the build tools (Go, C compiler, libseccomp)
  k3a.cluster.bundle_tools:
    components: "{{ components }}"
    source: "{{ playbook_dir }}/../bundle"
  delegate_to: localhost
"""

RETURN = r"""
tools:
  description: The versions of the tools that make each component, and the digests of the C libraries in it.
  returned: success
  type: dict
  sample: {etcd: go1.26.8, pause: gcc 12.2.0 libc.a 5d41402abc4b2a76b9719d911017c592}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import Component
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.tools import missing_tools, tools_of
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, during, reports_errors

OPTIONS = {
    "components": {"type": "dict", "required": True},
    "source": {"type": "path", "required": True},
}


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


@reports_errors
def run(module: AnsibleModule) -> None:
    wanted = module.params["components"]
    components = [Component(name, recipe, module.params["source"], cache="") for name, recipe in wanted.items()]
    with during("The controller cannot build a bundle"):
        missing = missing_tools(module.run_command, components)
        if missing:
            raise K3aError("; ".join(missing))
        tools = {component.name: tools_of(module.run_command, component) for component in components}
    module.exit_json(changed=False, tools=tools)


if __name__ == "__main__":
    main()
