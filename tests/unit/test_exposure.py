# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How exposed our units are, as Debian 12's systemd scores their texts, and that the docs say so.

Other versions of systemd look at other directives.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import registry

CHECKOUT = Path(__file__).parents[2]
RECORDED = json.loads((Path(__file__).parent / "unit_texts.json").read_text())
# The widest score. What runs pods has to be able to do all that pods may ask for.
WIDEST = {"kubelet": 10.0, "containerd": 10.0, "kube-proxy": 2.0, "flannel": 2.0, "load-balancer": 1.5}
OWN = 1.6
UNITS = [(case[index]["name"], index, case[index]["unit"]) for case in RECORDED.values() for index in range(len(case))]


def systemd() -> str:
    """The version of the systemd of this machine, or nothing."""
    if not shutil.which("systemd-analyze"):
        return ""
    return subprocess.run(["systemd-analyze", "--version"], check=True, capture_output=True, text=True).stdout.split()[1]


def exposure(folder: Path, name: str, text: str) -> float:
    """The score of a unit's text, which needs neither the unit nor its users to be there."""
    (folder / name).write_text(text)
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(folder / name)]
    said = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found, said
    return float(found[1])


@pytest.mark.skipif(systemd() != "252", reason="the scores are those of systemd 252")
@pytest.mark.parametrize("name, index, text", UNITS, ids=[f"{name}-{index}" for name, index, _text in UNITS])
def test_a_unit_is_no_more_exposed_than_it_has_to_be(name, index, text, tmp_path):
    component = name.removeprefix("k3a-").removesuffix(".service")
    score = exposure(tmp_path, name, text)
    assert score <= WIDEST.get(component, OWN)
    if index == 0:
        assert documented()[component][1] == f"{score}"


def documented() -> dict[str, tuple[str, str]]:
    """Whom each unit runs as, and its score, by the table of the docs."""
    rows = re.findall(r"^\| `k3a-([-\w]+)` \| ([^|]+) \| ([0-9.]+) \|", (CHECKOUT / "docs/units.md").read_text(), re.M)
    return {component: (user, score) for component, user, score in rows}


def test_the_docs_have_every_unit_with_its_user():
    known = documented()
    assert set(known) == {case[0]["name"].removeprefix("k3a-").removesuffix(".service") for case in RECORDED.values()}
    users = {declared.name: user.name for declared in registry.DECLARATIONS for user in declared.users}
    for case in RECORDED.values():
        component = case[0]["name"].removeprefix("k3a-").removesuffix(".service")
        nameless = "one of its own while it runs" if "DynamicUser=yes" in case[0]["unit"] else "root"
        assert known[component][0] == (f"`{users[component]}`" if component in users else nameless)
