# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils import _bootstrap as shared
from ansible_collections.k3a.cluster.plugins.module_utils._layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._steps import bootstrap


@pytest.fixture
def layout(tmp_path):
    return Layout(str(tmp_path / "k3a"))


def test_keys_come_before_what_depends_on_them(layout):
    """A run that is killed in between leaves a key without certificate, which has signed nothing."""
    paths = bootstrap.wanted_paths(layout, True)
    for name in shared.CN_PREFIXES:
        certificate, key = shared.authority_paths(layout, name)
        assert paths.index(key) < paths.index(certificate)
    assert paths[-1] == layout.token
