# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import os
import signal
import time

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, health, lock, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

MINE = files.ownership("/proc/self")[1:]
STOPPED = systemd.UnitState(True, "inactive", "dead", 0, True, 0, False)
UNKNOWN = systemd.UnitState(False, "inactive", "dead", 0, False, 0, False)
RUNNING = systemd.UnitState(True, "active", "running", 42, True, 0, False)


@pytest.fixture
def sample(tmp_path):
    """A component whose process reads a configuration, a reloaded file and a certificate."""
    (tmp_path / "tls.crt").write_bytes(b"certificate 1")
    return component.Component(
        name="sample",
        unit=systemd.unit_text("sample", (), (("ExecStart", "sleep 600"),)),
        files=(files.File(str(tmp_path / "etc/config"), b"a: 1\n", 0o600, *MINE),),
        reloaded=(files.File(str(tmp_path / "etc/hosts"), b"host\n", 0o644, *MINE),),
        directories=(files.Directory(str(tmp_path / "state"), 0o700, *MINE),),
        links=(files.Link(str(tmp_path / "link"), str(tmp_path / "etc/config")),),
        absent=(str(tmp_path / "left-over"),),
        inputs=(str(tmp_path / "tls.crt"), str(tmp_path / "etc/config")),
        healthy=(health.exists(str(tmp_path / "etc/config")),),
    )


def planned(sample, state, running="right"):
    digest = component.digest_of(sample)
    return component.make_plan(sample, state, digest if running == "right" else running, digest)


def install(sample, digest=None):
    """Put everything on the disk as a run does, without systemd."""
    for directory in sample.directories:
        files.make_directory(directory)
    for file in (*sample.files, *sample.reloaded):
        files.write_file(file)
    for link in sample.links:
        files.make_link(link)
    unit = systemd.with_digest(sample.unit, component.digest_of(sample) if digest is None else digest)
    files.write_file(files.File(systemd.unit_path(sample.unit_name), unit.encode(), 0o600, *MINE))


def changed_paths(plan):
    return [change.path for change in plan.changes]


