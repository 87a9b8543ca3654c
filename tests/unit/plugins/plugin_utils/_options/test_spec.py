# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleUndefinedVariable
from ansible.template import is_trusted_as_template
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import k3s_flags, spec, values
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.values import IN_WORDS

ROOT = Path(__file__).parents[5]
ROLES = ROOT / "roles"
PLAYBOOKS = ROOT / "playbooks"
ROLE_NAMES = sorted(path.parents[1].name for path in ROLES.glob("*/meta/argument_specs.yml"))
# Groups that site.yml makes.
GROUPS = {"k3a_agent", "k3a_changing", "k3a_failed", "k3a_left_alone", "k3a_new", "k3a_server", "k3a_settled"}
# The lead of a name in the texts of roles and playbooks.
NAME = r"(?<![\w.])(?:k3a_\w+|nodes_(?!absent)\w+|join_hosts)"


def names_in(*files):
    return {name for file in files for name in re.findall(NAME, file.read_text())}


class TestSpecifications:
    def test_a_variable_is_specified_once(self):
        everywhere = [name for role in ROLE_NAMES for name in spec.of_role(role)]
        assert len(everywhere) == len(set(everywhere))
        assert not spec.of_playbooks().keys() & set(everywhere)

    def test_a_variable_of_several_playbooks_means_the_same_in_each(self):
        seen = {}
        for playbook in spec.entry_points(PLAYBOOKS / "meta/argument_specs.yml"):
            for name, option in spec.of_playbook(playbook).items():
                if name != "join_hosts":  # reset.yml names its hosts, join.yml means the machine that it runs on
                    assert seen.setdefault(name, option) == option

    @pytest.mark.parametrize("name", sorted({**spec.specification(), **spec.of_playbooks()}))
    def test_every_variable_is_typed_described_and_has_a_default(self, name):
        option = {**spec.specification(), **spec.of_playbooks()}[name]
        assert re.match("k3a_|nodes_|join_hosts", name)
        assert option["type"] in IN_WORDS
        assert option["type"] != "list" or option["elements"]
        assert all(sentence.endswith(".") for sentence in option["description"])
        assert "default" in option

    def test_secrets_are_marked(self):
        everything = {**spec.specification(), **spec.of_playbooks()}
        secret = {name for name, option in everything.items() if option.get("no_log")}
        tokens = {"k3a_token", "k3a_bootstrap_token", "k3a_new_token"}
        assert secret == {"k3a_registries", "k3a_http_proxy", "k3a_https_proxy", *tokens}

    @pytest.mark.parametrize("playbook", sorted(PLAYBOOKS.glob("*.yml")), ids=lambda path: path.stem)
    def test_every_variable_of_a_playbook_is_specified(self, playbook):
        known = spec.specification().keys() | spec.of_playbook(playbook.stem)
        comments_aside = re.sub(r"(?m)^\s*#.*", "", playbook.read_text())
        assert set(re.findall(NAME, comments_aside)) - GROUPS <= known

    def test_every_variable_of_a_role_is_specified(self):
        assert names_in(*ROLES.glob("*/[tv]*/*")) <= spec.specification().keys()

    @pytest.mark.parametrize("name", ["reset"])
    def test_the_hosts_of_a_playbook_are_by_default_those_that_are_specified(self, name):
        *_before, play = yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text())
        assert play["vars"]["join_hosts"] == spec.of_playbook(name)["join_hosts"]["default"]
        assert play["hosts"] == "{{ join_hosts }}"


