# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.debian import NodesError
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.machines import Options
from ansible_collections.k3a.cluster.plugins.modules import test_nodes as subject

DEFAULTS = {name: option.get("default") for name, option in subject.OPTIONS.items()}


@pytest.mark.parametrize("name", subject.OF_MACHINES)
def test_what_only_machines_have_is_refused_for_containers(name):
    with pytest.raises(NodesError, match=f"{name} is other: only machines have that choice"):
        subject.refuse_of_machines({**DEFAULTS, name: "other"})


def test_containers_may_have_all_defaults():
    subject.refuse_of_machines(DEFAULTS)


def test_a_machine_is_by_default_what_the_options_say():
    assert Options(**{name: DEFAULTS[name] for name in subject.OF_MACHINES}) == Options()
