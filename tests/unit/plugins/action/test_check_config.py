# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time

import pytest
import yaml
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.template import Templar, trust_as_template
from ansible_collections.k3a.cluster.plugins.action.check_config import FROM_VARIABLES, ActionModule
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import canonical, parse_manifest
from ansible_collections.k3a.cluster.plugins.module_utils._host import check
from ansible_collections.k3a.cluster.plugins.modules import check_config as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import reports, verdict
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec
from ansible_collections.k3a.cluster.tests.unit.host_samples import FRESH

FACTS = {"architecture": "amd64", "bundle_present": False, "node_name": "node-1"}
MANIFEST = {
    "format": 1,
    "architecture": "amd64",
    "components": {"kubernetes": {"version": "v1.37.2"}},
    "files": [],
    "links": {},
    "images": [],
    "flags": {"kubelet": ["max-pods"]},
}


class Task:
    def __init__(self, **args):
        self.args = args
        self.async_val = 0
        self.check_mode = False


class Connection:
    transport = "pigeon"

    def __init__(self):
        self._play_context = PlayContext()


class Action(ActionModule):
    """The action with a module that answers what it is told to; everything else is real."""

    def __init__(self, answer, **args):
        self._task = Task(**args)
        self._loader = DataLoader()
        self._templar = Templar(loader=self._loader)
        self._supports_check_mode = True
        self._connection = Connection()
        self.answer = answer
        self.options = None

    def _execute_module(self, module_name, module_args, task_vars):
        self.options = module_args
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def ports_of(options, name):
    """The ports that the module is told a component will have."""
    (ports,) = [each["ports"] for each in options["components"] if each["name"] == name]
    return [port["number"] for port in ports]


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "manifest.json").write_bytes(canonical(MANIFEST))
    return str(tmp_path)


@pytest.fixture
def run(bundle, monkeypatch):
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda self, tmp, task_vars: {})

    def run(answer=None, args=None, host="node-1", **values):
        looked = {"findings": [], "facts": {**FACTS, "clock": time.time()}, "changed": False}
        action = Action(looked if answer is None else answer, **(args or {}))
        variables = {
            "inventory_hostname": host,
            "inventory_dir": "/inventory",
            "groups": {"all": ["node-1", "node-2"], "server": ["node-1"], "agent": ["node-2"]},
            "k3a_bundle": bundle,
            **values,
        }
        return action.run(task_vars=variables), action.options

    return run


def told(result):
    return [f"{finding['message']}; {finding['remedy']}" for finding in result["findings"]]


def test_nothing_is_wrong(run, bundle):
    result, options = run()
    assert result["findings"] == []
    assert result["host"]["name"] == "node-1"
    assert result["host"]["server"] is True
    assert result["host"]["bundle"] == bundle
    assert result["host"]["settings"]["cluster_cidr"] == ["10.42.0.0/16"]
    assert options["bundle_id"] == parse_manifest(canonical(MANIFEST)).id


def test_the_groups_say_what_a_host_becomes(run):
    assert [run(host=host)[1]["server"] for host in ("node-1", "node-2")] == [True, False]
    assert run(k3a_disable_agent=True)[1]["agent"] is False
    # On an agent the variable, perhaps set for all, means nothing.
    assert run(host="node-2", k3a_disable_agent=True)[1]["agent"] is True


@pytest.mark.parametrize("groups", [{"server": ["node-1"]}, {"server": ["node-1"], "agent": ["node-2"]}, {"server": ["node-1", "x"]}])
@pytest.mark.parametrize("values", [{}, {"k3a_disable_agent": True}, {"k3a_flannel_backend": "none"}, {"k3a_https_listen_port": 7443}])
@pytest.mark.parametrize("host", ["node-1", "node-2"])
def test_a_firewall_is_opened_for_what_the_check_would_find_closed(run, groups, values, host):
    """The run opens no more and no less, also on a host that is alone."""
    result, options = run(host=host, groups={"all": ["node-1", "node-2"], **groups}, **values)
    (report,) = reports.host_reports([result])
    record = verdict.node_record(report, verdict.Ways(("10.0.0.1:6443",), "https://10.0.0.1:6443"))
    known = {name: option.get("default") for name, option in module.OPTIONS.items()}
    wanted = module.wanted_of({**known, **options})
    need = check.firewall_need(FRESH, wanted)
    assert record["firewall_ports"] == [f"{number}/{protocol}" for protocol, number in need.ports]
    assert record["firewall_networks"] == list(need.cluster_cidr)