class TestEvaluate:
    OPTIONS = {"k3a_one": {"type": "int", "default": 1}, "k3a_two": {"type": "str", "default": "{{ k3a_one }}"}}

    def test_what_is_not_given_is_the_default(self):
        assert spec.evaluate(self.OPTIONS, {"k3a_one": "7"}, lambda value: value) == (
            {"k3a_one": 7, "k3a_two": "{{ k3a_one }}"},
            [],
        )

    def test_defaults_may_be_templates(self):
        assert is_trusted_as_template(spec.templates(self.OPTIONS)["k3a_two"])

    def test_all_that_is_wrong_is_told_at_once(self):
        def template(value):
            if value == 1:
                raise AnsibleUndefinedVariable("'nowhere' is\n undefined.")
            return ["no text"]

        values, problems = spec.evaluate(self.OPTIONS, {}, template)
        assert values == {}
        assert [problem.sentence for problem in problems] == [
            "k3a_one has no value: 'nowhere' is undefined",
            'k3a_two must be a text, and is a list, ["no text"]',
        ]
        assert [isinstance(problem, spec.NoValue) for problem in problems] == [True, False]


@pytest.mark.parametrize(
    "said, reason",
    [
        ("'nowhere' is\n undefined.", "'nowhere' is undefined"),
        ("The lookup plugin 'x' failed: no file.", "no file"),
        ("File not found. Use -vvvvv to see paths searched", "File not found"),
    ],
)
def test_why_a_template_fails_is_one_clause(said, reason):
    assert spec.NoValue("k3a_x", said).sentence == f"k3a_x has no value: {reason}"


def told_of(*names):
    return [f"{problem.sentence}; {problem.remedy}" for problem in spec.strangers(names)]


class TestStrangers:
    @pytest.mark.parametrize(
        "name, meant",
        [
            ("k3a_clutser_cidr", "k3a_cluster_cidr"),
            ("k3a_tls_sans", "k3a_tls_san"),
            ("k3a_kubelet_args", "k3a_kubelet_arg"),
            ("k3a_no_deploy", "k3a_disable"),
            ("k3a_no_flannel", "k3a_flannel_backend: none"),
            ("k3a_server", "k3a_server_url"),
            ("k3a_url", "k3a_server_url"),
            ("k3a_kubeconfig_mode", "k3a_write_kubeconfig_mode"),
            ("k3a_private_registries", "k3a_registries"),
        ],
    )
    def test_a_stranger_gets_the_name_that_was_meant(self, name, meant):
        assert told_of(name) == [f"there is no variable {name}; did you mean {meant}?"]

    def test_known_variables_registered_ones_and_those_of_others_pass(self):
        assert told_of("k3a_data_dir", "_k3a_check", "ansible_host", "k3s_version") == []

    def test_one_like_no_other_is_to_be_removed(self):
        assert told_of("k3a_colour") == ["there is no variable k3a_colour; remove it, or see docs/variables.md for its name"]

    @pytest.mark.parametrize("flag", [flag for flag in k3s_flags.FLAGS.values() if not flag.variable], ids=lambda flag: flag.name)
    def test_a_flag_of_k3s_that_is_no_variable_gets_its_reason_and_no_other_name(self, flag):
        assert told_of(flag.own_name) == [f"there is no variable {flag.own_name}: {flag.why}; {flag.instead}"]

    def test_one_that_is_nearly_such_a_flag_gets_its_reason_too(self):
        assert told_of("k3a_cluster_inits") == [
            "there is no variable k3a_cluster_inits and no k3a_cluster_init: etcd is always the datastore, and site.yml "
            "finds the server that founds the cluster; leave it out"
        ]

    @pytest.mark.parametrize("flag", [flag for flag in k3s_flags.FLAGS.values() if flag.variable], ids=lambda flag: flag.name)
    def test_a_flag_of_k3s_that_is_a_variable_is_known_or_names_it(self, flag):
        value = f": {flag.value}" if flag.value else ""
        hint = f"there is no variable {flag.own_name}; did you mean {flag.variable}{value}?"
        assert told_of(flag.own_name) == ([] if flag.own_name == flag.variable else [hint])


