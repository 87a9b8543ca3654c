#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_component
short_description: Build one component of a bundle on the controller
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Builds a component from its pinned upstream sources into the cache, where M(k3a.cluster.bundle_archive) finds it.
  - A build is kept under a key made of its lock files, its recipe, the architecture and the version of the compiler.
    What has been built once is not built again.
  - Two runs at once do not build the same component twice. The second one waits for the first.
  - Runs on the controller, which needs Go, and for some components gcc and static C libraries.
extends_documentation_fragment: [k3a.cluster.attributes]
options:
  name:
    description: Name of the component, and of its folder below O(source).
    type: str
    required: true
  source:
    description: Folder with a folder for each component, each holding its lock files.
    type: path
    required: true
  cache:
    description:
      - Folder of the cache.
      - The default is the environment variable E(K3A_CACHE), or else C(~/.cache/k3a).
    type: path
  recipe:
    description: What to build and how, as in C(bundle/components.yml).
    type: dict
    required: true
    suboptions:
      version:
        description: Version of the component.
        type: str
        required: true
      module:
        description: Upstream Go module that carries the version.
        type: str
      duration:
        description: How long a first build usually takes, for readers.
        type: str
      programs:
        description: File in the bundle, and the Go package or C file that makes it.
        type: dict
        required: true
      stamps:
        description: Go variables (for C, macros) to set to a text.
        type: dict
      cgo:
        description: Whether the Go packages contain C.
        type: bool
        default: false
      tags:
        description: Build tags for Go.
        type: list
        elements: str
      libraries:
        description: Static C libraries that must be installed.
        type: list
        elements: str
      links:
        description: Further names of a program, as a link to a file beside it.
        type: dict
      flags:
        description: A program of the component, and arguments that make it print its flags as JSON.
        type: list
        elements: str
      image:
        description: Wraps one of the programs into an image archive.
        type: dict
        suboptions:
          path:
            description: File in the bundle.
            type: str
            required: true
          name:
            description: Name of the image.
            type: str
            required: true
          program:
            description: The program.
            type: str
            required: true
          user:
            description: User and group that the program runs as.
            type: str
            required: true
attributes:
  diff_mode:
    support: none
  platform:
    platforms: posix
"""

EXAMPLES = r"""
- name: Build etcd
  k3a.cluster.bundle_component:
    name: etcd
    source: "{{ playbook_dir }}/../bundle"
    recipe: "{{ components.etcd }}"
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: Folder of the build in the cache.
  returned: success
  type: str
  sample: /home/me/.cache/k3a/components/etcd/0123456789abcdef0123456789abcdef
version:
  description: Version of the component.
  returned: success
  type: str
  sample: v3.7.3
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.build import build, cache_root
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import Component, component_key
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.tools import tools_of
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors

IMAGE = {name: {"type": "str", "required": True} for name in ("path", "name", "program", "user")}
RECIPE = {
    "version": {"type": "str", "required": True},
    "module": {"type": "str"},
    "duration": {"type": "str"},
    "programs": {"type": "dict", "required": True},
    "stamps": {"type": "dict"},
    "cgo": {"type": "bool", "default": False},
    "tags": {"type": "list", "elements": "str"},
    "libraries": {"type": "list", "elements": "str"},
    "links": {"type": "dict"},
    "flags": {"type": "list", "elements": "str"},
    "image": {"type": "dict", "options": IMAGE},
}
OPTIONS = {
    "name": {"type": "str", "required": True},
    "source": {"type": "path", "required": True},
    "cache": {"type": "path"},
    "recipe": {"type": "dict", "required": True, "options": RECIPE},
}


@reports_errors
def run(module: AnsibleModule) -> None:
    wanted = module.params
    component = Component(wanted["name"], wanted["recipe"], wanted["source"], cache_root(wanted["cache"]))
    with during(f"Cannot build {component.name} in {component.cache}"):
        tools = tools_of(module.run_command, component)
        path = component.built(component_key(component, tools))
        missing = not os.path.exists(path)
        if missing and not module.check_mode:
            build(module.run_command, component, tools)
    module.exit_json(changed=missing, path=path, version=wanted["recipe"]["version"])


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