def test_variables_are_the_modules_options_and_the_task_has_the_last_word(run):
    _result, options = run(k3a_data_dir="/srv/k3a", k3a_proxy_mode="iptables", args={"data_dir": "/mnt/k3a"})
    assert (options["data_dir"], options["proxy_mode"], options["snapshotter"]) == ("/mnt/k3a", "iptables", "overlayfs")


def test_variables_are_templates_over_the_roles_defaults(run):
    result, options = run(k3a_cluster_domain=trust_as_template("{{ k3a_flannel_backend }}.local"))
    assert result["host"]["settings"]["cluster_domain"] == "vxlan.local"
    assert told(result) == []
    assert options["flannel_backend"] == "vxlan"


def test_an_unknown_variable(run):
    result, _options = run(k3a_clutser_cidr=["10.0.0.0/8"], k3a_colour="blue")
    assert told(result) == [
        "there is no variable k3a_clutser_cidr; did you mean k3a_cluster_cidr?",
        "there is no variable k3a_colour; remove it, or see docs/variables.md for its name",
    ]


def test_an_ill_typed_variable_is_told_and_not_passed_on(run):
    result, options = run(k3a_https_listen_port="http", k3a_write_kubeconfig_mode=0o600)
    assert told(result) == [
        'k3a_https_listen_port must be a whole number, and is "http"; correct it',
        "k3a_write_kubeconfig_mode must be a text, and is the number 384; put it in quotes",
    ]
    assert ports_of(options, "apiserver") == [6443]


def test_a_malformed_variable_is_told_and_not_passed_on(run):
    result, options = run(k3a_cluster_cidr=["10.42.0.0"])
    assert told(result)[0].startswith("k3a_cluster_cidr: '10.42.0.0' is not a network")
    assert "cluster_cidr" not in options


def test_a_template_that_fails(run):
    result, _options = run(k3a_cluster_domain=trust_as_template("{{ nowhere }}"))
    assert told(result) == ["k3a_cluster_domain has no value: 'nowhere' is undefined; correct it"]


def test_a_flag_that_the_bundles_component_does_not_know(run):
    result, _options = run(k3a_kubelet_arg=["max-pods=10", "max-podz=10"])
    assert told(result) == ["k3a_kubelet_arg: kubelet has no flag max-podz; correct or remove it"]


def test_a_secret_is_in_nothing_that_comes_out(run):
    for token in ("K10canary", ["K10canary"], trust_as_template("{{ 'K10' ~ 'canary' | nosuchfilter }}")):
        result, options = run(k3a_token=token)
        # The module itself compares it, on servers, by an option that is not logged.
        options.pop("token", None)
        assert "canary" not in json.dumps([result, options])


def test_a_servers_token_is_compared_with_the_one_it_keeps_and_an_agents_is_not(run):
    assert run(k3a_token="s3cr3t-word")[1]["token"] == "s3cr3t-word"
    assert "token" not in run(k3a_token="f00bar.0123456789abcdef", host="node-2")[1]


def test_where_a_servers_api_is(run):
    facts = {**FACTS, "node_ips": ["10.89.0.11", "fd00::11"], "clock": time.time()}
    values = {"k3a_advertise_address": "192.0.2.1", "k3a_https_listen_port": 7443}
    host = run({"findings": [], "facts": facts}, **values)[0]["host"]
    assert (host["url"], host["api"]) == ("https://192.0.2.1:7443", "10.89.0.11:7443")
    other = run({"findings": [], "facts": facts}, host="node-2")[0]["host"]
    assert other["url"] == other["api"] == ""
    # Without an address, which is a finding already, there is no way to it.
    assert run({"findings": [], "facts": {**facts, "node_ips": []}})[0]["host"]["url"] == ""


