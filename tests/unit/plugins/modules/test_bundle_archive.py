# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.modules import bundle_archive
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import CONTENTS, make_bundle


def test_a_bundle_is_described_by_its_sizes(tmp_path):
    contents = {**CONTENTS, "bin/kubernetes": bytes(5 << 20)}
    identity = make_bundle(tmp_path / "bundle", contents)
    described = bundle_archive.describe(str(tmp_path / "bundle"))
    assert described == {
        "path": str(tmp_path / "bundle"),
        "id": identity,
        "compressed_size": 0.0,
        "unpacked_size": 5.0,
    }


def test_check_mode_says_of_a_bundle_that_is_to_come_that_it_is_nowhere(run_module, tmp_path):
    result = run_module(bundle_archive, check=True, components={}, source=str(tmp_path), cache=str(tmp_path))
    assert result["changed"]
    assert {name: result[name] for name in ("path", "id", "compressed_size")} == {"path": "", "id": "", "compressed_size": 0}
