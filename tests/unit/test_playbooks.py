# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every playbook has to say of its plays."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

PLAYS = [
    pytest.param(play, id=f"{path.stem}: {play['name']}")
    for path in sorted((Path(__file__).parents[2] / "playbooks").glob("*.yml"))
    for play in yaml.safe_load(path.read_text())
    if play.get("become") is False
]


def test_there_are_plays_on_the_controller():
    assert PLAYS


@pytest.mark.parametrize("play", PLAYS)
def test_a_play_on_the_controller_becomes_nobody_whatever_the_inventory_says_of_all_hosts(play):
    """Of these two Ansible prefers the variable, which an inventory may set for all hosts."""
    assert play["vars"]["ansible_become"] is False
