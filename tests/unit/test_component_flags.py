# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flags that the tests judge arguments with are those of the versions that go onto nodes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.build import cache_root
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle import archive
from ansible_collections.k3a.cluster.tests.unit.component_samples import KNOWN

SOURCE = Path(__file__).parents[2] / "bundle"


def test_the_flags_are_of_the_versions_that_are_locked():
    recipes = yaml.safe_load((SOURCE / "components.yml").read_text())["components"]
    assert KNOWN["versions"] == {name: recipes[name]["version"] for name in KNOWN["versions"]}


def test_the_flags_are_those_that_the_built_programs_name():
    try:
        path = archive.find(str(SOURCE), cache_root())
    except BundleError:
        pytest.skip("no bundle of this lock file is built here; component_flags.json stands in for its manifest")
    manifest = json.loads(Path(path, "manifest.json").read_text())
    assert {name: sorted(flags) for name, flags in manifest["flags"].items()} == KNOWN["flags"]
