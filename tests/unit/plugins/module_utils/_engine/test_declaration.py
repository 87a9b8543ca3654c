# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import SERVER, Declaration

PLAIN = Declaration("plain", SERVER)
WELL = Declaration("well-known", SERVER, health="http://127.0.0.1:1/healthz")


def test_a_unit_is_named_after_its_component():
    assert (PLAIN.unit, WELL.unit) == ("k3a-plain.service", "k3a-well-known.service")