def test_where_the_address_in_front_of_the_servers_is(run):
    url = trust_as_template("https://{{ 'api' }}.example.org")
    assert [run(host=host, k3a_server_url=url)[0]["host"]["fixed"] for host in ("node-1", "node-2")] == [
        *("api.example.org:443", "api.example.org:443")
    ]
    # Neither is a URL of the wrong type or form, which is a finding, in the way of all the others.
    for value in ("", 6443, "https://[fd00::1"):
        assert run(k3a_server_url=value)[0]["host"]["fixed"] == ""


def test_whether_a_machine_was_made_anew_is_its_operators_word(run):
    assert run()[0]["host"]["replace"] is False
    assert run(k3a_replace="yes")[0]["host"]["replace"] is True


def test_the_node_tells_how_it_was_made_and_no_secret(run):
    host = run(k3a_token="s3cr3t-word", k3a_node_label=["a=b"])[0]["host"]
    assert host["annotations"][0] == (
        'k3a.io/node-args=["server", "--node-label", "a=b", "--token", "********"]'
    )
    assert "s3cr3t" not in json.dumps(host)
    agent = run(host="node-2")[0]["host"]["annotations"]
    assert [annotation.partition("=")[0] for annotation in agent] == [
        *("k3a.io/node-args", "k3a.io/node-env", "k3a.io/node-config-hash")
    ]
    assert agent[0].endswith('=["agent"]')


def test_the_host_is_what_is_documented(run):
    facts = {**FACTS, "node_ips": ["10.89.0.11"], "clock": time.time()}
    documented = yaml.safe_load(module.RETURN)["host"]["sample"]
    assert run({"findings": [], "facts": facts})[0]["host"].keys() == documented.keys()


def test_options_of_the_new_node_are_variables_too(run):
    options = run(k3a_with_node_id=True, k3a_lb_server_port=7444)[1]
    assert (options["with_node_id"], ports_of(options, "load-balancer")) == (True, [7444, 6445])


def test_an_option_has_the_type_default_and_choices_of_its_variable():
    for name, option in module.OPTIONS.items():
        variable = spec.specification().get(f"k3a_{name}")
        if variable:
            assert {key: variable.get(key) for key in option} == option, name


def test_every_option_that_is_a_variable_is_taken_from_it():
    assert set(FROM_VARIABLES) == {
        name for name in module.OPTIONS if f"k3a_{name}" in spec.specification() and name not in ("token", "bundle")
    }


def test_a_bundle_that_cannot_be_used(run, tmp_path):
    result, options = run(k3a_bundle=f"{tmp_path}/none")
    assert told(result) == [
        f"there is no bundle {tmp_path}/none on the controller; build one with playbooks/bundle.yml",
    ]
    assert "bundle_id" not in options
    assert result["host"]["bundle"] == ""


def test_an_empty_bundle_is_told_once(run):
    result, _options = run(k3a_bundle="")
    assert told(result) == ["k3a_bundle is empty; name a place on the controller, or leave the variable out"]


def test_of_what_is_wrong_nothing_else_is_told(run):
    result, _options = run(k3a_write_kubeconfig_group="1000")
    assert [finding["level"] for finding in result["findings"]] == ["fail"]


def test_a_bundle_for_other_machines(run, bundle):
    result, _options = run({"findings": [], "facts": {**FACTS, "architecture": "arm64", "clock": time.time()}})
    assert told(result) == [
        f"the bundle {bundle} is for amd64, and the host is arm64; set k3a_bundle to one for the host"
    ]


def test_a_bundle_that_the_host_has_is_not_read_again(run):
    result, _options = run({"findings": [], "facts": {**FACTS, "bundle_present": True, "clock": time.time()}})
    assert result["host"]["bundle"] == ""


@pytest.mark.parametrize("offset, count", [(0, 0), (-20, 0), (45, 1), (-3600, 1)])
def test_the_clock_is_compared_with_ours(run, offset, count):
    result, _options = run({"findings": [], "facts": {**FACTS, "clock": time.time() + offset}})
    assert [finding["name"] for finding in result["findings"]] == ["clock"] * count


