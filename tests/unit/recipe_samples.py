# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small component that is really built, and how commands are run for it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import Component

RECIPE = {"version": "v1.0.0", "programs": {"bin/hello": "hello.c"}, "stamps": {"VERSION": "{version}"}}
HELLO = '#include <stdio.h>\nint main(void) { puts("{\\"hello\\": [\\"loud\\"]}"); return sizeof(VERSION) == 0; }\n'

needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")
needs_go = pytest.mark.skipif(not shutil.which("go"), reason="Go is not installed")


def tool(command, cwd, handle_exceptions):
    """What AnsibleModule.run_command does."""
    assert not handle_exceptions
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def hello(folder: Path) -> Component:
    """A component of one small C program, its sources and cache in this folder."""
    (folder / "source/hello").mkdir(parents=True)
    (folder / "source/hello/hello.c").write_text(HELLO)
    return Component("hello", RECIPE, str(folder / "source"), str(folder / "cache"))


def in_go(component: Component, go: str = "1.20", **changes) -> Component:
    """The same in Go, for which the sources are the test's."""
    Path(component.directory, "go.mod").write_text(f"module hello\n\ngo {go}\n")
    return with_recipe(component, programs={"bin/hello": "."}, stamps=None, **changes)


def with_recipe(component: Component, **changes) -> Component:
    """The same component by another recipe."""
    return dataclasses.replace(component, recipe={**component.recipe, **changes})
