# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.action import drift
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import role_tasks
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

FILE = """
- name: Around
  module_defaults:
    group/k3a.cluster.k3a:
      data_dir: /data
      timeout: 5
  vars:
    outer: 1
  when: first
  block:
    - name: Ask
      k3a.cluster.certificate: &same
        profile: agent
      register: asked

    - name: Sign elsewhere
      k3a.cluster.certificate_signature:
        requests: 1
      delegate_to: server-1
      run_once: true
      when: [second, third]

    - name: Install
      k3a.cluster.certificate:
        <<: *same
        timeout: 7
      vars:
        inner: 2
      throttle: 1
"""


def test_tasks_have_what_their_blocks_give_them():
    ask, sign, install = role_tasks.tasks_in(yaml.safe_load(FILE))
    assert ask == role_tasks.RoleTask(
        name="Ask",
        module="certificate",
        arguments={"data_dir": "/data", "timeout": 5, "profile": "agent"},
        conditions=("first",),
        variables={"outer": 1},
        register="asked",
    )
    assert (sign.module, sign.conditions, sign.delegated) == (
        "certificate_signature",
        ("first", "second", "third"),
        True,
    )
    assert install.arguments == {"data_dir": "/data", "timeout": 7, "profile": "agent"}
    assert install.variables == {"outer": 1, "inner": 2}


@pytest.mark.parametrize(
    ("task", "complaint"),
    [
        ({"name": "Again", "k3a.cluster.host": {}, "loop": [1]}, "the task 'Again' has loop"),
        ({"name": "Copy", "ansible.builtin.copy": {}}, "the task 'Copy' has ansible.builtin.copy"),
        ({"name": "Nothing"}, "the task 'Nothing' has no module of this collection"),
    ],
)
def test_what_is_not_understood_is_refused(task, complaint):
    with pytest.raises(role_tasks.RoleTaskError, match=complaint):
        list(role_tasks.tasks_in([task]))


@pytest.mark.parametrize("file", ["agent/prepare", *drift.SERVER_FILES, *drift.NODE_FILES])
def test_the_task_files_that_hosts_are_compared_with_are_understood(file):
    role, _slash, name = file.partition("/")
    assert list(role_tasks.tasks_in(yaml.safe_load((spec.ROLES / role / "tasks" / f"{name}.yml").read_text())))
