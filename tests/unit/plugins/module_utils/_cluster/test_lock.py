# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import lock, lock_file
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiUnreachable, NodeApi
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lease import Lease, micro_time
from ansible_collections.k3a.cluster.plugins.module_utils._engine import own_units, program
from ansible_collections.k3a.cluster.plugins.modules import cluster_lock as module
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping

PATH = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/k3a-playbook"


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_file, "LOCK", str(tmp_path / "cluster.lock"))
    monkeypatch.setattr(lock, "PROGRAM", str(tmp_path / "lock.pyz"))
    return tmp_path / "cluster.lock"


@pytest.fixture
def api(path, monkeypatch):
    """The API of this server, with its objects; it may be away."""
    with keeping() as (objects, url):
        objects.is_away = False
        objects.clock = time.monotonic

        def lease_of(identity, holder="", tries=0.0):
            if objects.is_away:
                raise ApiUnreachable("the API cannot be reached")
            given = (identity, lock.DURATION, holder, lock.PATIENCE, objects.clock)
            return Lease(NodeApi(url), lock.NAMESPACE, lock.NAME, *given)

        monkeypatch.setattr(lock, "lease_of", lease_of)
        yield objects


def held_by(api, name, ago=0.0):
    spec = {"holderIdentity": name, "acquireTime": micro_time(0), "renewTime": micro_time(time.time() - ago)}
    api.add(PATH, {"metadata": {"annotations": {"k3a.io/holder": f"{name}@ctl"}}, "spec": spec})


def holder_of(api):
    return api.kept[PATH]["spec"]["holderIdentity"]


def test_a_playbook_has_file_and_lease(api, path):
    assert lock.take("a", "ann@ctl") == lock.Lock(was_holder=False, unleased="")
    assert (lock_file.holder_of(str(path))["id"], holder_of(api)) == ("a", "a")
    assert lock.take("a", "ann@ctl") == lock.Lock(was_holder=True, unleased="")


def test_one_that_reaches_another_server_is_refused(api, path):
    held_by(api, "other")
    with pytest.raises(lock.Held, match="holds this cluster: other@ctl, since 1970"):
        lock.take("a", "ann")
    # Nothing is left of the try.
    assert not path.exists() and holder_of(api) == "other"


def test_a_file_that_was_held_before_stays_when_the_lease_is_anothers(api, path):
    api.is_away = True
    lock.take("a", "ann")
    api.is_away = False
    held_by(api, "other")
    with pytest.raises(lock.Held):
        lock.take("a", "ann")
    assert lock_file.holder_of(str(path))["id"] == "a"


def test_without_an_answer_the_file_is_what_there_is(api, path):
    api.is_away = True
    assert lock.take("a", "ann") == lock.Lock(False, "the API cannot be reached")
    assert path.exists()


def test_where_there_is_no_api_server_none_is_asked(path, monkeypatch):
    monkeypatch.setattr(own_units, "installed", dict)
    assert lock.take("a", "ann").unleased == "this host has no API server yet"


def test_a_lease_that_has_expired_is_watched_before_it_is_taken(api):
    held_by(api, "gone", ago=lock.DURATION + 1)
    waited = []
    api.clock = lambda: len(waited)
    assert lock.take("a", "ann", sleep=waited.append).unleased == ""
    assert sum(waited) == lock.PATIENCE and holder_of(api) == "a"


def test_a_lease_that_nobody_renews_holds_nobody_up_for_good(api):
    """As one that was made by hand: the time that it lacks would be now, whenever one looks."""
    api.add(PATH, {"spec": {"holderIdentity": "other"}})
    assert lock.other_lock("a") == (None, "")
    waited = []
    api.clock = lambda: len(waited)
    assert lock.take("a", "ann", sleep=waited.append).unleased == ""
    assert sum(waited) == lock.PATIENCE and holder_of(api) == "a"


@pytest.mark.parametrize("ago", [lock.DURATION + 60, -2 * lock.DURATION])
def test_a_holder_whose_clock_differs_is_seen_to_live(api, ago):
    held_by(api, "other", ago)
    waited = []

    def wait(seconds):
        waited.append(seconds)
        if len(waited) == 5:
            held_by(api, "other", ago - 5)

    with pytest.raises(lock.Held):
        lock.take("a", "ann", sleep=wait)
    assert len(waited) < lock.PATIENCE and holder_of(api) == "other"


