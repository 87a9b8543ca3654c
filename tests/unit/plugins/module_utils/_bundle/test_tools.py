# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import platform

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import tools
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.tests.unit.recipe_samples import hello, in_go, needs_gcc, tool, with_recipe


@pytest.fixture
def component(tmp_path):
    return hello(tmp_path)


@pytest.fixture
def path(monkeypatch, tmp_path):
    """A PATH of these programs only: name and the shell commands that it runs."""

    def have(**programs):
        for name, script in {"env": 'exec /usr/bin/env "$@"', **programs}.items():
            program = tmp_path / "path" / name.replace("_", "-")
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "path"))

    return have


GCC = 'case $1 in -dumpfullversion) echo 12.2.0;; *none.a) echo libnone.a;; *) echo /dev/null;; esac'


def test_all_that_is_missing_for_all_components_is_named_at_once(component, path):
    cgo = with_recipe(in_go(component, "1.26.6"), cgo=True, libraries=["libc.a", "libnone.a", "libseccomp.a"])
    path()
    assert tools.missing_tools(tool, [component, cgo]) == [
        "Go is not installed on the controller: hello needs go 1.26.6 or newer in PATH"
        " (a distribution's package is often older; see https://go.dev/doc/install)",
        "gcc is not installed on the controller: hello and hello needs it: install the package gcc (Debian) or gcc (Fedora)",
    ]
    path(gcc=GCC, go="echo go1.26.5")
    assert tools.missing_tools(tool, [component, cgo]) == [
        "hello needs go 1.26.6 or newer, the controller has go1.26.5: put a newer one first in PATH"
        " (see https://go.dev/doc/install)",
        "pkg-config is not installed on the controller: hello needs it:"
        " install the package pkg-config (Debian) or pkgconf-pkg-config (Fedora)",
        "hello needs the static C library libnone.a: install the package libnone-dev (Debian) or libnone-static (Fedora)",
    ]
    path(gcc=GCC, go="echo go1.26.10", pkg_config="")
    assert tools.missing_tools(tool, [component, with_recipe(cgo, libraries=["libc.a"])]) == []


def test_the_newest_go_that_a_component_wants_is_what_is_asked_for(component, path, tmp_path):
    newer = hello(tmp_path / "newer")
    path(go="echo go1.26.2")
    (problem,) = tools.missing_tools(tool, [in_go(component, "1.26.0"), in_go(newer, "1.26.6")])
    assert problem.startswith("hello needs go 1.26.6 or newer, the controller has go1.26.2")


def test_a_mac_is_told_where_bundles_are_built(component, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(BundleError, match="a bundle is built on Linux, and the controller runs Darwin: build it on"):
        tools.tools_of(tool, component)


def test_the_tools_that_decide_are_named(component, path):
    path(gcc=GCC, go="echo go1.26.10", pkg_config="")
    nothing = hashlib.sha256(b"").hexdigest()
    assert tools.tools_of(tool, component) == "gcc 12.2.0"
    assert tools.tools_of(tool, in_go(component)) == "go1.26.10"
    static = with_recipe(in_go(component), cgo=True, libraries=["libc.a"])
    assert tools.tools_of(tool, static) == f"gcc 12.2.0 go1.26.10 libc.a {nothing}"


@needs_gcc
def test_a_missing_c_library_is_named_with_its_package(component):
    with pytest.raises(BundleError, match=r"needs the static C library libnone\.a: install the package libnone-dev"):
        tools.tools_of(tool, with_recipe(component, libraries=["libnone.a"]))


def test_a_tool_that_fails_shows_its_last_lines(tmp_path):
    script = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i >&2; done; exit 3"
    with pytest.raises(BundleError, match="sh -c failed with status 3:\nline 26\n") as caught:
        tools.run(tool, ["sh", "-c", script], str(tmp_path))
    assert str(caught.value).endswith("line 40")


def test_a_command_sees_where_things_are_and_no_choices(monkeypatch):
    monkeypatch.setenv("LIBRARY_PATH", "/somewhere")
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example")
    seen = tools.run(tool, ["env"], "/", {"GOOS": "linux"}).splitlines()
    assert {"HTTPS_PROXY=proxy.example", "GOOS=linux"} <= set(seen)
    assert "LIBRARY_PATH=/somewhere" not in seen
