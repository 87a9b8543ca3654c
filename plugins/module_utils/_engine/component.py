# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The engine behind every component module: observe, plan, show, apply, wait until it is well.

A component is data: its files, its unit, the paths whose content it reads, and how to tell that it is well. The unit
carries a digest of all these in its environment. What decides about a restart is the digest of the process that *runs*,
never whether this run wrote a file: so a run killed anywhere is finished by the next, and a second restarts nothing.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, health, options, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine.files import Change, Directory, File, Link
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, during

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# A process that systemd had to start again this often is not going to become well by waiting.
RESTARTS_BEFORE_GIVING_UP = 5
# A process that has been active for so long, and of which nothing is heard for so long, is not on its way: it hangs.
SETTLED = 60.0
PATIENCE = 20.0


class NotWell(K3aError):
    """A component does not become healthy; the text has the check that fails and the last lines of its journal."""


@dataclass(frozen=True)
class Component:
    """A component of the cluster on this node.

    Its process reads C(files) when it starts, and C(reloaded) files whenever it needs them: these restart nothing. It
    writes C(generated) files itself. C(outdated) says why it has to do again what it does only when it starts.

    C(triggers) are units that start the service, by their kinds (C(timer), C(path)). Such a service does one thing and
    ends; its triggers are what starts with the system and has to be active.
    """

    name: str
    unit: str
    files: tuple[File, ...] = ()
    reloaded: tuple[File, ...] = ()
    directories: tuple[Directory, ...] = ()
    links: tuple[Link, ...] = ()
    absent: tuple[str, ...] = ()
    absent_secrets: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    healthy: tuple[health.Condition, ...] = ()
    outdated: tuple[health.Condition, ...] = ()
    # What tells that the process answers at all, where its health also depends on others: else C(healthy).
    alive: tuple[health.Condition, ...] = ()
    triggers: Mapping[str, str] = field(default_factory=dict)

    @property
    def unit_name(self) -> str:
        """The name of its systemd unit."""
        return f"k3a-{self.name}.service"

    @property
    def trigger_units(self) -> dict[str, str]:
        """The units that start it by their names, with their texts."""
        return {f"k3a-{self.name}.{kind}": text for kind, text in self.triggers.items()}


@dataclass(frozen=True)
class Plan:
    """What has to be done to a component, decided before anything is."""

    digest: str
    directories: tuple[Directory, ...]
    files: tuple[File, ...]
    links: tuple[Link, ...]
    absent: tuple[str, ...]
    unit: str | None
    triggers: Mapping[str, str]
    reload: bool
    enable: tuple[str, ...]
    start: tuple[str, ...]
    restart: str | None
    interrupts: bool
    states: Mapping[str, systemd.UnitState] = field(default_factory=dict)
    changes: tuple[Change, ...] = field(default=())

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.changes)


def digest_of(component: Component, pending: Collection[str] = ()) -> str:
    """The digest of all that a component's process reads when it starts.

    Inputs that another step of the same run is about to replace (pending, in check mode) count as different.
    """
    total = hashlib.sha256()
    for label, content in _digested(component, pending):
        total.update(hashlib.sha256(label.encode()).digest())
        total.update(hashlib.sha256(content).digest())
    return total.hexdigest()


def _digested(component: Component, pending: Collection[str]) -> list[tuple[str, bytes]]:
    parts = [("unit", component.unit.encode())]
    parts += [(file.path, file.content) for file in component.files]
    own = {file.path for file in component.files}
    for path in component.inputs:
        if path in own:
            continue
        content = b"pending" if path in pending else files.read_bytes(path)
        parts.append((path, b"absent" if content is None else content))
    return parts


def restart_reason(state: systemd.UnitState, running: str | None, wanted: str) -> str | None:
    """Why the unit's process has to be started anew, or None when the right one runs."""
    if state.active in ("active", "activating", "reloading") and running is not None:
        return None if running == wanted else "it runs with other inputs"
    return "it does not run"


def repeat_reason(state: systemd.UnitState) -> str | None:
    """Why a service that others start has to do its work again: the next time it reads all that is new by itself."""
    return "it failed the last time" if state.active == "failed" else None


