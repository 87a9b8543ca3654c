# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook on hosts of which only the answers exist, and what reached each of their modules."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
COLLECTION = HERE.parents[1]
# Not the script of that name, whose place depends on how Ansible was installed.
PLAYBOOK = (sys.executable, "-c", "from ansible.cli.playbook import main; main()")


@dataclass(frozen=True)
class Run:
    """A module run: what the module of a host was given."""

    host: str
    module: str
    arguments: dict[str, Any]


def environment(directory: Path, **settings: object) -> dict[str, str]:
    """What ansible-playbook runs with: nobody's configuration, the answers' connection, this collection."""
    configuration = directory / "ansible.cfg"
    configuration.touch()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {
        **inherited,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]),
        "ANSIBLE_CONFIG": str(configuration),
        "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection_plugins"),
        "ANSIBLE_HOME": str(directory / "ansible"),
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "K3A_CACHE": str(directory / "cache"),
        **{f"ANSIBLE_{name.upper()}": str(value) for name, value in settings.items()},
    }


def runs(log: Path) -> list[Run]:
    """The module runs of a playbook, in their order."""
    return [Run(**json.loads(line)) for line in log.read_text().splitlines()]


def play(directory: Path, *arguments: object, **settings: object) -> str:
    """Run ansible-playbook in a directory; what it says, which is the error when it fails."""
    command = [*PLAYBOOK, *map(str, arguments)]
    given = environment(directory, **settings)
    done = subprocess.run(
        command, cwd=directory, env=given, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise AssertionError(done.stdout)
    return done.stdout


def recap(output: str) -> dict[str, dict[str, int]]:
    """What Ansible counts of each host."""
    lines = re.findall(r"^(\S+) +: (ok=.*)$", output, re.M)
    return {host: {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in lines}


def visits(output: str) -> dict[str, int]:
    """How many tasks visited each host, those included whose condition was not met."""
    return {host: counts["ok"] + counts["failed"] + counts["skipped"] for host, counts in recap(output).items()}
