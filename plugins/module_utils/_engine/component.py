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

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, health, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine.files import Change, Directory, File, Link
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import Busy, host_lock

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# A process that systemd had to start again this often is not going to become well by waiting.
RESTARTS_BEFORE_GIVING_UP = 5


@dataclass(frozen=True)
class Component:
    """A component of the cluster on this node.

    Its process reads C(files) when it starts, and C(reloaded) files whenever it needs them: these restart nothing. It
    writes C(generated) files itself. C(outdated) says why it has to do again what it does only when it starts.
    """

    name: str
    unit: str
    files: tuple[File, ...] = ()
    reloaded: tuple[File, ...] = ()
    directories: tuple[Directory, ...] = ()
    links: tuple[Link, ...] = ()
    absent: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    healthy: tuple[health.Condition, ...] = ()
    outdated: tuple[health.Condition, ...] = ()

    @property
    def unit_name(self) -> str:
        """The name of its systemd unit."""
        return f"k3a-{self.name}.service"


@dataclass(frozen=True)
class Plan:
    """What has to be done to a component, decided before anything is."""

    digest: str
    directories: tuple[Directory, ...]
    files: tuple[File, ...]
    links: tuple[Link, ...]
    absent: tuple[str, ...]
    unit: str | None
    reload: bool
    enable: bool
    restart: str | None
    interrupts: bool
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


def make_plan(component: Component, state: systemd.UnitState, running: str | None, digest: str) -> Plan:
    """Compare a component with what is on the node."""
    changes: list[files.Change] = []

    def differing(wanted: tuple, compare: Callable[[Any], Change | None]) -> tuple:
        found = [(item, compare(item)) for item in wanted]
        changes.extend(change for _item, change in found if change)
        return tuple(item for item, change in found if change)

    directories = differing(component.directories, files.directory_change)
    changed_files = differing((*component.files, *component.reloaded), files.file_change)
    links = differing(component.links, files.link_change)
    absent = differing(component.absent, files.absent_change)
    unit = systemd.with_digest(component.unit, digest)
    current = files.read_bytes(systemd.unit_path(component.unit_name))
    current_text = "" if current is None else current.decode(errors="replace")
    if systemd.without_digest(current_text) != component.unit:
        changes.append(
            files.Change(systemd.unit_path(component.unit_name), systemd.without_digest(current_text), component.unit)
        )
    restart = restart_reason(state, running, digest) or _first_reason(component.outdated)
    if restart:
        before = f"{state.active}\n" if current is not None else "absent\n"
        changes.append(files.Change(component.unit_name, before, f"active (restarted: {restart})\n"))
    if current is not None and not state.enabled:
        changes.append(files.Change(component.unit_name, "disabled\n", "enabled\n"))
    return Plan(
        digest=digest,
        directories=directories,
        files=changed_files,
        links=links,
        absent=absent,
        unit=None if current_text == unit else unit,
        reload=state.stale or current_text != unit,
        enable=not state.enabled,
        restart=restart,
        interrupts=bool(restart and state.main_pid),
        changes=tuple(changes),
    )


def apply(component: Component, plan: Plan) -> None:
    """Carry a plan out: files first, the unit after them, its process last."""
    for directory in plan.directories:
        files.make_directory(directory)
    for file in plan.files:
        files.write_file(file)
    for link in plan.links:
        files.make_link(link)
    for path in plan.absent:
        files.remove_file(path)
    if plan.unit is not None:
        path = systemd.unit_path(component.unit_name)
        files.write_file(files.File(path, plan.unit.encode(), mode=0o600))
    if plan.reload:
        systemd.daemon_reload()
    if plan.enable:
        systemd.enable(component.unit_name)
    if plan.restart:
        systemd.restart(component.unit_name)


def wait_until_well(component: Component, timeout: float) -> str | None:
    """Wait for the unit to run and all its conditions to hold; the reason, with the journal, when they do not."""
    reason = _unmet(component, time.monotonic() + timeout)
    if reason is None:
        return None
    journal = systemd.journal_tail(component.unit_name)
    return f"k3a-{component.name} is not healthy: {reason}. Last lines of its journal:\n{journal}"


def _first_unwell(component: Component, params: Mapping[str, Any]) -> str | None:
    """The reason of the first that is not well: those that earlier steps started without waiting, then this one."""
    endpoints = {name: health.answers_ok(health.ENDPOINTS[name]) for name in params["wait_for"]}
    earlier = [Component(name=name, unit="", healthy=(condition,)) for name, condition in endpoints.items()]
    reasons = (wait_until_well(each, params["timeout"]) for each in (*earlier, component))
    return next((reason for reason in reasons if reason), None)


