# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import lock_file as lock

NOW = 1000.0


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_now", lambda: NOW)
    return str(tmp_path / "cluster.lock")


def later(monkeypatch, seconds):
    monkeypatch.setattr(lock, "_now", lambda: NOW + seconds)


def content(path):
    return json.loads(Path(path).read_text())


def test_a_free_cluster_is_taken(path):
    assert lock.take("a", "ann@ctl, process 1", path=path) is False
    assert content(path)["expires"] == NOW + lock.TTL
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert lock.holder_of(path)["holder"] == "ann@ctl, process 1"


def test_who_holds_it_takes_it_again_and_keeps_the_time_it_began(path, monkeypatch):
    lock.take("a", "ann", path=path)
    before = content(path)
    later(monkeypatch, 50)
    assert lock.take("a", "ann", path=path) is True
    assert content(path) == {**before, "expires": NOW + 50 + lock.TTL}


def test_another_is_told_who_holds_it_and_changes_nothing(path):
    lock.take("a", "ann@ctl, process 1, site.yml", path=path)
    before = content(path)
    with pytest.raises(lock.Held) as error:
        lock.take("b", "bob", path=path)
    assert str(error.value) == (
        f"another k3a playbook holds this cluster: ann@ctl, process 1, site.yml, since {before['since']}; "
        "wait for it to end (the lock of a dead run expires within 60 s)"
    )
    assert content(path) == before


def test_a_holder_that_is_known_to_be_dead_is_replaced_but_no_other(path):
    lock.take("a", "ann", path=path)
    with pytest.raises(lock.Held):
        lock.take("b", "bob", "c", path=path)
    assert lock.take("b", "bob", "a", path=path) is False
    assert content(path)["id"] == "b"


def test_a_lock_runs_out(path, monkeypatch):
    lock.take("a", "ann", path=path)
    later(monkeypatch, lock.TTL + 1)
    assert lock.holder_of(path) is None
    assert lock.take("b", "bob", path=path) is False
    assert content(path)["holder"] == "bob"


def test_renewing_extends_only_ones_own_lock(path, monkeypatch):
    assert not lock.renew("a", path)
    assert not os.path.exists(path)
    lock.take("a", "ann", path=path)
    later(monkeypatch, 30)
    assert not lock.renew("b", path)
    assert content(path)["expires"] == NOW + lock.TTL
    assert lock.renew("a", path)
    assert content(path)["expires"] == NOW + 30 + lock.TTL


def test_a_lock_that_ran_out_while_the_controller_slept_is_renewed_unless_another_has_it(path, monkeypatch):
    lock.take("a", "ann", path=path)
    later(monkeypatch, 500)
    assert lock.renew("a", path)
    later(monkeypatch, 1000)
    lock.take("b", "bob", path=path)
    assert not lock.renew("a", path)


def test_only_the_holder_gives_it_back_and_nothing_is_left(path, tmp_path):
    lock.take("a", "ann", path=path)
    assert not lock.release("b", path)
    assert lock.release("a", path)
    assert list(tmp_path.iterdir()) == []
    assert not lock.release("a", path)


@pytest.mark.parametrize("torn", ["", '{"id": "a", "hol', "[]", '{"id": "a"}', "null"])
def test_a_file_that_was_not_written_to_its_end_holds_nothing(path, torn):
    Path(path).write_text(torn)
    assert lock.holder_of(path) is None
    assert not lock.renew("a", path)
    assert lock.take("b", "bob", path=path) is False
    assert content(path)["id"] == "b"


def test_a_longer_lock_is_written_over_whole(path, monkeypatch):
    """And never empty in between: after a kill there it would be anybody's."""
    monkeypatch.setattr(lock.os, "ftruncate", pytest.fail)
    lock.take("a", "ann" * 50, path=path)
    lock.take("b", "bob", replaces="a", path=path)
    assert lock.holder_of(path)["holder"] == "bob"
    assert lock.renew("b", path)


def test_looking_makes_no_file(path):
    assert lock.holder_of(path) is None
    assert not os.path.exists(path)


def test_a_link_in_its_place_is_not_followed(path, tmp_path):
    target = tmp_path / "target"
    target.write_text("untouched")
    os.symlink(target, path)
    with pytest.raises(OSError):
        lock.take("a", "ann", path=path)
    assert target.read_text() == "untouched"


def test_of_many_at_once_exactly_one_gets_it(path):
    outcomes = []

    def contend(name):
        try:
            outcomes.append(lock.take(name, name, path=path))
        except lock.Held:
            outcomes.append("held")

    threads = [threading.Thread(target=contend, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["False", *["held"] * 7]


def test_a_holder_steers_no_terminal():
    error = lock.Held({"id": "a", "holder": "ann\x1b[2J\nok: [server-1]" + "x" * 999, "since": "now"}, 60)
    assert str(error).isprintable() and len(str(error)) < 500
    assert "ann\N{REPLACEMENT CHARACTER}[2J ok: [server-1]xxx" in error.lock["holder"]
