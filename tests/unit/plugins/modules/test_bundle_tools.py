# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.modules import bundle_tools
from ansible_collections.k3a.cluster.tests.unit.recipe_samples import hello, in_go, needs_gcc


def test_all_that_is_missing_is_told_at_once(run_module, monkeypatch, tmp_path):
    component = in_go(hello(tmp_path), cgo=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run_module(bundle_tools, components={"hello": component.recipe}, source=component.source)
    assert result["failed"]
    assert result["msg"].startswith("The controller cannot build a bundle: Go is not installed on the controller: hello")
    assert "; gcc is not installed on the controller: hello needs it" in result["msg"]


@needs_gcc
def test_the_tools_of_each_component_are_returned(run_module, tmp_path):
    component = hello(tmp_path)
    result = run_module(bundle_tools, components={"hello": component.recipe}, source=component.source)
    assert not result["changed"]
    assert result["tools"]["hello"].startswith("gcc ")
