# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors


class Plugin:
    @reports_errors
    def run(self, tmp=None, task_vars=None):
        if isinstance(task_vars, Exception):
            raise task_vars
        return {"changed": True}


def test_a_result_is_what_the_plugin_says():
    assert Plugin().run() == {"changed": True}


def test_an_error_for_the_operator_fails_the_task_with_its_sentence():
    failed = Plugin().run(task_vars=K3aError("the CA expired", paths=["/ca"]))
    assert failed == {"changed": False, "failed": True, "msg": "the CA expired", "paths": ["/ca"]}
    failed = Plugin().run(task_vars=OSError(errno.EACCES, "Permission denied", "/bundle"))
    assert failed["msg"] == "/bundle: Permission denied"


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(KeyError):
        Plugin().run(task_vars=KeyError("name"))