def hang_reason(component: Component, state: systemd.UnitState) -> str | None:
    """Why a process that runs as it should has to be started anew all the same, or None.

    Only where nothing is heard of it. One that answers that it is not well says what it waits for, such as a datastore
    without a majority; a restart would not bring that, and could cost what still works.
    """
    now = time.monotonic()
    if state.active != "active" or state.queued or not state.since or now - state.since < SETTLED:
        return None
    silence = health.wait_for(lambda: _silence(component.alive or component.healthy), now + PATIENCE)
    return f"it hangs: {silence}" if silence else None


def _silence(conditions: Iterable[health.Condition]) -> str | None:
    reasons = (condition() for condition in conditions)
    return next((reason for reason in reasons if isinstance(reason, health.Silence)), None)


def make_plan(
    component: Component,
    state: systemd.UnitState,
    running: str | None,
    digest: str,
    triggers: Mapping[str, systemd.UnitState] | None = None,
) -> Plan:
    """Compare a component with what is on the node; C(triggers) are the states of the units that start it."""
    triggers = triggers or {}
    changes: list[files.Change] = []

    def differing(wanted: tuple, compare: Callable[[Any], Change | None]) -> tuple:
        found = [(item, compare(item)) for item in wanted]
        changes.extend(change for _item, change in found if change)
        return tuple(item for item, change in found if change)

    directories = differing(component.directories, files.directory_change)
    changed_files = differing((*component.files, *component.reloaded), files.file_change)
    links = differing(component.links, files.link_change)
    changes.extend(kept for link in links if (kept := files.former_change(link)))
    absent = differing(component.absent, files.absent_change)
    absent += differing(component.absent_secrets, functools.partial(files.absent_change, secret=True))
    # What others start reads everything anew each time, so nobody has to know what it read the last time.
    unit = component.unit if component.triggers else systemd.with_digest(component.unit, digest)
    current = files.read_bytes(systemd.unit_path(component.unit_name))
    current_text = "" if current is None else current.decode(errors="replace")
    if systemd.without_digest(current_text) != component.unit:
        changes.append(
            files.Change(systemd.unit_path(component.unit_name), systemd.without_digest(current_text), component.unit)
        )
    if current_text != unit:
        files.refuse_place(systemd.unit_path(component.unit_name), len(unit))
    changed_triggers = {}
    for name, text in component.trigger_units.items():
        former = (files.read_bytes(systemd.unit_path(name)) or b"").decode(errors="replace")
        if former != text:
            files.refuse_place(systemd.unit_path(name), len(text))
            changed_triggers[name] = text
            changes.append(files.Change(systemd.unit_path(name), former, text))
    reason = repeat_reason(state) if component.triggers else restart_reason(state, running, digest)
    restart = reason or _first_reason(component.outdated) or hang_reason(component, state)
    if restart:
        before = f"{state.active}\n" if current is not None else "absent\n"
        after = f"done again: {restart}\n" if component.triggers else f"active (restarted: {restart})\n"
        changes.append(files.Change(component.unit_name, before, after))
    idle = tuple(name for name, each in triggers.items() if each.active != "active")
    changes += [files.Change(name, f"{triggers[name].active}\n", "active\n") for name in idle]
    states = triggers if component.triggers else {component.unit_name: state}
    disabled = tuple(name for name, each in states.items() if not each.enabled)
    if current is not None:
        changes += [files.Change(name, "disabled\n", "enabled\n") for name in disabled]
    return Plan(
        digest=digest,
        directories=directories,
        files=changed_files,
        links=links,
        absent=absent,
        unit=None if current_text == unit else unit,
        triggers=changed_triggers,
        reload=current_text != unit or bool(changed_triggers) or _has_to_read((state, *triggers.values())),
        enable=disabled,
        start=idle,
        restart=restart,
        interrupts=bool(restart and state.main_pid),
        states={component.unit_name: state, **triggers},
        changes=tuple(changes),
    )


def _has_to_read(states: Iterable[systemd.UnitState]) -> bool:
    """Whether systemd does not have what is on the disk: a run may have been killed after it had written that."""
    return any(state.stale or not state.loaded for state in states)


