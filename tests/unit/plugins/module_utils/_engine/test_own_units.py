# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._engine import own_units

UNIT = """[Service]
ExecStart=/srv/k3a/data/files/abc/kube-apiserver --secure-port=7443 \\
  --quoted="a b"
"""


def test_services_of_ours_by_their_components(tmp_path):
    for name in ("k3a-kubelet.service", "k3a-load-balancer.service", "k3a-x.timer", "kubelet.service", ".k3a-a.service.new"):
        (tmp_path / name).write_text(f"[Unit]\n# {name}\n")
    assert list(own_units.installed(str(tmp_path))) == ["kubelet", "load-balancer"]
    assert own_units.installed(f"{tmp_path}/none") == {}


def test_what_a_unit_says():
    assert own_units.data_dir(UNIT) == "/srv/k3a"
    assert own_units.argument(UNIT, "secure-port") == "7443"
    assert own_units.argument(UNIT, "quoted") == own_units.argument(UNIT, "port") == own_units.data_dir("") == ""