class TestPlan:
    """What has to be done, for every state in which a node can be found."""

    @pytest.fixture(autouse=True)
    def no_systemd(self, init):
        return init

    def test_nothing_there(self, sample, tmp_path):
        plan = planned(sample, UNKNOWN, None)
        assert changed_paths(plan) == [
            *(f"{tmp_path}/{name}" for name in ("state", "etc/config", "etc/hosts", "link")),
            f"{tmp_path}/units/k3a-sample.service",
            "k3a-sample.service",
        ]
        assert plan.changes[-1].before == "absent\n"
        assert plan.changes[-1].after == "active (restarted: it does not run)\n"
        assert (plan.reload, plan.enable, plan.restart) == (True, ("k3a-sample.service",), "it does not run")
        assert plan.unit == systemd.with_digest(sample.unit, component.digest_of(sample))
        assert plan.changed

    def test_running_right(self, sample):
        install(sample)
        plan = planned(sample, RUNNING)
        assert not plan.changed
        assert (plan.files, plan.unit, plan.reload, plan.enable, plan.restart) == ((), None, False, (), None)

    @pytest.mark.parametrize("active", ["activating", "reloading"])
    def test_on_its_way_with_the_right_inputs(self, sample, active):
        install(sample)
        assert not planned(sample, dataclasses.replace(RUNNING, active=active)).changed

    def test_half_written_files_first_unit_not_yet(self, sample, tmp_path):
        files.write_file(sample.files[0])
        plan = planned(sample, UNKNOWN, None)
        assert f"{tmp_path}/etc/config" not in changed_paths(plan)
        assert (plan.unit is not None, plan.restart) == (True, "it does not run")

    def test_written_but_killed_before_the_restart(self, sample):
        install(sample)
        plan = planned(sample, RUNNING, "0" * 64)
        assert changed_paths(plan) == ["k3a-sample.service"]
        assert plan.restart == "it runs with other inputs"
        assert plan.unit is None

    def test_what_it_did_when_it_started_holds_no_more(self, sample):
        install(sample)
        reasons = iter((None, "it was forgotten"))
        outdated = dataclasses.replace(sample, outdated=(lambda: next(reasons),))
        assert not planned(outdated, RUNNING).changed
        plan = planned(outdated, RUNNING)
        assert changed_paths(plan) == ["k3a-sample.service"]
        assert plan.changes[0].after == "active (restarted: it was forgotten)\n"

    def test_one_that_does_not_run_is_asked_for_nothing_else(self, sample):
        asked = []
        outdated = dataclasses.replace(sample, outdated=(lambda: asked.append("it"),))
        assert planned(outdated, STOPPED, None).restart == "it does not run"
        assert asked == []

    def test_written_but_killed_before_the_first_start(self, sample):
        install(sample)
        plan = planned(sample, UNKNOWN, None)
        assert changed_paths(plan) == ["k3a-sample.service", "k3a-sample.service"]
        assert plan.restart == "it does not run"
        assert plan.enable

    def test_written_but_killed_before_the_daemon_reload(self, sample):
        install(sample)
        plan = planned(sample, dataclasses.replace(RUNNING, stale=True), "0" * 64)
        assert plan.unit is None
        assert plan.reload
        assert plan.restart

    @pytest.mark.parametrize("active", ["inactive", "failed", "deactivating"])
    def test_stopped(self, sample, active):
        install(sample)
        plan = planned(sample, dataclasses.replace(STOPPED, active=active), None)
        assert plan.restart == "it does not run"
        assert plan.changes[-1].before == f"{active}\n"
        assert not plan.enable

    def test_waiting_to_be_started_again_by_systemd(self, sample):
        install(sample)
        waiting = dataclasses.replace(RUNNING, active="activating", sub="auto-restart", main_pid=0)
        assert planned(sample, waiting, None).restart == "it does not run"

    def test_a_process_of_somebody_else_under_our_name(self, sample):
        install(sample)
        assert planned(sample, RUNNING, None).restart == "it does not run"

    def test_disabled(self, sample):
        install(sample)
        plan = planned(sample, dataclasses.replace(RUNNING, enabled=False))
        assert (plan.changes[0].before, plan.changes[0].after) == ("disabled\n", "enabled\n")
        assert (plan.enable, plan.restart) == (("k3a-sample.service",), None)

    def test_the_unit_on_the_disk_edited_by_hand_and_the_process_right(self, sample, tmp_path):
        install(sample)
        path = tmp_path / "units/k3a-sample.service"
        path.write_text(path.read_text().replace("[Install]", "Nice=19\n[Install]"))
        plan = planned(sample, dataclasses.replace(RUNNING, stale=True))
        assert changed_paths(plan) == [str(path)]
        assert "Nice=19" in plan.changes[0].before
        assert (plan.reload, plan.restart) == (True, None)

    def test_a_new_argument(self, sample):
        install(sample)
        former = component.digest_of(sample)
        newer = dataclasses.replace(sample, unit=sample.unit.replace("600", "900"))
        plan = component.make_plan(newer, RUNNING, former, component.digest_of(newer))
        assert changed_paths(plan) == [systemd.unit_path("k3a-sample.service"), "k3a-sample.service"]
        assert "900" in plan.changes[0].after
        assert plan.restart == "it runs with other inputs"

    def test_a_changed_configuration(self, sample):
        install(sample)
        former = component.digest_of(sample)
        newer = dataclasses.replace(sample, files=(dataclasses.replace(sample.files[0], content=b"a: 2\n"),))
        plan = component.make_plan(newer, RUNNING, former, component.digest_of(newer))
        assert changed_paths(plan) == [sample.files[0].path, "k3a-sample.service"]
        assert (plan.changes[0].before, plan.changes[0].after) == ("a: 1\n", "a: 2\n")
        # The unit differs in its digest only, which is written but is no news to the reader of a diff.
        assert plan.unit is not None

    def test_a_configuration_edited_by_hand_is_put_back_without_a_restart(self, sample, tmp_path):
        install(sample)
        (tmp_path / "etc/config").write_bytes(b"a: 3\n")
        plan = planned(sample, RUNNING)
        assert changed_paths(plan) == [f"{tmp_path}/etc/config"]
        assert plan.restart is None

    def test_a_renewed_certificate(self, sample, tmp_path):
        install(sample)
        former = component.digest_of(sample)
        (tmp_path / "tls.crt").write_bytes(b"certificate 2")
        plan = planned(sample, RUNNING, former)
        assert changed_paths(plan) == ["k3a-sample.service"]
        assert plan.restart == "it runs with other inputs"

    def test_a_reloaded_file_restarts_nothing(self, sample, tmp_path):
        install(sample)
        newer = dataclasses.replace(sample, reloaded=(dataclasses.replace(sample.reloaded[0], content=b"other\n"),))
        plan = planned(newer, RUNNING)
        assert changed_paths(plan) == [f"{tmp_path}/etc/hosts"]
        assert (plan.restart, plan.unit) == (None, None)

    def test_a_mode_that_was_widened(self, sample, tmp_path):
        install(sample)
        (tmp_path / "etc/config").chmod(0o644)
        plan = planned(sample, RUNNING)
        assert changed_paths(plan) == [f"{tmp_path}/etc/config"]
        assert plan.restart is None

    def test_left_over(self, sample, tmp_path):
        install(sample)
        (tmp_path / "left-over").write_text("rest\n")
        plan = planned(sample, RUNNING)
        assert (changed_paths(plan), plan.absent) == ([f"{tmp_path}/left-over"], (f"{tmp_path}/left-over",))

    def test_a_secret_that_is_left_over_goes_and_is_not_shown(self, sample, tmp_path):
        secret = str(tmp_path / "secret")
        install(sample)
        sample = dataclasses.replace(sample, absent_secrets=(secret,))
        assert planned(sample, RUNNING).absent == ()
        (tmp_path / "secret").write_text("swordfish\n")
        plan = planned(sample, RUNNING)
        assert plan.absent == (secret,)
        (change,) = (change for change in plan.changes if change.path == secret)
        assert (change.before, change.after) == (f"{files.SECRET}\n", "")