def apply(component: Component, plan: Plan) -> None:
    """Carry a plan out: files first, the unit after them, its process last."""
    for directory in plan.directories:
        files.make_directory(directory)
    for file in plan.files:
        files.write_file(file)
    for link in plan.links:
        files.keep_former(link)
        files.make_link(link)
    for path in plan.absent:
        files.remove_file(path)
    units = {**({} if plan.unit is None else {component.unit_name: plan.unit}), **plan.triggers}
    for name, text in units.items():
        files.write_file(files.File(systemd.unit_path(name), text.encode(), mode=0o600))
    if plan.reload:
        systemd.daemon_reload()
    for name in plan.enable:
        systemd.enable(name)
    if plan.restart:
        systemd.restart(component.unit_name)
    for name in plan.start:
        systemd.start(name)


def wait_until_well(component: Component, deadline: float, begun: bool = False) -> None:
    """Wait for the unit to run and all its conditions to hold, until the monotonic deadline; else raise NotWell.

    Work that a trigger began may go on for as long as it likes; that of a service which this run began has to end well.
    """
    reason = _unmet(component, deadline, begun)
    if reason is not None:
        raise not_well(component.name, reason)


def not_well(name: str, reason: str) -> NotWell:
    """The error that says what a component lacks, and what it says itself."""
    unit = f"k3a-{name}.service"
    journal = systemd.journal_tail(unit)
    return NotWell(f"k3a-{name} is not healthy: {reason}. Last lines of its journal:\n{journal}", unit=unit)


def _earlier(endpoints: Mapping[str, Any]) -> list[Component]:
    """What earlier steps started without waiting for it, by where each component is asked for its health."""
    for name, url in endpoints.items():
        if not str(url).startswith(("http://", "https://")):
            raise K3aError(f"wait_for: {name} has {url!r}, which is no URL of a health endpoint")
    return [Component(name, unit="", healthy=(health.answers_ok(url),)) for name, url in endpoints.items()]


def _first_reason(conditions: Iterable[health.Condition]) -> str | None:
    return next((reason for reason in (condition() for condition in conditions) if reason), None)


def _unmet(component: Component, deadline: float, begun: bool = False) -> str | None:
    seen: list[systemd.UnitState] = []

    def well() -> str | None:
        states = _states(component)
        seen.append(states[component.unit_name])
        return _lack(component, states, begun)

    def hopeless() -> str | None:
        now = seen[-1]
        # A unit that failed to stop in time is failed, too, until the start that is queued behind the stop.
        ended = now.active == "failed" and not now.queued
        failing = now.restarts - seen[0].restarts >= RESTARTS_BEFORE_GIVING_UP
        return f"{component.unit_name} keeps failing" if ended or failing else None

    return health.wait_for(well, deadline, hopeless)


def _states(component: Component) -> dict[str, systemd.UnitState]:
    """What systemd says of all units of a component, in one answer."""
    if not component.triggers:
        return {component.unit_name: systemd.unit_state(component.unit_name)}
    return systemd.unit_states((component.unit_name, *component.trigger_units))


def _lack(component: Component, states: Mapping[str, systemd.UnitState], begun: bool = False) -> str | None:
    """The first that is not as it has to be, when its units are as they were seen."""
    if states[component.unit_name].queued:
        # Until systemd has come to it, what runs is the process that is about to be replaced.
        return f"{component.unit_name} is about to be started anew"
    return _wrong_unit(component, states, begun) or _first_reason(component.healthy)


def _wrong_unit(component: Component, states: Mapping[str, systemd.UnitState], begun: bool) -> str | None:
    """Which unit is not as it has to be: a service runs; one that others start has not failed, and these are active."""
    state = states[component.unit_name]
    if component.triggers and (state.active == "failed" or (begun and state.active != "inactive")):
        return f"{component.unit_name} is {state.active} ({state.sub})"
    has_to_be = component.trigger_units or [component.unit_name]
    wrong = (name for name in has_to_be if states[name].active != "active")
    return next((f"{name} is {states[name].active} ({states[name].sub})" for name in wrong), None)


