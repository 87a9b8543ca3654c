# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.modules import controller_manager


def test_check_mode_announces_the_unit_and_writes_nothing(run_module, init, bundle, tmp_path):
    result = run_module(controller_manager, check=True, bundle=bundle, data_dir=str(tmp_path / "k3a"))
    assert result["unit"] == "k3a-controller-manager.service"
    assert f"{tmp_path}/units/k3a-controller-manager.service" in result["changes"]
    assert result["restarted"]
    assert not (tmp_path / "k3a").exists()
    assert init.told == []
