# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path

import yaml
from ansible_collections.k3a.cluster.plugins.action import admin_kubeconfig as action
from ansible_collections.k3a.cluster.plugins.modules import admin_kubeconfig


def options():
    return yaml.safe_load(admin_kubeconfig.DOCUMENTATION)["options"]


def test_the_action_takes_the_options_that_are_documented():
    """All that there is of this module on a node is its documentation; the action plugin is the rest."""
    source = Path(action.__file__).read_text()
    used = set(re.findall(r'self\._task\.args(?:\.get\(|\[)"(\w+)"', source))
    assert used | {"timeout"} == set(options())


def test_what_the_action_always_needs_is_required():
    required = {name for name, option in options().items() if option.get("required")}
    assert required == {"path", "authorities"}