def test_a_holder_that_is_known_to_be_dead_is_replaced_at_once(api, path):
    lock.take("dead", "ann")
    lock.take("a", "ann", dead="dead", sleep=pytest.fail)
    assert (lock_file.holder_of(str(path))["id"], holder_of(api)) == ("a", "a")


def test_looking_takes_nothing(api, path):
    assert lock.other_lock("a") == (None, "")
    assert not path.exists() and PATH not in api.kept
    held_by(api, "other")
    assert lock.other_lock("a")[0]["holder"] == "other@ctl"
    held_by(api, "o" * 1000)
    assert lock.other_lock("a")[0]["holder"] == "o" * lock_file.LONGEST + "..."
    held_by(api, "other", ago=lock.DURATION + 1)
    assert lock.other_lock("a") == (None, "")
    api.is_away = True
    lock_file.take("b", "bob", path=str(path))
    other, unleased = lock.other_lock("a")
    assert (other["holder"], unleased) == ("bob", "the API cannot be reached")


class TestKeeping:
    def test_both_are_renewed(self, api):
        lock.take("a", "ann")
        before = api.kept[PATH]["spec"]["renewTime"]
        assert lock.renew("a") == lock.KEPT
        assert api.kept[PATH]["spec"]["renewTime"] > before
        assert api.kept[PATH]["metadata"]["annotations"] == {"k3a.io/holder": "ann"}

    def test_the_lease_is_taken_when_the_api_comes_to_answer(self, api):
        api.is_away = True
        lock.take("a", "ann")
        assert lock.renew("a") == lock.UNLEASED
        api.is_away = False
        assert lock.renew("a") == lock.KEPT
        assert api.kept[PATH]["metadata"]["annotations"] == {"k3a.io/holder": "ann"}

    def test_a_lease_that_another_one_renews_is_lost(self, api):
        lock.take("a", "ann")
        held_by(api, "other")
        assert lock.renew("a") == lock.LOST

    def test_of_one_that_nobody_renews_nothing_is_known(self, api):
        api.is_away = True
        lock.take("a", "ann")
        api.is_away = False
        held_by(api, "gone", ago=lock.DURATION + 1)
        assert lock.renew("a") == lock.UNLEASED

    def test_a_file_that_is_gone_is_lost(self, api, path):
        lock.take("a", "ann")
        path.unlink()
        assert lock.renew("a") == lock.LOST

    @pytest.mark.parametrize("away", [True, False])
    def test_all_is_given_back(self, api, path, away):
        lock.take("a", "ann")
        api.is_away = away
        open(lock.PROGRAM, "w").close()
        assert lock.release("a") == lock.KEPT
        assert holder_of(api) == ("a" if away else "")
        assert not path.exists() and not os.path.exists(lock.PROGRAM)

    def test_the_next_ones_program_stays_while_the_lease_is_given_back(self, api, path, monkeypatch):
        lock.take("a", "ann")
        given_back = lock.lease_of("a")

        def release():
            lock_file.take("b", "bob", path=str(path))
            open(lock.PROGRAM, "w").close()

        monkeypatch.setattr(given_back, "release", release)
        monkeypatch.setattr(lock, "lease_of", lambda _identity, tries: given_back)
        assert lock.release("a") == lock.KEPT
        assert lock_file.holder_of(str(path))["id"] == "b" and os.path.exists(lock.PROGRAM)

    def test_what_is_anothers_stays(self, api, path):
        lock.take("a", "ann")
        assert lock.release("b") == lock.LOST
        assert path.exists() and holder_of(api) == "a"


def test_its_program_needs_nothing_but_the_standard_library(tmp_path):
    file = tmp_path / "lock.pyz"
    file.write_bytes(program.archive({"lock": lock}, module.LIBRARY))

    def status(*words):
        command = [sys.executable, "-IS", str(file), "lock", *words]
        return subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)

    # Nobody has this identity, on whatever machine that is.
    done = status("renew", "nobody/0/0")
    assert (done.returncode, done.stderr) == (lock.LOST, "")
