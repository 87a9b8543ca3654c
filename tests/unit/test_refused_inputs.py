# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of tests/integration/refusals, as far as it is about variables: what is told of them stands in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec, variables

TESTS = Path(__file__).parents[1]
RUNS = yaml.safe_load((TESTS / "integration/refusals/inputs.yml").read_text(encoding="utf-8"))
FLAGS = json.loads((TESTS / "unit/component_flags.json").read_text(encoding="utf-8"))["flags"]
# Those that depend on where the command is run, or are no constants.
ELSEWHERE = {"k3a_bundle", "k3a_kubeconfig", "k3a_manifests", "k3a_token_file"}
HOSTS = ("first", "second", "third", "twin")


def groups_of(run):
    return run.get("groups", {"server": ["first"], "agent": ["second", "third"]})


def variables_of(run, host):
    """What the inputs of a run set for a host, less what is a template or of another place."""
    groups = {"all", host, *(name for name, hosts in groups_of(run).items() if host in hosts)}
    given = {
        name: value for each in run["inputs"] if each["of"] in groups for name, value in each.get("set", {}).items()
    }
    return {name: value for name, value in given.items() if name not in ELSEWHERE and "{{" not in str(value)}


def told_of(given):
    known = {name: option for name, option in spec.specification().items() if name not in ELSEWHERE}
    values, problems = spec.evaluate(known, given, lambda value: value)
    told = [*spec.strangers(given), *problems, *variables.variable_findings(values, FLAGS)]
    return {f"{each.message}; {each.remedy}" for each in told}


@pytest.mark.parametrize("name", RUNS)
def test_what_is_told_of_variables_stands_in_the_table(name):
    run = RUNS[name]
    told = [each.get(key, []) for each in run["inputs"] for key in ("told", "warned")]
    known = {text for texts in told for text in ([texts] if isinstance(texts, str) else texts)}
    hosts = [host for host in HOSTS if any(host in hosts for hosts in groups_of(run).values())]
    assert {host: told_of(variables_of(run, host)) - known for host in hosts} == {host: set() for host in hosts}


def test_the_table_is_about_variables():
    found = [told_of(variables_of(run, host)) for run in RUNS.values() for host in HOSTS]
    assert len(set().union(*found)) > 60
