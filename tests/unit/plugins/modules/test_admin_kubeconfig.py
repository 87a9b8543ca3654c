# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.modules import admin_kubeconfig

yaml = pytest.importorskip("yaml")


def test_what_its_action_plugin_always_needs_is_required():
    """All that there is of this module is its documentation; the action plugin does the work, on the controller."""
    options = yaml.safe_load(admin_kubeconfig.DOCUMENTATION)["options"]
    assert {name for name, option in options.items() if option.get("required")} == {"path", "ca_certificates"}
    assert options["state"]["default"] == "present"
