#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_password
short_description: What a machine proves its node's name with
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Keeps a random password in C(/etc/k3a/node/password) on the node, as K3s does in C(/etc/rancher/node/password), and
    returns its hash for M(k3a.cluster.node_identity), which keeps that in the cluster.
  - A password that exists is never replaced. It never leaves the node.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.options.data_dir
  - k3a.cluster.options.timeout
options:
  data_dir:
    description: Where k3a keeps its files on the node; not used here.
"""

EXAMPLES = r"""
- name: Keep the node's password
  k3a.cluster.node_password:
  register: password
"""

RETURN = r"""
hash:
  description:
    - The password's hash in K3s's form C($1:<salt>:15:8:1:<key>), scrypt with a salt of its own each time. Nothing in
      check mode while there is no password.
  returned: success
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password as passwords

OPTIONS = {
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
}


def observe() -> tuple[files.File, files.Change | None]:
    """The file as it should be, with the password that is there or a new one, and how it differs from what is there."""
    content = passwords.wanted_content(files.read_bytes(passwords.PASSWORD_FILE))
    wanted = files.File(passwords.PASSWORD_FILE, content, mode=0o600, secret=True)
    return wanted, files.file_change(wanted)


@reports_errors
def run(module: AnsibleModule) -> None:
    with during("the node's password cannot be kept"):
        wanted, change = observe()
        if change and not module.check_mode:
            with host_lock(module.params["timeout"]):
                wanted, change = observe()  # another run may have made one while this one waited
                files.make_directory(files.Directory(os.path.dirname(passwords.PASSWORD_FILE), 0o700))
                files.write_file(wanted)
    known = os.path.exists(passwords.PASSWORD_FILE)
    module.exit_json(
        changed=change is not None,
        hash=passwords.hash_of(passwords.password_in(wanted.content)) if known else "",
        diff=[change.as_diff()] if change else [],
    )


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