class TestDigest:
    def test_it_is_the_same_for_the_same_and_depends_on_each_part(self, sample, tmp_path):
        first = component.digest_of(sample)
        assert component.digest_of(sample) == first
        seen = {first, component.digest_of(dataclasses.replace(sample, unit=sample.unit + "#"))}
        seen.add(component.digest_of(dataclasses.replace(sample, files=())))
        seen.add(component.digest_of(dataclasses.replace(sample, inputs=())))
        (tmp_path / "tls.crt").write_bytes(b"other")
        seen.add(component.digest_of(sample))
        (tmp_path / "tls.crt").unlink()
        seen.add(component.digest_of(sample))
        assert len(seen) == 6

    def test_contents_that_change_places_make_another_digest(self, tmp_path):
        one, two = (files.File(str(tmp_path / name), name.encode()) for name in ("a", "b"))
        exchanged = (dataclasses.replace(one, content=two.content), dataclasses.replace(two, content=one.content))
        assert component.digest_of(component.Component("x", "u", files=(one, two))) != component.digest_of(
            component.Component("x", "u", files=exchanged)
        )

    def test_what_is_about_to_be_replaced_counts_as_another_input(self, sample, tmp_path):
        assert component.digest_of(sample, [str(tmp_path / "tls.crt")]) != component.digest_of(sample)
        assert component.digest_of(sample, ["/somewhere/else"]) == component.digest_of(sample)

    def test_a_file_that_is_written_by_us_counts_as_it_is_wanted(self, sample, tmp_path):
        before = component.digest_of(sample)
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/config").write_bytes(b"edited by hand\n")
        assert component.digest_of(sample) == before


class Module:
    """The part of AnsibleModule that the engine needs."""

    def __init__(self, check_mode=False, **params):
        self.check_mode = check_mode
        defaults = {name: option["default"] for name, option in component.SHARED_OPTIONS.items()}
        self.params = {**defaults, "timeout": 20, **params}


@pytest.fixture
def host(init, tmp_path, monkeypatch):
    """A host whose lock is the test's own."""
    own = str(tmp_path / "k3a.lock")
    monkeypatch.setattr(component, "host_lock", lambda timeout: lock.host_lock(timeout, own))
    monkeypatch.setattr(health, "POLL", 0.01)
    if os.geteuid() != 0:
        pytest.skip("unit files belong to root")
    return init


def test_a_run_brings_a_component_up_and_a_second_one_does_nothing(sample, host):
    first = component.converge(Module(), sample)
    assert (first["changed"], first["restarted"], first["unit"]) == (True, True, "k3a-sample.service")
    process = host.processes["k3a-sample.service"]
    assert systemd.running_digest(process.pid) == component.digest_of(sample)
    assert host.told == ["daemon-reload", "enable", "reset-failed", "restart"]
    host.told.clear()
    second = component.converge(Module(), sample)
    assert (second["changed"], second["restarted"], second["diff"], second["changes"]) == (False, False, [], [])
    assert host.told == []
    assert host.processes["k3a-sample.service"] is process


