# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The program that systemd asks before it starts etcd or the API server: where it is, and what it consists of."""

from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._datastore import client, data, guard
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, layout, program, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._errors import errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import records
from ansible_collections.k3a.cluster.plugins.module_utils._identity import identity, record_file

LIBRARY = (client, data, errors, files, identity, layout, record_file, records)


def path(data_dir: str) -> str:
    """Where the program is."""
    return f"{data_dir}/server/lib/etcd-guard.pyz"


def command(data_dir: str, what: str) -> str:
    """The program with what it is to do, as a unit has it."""
    return systemd.command_line(path(data_dir), ("guard", what, data_dir))


def before_start(data_dir: str, what: str) -> tuple[str, str]:
    """The line of a unit that asks whether C(etcd) or the C(apiserver) may start: as root, who reads the record."""
    return "ExecStartPre", f"+{command(data_dir, what)}"


def after_stop(data_dir: str) -> tuple[str, str]:
    """The line of etcd's unit that writes down how far it has come."""
    return "ExecStopPost", f"+{command(data_dir, 'progress')}"


def program_file(data_dir: str, python: str) -> files.File:
    """The program, run by a Python of the host."""
    return files.File(path(data_dir), program.command(python, program.archive({"guard": guard}, LIBRARY)), mode=0o755)
