# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

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


def test_every_unit_says_that_it_is_ours(tmp_path):
    texts = json.loads((Path(__file__).parents[3] / "unit_texts.json").read_text())
    units = {f"{name}-{number}": text for name, found in texts.items() for number, text in enumerate(_leaves(found)) if "ExecStart=" in text}
    assert len(units) > 20
    for name, text in units.items():
        (tmp_path / f"k3a-{name}.service").write_text(text)
    assert own_units.installed(str(tmp_path)).keys() == units.keys()


def _leaves(found):
    for each in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from [each] if isinstance(each, str) else _leaves(each)


def test_a_service_of_somebody_else_is_not_ours_whatever_its_name(tmp_path):
    (tmp_path / "k3a-backup.service").write_text("[Unit]\nDescription=Backup of k3a\n[Service]\nExecStart=/usr/local/bin/backup\n")
    (tmp_path / "k3a-etcd.service").write_text("")
    assert own_units.installed(str(tmp_path)) == {"etcd": ""}


def test_what_a_unit_says():
    assert own_units.data_dir(UNIT) == "/srv/k3a"
    assert own_units.argument(UNIT, "secure-port") == "7443"
    assert own_units.argument(UNIT, "quoted") == own_units.argument(UNIT, "port") == own_units.data_dir("") == ""
