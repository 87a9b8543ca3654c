# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rotate_token.yml on servers of which only the answers exist."""

from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.tests.unit import recording
from ansible_collections.k3a.cluster.tests.unit.recorded_cluster import RecordedCluster, documented, write_answers

ROTATE = recording.COLLECTION / "playbooks/rotate_token.yml"
CHOSEN, MADE = "chosen-by-the-operator", "made-on-a-server"


@pytest.fixture
def rotate(tmp_path):
    """Rotate the server token of two servers; the new token that each step was given, by server."""
    cluster = RecordedCluster(servers=2, agents=0)
    log = tmp_path / "log"
    inventory = cluster.write(tmp_path, log)
    write_answers(tmp_path / "answers/token_rotation.json", [({}, {"changed": True, "new_token": MADE})])
    write_answers(tmp_path / "answers/bootstrap_record.json", [({}, {"changed": True})])
    state = {**documented("token_rotation_info"), "host": "@host@"}
    write_answers(tmp_path / "answers/token_rotation_info.json", [({}, {**state, "changed": False})])

    def play(*options):
        recording.play(tmp_path, ROTATE, "--inventory", inventory, *options)
        steps = ("token_rotation", "bootstrap_record")
        return [(run.module, run.arguments.get("new_token", "")) for run in recording.runs(log) if run.module in steps]

    return play


def test_the_token_of_the_operator_is_the_new_one(rotate, tmp_path):
    given = tmp_path / "new-token"
    given.write_text(CHOSEN)
    for options in (f"k3a_new_token={CHOSEN}", f"k3a_new_token_file={given}"):
        assert {token for _step, token in rotate("-e", options)} == {CHOSEN}


def test_without_one_a_server_makes_it(rotate):
    first, *others = rotate()
    assert first == ("token_rotation", "")
    assert {token for _step, token in others} == {MADE}
