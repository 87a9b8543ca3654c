#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_archive
short_description: Put a bundle together from built components
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Puts the components that M(k3a.cluster.bundle_component) built together to a bundle in the cache, where the lookup
    P(k3a.cluster.bundle#lookup) finds it.
  - Runs on the controller.
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
  cache:
    description:
      - Folder of the cache.
      - The default is the environment variable E(K3A_CACHE), or else C(~/.cache/k3a).
    type: path
  archive:
    description:
      - Also write the bundle as one file here, to carry it to a controller without internet.
      - That file is an uncompressed tar, because what is in it is compressed already.
    type: path
attributes:
  diff_mode:
    support: none
  platform:
    platforms: posix
"""

EXAMPLES = r"""
- name: Assemble the bundle
  k3a.cluster.bundle_archive:
    components: "{{ components }}"
    source: "{{ playbook_dir }}/../bundle"
  delegate_to: localhost

- name: Put the bundle together, and write it as one file for a site without internet
  k3a.cluster.bundle_archive:
    components: "{{ components }}"
    source: "{{ playbook_dir }}/../bundle"
    archive: /media/stick/k3a-bundle.tar
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: Folder of the bundle; an empty text in check mode when the bundle has still to be made.
  returned: success
  type: str
  sample: /home/me/.cache/k3a/bundles/6e5c3f…
id:
  description: Id of the bundle, the sha256 of its manifest; an empty text when it has still to be made.
  returned: success
  type: str
compressed_size:
  description: Size of the bundle in MiB, compressed; 0 when it has still to be made.
  returned: success
  type: float
  sample: 131.5
unpacked_size:
  description: Size of the bundle in MiB, unpacked on a node; 0 when it has still to be made.
  returned: success
  type: float
  sample: 401.2
versions:
  description: Version of each component.
  returned: success
  type: dict
  sample: {etcd: v3.7.3}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.build import (
    archived,
    assemble,
    assembled,
    cache_root,
    write_archive,
)
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import MANIFEST, parse_manifest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import Component, bundle_key, component_key
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.tools import tools_of
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors

OPTIONS = {
    "components": {"type": "dict", "required": True},
    "source": {"type": "path", "required": True},
    "cache": {"type": "path"},
    "archive": {"type": "path"},
}
MIB = 1 << 20
# A bundle of which check mode can only say that it would be made.
NOT_MADE: dict[str, object] = {"path": "", "id": "", "compressed_size": 0.0, "unpacked_size": 0.0}


@reports_errors
def run(module: AnsibleModule) -> None:
    with during("Cannot put the bundle together"):
        result = put_together(module)
    module.exit_json(**result)


def put_together(module: AnsibleModule) -> dict[str, object]:
    """The bundle of the built components, made when it is not there."""
    wanted = module.params
    cache = cache_root(wanted["cache"])
    components = [Component(name, recipe, wanted["source"], cache) for name, recipe in wanted["components"].items()]
    built = [
        component.built(component_key(component, tools_of(module.run_command, component))) for component in components
    ]
    versions = {component.name: component.recipe["version"] for component in components}
    key = bundle_key(components)
    bundle = assembled(cache, built, key)
    result = {"changed": not bundle, "versions": versions, **NOT_MADE}
    if not bundle and not module.check_mode:
        bundle = assemble(cache, built, key)
    if bundle:
        result.update(describe(bundle))
    archive = wanted["archive"]
    if archive and not (bundle and archived(bundle, archive)):
        result["changed"] = True
        if bundle and not module.check_mode:
            write_archive(bundle, archive)
    return result


def describe(bundle: str) -> dict[str, object]:
    """What a reader wants to know about a bundle."""
    with open(os.path.join(bundle, MANIFEST), "rb") as stream:
        manifest = parse_manifest(stream.read())
    members = {entry.member for entry in manifest.files}
    packed = sum(os.path.getsize(os.path.join(bundle, member)) for member in members)
    sizes = {"compressed_size": round(packed / MIB, 1), "unpacked_size": round(manifest.size / MIB, 1)}
    return {"path": bundle, "id": manifest.id, **sizes}


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
