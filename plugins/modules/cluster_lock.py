#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_lock
short_description: One playbook at a time on a cluster
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Takes a cluster for the playbook that runs, or fails and says who holds it.
  - The lock is the Lease C(k3a-playbook) in the namespace C(kube-system), and the file C(/run/k3a-cluster.lock) on the
    server that renews it. Run this module on, or delegated to, one server after the other until one has the Lease
    (RV(is_leased)), before anything is changed. Where none has it, there is no cluster yet or none whose API answers.
    Then the lock is the file on all servers that can be reached.
  - The lock is held until C(ansible-playbook) ends, in whatever way, and is free within two seconds then; no task has
    to give it back. A process beside C(ansible-playbook) sees to that and renews the lock over the task's own
    connection. It takes the Lease, too, when the API comes to answer and nobody has it.
  - A lock that is not renewed, since controller or network are gone, expires within 180 seconds, a file within 60. A
    Lease that has expired is watched for 30 seconds before it is taken over, since clocks differ.
  - That process needs a connection that starts a program for each command, as P(ansible.builtin.ssh#connection) and
    P(ansible.builtin.local#connection) do. With another one the lock may expire while the playbook still runs.
  - Taking a lock that the same playbook holds already renews it. Nothing that this module does is a change.
  - In check mode it takes nothing and warns when another playbook holds the cluster.
extends_documentation_fragment: [k3a.cluster.attributes]
requirements:
  - Linux with Python 3.9 or newer on the server; nothing else needs to be installed.
options:
  state:
    description: Whether the playbook holds the cluster. V(absent) gives it back before the playbook ends.
    type: str
    choices: [present, absent]
    default: present
  required:
    description:
      - Whether to fail on a host that cannot keep a lock. Otherwise RV(is_holder) says so; checks may say
        why, and better.
      - That another playbook holds the cluster is a failure in any case.
    type: bool
    default: true
  api_timeout:
    description: Seconds for which an API that does not answer, or not in time, is asked again.
    type: float
    default: 8
  id:
    description: The identity of the playbook's process. The controller's half of this module sets it.
    type: str
    default: ""
  holder:
    description: What others are told of the holder. The controller's half of this module sets it.
    type: str
    default: ""
  replaces:
    description: The identity of a holder that is known to be dead. The controller's half of this module sets it.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Hold the cluster
  k3a.cluster.cluster_lock:
  delegate_to: server-1
  run_once: true
"""

RETURN = r"""
is_holder:
  description:
    - Whether the playbook holds the cluster.
    - In check mode, whether the server could keep the lock; RV(other_lock) says who holds it.
  returned: always
  type: bool
  sample: true
is_leased:
  description: Whether the playbook has the Lease; in check mode, whether the API answers that has it.
  returned: always
  type: bool
  sample: true
was_holder:
  description: Whether the playbook held the cluster by this server's file already.
  returned: success
  type: bool
  sample: false
unleased_reason:
  description: Why the playbook does not have the Lease; empty when it does.
  returned: success
  type: str
  sample: "the API at https://127.0.0.1:6443 cannot be reached: Connection refused"
other_lock:
  description: The lock of another playbook, if there is one.
  returned: in check mode, or when the cluster is held
  type: dict
  sample: {holder: "admin@control, process 4242, site.yml", since: "2026-11-24T12:00:00Z"}
"""

import sys

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api, lease, lock, lock_file, server_api
from ansible_collections.k3a.cluster.plugins.module_utils._engine import (
    files,
    layout,
    options,
    own_units,
    process,
    program,
    systemd,
)
from ansible_collections.k3a.cluster.plugins.module_utils._errors import errors
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors

# What the keeper's program needs besides its command.
LIBRARY = (api, errors, files, layout, lease, lock_file, options, own_units, process, server_api, systemd)
OPTIONS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "required": {"type": "bool", "default": True},
    "api_timeout": {"type": "float", "default": lock.TRIES},
    "id": {"type": "str", "default": ""},
    "holder": {"type": "str", "default": ""},
    "replaces": {"type": "str", "default": ""},
}


@reports_errors
def run(module: AnsibleModule) -> None:
    params = module.params
    if not params["id"]:
        raise K3aError("id is empty: this module works only as a task, together with its half on the controller")
    # The keeper is to use the Python that is known to work.
    result = {"changed": False, "was_holder": False, "interpreter": sys.executable}
    if module.check_mode:
        other, unleased = lock.other_lock(params["id"])
        module.exit_json(**result, other_lock=other, unleased_reason=unleased)
    if params["state"] == "absent":
        lock.release(params["id"])
        module.exit_json(**result, unleased_reason="")
    try:
        taken = lock.take(params["id"], params["holder"], params["replaces"], params["api_timeout"])
    except lock_file.Held as error:
        raise K3aError(str(error), other_lock=error.lock) from None
    if not taken.was_holder:
        files.write_file(files.File(lock.PROGRAM, program.archive({"lock": lock}, LIBRARY), mode=0o600))
    module.exit_json(**{**result, "was_holder": taken.was_holder}, unleased_reason=taken.unleased)


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