class TestSecretsInFiles:
    OPTIONS = {"k3a_token": spec.specification()["k3a_token"]}

    def read(self, **given):
        values, problems = spec.evaluate(self.OPTIONS, given, lambda value: value)
        return values.get("k3a_token"), [problem.sentence for problem in problems]

    def test_a_secret_is_read_from_its_file(self, tmp_path):
        path = tmp_path / "token"
        path.write_text("  swordfish\n")
        assert self.read(k3a_token_file=str(path)) == ("swordfish", [])
        assert self.read(k3a_token_file=str(path), k3a_token="given") == ("given", [])
        assert self.read() == self.read(k3a_token_file="") == ("", [])

    def test_a_folder_in_the_place_of_the_file_is_told_once(self, tmp_path):
        names = {"k3a_token", "k3a_token_file", "k3a_kubeconfig"}
        options = {name: option for name, option in spec.specification().items() if name in names}
        given = {"k3a_token_file": str(tmp_path), "k3a_kubeconfig": str(tmp_path)}
        problems = spec.evaluate(options, given, lambda value: value)[1]
        told = {problem.variable: (problem.message, problem.remedy) for problem in problems}
        wrong = {name: (f"{name} is {tmp_path}, which is a folder", "name a file in it") for name in given}
        assert (told, len(problems)) == (wrong, 2)
        assert self.read(**given) == ("", [wrong["k3a_token_file"][0]])

    def test_a_file_that_cannot_be_read_is_told_and_not_taken_for_none(self, tmp_path):
        _value, (told,) = self.read(k3a_token_file=str(tmp_path / "gone"))
        assert told == f"k3a_token_file is {tmp_path}/gone, which cannot be read: No such file or directory"
        (tmp_path / "empty").write_text("\n")
        assert self.read(k3a_token_file=str(tmp_path / "empty")) == ("", [f"k3a_token_file is {tmp_path}/empty, which is empty"])
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        assert self.read(k3a_token_file=str(tmp_path / "binary"))[1]

    @pytest.mark.parametrize("given", ["-", "a template"])
    def test_a_dash_is_no_file_the_secret_is_typed(self, given):
        meant = {"a template": "-"}
        result = spec.evaluate(
            self.OPTIONS, {"k3a_token_file": given}, lambda value: meant.get(value, value), ask=lambda name: f"typed {name}"
        )
        assert result == ({"k3a_token": "typed k3a_token"}, [])

    def test_where_nobody_is_asked_a_dash_is_told(self):
        told = "k3a_token_file is -, so k3a_token is asked for, but nobody is asked here"
        assert self.read(k3a_token_file="-") == ("", [told])
        assert self.read(k3a_token_file="-", k3a_token="given") == ("given", [])

    def test_a_dash_is_no_file_to_write_to(self):
        options = {"k3a_token_file": spec.specification()["k3a_token_file"]}
        assert spec.evaluate(options, {"k3a_token_file": "-"}, lambda value: value) == ({"k3a_token_file": ""}, [])

    def test_every_secret_that_can_be_typed_has_a_file(self):
        known = {**spec.specification(), **spec.of_playbooks()}
        assert {name for name in known if name.endswith("token_file")} == values.SECRET_FILES < values.ON_CONTROLLER

    def test_every_secret_that_is_a_token_has_a_file(self):
        known = {**spec.specification(), **spec.of_playbooks()}
        secret = [name for name, option in known.items() if option.get("no_log") and "token" in name]
        assert [name for name in secret if known[f"{name}_file"]["type"] != "path"] == []

    def test_a_list_is_read_too(self, tmp_path):
        path = tmp_path / "tokens"
        path.write_text("abcdef.0123456789abcdef\n")
        options = {"k3a_bootstrap_token": spec.of_playbooks()["k3a_bootstrap_token"]}
        values, _problems = spec.evaluate(options, {"k3a_bootstrap_token_file": str(path)}, lambda value: value)
        assert values == {"k3a_bootstrap_token": ["abcdef.0123456789abcdef"]}
