# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.plugin_utils._options.deadlines import deadlines


def test_a_task_has_longer_than_what_its_module_waits_for() -> None:
    assert deadlines({"wait_timeout": 10, "drain_timeout": 0}) == {
        "task_timeout": 130,
        "shipping_timeout": 1810,
        "drain_task_timeout": 120,
    }


def test_there_is_none_without_the_variable_that_it_follows_from() -> None:
    assert deadlines({"data_dir": "/var/lib/k3a"}) == {}
