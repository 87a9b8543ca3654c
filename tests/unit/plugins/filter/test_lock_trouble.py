# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.filter.lock_trouble import lock_trouble

LEASED = {"item": "s1", "is_holder": True, "is_leased": True}
BY_FILE = {"item": "s2", "is_holder": True, "is_leased": False, "unleased_reason": "the API cannot be reached"}
HELD = {"item": "s1", "failed": True, "is_holder": False, "is_leased": False, "msg": "another k3a playbook holds"}
NO_PYTHON = {"item": "s1", "is_holder": False, "is_leased": False, "msg": "no Python\x1b[2J"}
AWAY = {"item": "s3", "unreachable": True, "msg": "no route"}
SKIPPED = {"skipped": True, "changed": False}


@pytest.mark.parametrize("answers", [[], [SKIPPED], [LEASED], [BY_FILE, LEASED], [AWAY, NO_PYTHON, LEASED, SKIPPED]])
def test_the_lease_of_one_server_is_enough(answers):
    assert lock_trouble(answers, leased=True) == lock_trouble(answers, checked=True) == ""


def test_without_it_what_needs_an_api_does_nothing():
    told = lock_trouble([BY_FILE, AWAY], leased=True)
    assert told == (
        "the cluster cannot be locked, since no server's API answers (s2: the API cannot be reached); bring one back first"
    )
    assert lock_trouble([BY_FILE, AWAY]) == lock_trouble([BY_FILE], checked=True) == ""


def test_a_server_that_was_asked_twice_is_told_once():
    again = {**BY_FILE, "unleased_reason": "it did not answer in time"}
    assert "(s2: it did not answer in time)" in lock_trouble([BY_FILE, again], leased=True)


@pytest.mark.parametrize("answers", [[HELD], [AWAY, HELD], [BY_FILE, HELD], [LEASED, HELD]])
def test_one_that_is_held_ends_the_run_in_any_case(answers):
    for leased in (True, False):
        assert lock_trouble(answers, leased, checked=True) == "another k3a playbook holds"


def test_servers_that_keep_no_lock_are_left_to_the_checks():
    for answers in ([NO_PYTHON], [BY_FILE, NO_PYTHON], [AWAY]):
        assert lock_trouble(answers, checked=True) == ""
    assert lock_trouble([BY_FILE, NO_PYTHON]) == "no Python\N{REPLACEMENT CHARACTER}[2J"
    assert lock_trouble([AWAY]) == "no route"
