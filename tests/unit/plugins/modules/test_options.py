# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import yaml
from ansible_collections.k3a.cluster.plugins.action import options as action
from ansible_collections.k3a.cluster.plugins.modules import options as module


def test_the_documentation_stands_for_the_action():
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert {name: {k: v for k, v in option.items() if k != "description"} for name, option in documented.items()} == (
        action.OPTIONS
    )
