# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What systemd is told and asked: unit files as text, the state of a unit as properties, its last journal lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import process
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

UNIT_DIRECTORY = "/etc/systemd/system"
DIGEST = "K3A_DIGEST"
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "MainPID",
    "UnitFileState",
    "NRestarts",
    "NeedDaemonReload",
    "ActiveEnterTimestampMonotonic",
    "Job",
)

Directives = Sequence[tuple[str, str]]


class SystemdError(K3aError):
    """systemctl refused what it was told; the message is its own."""


@dataclass(frozen=True)
class UnitState:
    """The properties of a unit that decisions need; C(since) is when it became active, by the monotonic clock."""

    loaded: bool
    active: str
    sub: str
    main_pid: int
    enabled: bool
    restarts: int
    stale: bool
    queued: bool = False
    since: float = 0.0


def unit_path(unit: str) -> str:
    """Where a unit's file is."""
    return f"{UNIT_DIRECTORY}/{unit}"


def unit_text(description: str, unit: Directives, service: Directives) -> str:
    """A service unit that starts with the system."""
    return _text(
        ("Unit", (("Description", description), *unit)),
        ("Service", service),
        ("Install", (("WantedBy", "multi-user.target"),)),
    )


def triggered_text(description: str, unit: Directives, service: Directives) -> str:
    """A service unit that only other units start: it does one thing, and ends."""
    return _text(("Unit", (("Description", description), *unit)), ("Service", (("Type", "oneshot"), *service)))


def trigger_text(kind: str, description: str, directives: Directives) -> str:
    """A unit that starts the service of the same name: a C(timer) at its times, a C(path) when something changes."""
    return _text(
        ("Unit", (("Description", description),)),
        (kind.capitalize(), directives),
        ("Install", (("WantedBy", f"{kind}s.target"),)),
    )


def _text(*sections: tuple[str, Directives]) -> str:
    return "\n".join(f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in lines) for name, lines in sections)


def command_line(program: str, arguments: Iterable[str]) -> str:
    """A program and its arguments as ExecStart wants them, an argument a line."""
    return " \\\n  ".join(quoted(word) for word in (program, *arguments))


def quoted(word: str) -> str:
    """A word as systemd reads it back unchanged, whatever it holds."""
    escaped = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"' if re.search(r"[\s'\";]", word) or not word else escaped


def environment(variables: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The variables of a unit's environment, where systemd expands nothing but its specifiers."""

    def escaped(value: Any) -> str:
        return str(value).replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"')

    return tuple(("Environment", f'"{name}={escaped(variables[name])}"') for name in sorted(variables))


def with_digest(text: str, digest: str) -> str:
    """The unit's text with the digest of its inputs in the environment of its process."""
    return text.replace("[Service]\n", f"[Service]\nEnvironment={DIGEST}={digest}\n", 1)


def without_digest(text: str) -> str:
    """The unit's text as it was before the digest came in."""
    return re.sub(rf"^Environment={DIGEST}=[0-9a-f]*\n", "", text, flags=re.M)


def unit_state(unit: str) -> UnitState:
    """Ask systemd about a unit."""
    shown = _systemctl("show", "--property=" + ",".join(PROPERTIES), unit)
    return parse_state(shown)


def unit_states(units: Sequence[str]) -> dict[str, UnitState]:
    """Ask systemd about several units at once; it answers in their order."""
    shown = _systemctl("show", "--property=" + ",".join(PROPERTIES), *units)
    return dict(zip(units, map(parse_state, shown.strip().split("\n\n"))))


def parse_state(shown: str) -> UnitState:
    """The state in the output of C(systemctl show)."""
    values = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    return UnitState(
        loaded=values.get("LoadState") == "loaded",
        active=values.get("ActiveState", "unknown"),
        sub=values.get("SubState", "unknown"),
        main_pid=int(values.get("MainPID") or 0),
        enabled=values.get("UnitFileState") == "enabled",
        restarts=int(values.get("NRestarts") or 0),
        stale=values.get("NeedDaemonReload") == "yes",
        queued=bool(values.get("Job")),
        since=int(values.get("ActiveEnterTimestampMonotonic") or 0) / 1e6,
    )


def running_digest(main_pid: int) -> str | None:
    """The digest in the environment of a running process, or None when it has none or is gone."""
    if not main_pid:
        return None
    try:
        with open(f"/proc/{main_pid}/environ", "rb") as stream:
            variables = stream.read().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    prefix = f"{DIGEST}=".encode()
    return next((item[len(prefix) :].decode() for item in variables if item.startswith(prefix)), None)


def daemon_reload() -> None:
    """Make systemd read the unit files again."""
    _systemctl("daemon-reload")


def enable(unit: str) -> None:
    """Start a unit with the system from now on."""
    _systemctl("enable", "--quiet", unit)


def restart(unit: str) -> None:
    """Have a unit started anew, without waiting for it."""
    _systemctl("reset-failed", unit, check=False)
    _systemctl("restart", "--no-block", unit)


def restart_running(unit: str) -> None:
    """Have a unit started anew if it runs, without waiting for it."""
    _systemctl("try-restart", "--no-block", unit)


def start(unit: str) -> None:
    """Have a unit started that waits for something; it waits already when this returns."""
    _systemctl("reset-failed", unit, check=False)
    _systemctl("start", unit)


def pause(unit: str) -> None:
    """Stop a unit that is to run again soon; after a boot it does in any case."""
    _systemctl("stop", unit)


def stop(unit: str) -> None:
    """Stop a unit and keep it from starting with the system."""
    _systemctl("disable", "--now", "--quiet", unit, check=False)


def journal_tail(unit: str, lines: int = 12) -> str:
    """The last messages of a unit, for the person who reads why it failed."""
    command = ["journalctl", "--no-pager", "--output=cat", f"--lines={lines}", f"--unit={unit}"]
    return process.run(command).text.strip()


def journal_since(unit: str, moment: str) -> str:
    """The messages of a unit since a moment."""
    command = ["journalctl", "--no-pager", "--output=cat", f"--since={moment}", f"--unit={unit}"]
    return process.run(command).text


def _systemctl(*arguments: str, check: bool = True) -> str:
    done = process.run(["systemctl", *arguments])
    if check and done.code != 0:
        raise SystemdError(f"systemctl {' '.join(arguments)} failed: {done.complaint}")
    return done.text
