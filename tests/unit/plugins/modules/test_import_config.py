# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import yaml
from ansible_collections.k3a.cluster.plugins.modules import import_config as module


def test_the_documentation_stands_for_an_action() -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)
    assert documented["module"] == "import_config"
    assert documented["options"].keys() == {"path", "environment_file"}