def test_check_mode_announces_what_the_run_does_and_does_none_of_it(sample, host, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    announced = component.converge(Module(check_mode=True), sample)
    assert sorted(tmp_path.rglob("*")) == before
    assert host.told == []
    assert component.converge(Module(), sample) == announced
    assert component.converge(Module(check_mode=True), sample)["changed"] is False


def test_check_mode_foresees_the_restart_that_a_pending_certificate_brings(sample, host, tmp_path):
    component.converge(Module(), sample)
    announced = component.converge(Module(check_mode=True), sample, [str(tmp_path / "tls.crt")])
    assert announced["restarted"]
    (tmp_path / "tls.crt").write_bytes(b"certificate 2")
    assert component.converge(Module(), sample, [str(tmp_path / "tls.crt")]) == announced
    assert not component.converge(Module(), sample)["changed"]


def test_a_certificate_restarts_the_process_and_the_new_one_says_so(sample, host, tmp_path):
    component.converge(Module(), sample)
    former = host.processes["k3a-sample.service"].pid
    (tmp_path / "tls.crt").write_bytes(b"certificate 2")
    assert component.converge(Module(), sample)["restarted"]
    current = host.processes["k3a-sample.service"].pid
    assert current != former
    assert systemd.running_digest(current) == component.digest_of(sample)


STEPS = ["make_directory", "write_file", "make_link"]


def kill_at(patch, owner, step, call):
    """Have the run killed as it takes a step on its call of this number."""
    real, calls = getattr(owner, step), []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            raise KeyboardInterrupt
        real(*arguments)

    patch.setattr(owner, step, killed)


@pytest.mark.parametrize("step", [*STEPS, "daemon_reload", "enable", "restart"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(sample, host, monkeypatch, step, call):
    component.converge(Module(), sample)
    former = sample.files[0]
    newer = dataclasses.replace(
        sample,
        unit=sample.unit.replace("600", "900"),
        files=(dataclasses.replace(former, content=b"a: 2\n"),),
        links=(files.Link(sample.links[0].path, "elsewhere"),),
    )
    owner = files if step in STEPS else systemd
    with monkeypatch.context() as patch:
        kill_at(patch, owner, step, call)
        try:
            component.converge(Module(), newer)
        except KeyboardInterrupt:
            assert component.converge(Module(check_mode=True), newer)["changed"]
    component.converge(Module(), newer)
    assert systemd.running_digest(host.processes["k3a-sample.service"].pid) == component.digest_of(newer)
    assert host.processes["k3a-sample.service"].args == ["sleep", "900"]
    assert not component.converge(Module(check_mode=True), newer)["changed"]


def test_a_component_that_does_not_become_well_fails_with_its_condition(sample, host, monkeypatch):
    monkeypatch.setattr(systemd, "journal_tail", lambda unit: f"panic in {unit}")
    sick = dataclasses.replace(sample, healthy=(lambda: "readyz answers 500: [-]etcd failed",))
    with pytest.raises(K3aError) as ended:
        component.converge(Module(timeout=0), sick)
    assert str(ended.value) == (
        "k3a-sample is not healthy: readyz answers 500: [-]etcd failed. "
        "Last lines of its journal:\npanic in k3a-sample.service"
    )
    assert ended.value.extra == {"unit": "k3a-sample.service"}


def test_a_component_that_keeps_failing_is_not_waited_for(sample, host, monkeypatch):
    monkeypatch.setattr(systemd, "journal_tail", lambda _unit: "")
    broken = dataclasses.replace(
        sample, unit=sample.unit.replace("sleep 600", "false"), healthy=(lambda: "it does not answer",)
    )
    started = time.monotonic()
    with pytest.raises(K3aError, match=r"k3a-sample.service keeps failing \("):
        component.converge(Module(timeout=600), broken)
    assert time.monotonic() - started < 60


def test_a_process_that_dies_is_started_again_by_the_next_run(sample, host):
    component.converge(Module(), sample)
    process = host.processes["k3a-sample.service"]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    result = component.converge(Module(), sample)
    assert (result["restarted"], result["changes"]) == (True, ["k3a-sample.service"])


def test_a_refusal_of_systemd_or_of_the_disk_is_one_sentence(sample, host, monkeypatch):
    def refuse(*_arguments, **_more):
        raise systemd.SystemdError("systemctl daemon-reload failed: Access denied")

    monkeypatch.setattr(systemd, "daemon_reload", refuse)
    with pytest.raises(K3aError) as ended:
        component.converge(Module(), sample)
    assert str(ended.value) == "k3a-sample: systemctl daemon-reload failed: Access denied"


def test_a_host_that_another_run_holds_is_left_alone(sample, host, tmp_path):
    with lock.host_lock(0, str(tmp_path / "k3a.lock")):
        with pytest.raises(K3aError, match="another k3a run"):
            component.converge(Module(timeout=0), sample)
    assert host.told == []
    assert not os.path.exists(sample.files[0].path)


def test_a_run_that_does_not_wait_leaves_the_judgement_to_a_later_step(sample, host):
    starting = dataclasses.replace(sample, name="starting", healthy=(lambda: "not yet",))
    assert component.converge(Module(wait=False), starting)["restarted"]
    assert host.processes["k3a-starting.service"].poll() is None


def test_one_that_is_interrupted_is_waited_for_all_the_same(sample, host, monkeypatch):
    monkeypatch.setattr(systemd, "journal_tail", lambda unit: f"journal of {unit}")
    component.converge(Module(wait=False), sample)
    changed = dataclasses.replace(sample, unit=sample.unit + "# new\n", healthy=(lambda: "not yet",))
    with pytest.raises(K3aError, match="not yet"):
        component.converge(Module(wait=False, timeout=0), changed)


def test_what_has_to_be_done_first_is_done_before_anything_is_changed(sample, host, tmp_path):
    plans = []

    def prepare(plan):
        assert host.told == []
        assert not os.path.exists(sample.files[0].path)
        plans.append(plan)

    component.converge(Module(), sample, prepare=prepare)
    component.converge(Module(), sample, prepare=plans.append)
    assert [(plan.restart, plan.interrupts) for plan in plans] == [("it does not run", False), (None, False)]
    (tmp_path / "tls.crt").write_bytes(b"certificate 2")
    component.converge(Module(), sample, prepare=plans.append)
    assert (plans[-1].restart, plans[-1].interrupts) == ("it runs with other inputs", True)


def test_what_was_prepared_is_looked_at_again(sample, host, tmp_path):
    component.converge(Module(), sample)
    result = component.converge(
        Module(), sample, prepare=lambda _plan: (tmp_path / "tls.crt").write_bytes(b"made by the preparation")
    )
    assert result["restarted"]
    assert not component.converge(Module(), sample)["changed"]


def test_a_preparation_that_stops_it_is_waited_for_as_an_interruption(sample, host, monkeypatch, tmp_path):
    """What runs then is started and not restarted, and those that depend on it have missed it all the same."""
    monkeypatch.setattr(systemd, "journal_tail", lambda unit: f"journal of {unit}")
    component.converge(Module(), sample)
    (tmp_path / "tls.crt").write_bytes(b"certificate 2")
    sick = dataclasses.replace(sample, healthy=(lambda: "not yet",))
    with pytest.raises(K3aError, match="not yet"):
        component.converge(Module(wait=False, timeout=0), sick, prepare=lambda _plan: host.stop(sample.unit_name))


class Forbidden(Exception):
    """A preparation finds that nothing must be done."""


def test_a_preparation_that_forbids_it_leaves_everything_as_it_is(sample, host):
    def forbid(_plan):
        raise Forbidden

    with pytest.raises(Forbidden):
        component.converge(Module(), sample, prepare=forbid)
    assert host.told == []
    assert not os.path.exists(sample.files[0].path)
    # The host is free again.
    assert component.converge(Module(), sample)["changed"]


def test_what_changes_with_a_plan_is_announced_and_told(sample, host):
    def foresee(plan):
        return [files.Change("k3a-other.service", "active\n", "restarted\n")] if plan.restart else []

    announced = component.converge(Module(check_mode=True), sample, foresee=foresee)
    assert announced["changes"][-1] == "k3a-other.service"
    assert component.converge(Module(), sample, foresee=foresee) == announced
    assert not component.converge(Module(), sample, foresee=foresee)["changed"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_plan_that_is_forbidden_is_refused_alike_in_check_mode(sample, host, check_mode):
    def foresee(plan):
        raise K3aError(f"not now: {plan.restart}")

    with pytest.raises(K3aError, match="^not now: it does not run$"):
        component.converge(Module(check_mode=check_mode), sample, prepare=pytest.fail, foresee=foresee)
    assert host.told == []
    assert not os.path.exists(sample.files[0].path)


def test_what_others_wait_for_is_waited_for(sample, host, monkeypatch):
    monkeypatch.setattr(systemd, "journal_tail", lambda unit: f"journal of {unit}")
    sick = dataclasses.replace(sample, healthy=(lambda: "not yet",))
    with pytest.raises(component.NotWell, match="not yet"):
        component.converge(Module(wait=False, timeout=0), sick, must_wait=True)


class TestHang:
    """A process that runs with the right inputs, and of which nothing is heard."""

    @pytest.fixture(autouse=True)
    def impatient(self, host, monkeypatch):
        monkeypatch.setattr(component, "PATIENCE", 0.05)
        self.host = host

    @staticmethod
    def with_reason(sample, *reasons):
        heard = iter(reasons)
        return dataclasses.replace(sample, healthy=(lambda: next(heard, reasons[-1]),))

    @staticmethod
    def active_for(monkeypatch, seconds):
        monkeypatch.setattr(component, "SETTLED", 60.0)
        state, since = systemd.unit_state, time.monotonic() - seconds
        monkeypatch.setattr(systemd, "unit_state", lambda unit: dataclasses.replace(state(unit), since=since))

    def test_one_whose_health_waits_for_others_and_that_answers_is_let_alone(self, sample, monkeypatch):
        """etcd without a majority is not ready, and its readiness does not answer in time; it is alive."""
        component.converge(Module(), sample)
        self.active_for(monkeypatch, 100)
        waiting = self.with_reason(sample, health.Silence("it does not answer"))
        announced = component.converge(Module(check_mode=True), dataclasses.replace(waiting, alive=(lambda: None,)))
        assert (announced["changed"], announced["unhealthy_reason"]) == (False, "it does not answer")

    def test_it_is_started_anew_once_as_announced(self, sample, monkeypatch):
        component.converge(Module(), sample)
        self.active_for(monkeypatch, 100)
        former = self.host.processes["k3a-sample.service"].pid
        silent = health.Silence("it does not answer")
        announced = component.converge(Module(check_mode=True), self.with_reason(sample, silent))
        assert announced["changes"] == ["k3a-sample.service"]
        assert announced["diff"][0]["after"] == "active (restarted: it hangs: it does not answer)\n"
        hung = dataclasses.replace(
            sample, healthy=(lambda: silent if self.host.processes["k3a-sample.service"].pid == former else None,)
        )
        assert component.converge(Module(), hung) == announced
        assert not component.converge(Module(), hung)["changed"]

    def test_one_that_answers_says_itself_what_it_waits_for_and_is_left_alone(self, sample, monkeypatch):
        component.converge(Module(), sample)
        self.active_for(monkeypatch, 100)
        waiting = self.with_reason(sample, "/readyz answers 500: [-]etcd failed")
        result = component.converge(Module(check_mode=True), waiting)
        assert (result["changed"], result["unhealthy_reason"]) == (False, "/readyz answers 500: [-]etcd failed")

    def test_one_that_has_just_been_started_is_waited_for(self, sample, monkeypatch):
        component.converge(Module(), sample)
        self.active_for(monkeypatch, 10)
        assert not component.converge(Module(check_mode=True), self.with_reason(sample, health.Silence("no")))[
            "changed"
        ]

    def test_one_missed_answer_is_no_reason(self, sample, monkeypatch):
        component.converge(Module(), sample)
        self.active_for(monkeypatch, 100)
        late = self.with_reason(sample, health.Silence("no"), None)
        assert not component.converge(Module(check_mode=True), late)["changed"]


def test_all_that_is_waited_for_shares_one_budget(sample, host, monkeypatch):
    """Those of earlier steps, too: a host that does not come takes its time-out once, not once for each of them."""
    monkeypatch.setattr(systemd, "journal_tail", lambda _unit: "")
    monkeypatch.setattr(health, "answers_ok", lambda _url: lambda: None)
    deadlines = []
    monkeypatch.setattr(component, "_unmet", lambda _each, deadline, _begun: deadlines.append(deadline))
    urls = {"etcd": "http://127.0.0.1:9/readyz", "kubelet": "http://127.0.0.1:9/healthz"}
    component.converge(Module(timeout=50, wait_for=urls), sample)
    assert len(deadlines) == 3
    assert len(set(deadlines)) == 1


def test_check_mode_prepares_nothing(sample, host):
    calls = []
    assert component.converge(Module(check_mode=True), sample, prepare=calls.append)["changed"]
    assert calls == []


def test_a_unit_that_systemd_has_not_come_to_yet_is_not_well(sample, monkeypatch):
    """What runs is the process that is about to be replaced, and answers as if all were well."""
    states = [systemd.UnitState(True, "active", "running", 7, True, 0, False, queued) for queued in (True, False)]
    monkeypatch.setattr(systemd, "unit_state", lambda _unit: states[0] if len(states) > 1 else states[-1])
    monkeypatch.setattr(systemd, "journal_tail", lambda _unit: "")
    asked = []
    watched = dataclasses.replace(sample, healthy=(lambda: asked.append("asked"),))
    with pytest.raises(component.NotWell, match="k3a-sample.service is about to be started anew"):
        component.wait_until_well(watched, 0)
    assert asked == []
    states.pop(0)
    component.wait_until_well(watched, 0)
    assert asked == ["asked"]


@pytest.mark.parametrize("queued, told", [(False, "keeps failing"), (True, "is about to be started anew")])
def test_a_slow_stop_is_no_failure_while_the_start_is_queued(sample, monkeypatch, queued, told):
    failed = systemd.UnitState(True, "failed", "failed", 0, True, 0, False, queued)
    monkeypatch.setattr(systemd, "unit_state", lambda _unit: failed)
    monkeypatch.setattr(systemd, "journal_tail", lambda unit: f"journal of {unit}")
    with pytest.raises(component.NotWell) as reason:
        component.wait_until_well(sample, 0)
    assert told in str(reason.value)
    assert ("keeps failing" in str(reason.value)) is not queued


def test_what_earlier_steps_started_is_waited_for_and_named(sample, host, monkeypatch, tmp_path):
    monkeypatch.setattr(systemd, "journal_tail", lambda unit: f"journal of {unit}")
    earlier = dataclasses.replace(sample, name="etcd")
    component.converge(Module(wait=False), earlier)
    with pytest.raises(K3aError) as ended:
        component.converge(Module(timeout=0, wait_for={"etcd": "http://127.0.0.1:9/readyz"}), sample)
    assert str(ended.value).startswith("k3a-etcd is not healthy: http://127.0.0.1:9/readyz does not answer: ")
    assert str(ended.value).endswith("journal of k3a-etcd.service")


@pytest.mark.parametrize("check", [True, False])
def test_what_has_no_health_endpoint_cannot_be_waited_for(sample, host, check):
    endpoints = {"kubelet": "http://127.0.0.1:9/healthz", "etcd": True}
    with pytest.raises(K3aError) as ended:
        component.converge(Module(check_mode=check, wait_for=endpoints), sample)
    assert str(ended.value) == "wait_for: etcd has True, which is no URL of a health endpoint"
    assert host.told == []


class TestTriggered:
    """A service that does one thing, started by a timer and by a change of a path."""

    NAMES = ("k3a-work.service", "k3a-work.timer", "k3a-work.path")

    @pytest.fixture
    def work(self, tmp_path):
        (tmp_path / "tls.crt").write_bytes(b"certificate 1")
        return component.Component(
            name="work",
            unit=systemd.triggered_text("work", (), (("ExecStart", f"test -e {tmp_path}/allowed"),)),
            triggers={
                "timer": systemd.trigger_text("timer", "work every hour", (("OnCalendar", "hourly"),)),
                "path": systemd.trigger_text("path", "work when told to", (("PathChanged", "/var/told"),)),
            },
            inputs=(str(tmp_path / "tls.crt"),),
        )

    @pytest.fixture
    def at_work(self, host, work):
        """It is installed, and has been started once."""
        component.converge(Module(), work)
        host.told.clear()

        def start():
            host.start("k3a-work.service")
            return host.processes["k3a-work.service"]

        return start

    def test_its_triggers_start_with_the_system_and_it_does_not(self, work, host, tmp_path):
        announced = component.converge(Module(check_mode=True), work)
        done = component.converge(Module(), work)
        assert done == announced
        assert done["changes"] == [
            *(f"{tmp_path}/units/{name}" for name in self.NAMES),
            *("k3a-work.timer", "k3a-work.path"),
        ]
        assert not done["restarted"]
        assert host.enabled == host.waiting == {"k3a-work.timer", "k3a-work.path"}
        assert host.processes == {}

    def test_that_it_does_not_run_is_as_it_should_be(self, work, host, at_work, tmp_path):
        for _time in ("before its first start", "after it ended well"):
            result = component.converge(Module(check_mode=True), work)
            assert (result["changed"], result["unhealthy_reason"]) == (False, "")
            assert not component.converge(Module(timeout=0), work)["changed"]
            (tmp_path / "allowed").write_text("")
            at_work().wait()
        assert "restart" not in host.told

    def test_work_that_goes_on_is_let_alone(self, work, host, tmp_path):
        long = dataclasses.replace(work, unit=work.unit.replace(f"test -e {tmp_path}/allowed", "sleep 600"))
        component.converge(Module(), long)
        host.start("k3a-work.service")
        (tmp_path / "tls.crt").write_bytes(b"certificate 2")
        result = component.converge(Module(check_mode=True), long)
        assert (result["changed"], result["unhealthy_reason"]) == (False, "")
        assert not component.converge(Module(timeout=0), long)["changed"]
        assert host.processes["k3a-work.service"].poll() is None

    def test_what_failed_is_done_again(self, work, host, at_work, tmp_path):
        assert at_work().wait() == 1
        announced = component.converge(Module(check_mode=True), work)
        (tmp_path / "allowed").write_text("")
        done = component.converge(Module(), work)
        assert done == announced
        assert (done["changes"], done["restarted"]) == (["k3a-work.service"], True)
        assert done["diff"][0]["before"] == "failed\n"
        assert done["diff"][0]["after"] == "done again: it failed the last time\n"
        assert host.processes["k3a-work.service"].returncode == 0

    def test_what_fails_again_is_told_with_its_journal(self, work, host, at_work, monkeypatch):
        monkeypatch.setattr(systemd, "journal_tail", lambda unit: f"journal of {unit}")
        at_work().wait()
        with pytest.raises(K3aError) as ended:
            component.converge(Module(timeout=600), work)
        assert str(ended.value).startswith("k3a-work is not healthy: k3a-work.service keeps failing (")
        assert str(ended.value).endswith("journal of k3a-work.service")

    def test_what_it_has_to_do_now_is_waited_for(self, work, host, at_work, tmp_path):
        (tmp_path / "allowed").write_text("")
        asked = dataclasses.replace(work, outdated=(lambda: "there is something new",))
        done = component.converge(Module(), asked)
        assert done["diff"][0]["after"] == "done again: there is something new\n"
        assert host.processes["k3a-work.service"].returncode == 0

    @pytest.mark.parametrize("lacking", ["enabled", "waiting"])
    def test_a_trigger_that_somebody_stopped_is_put_back(self, work, host, at_work, lacking):
        getattr(host, lacking).discard("k3a-work.timer")
        result = component.converge(Module(), work)
        assert result["changes"] == ["k3a-work.timer"]
        assert "k3a-work.timer" in getattr(host, lacking)

    def test_other_times_are_loaded_and_start_nothing(self, work, host, at_work, tmp_path):
        often = {**work.triggers, "timer": work.triggers["timer"].replace("hourly", "minutely")}
        result = component.converge(Module(), dataclasses.replace(work, triggers=often))
        assert result["changes"] == [f"{tmp_path}/units/k3a-work.timer"]
        assert "OnCalendar=hourly" in result["diff"][0]["before"]
        assert host.told == ["daemon-reload"]
        assert "OnCalendar=minutely" in host.loaded["k3a-work.timer"]

    def test_other_work_is_written_and_starts_nothing(self, work, host, at_work, tmp_path):
        other = dataclasses.replace(work, unit=work.unit.replace("allowed", "asked-for"))
        assert component.converge(Module(), other)["changes"] == [f"{tmp_path}/units/k3a-work.service"]
        assert host.told == ["daemon-reload"]

    def test_another_input_is_read_the_next_time_and_changes_nothing(self, work, host, at_work, tmp_path):
        (tmp_path / "tls.crt").write_bytes(b"certificate 2")
        assert not component.converge(Module(), work)["changed"]
        assert host.told == []

    @pytest.mark.parametrize("step", ["write_file", "daemon_reload", "enable", "start"])
    @pytest.mark.parametrize("call", [1, 2])
    def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(self, work, host, monkeypatch, step, call):
        owner = files if step == "write_file" else systemd
        with monkeypatch.context() as patch:
            kill_at(patch, owner, step, call)
            try:
                component.converge(Module(), work)
            except KeyboardInterrupt:
                assert component.converge(Module(check_mode=True), work)["changed"]
        component.converge(Module(), work)
        assert host.enabled == host.waiting == {"k3a-work.timer", "k3a-work.path"}
        assert not component.converge(Module(check_mode=True), work)["changed"]

    def test_all_of_it_goes_the_triggers_first(self, work, host, at_work, tmp_path):
        host.told.clear()
        result = component.withdraw(Module(), work)
        assert result["changes"] == [f"{tmp_path}/units/{name}" for name in (*self.NAMES[1:], self.NAMES[0])]
        assert host.told == ["disable", "disable", "disable", "daemon-reload"]
        assert host.enabled == host.waiting == set()
        assert not component.withdraw(Module(), work)["changed"]


def test_withdrawing_shows_no_secret(sample, host):
    secret = dataclasses.replace(sample, files=(dataclasses.replace(sample.files[0], secret=True),))
    component.converge(Module(), secret)
    withdrawn = component.withdraw(Module(), secret)
    assert sample.files[0].path in withdrawn["changes"]
    assert "a: 1" not in str(withdrawn)


def test_withdrawing_stops_the_process_and_takes_its_files_away(sample, host, tmp_path):
    (tmp_path / "made").write_text("by the process\n")
    sample = dataclasses.replace(sample, generated=(str(tmp_path / "made"),))
    component.converge(Module(), sample)
    process = host.processes["k3a-sample.service"]
    announced = component.withdraw(Module(check_mode=True), sample)
    assert process.poll() is None
    assert component.withdraw(Module(), sample) == announced
    assert announced["changes"] == [
        f"{tmp_path}/{name}" for name in ("etc/config", "etc/hosts", "made", "units/k3a-sample.service")
    ]
    assert process.poll() is not None
    assert not any(os.path.exists(path) for path in announced["changes"])
    assert "k3a-sample.service" not in host.enabled
    assert component.withdraw(Module(), sample)["changed"] is False


def test_the_units_file_is_for_root_alone(sample, host, tmp_path):
    component.converge(Module(), sample)
    assert files.ownership(str(tmp_path / "units/k3a-sample.service")) == (0o600, "root", "root")


def test_what_somebody_has_in_the_place_of_a_link_is_kept_and_told(sample, host, tmp_path):
    (tmp_path / "link").write_text("theirs\n")
    told = {"path": sample.links[0].path, "kept": f"{sample.links[0].path}.before-k3a"}
    announced = component.converge(Module(check_mode=True), sample)
    assert set(told.values()) <= set(announced["changes"])
    done = component.converge(Module(), sample)
    assert (done["changes"], done["diff"]) == (announced["changes"], announced["diff"])
    assert (tmp_path / "link.before-k3a").read_text() == "theirs\n" and (tmp_path / "link").is_symlink()
    assert not component.converge(Module(check_mode=True), sample)["changed"]
