# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import k3s_flags, spec

RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[3] / "k3s_flags.json").read_text())
UPSTREAM = {**RECORDED["agent"], **RECORDED["server"]}
VARIABLES = {**spec.specification(), **spec.of_playbooks()}
FLAGS = list(k3s_flags.FLAGS.values())


def name_of(flag: k3s_flags.Flag) -> str:
    return flag.name


def test_every_flag_of_k3s_is_known_and_no_other() -> None:
    assert k3s_flags.FLAGS.keys() == UPSTREAM.keys() | {*RECORDED["former"], *RECORDED["proposed"]}
    assert len(k3s_flags._FLAGS) == len(k3s_flags.FLAGS)


@pytest.mark.parametrize("name", sorted(UPSTREAM))
def test_a_flag_is_as_k3s_has_it(name: str) -> None:
    flag, upstream = k3s_flags.FLAGS[name], UPSTREAM[name]
    on = ", ".join(command for command in ("server", "agent") if name in RECORDED[command])
    kind = "str" if upstream["kind"] == "duration" else upstream["kind"]
    found = (flag.kind, flag.on, flag.alias, flag.environment)
    assert found == (kind, on, upstream.get("alias", ""), upstream.get("environment", ""))


@pytest.mark.parametrize("flag", FLAGS, ids=name_of)
def test_a_flag_is_a_variable_or_there_is_a_reason_and_a_way(flag: k3s_flags.Flag) -> None:
    if flag.variable:
        assert flag.variable in VARIABLES
    else:
        assert flag.why and flag.instead
        assert flag.own_name not in VARIABLES


@pytest.mark.parametrize("flag", FLAGS, ids=name_of)
def test_what_is_said_of_a_flag_is_a_sentence_about_what_there_is(flag: k3s_flags.Flag) -> None:
    for clause in (flag.why, flag.instead):
        assert not clause.endswith(".") and "{" not in clause
        assert not clause[:1].isupper() or clause.startswith("K3s")
        assert set(re.findall(r"k3a_\w+", clause)) <= VARIABLES.keys()
        for playbook in re.findall(r"\w+\.yml", clause):
            assert (spec.PLAYBOOKS / playbook).exists()


@pytest.mark.parametrize("flag", [flag for flag in FLAGS if flag.carried and not flag.value], ids=name_of)
def test_a_value_that_is_carried_over_fits_its_variable(flag: k3s_flags.Flag) -> None:
    kinds = {VARIABLES[flag.variable]["type"]} | ({"str"} if VARIABLES[flag.variable]["type"] == "path" else set())
    assert flag.kind in kinds


def test_what_is_named_apart_from_the_table_is_in_it() -> None:
    assert {**k3s_flags.FLAGS, **k3s_flags.PROXIES}.keys() >= k3s_flags.SECRET
    assert k3s_flags.FLAGS.keys() >= k3s_flags.ALIASES.keys() | k3s_flags.ENVIRONMENT.keys()


@pytest.mark.parametrize("flag", k3s_flags.PROXIES.values(), ids=name_of)
def test_a_variable_of_the_environment_is_one_of_ours(flag: k3s_flags.Flag) -> None:
    assert VARIABLES[flag.variable]["type"] == flag.kind
    assert bool(VARIABLES[flag.variable].get("no_log")) == (flag.name in k3s_flags.SECRET)


def test_what_is_a_secret_for_a_variable_is_one_for_its_flag() -> None:
    secret = {flag.name for flag in FLAGS if flag.carried and VARIABLES[flag.variable].get("no_log")}
    assert secret <= k3s_flags.SECRET


def test_a_sentence_says_why_and_what_to_do() -> None:
    assert k3s_flags.FLAGS["cluster-init"].sentence == (
        "Etcd is always the datastore, and site.yml finds the server that founds the cluster; leave it out."
    )
    assert k3s_flags.FLAGS["cluster-cidr"].sentence == ""


@pytest.mark.parametrize("variable", sorted(k3s_flags.OTHER_VALUES))
def test_other_values_are_none_of_the_variables_own(variable: str) -> None:
    for known in k3s_flags.OTHER_VALUES[variable]:
        assert not known.values & set(VARIABLES[variable]["choices"])
        assert known.why.count("{0}") == 1


@pytest.mark.parametrize(
    "variable, values, told",
    [
        (
            "k3a_disable",
            ["traefik", "servicelb"],
            "k3a_disable: K3s packages traefik, servicelb, and k3a does not, so that there is nothing to leave out",
        ),
        ("k3a_flannel_backend", ["ipsec"], "k3a_flannel_backend: ipsec is what K3s had once"),
        ("k3a_disable", ["traefik", "nonsense"], ""),
        ("k3a_proxy_mode", ["ipvs"], ""),
    ],
)
def test_a_value_of_k3s_is_known_by_name(variable: str, values: list[str], told: str) -> None:
    assert k3s_flags.other_values(variable, values)[0] == told
