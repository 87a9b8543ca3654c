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
