# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.template import Templar, trust_as_template
from ansible_collections.k3a.cluster.plugins.action import join_info as action
from ansible_collections.k3a.cluster.plugins.modules import join_info as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

URL = "https://192.0.2.10:6443"


@pytest.fixture
def ask(monkeypatch):
    """Ask a machine's cluster by its variables, and see with what."""

    def ask(answer=None, args=None, **variables):
        seen = {}

        def execute(self, module_name=None, module_args=None, task_vars=None):
            seen.update(module_args)
            return {"changed": False} if answer is None else answer

        monkeypatch.setattr(ActionBase, "run", lambda *_: {})
        monkeypatch.setattr(ActionBase, "_execute_module", execute)
        plugin = action.ActionModule.__new__(action.ActionModule)
        plugin._task = type("Task", (), {"action": "k3a.cluster.join_info", "args": args or {}})()
        plugin._templar = Templar(DataLoader())
        return plugin.run(task_vars={"k3a_server_url": URL, **variables}), seen

    return ask


def test_a_machine_has_a_url_and_a_token(ask):
    assert ask(args={"token": "s3cr3t"})[1] == {
        "data_dir": "/var/lib/k3a",
        "server_url": URL,
        "expected": {},
        "token": "s3cr3t",
    }


def test_what_the_operator_says_of_the_cluster_is_expected_of_it(ask):
    given = {"k3a_cluster_cidr": "10.42.0.0/16,fd00::/56", "k3a_https_listen_port": "7443", "k3a_node_name": "n"}
    assert ask(**given)[1]["expected"] == {"cluster_cidr": ["10.42.0.0/16", "fd00::/56"], "https_listen_port": 7443}


def test_a_variable_may_be_a_template_over_others_and_their_defaults(ask):
    seen = ask(k3a_cluster_domain=trust_as_template("{{ k3a_flannel_backend }}.local"))[1]
    assert seen["expected"] == {"cluster_domain": "vxlan.local"}


def test_all_that_cannot_be_used_is_told_at_once(ask):
    with pytest.raises(AnsibleActionFail) as error:
        ask(k3a_https_listen_port="soon", k3a_cluster_domain=trust_as_template("{{ nowhere }}"))
    for part in ("k3a_https_listen_port must be a whole number", "k3a_cluster_domain has no value: 'nowhere'"):
        assert part in str(error.value)


@pytest.mark.parametrize("url", ["192.0.2.10:6443", "http://192.0.2.10:6443", "https://a:b", "https://u@a"])
def test_a_bad_url_is_refused_before_the_machine_is_asked(ask, url):
    with pytest.raises(AnsibleActionFail) as error:
        ask({"failed": True, "msg": "the machine was asked"}, k3a_server_url=url)
    said = f"Nothing was changed: k3a_server_url {url!r} is not the URL of an API server; write it as in https://10.0.0.1:6443"
    assert str(error.value) == said


def test_its_answer_is_data(ask):
    answer = {"changed": False, "url": URL, "ansible_facts": {"k3a_data_dir": "/tmp"}, "add_host": {}}
    assert ask(answer)[0] == {"changed": False, "url": URL}


def test_the_task_has_the_last_word(ask):
    assert ask(args={"data_dir": "/mnt"}, k3a_data_dir="/srv")[1]["data_dir"] == "/mnt"
    assert ask(k3a_data_dir="/srv")[1]["data_dir"] == "/srv"


def test_names_are_those_of_variables_and_options():
    names = {spec.PREFIX + name for name in (*action.OF_THE_MACHINE, *action.OF_THE_CLUSTER)}
    assert names <= spec.specification().keys()
    assert {*action.OF_THE_MACHINE, "expected"} <= module.OPTIONS.keys()
