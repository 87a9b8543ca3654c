# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

ROLES = Path(__file__).parents[5] / "roles"
PLAYBOOKS = ROLES.parent / "playbooks"
# Their defaults are templates, which a specification can only describe.
TEMPLATED = {"k3a_bundle", "k3a_kubeconfig"}

ROLE_NAMES = sorted(path.parents[1].name for path in ROLES.glob("*/meta/argument_specs.yml"))


def entry_points(role):
    return yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())["argument_specs"]


def options_of(role):
    return {name: option for entry in entry_points(role).values() for name, option in entry["options"].items()}


def role_defaults(role):
    return yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())


class TestRoles:
    @pytest.mark.parametrize("role", ROLE_NAMES)
    def test_defaults_are_those_of_the_specification(self, role):
        options = options_of(role)
        described = {name: option["default"] for name, option in options.items() if name not in TEMPLATED}
        written = {name: value for name, value in role_defaults(role).items() if name not in TEMPLATED}
        assert written == described
        assert role_defaults(role).keys() == options.keys()

    @pytest.mark.parametrize("role", ROLE_NAMES)
    def test_every_variable_is_typed_described_and_prefixed(self, role):
        for name, option in options_of(role).items():
            assert name.startswith("k3a_")
            assert option["type"] in spec.IN_WORDS
            assert option["type"] != "list" or option["elements"]
            assert all(sentence.endswith(".") for sentence in option["description"]), name

    @pytest.mark.parametrize("role", ROLE_NAMES)
    def test_defaults_satisfy_their_own_specification(self, role):
        for name, option in options_of(role).items():
            if name not in TEMPLATED:
                assert spec.checked(option["default"], option) == option["default"]

    def test_a_variable_of_several_roles_means_the_same_in_each(self):
        seen = {}
        for role in ROLE_NAMES:
            for name, option in options_of(role).items():
                assert seen.setdefault(name, option) == option, f"{role}: {name}"
                assert role_defaults(role)[name] == spec.defaults()[name]

    def test_secrets_are_marked(self):
        secret = {name for name, option in spec.specification().items() if option.get("no_log")}
        assert secret == {"k3a_registries", "k3a_token"}

    def test_every_variable_of_roles_and_playbooks_is_specified(self):
        files = [*ROLES.glob("*/tasks/*.yml"), *PLAYBOOKS.glob("*.yml")]
        used = {name for file in files for name in re.findall(r"(?<![\w.])k3a_\w+", file.read_text())}
        assert used - spec.specification().keys() == spec.OF_PLAYBOOKS


class TestUnknown:
    @pytest.mark.parametrize(
        "name, meant",
        [
            ("k3a_clutser_cidr", "k3a_cluster_cidr"),
            ("k3a_tls_sans", "k3a_tls_san"),
            ("k3a_kubelet_args", "k3a_kubelet_arg"),
            ("k3a_no_deploy", "k3a_disable"),
            ("k3a_server", "k3a_server_url"),
            ("k3a_colour", ""),
        ],
    )
    def test_a_stranger_gets_the_name_that_was_meant(self, name, meant):
        assert spec.unknown([name]) == {name: meant}

    def test_known_variables_registered_ones_and_those_of_others_pass(self):
        assert spec.unknown(["k3a_data_dir", "_k3a_check", "ansible_host", "k3s_version"]) == {}

    def test_what_k3s_calls_otherwise_points_to_a_variable_that_exists(self):
        for meant in spec.K3S_NAMES.values():
            assert meant.startswith("the variables") or meant.partition(":")[0] in spec.specification()


class TestValues:
    @pytest.mark.parametrize(
        "value, option, typed",
        [
            ("300", {"type": "int"}, 300),
            ("yes", {"type": "bool"}, True),
            (False, {"type": "bool"}, False),
            ("10.0.0.1,fd00::1", {"type": "list", "elements": "str"}, ["10.0.0.1", "fd00::1"]),
            ([], {"type": "list", "elements": "str"}, []),
            ("", {"type": "str"}, ""),
            ({"mirrors": {}}, {"type": "dict"}, {"mirrors": {}}),
            ("none", {"type": "str", "choices": ["vxlan", "none"]}, "none"),
        ],
    )
    def test_what_can_be_taken(self, value, option, typed):
        assert spec.checked(value, option) == typed

    @pytest.mark.parametrize(
        "value, option, problem",
        [
            ("soon", {"type": "int"}, "must be a whole number"),
            (1.5, {"type": "int"}, "must be a whole number"),
            (True, {"type": "int"}, "must be a whole number"),
            ("maybe", {"type": "bool"}, "must be true or false"),
            (384, {"type": "str"}, "must be a text: put it in quotes"),
            (True, {"type": "str"}, "must be a text"),
            (["a"], {"type": "path"}, "must be a path"),
            (None, {"type": "str"}, "must be a text, and is empty"),
            ({"a": 1}, {"type": "list", "elements": "str"}, "must be a list"),
            ([{"a": 1}], {"type": "list", "elements": "str"}, "must be a text"),
            (["a"], {"type": "dict"}, "must be a mapping"),
            ("wireguard", {"type": "str", "choices": ["vxlan", "none"]}, "must be one of vxlan, none"),
            (["traefik"], {"type": "list", "elements": "str", "choices": ["coredns"]}, "must be one of coredns"),
        ],
    )
    def test_what_cannot(self, value, option, problem):
        with pytest.raises(spec.Mistyped) as raised:
            spec.checked(value, option)
        assert str(raised.value) == problem

    def test_a_secret_is_not_shown(self):
        assert spec.shown({"a": "topsecret"}, {"type": "str", "no_log": True}) == "the value"
        assert spec.shown("soon", {"type": "int"}) == '"soon"'
        assert len(spec.shown("x" * 500, {"type": "int"})) == 80
