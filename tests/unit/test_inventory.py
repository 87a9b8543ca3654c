# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook that would find no host, or do a part of its work, says so instead of doing nothing and ending well."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.tests.unit import recording

PLAYBOOKS = recording.COLLECTION / "playbooks"
# What is for the controller itself, for a machine in no inventory, or imported by the others.
ALONE = {"agent", "bundle", "import_config", "inventory", "join", "lock", "nodes", "nodes_absent", "test_nodes", "test_nodes_absent"}
OF_A_CLUSTER = sorted({path.stem for path in PLAYBOOKS.glob("*.yml")} - ALONE)


def refused(directory: Path, playbook: str, *arguments: object) -> str:
    with pytest.raises(AssertionError) as told:
        recording.play(directory, PLAYBOOKS / f"{playbook}.yml", *arguments)
    return str(told.value)


@pytest.mark.parametrize("playbook", OF_A_CLUSTER)
def test_an_inventory_that_was_forgotten_is_told_first(playbook):
    """The lock comes before it, where there is one, and finds no server to be kept by."""
    imported = [play.get("ansible.builtin.import_playbook") for play in yaml.safe_load((PLAYBOOKS / f"{playbook}.yml").read_text())]
    first = next(name for name in imported if name != "lock.yml")
    assert first in ("inventory.yml", "check_config.yml")


@pytest.mark.parametrize("playbook", ["reset", "site"])
def test_without_an_inventory_nothing_ends_well(tmp_path, playbook):
    assert "the group server is missing" in refused(tmp_path, playbook, "-e", "k3a_reset=yes")


@pytest.mark.parametrize("playbook", ["reset", "site"])
def test_a_run_by_tags_is_refused(tmp_path, playbook):
    inventory = tmp_path / "hosts"
    inventory.write_text("[server]\none ansible_connection=local\n")
    output = refused(tmp_path, playbook, "--inventory", inventory, "--tags", "kubelet")
    assert "no task has the tag kubelet" in output


def test_a_machine_in_no_inventory_is_reset_without_one(tmp_path):
    """It is asked for its variables, and then whether it is meant."""
    arguments = ("-e", "join_hosts=localhost", "-e", "ansible_become=false")
    assert "Nothing was removed" in refused(tmp_path, "reset", *arguments)


@pytest.mark.parametrize("playbook", ["token_create", "token_delete", "token_list"])
def test_what_a_server_does_for_the_cluster_needs_no_server_in_the_limit(tmp_path, playbook):
    inventory = tmp_path / "hosts"
    inventory.write_text("[server]\none\n[agent]\ntwo\n")
    path = PLAYBOOKS / f"{playbook}.yml"
    assert "hosts (0)" not in recording.play(tmp_path, path, "--inventory", inventory, "--limit", "agent", "--list-hosts")


def test_a_misspelt_variable_is_told_before_what_it_leaves_empty(tmp_path):
    """A k3a_token_fil was "k3a_token is empty"."""
    arguments = ("-e", "k3a_server_url=https://192.0.2.1:6443", "-e", "k3a_token_fil=token", "-e", "ansible_become=false")
    assert "there is no variable k3a_token_fil; did you mean k3a_token_file?" in refused(tmp_path, "join", *arguments)