def about_to_change(module: AnsibleModule) -> Collection[str]:
    """The files that another step of the same run is about to replace: in a run they have been."""
    return module.params["pending"] if module.check_mode else ()


def converge(
    module: AnsibleModule,
    component: Component,
    pending: Collection[str] = (),
    prepare: Callable[[Plan], None] | None = None,
    foresee: Callable[[Plan], Sequence[Change]] | None = None,
    must_wait: bool = False,
) -> dict[str, Any]:
    """Bring a component to its wanted state and return the module's result; raise NotWell when it does not come.

    What forbids a plan is for C(foresee), in check mode too: it raises the reason, or returns what else changes with
    the plan. What has to be done before a plan is carried out is for C(prepare). All conditions share one deadline.
    """
    earlier = _earlier(module.params["wait_for"])
    deadline = time.monotonic() + module.params["timeout"]
    if module.check_mode:
        foreseen = _observe(component, pending)
        more = foresee(foreseen) if foresee else ()
        unwell = None if foreseen.changed or more else _lack(component, foreseen.states)
        return _result(component, (*foreseen.changes, *more), foreseen.restart is not None, unwell or "")
    with host_lock(module.params["timeout"]):
        plan = first = _observe(component)
        more = foresee(first) if foresee else ()
        if prepare:
            prepare(first)
            # Looked at again: what was prepared may be among what the component consists of.
            plan = _observe(component)
        with during(f"k3a-{component.name}"):
            apply(component, plan)
        # What depends on a component that is interrupted must find it back before it is interrupted itself.
        if module.params["wait"] or must_wait or first.interrupts:
            for each in (*earlier, component):
                wait_until_well(each, deadline, bool(plan.restart))
    # As it was foreseen: what was prepared is not told twice.
    return _result(component, (*first.changes, *more), plan.restart is not None)


def withdraw(module: AnsibleModule, component: Component, pending: Collection[str] = ()) -> dict[str, Any]:
    """Stop a component and take its files away: the way back from converge. Nothing here waits on pending files.

    Its service goes last: by that the next run knows of a component that is not wanted, wherever this one is killed.
    """
    del pending
    written = [(file.path, file.secret) for file in (*component.files, *component.reloaded)]
    # The process has put these there, or a link to what its user may not read.
    generated = [(path, True) for path in component.generated]
    units = [*component.trigger_units, component.unit_name]
    paths = [*written, *generated, *((systemd.unit_path(name), False) for name in units)]
    found = [change for change in (files.absent_change(path, secret) for path, secret in paths) if change]
    if found and not module.check_mode:
        with host_lock(module.params["timeout"]), during(f"k3a-{component.name}"):
            for name in units:
                systemd.stop(name)
            for change in found:
                files.remove_file(change.path)
            systemd.daemon_reload()
    return _result(component, found, restarted=False)


def _observe(component: Component, pending: Collection[str] = ()) -> Plan:
    with during(f"k3a-{component.name}"):
        triggers = _states(component)
        state = triggers.pop(component.unit_name)
        digest = digest_of(component, pending)
        return make_plan(component, state, systemd.running_digest(state.main_pid), digest, triggers)


def _result(component: Component, changes: Sequence[Change], restarted: bool, unhealthy: str = "") -> dict[str, Any]:
    return {
        "changed": bool(changes),
        "diff": [change.as_diff() for change in changes],
        "unit": component.unit_name,
        "restarted": restarted,
        "unhealthy_reason": unhealthy,
        "changes": [change.path for change in changes],
    }


SHARED_OPTIONS: dict[str, Any] = {
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
    "wait": {"type": "bool", "default": True},
    "wait_for": {"type": "dict", "default": {}},
    "pending": options.PENDING,
}
BUNDLE_OPTIONS: dict[str, Any] = {
    "bundle": {"type": "path", "required": True},
    "programs": {"type": "dict", "default": {}},
}


def argument_spec(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a component's module: its own beside those that all components share."""
    return {**SHARED_OPTIONS, **BUNDLE_OPTIONS, **options}
