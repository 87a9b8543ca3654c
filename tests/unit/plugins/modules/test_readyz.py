# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils import _apiserver as apiserver
from ansible_collections.k3a.cluster.plugins.module_utils._layout import Layout
from ansible_collections.k3a.cluster.plugins.modules import readyz

ROLE = Path(readyz.__file__).parents[2] / "roles/server/tasks/controllers.yml"


@pytest.fixture
def unused_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_a_silent_api_is_named_with_its_address(tmp_path, unused_port):
    (tmp_path / "server/tls").mkdir(parents=True)
    reason = apiserver.ready(Layout(str(tmp_path)), unused_port)()
    assert reason is not None
    assert f"https://127.0.0.1:{unused_port}/readyz?verbose does not answer" in reason


def test_the_role_waits_for_the_api_before_anything_needs_it():
    (block,) = yaml.safe_load(ROLE.read_text())
    modules = [key for task in block["block"] for key in task if key.startswith("k3a.cluster.")]
    assert modules[0] == "k3a.cluster.readyz"
    options = block["block"][0]["k3a.cluster.readyz"]
    assert set(options) <= set(readyz.OPTIONS)
