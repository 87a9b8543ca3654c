# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.action import node as action
from ansible_collections.k3a.cluster.plugins.modules import node as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import progress

NODES = [{"name": "a1", "labels": ["disk=ssd"]}]


def test_check_mode_announces_a_node_to_come(run_action: Any, tmp_path: Path) -> None:
    result = run_action(action, module, check=True, data_dir=str(tmp_path), nodes=NODES)
    assert result["changed"] and "reasons_to_wait" not in result


@pytest.mark.parametrize("watched", [False, True])
def test_a_host_that_is_no_server_says_so(
    run_action: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    monkeypatch.setattr(progress, "WATCHED", watched)
    result = run_action(action, module, data_dir=str(tmp_path), nodes=NODES, timeout=1)
    assert result["failed"] and "this host is no server of a cluster" in result["msg"]
    assert "reasons_to_wait" not in result