def test_findings_of_the_host_come_with_those_of_its_variables(run):
    nft = {"name": "command_nft", "level": "fail", "message": "the host has no command nft", "remedy": "install it"}
    result, _options = run(
        {"findings": [nft], "facts": {**FACTS, "clock": time.time()}}, k3a_node_label=["a b"], k3a_unknwon=1
    )
    assert [finding["name"] for finding in result["findings"]] == ["variable_unknown", "k3a_node_label", "command_nft"]


@pytest.mark.parametrize(
    "answer",
    [
        {"failed": True, "msg": "Missing sudo password"},
        {
            "failed": True,
            "msg": "Module result deserialization failed.",
            "module_stderr": "sudo: a password is required",
        },
        AnsibleError("Incorrect sudo password"),
    ],
)
def test_a_user_without_root_is_a_finding(run, answer):
    result, _options = run(answer, ansible_user="plain")
    (finding,) = result["findings"]
    assert finding["message"].startswith("the user plain cannot become root")
    assert "failed" not in result
    assert result["host"]["name"] == "node-1"


def test_a_fault_of_the_module_stays_a_failure(run):
    result, _options = run({"failed": True, "msg": "KeyError: 'x'"})
    assert result["failed"] is True
    assert "host" not in result


def test_an_unreachable_host_is_ansibles_to_report(run):
    with pytest.raises(AnsibleConnectionFailure):
        run(AnsibleConnectionFailure("no route to host"))


@pytest.mark.parametrize(
    "facts, reason",
    [
        ({"node_ips": ["x; reboot"]}, "its node_ips name 'x; reboot', which is no address"),
        ({"node_password": "yes"}, "its node_password is 'yes', which is no bool"),
    ],
)
def test_what_a_host_says_in_another_form_is_a_finding_of_its_own(run, facts, reason):
    result = run({"findings": [], "facts": {**FACTS, **facts, "clock": time.time()}})[0]
    assert f"what it says of itself cannot be used: {reason}; see what answers in its place" in told(result)


def test_settings_are_all_variables_but_secrets(run):
    settings = run(k3a_token="canary-1", k3a_registries={"configs": {}})[0]["host"]["settings"]
    secret = {name for name, option in spec.specification().items() if option.get("no_log")}
    assert {spec.PREFIX + name for name in settings} == spec.specification().keys() - secret


def test_a_value_that_cannot_be_is_no_setting_by_which_a_host_is_judged(run):
    settings = run(k3a_node_name="Web_1", k3a_node_ip=["10.0.0.5/24"])[0]["host"]["settings"]
    assert not {"node_name", "node_ip"} & settings.keys()


@pytest.mark.parametrize(
    "said",
    [
        {"facts": ["text"]},
        {"facts": {}},
        {"facts": {**FACTS, "clock": "soon"}},
        {"facts": {**FACTS, "node_ips": ["no address"]}},
        {"facts": {**FACTS, "node_name": "{{ lookup('pipe', 'id') }}"}},
        {"findings": "text"},
        {"findings": [{"name": 1}]},
    ],
)
def test_what_a_host_says_and_cannot_be_used_is_a_finding_about_it_alone(run, said):
    """It was an error of all hosts, once the whole cluster was judged."""
    answer = {"findings": [], "facts": {**FACTS, "clock": time.time()}, "changed": False, **said}
    result, _options = run(answer=answer)
    assert [finding["name"] for finding in result["findings"]] == ["report"]
    assert result["facts"] == {}
    (report,) = reports.host_reports([result])
    assert report.facts is None


@pytest.mark.parametrize("host, is_told", [("node-1", True), ("node-2", False)])
def test_a_connection_that_would_show_the_keys_of_cas_is_told_of_servers(run, monkeypatch, host, is_told):
    monkeypatch.delattr(Connection, "transport")
    monkeypatch.setattr(Connection, "__init__", lambda self: None)
    expected = "the connection Connection would show a secret that is to travel over it, so nothing was exchanged; "
    found = [each.startswith(expected) for each in told(run(host=host)[0]) if "connection" in each]
    assert found == ([True] if is_told else [])