def _first_reason(conditions: Iterable[health.Condition]) -> str | None:
    return next((reason for reason in (condition() for condition in conditions) if reason), None)


def _unmet(component: Component, deadline: float) -> str | None:
    seen: list[systemd.UnitState] = []

    def well() -> str | None:
        seen.append(systemd.unit_state(component.unit_name))
        if seen[-1].queued:
            # Until systemd has come to it, what runs is the process that is about to be replaced.
            return f"{component.unit_name} is about to be started anew"
        if seen[-1].active != "active":
            return f"{component.unit_name} is {seen[-1].active} ({seen[-1].sub})"
        return _first_reason(component.healthy)

    def hopeless() -> str | None:
        now = seen[-1]
        # A unit that failed to stop in time is failed, too, until the start that is queued behind the stop.
        ended = now.active == "failed" and not now.queued
        failing = now.restarts - seen[0].restarts >= RESTARTS_BEFORE_GIVING_UP
        return f"{component.unit_name} keeps failing" if ended or failing else None

    return health.wait_for(well, deadline, hopeless)


def converge(
    module: AnsibleModule,
    component: Component,
    pending: Collection[str] = (),
    prepare: Callable[[Plan], None] | None = None,
) -> dict[str, Any]:
    """Bring a component to its wanted state and return the module's result; fail the module when it does not come.

    What has to happen before a plan is carried out, or forbids it, is for C(prepare).
    """
    timeout = module.params["timeout"]
    try:
        if module.check_mode:
            foreseen = _observe(component, pending)
            unwell = None if foreseen.changed else _unmet(component, time.monotonic())
            return _result(component, foreseen, unwell or "")
        with host_lock(timeout):
            plan = first = _observe(component)
            if prepare:
                prepare(first)
                # Looked at again: what was prepared may be among what the component consists of.
                plan = _observe(component)
            apply(component, plan)
            # What depends on a component that is interrupted must find it back before it is interrupted itself.
            wait = module.params["wait"] or first.interrupts
            reason = _first_unwell(component, module.params) if wait else None
    except (Busy, systemd.SystemdError, OSError) as error:
        module.fail_json(msg=f"k3a-{component.name}: {error}")
    if reason:
        module.fail_json(msg=reason, unit=component.unit_name)
    return _result(component, plan)


def withdraw(module: AnsibleModule, component: Component, pending: Collection[str] = ()) -> dict[str, Any]:
    """Stop a component and take its files away: the way back from converge. Nothing here waits on pending files."""
    del pending
    written = [(file.path, file.secret) for file in (*component.files, *component.reloaded)]
    generated = [(path, False) for path in component.generated]
    paths = [(systemd.unit_path(component.unit_name), False), *written, *generated]
    found = [change for change in (files.absent_change(path, secret) for path, secret in paths) if change]
    if found and not module.check_mode:
        try:
            with host_lock(module.params["timeout"]):
                systemd.stop(component.unit_name)
                for change in found:
                    files.remove_file(change.path)
                systemd.daemon_reload()
        except (Busy, systemd.SystemdError, OSError) as error:
            module.fail_json(msg=f"k3a-{component.name}: {error}")
    return {
        "changed": bool(found),
        "diff": [change.as_diff() for change in found],
        "unit": component.unit_name,
        "restarted": False,
        "unhealthy": "",
        "changes": [change.path for change in found],
    }


def _observe(component: Component, pending: Collection[str] = ()) -> Plan:
    state = systemd.unit_state(component.unit_name)
    digest = digest_of(component, pending)
    return make_plan(component, state, systemd.running_digest(state.main_pid), digest)


def _result(component: Component, plan: Plan, unhealthy: str = "") -> dict[str, Any]:
    return {
        "changed": plan.changed,
        "diff": [change.as_diff() for change in plan.changes],
        "unit": component.unit_name,
        "restarted": plan.restart is not None,
        "unhealthy": unhealthy,
        "changes": [change.path for change in plan.changes],
    }


SHARED_OPTIONS: dict[str, Any] = {
    "data_dir": {"type": "path", "default": "/var/lib/k3a"},
    "timeout": {"type": "int", "default": 300},
    "wait": {"type": "bool", "default": True},
    "wait_for": {"type": "list", "elements": "str", "choices": list(health.ENDPOINTS), "default": []},
    "pending": {"type": "list", "elements": "path", "default": []},
}
BUNDLE_OPTIONS: dict[str, Any] = {
    "bundle": {"type": "path", "required": True},
    "programs": {"type": "dict", "default": {}},
}


def argument_spec(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a component's module: its own beside those that all components share."""
    return {**SHARED_OPTIONS, **BUNDLE_OPTIONS, **options}
