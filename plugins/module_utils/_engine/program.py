# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The node-side library as a program on the node: one archive that Python runs, for what works without Ansible.

The archive depends on nothing but the sources in it, so that another run with the same collection restarts nothing.
"""

from __future__ import annotations

import importlib.util
import io
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

EPOCH = (1980, 1, 1, 0, 0, 0)
MAIN = '''\
"""Run a command of k3a on this node."""
import importlib
import sys

COMMANDS = {commands!r}
DATA = {data!r}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print("usage: k3a " + "|".join(sorted(COMMANDS)) + " ...", file=sys.stderr)
        sys.exit(2)
    sys.exit(importlib.import_module(COMMANDS[sys.argv[1]]).main(sys.argv[2:], **DATA.get(sys.argv[1], {{}})))
'''


class ProgramError(K3aError):
    """The program cannot be put together."""


def archive(
    commands: Mapping[str, ModuleType],
    library: Sequence[ModuleType] = (),
    data: Mapping[str, Mapping[str, Any]] | None = None,
) -> bytes:
    """A program of commands, each a module with C(main(arguments, **data)), and of the modules that they import.

    The data of a command is part of the program: plain values that its source does not know.
    """
    names = {name: module.__name__ for name, module in commands.items()}
    members = {"__main__.py": MAIN.format(commands=names, data=dict(data or {}))}
    for module in (*commands.values(), *library):
        path = module.__name__.replace(".", "/")
        members[f"{path}.py"] = source_of(module)
        members.update({f"{package}/__init__.py": "" for package in packages_above(path)})
    written = io.BytesIO()
    # Stored, not deflated: not all versions of zlib deflate alike.
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as program:
        for name in sorted(members):
            member = zipfile.ZipInfo(name, EPOCH)
            member.create_system, member.external_attr = 3, 0o644 << 16
            program.writestr(member, members[name])
    return written.getvalue()


SYSTEM_PYTHON = "/usr/bin/python3"
OLDEST_PYTHON = (3, 9)


def interpreter(running: str) -> str:
    """The Python that runs a program as a unit: Ansible's, unless that is where a sandbox does not let it look.

    There others than root may be able to write, too, and it need not be mounted when a unit starts.
    """
    return running if running.startswith("/usr/") else SYSTEM_PYTHON


def is_usable(python: str, run: Callable[[Sequence[str]], tuple[int, str, str]]) -> bool:
    """Whether a program can be run by a Python: it is there, and not too old."""
    test = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    return os.path.exists(python) and run([python, "-IS", "-c", test])[0] == 0


def command(python: str, program: bytes) -> bytes:
    """A program that can be called by its name: with nothing but the standard library and what is in it."""
    return f"#!{python} -IS\n".encode() + program


def packages_above(path: str) -> list[str]:
    """Every directory above a module's file, each of which is a package of the program."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def source_of(module: ModuleType) -> str:
    """The source of a module, wherever Ansible has put it: a file, or the archive of the running module."""
    spec = importlib.util.find_spec(module.__name__)
    source = getattr(spec.loader, "get_source", lambda _name: None)(module.__name__) if spec else None
    if not source:
        raise ProgramError(f"the source of {module.__name__} cannot be read")
    return source
