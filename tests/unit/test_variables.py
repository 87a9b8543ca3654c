# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the variables' types, defaults and meanings stand again, they stand as the specifications have them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import k3s_flags, spec

ROOT = Path(__file__).parents[2]


def tool_of(name):
    described = importlib.util.spec_from_file_location(f"{name}_tool", ROOT / f"tools/{name}.py")
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tool():
    return tool_of("variables")


@pytest.mark.parametrize("name", ["variables", "k3s_flags"])
def test_what_is_written_is_up_to_date(name):
    writer = tool_of(name)
    assert writer.FILE.read_text() == writer.written(), f"run make variables: {writer.FILE.name} is not what it writes"


def test_the_page_of_flags_has_a_line_for_each_with_its_variable_or_a_sentence():
    page = (ROOT / "docs/k3s-flags.md").read_text()
    for flag in k3s_flags.FLAGS.values():
        (line,) = re.findall(rf"^\| `--{re.escape(flag.name)}` \|.*", page, re.M)
        assert f"`{flag.variable}" in line if flag.variable else line.replace("`", "").endswith(f"| {flag.sentence} |")


def test_no_role_has_defaults_of_its_own():
    """What a specification says, no file of a role says again: roles read the typed values, C(_k3a)."""
    assert not list(ROOT.glob("roles/*/defaults"))


def test_the_page_names_every_variable():
    page = (ROOT / "docs/variables.md").read_text()
    for name in spec.specification().keys() | spec.of_playbooks().keys():
        assert f"| `{name}` |" in page


def test_the_readme_names_variables_with_their_defaults(tool):
    rows = re.findall(r"^\| (`k3a_[^|]*) \| ([^|]*) \|", (ROOT / "README.md").read_text(), re.M)
    assert rows
    for names, defaults in rows:
        options = [spec.specification()[name] for name in re.findall(r"`(\w+)`", names)]
        if "`" in defaults:
            shown = re.findall(r"`([^`]*)`", defaults)
            written = [tool.scalar(option["default"]) for option in options]
            assert shown * (len(written) // len(shown)) == written, names
        else:  # in words, or nothing
            assert all(option["default"] in ("", []) for option in options), names
