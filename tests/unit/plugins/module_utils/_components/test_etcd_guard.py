# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.k3a.cluster.plugins.module_utils._components import etcd_guard
from ansible_collections.k3a.cluster.tests.unit.etcd_members import begin_data, identity


def test_the_program_that_systemd_asks_has_all_that_it_needs(tmp_path):
    data_dir = tmp_path / "k3a"
    file = etcd_guard.program_file(str(data_dir), sys.executable)
    Path(file.path).parent.mkdir(parents=True)
    Path(file.path).write_bytes(file.content)
    Path(file.path).chmod(file.mode)

    def ask():
        directive, line = etcd_guard.before_start(str(data_dir), "etcd")
        assert directive == "ExecStartPre"
        command = line.removeprefix("+").replace("\\\n", "").split()
        return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)

    refused = ask()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"the data of etcd is gone from {data_dir}/server/db/etcd, and etcd begins")
    begin_data(data_dir / "server/db/etcd", identity(3))
    allowed = ask()
    # The host that runs the tests may be a server itself.
    assert allowed.returncode == 0 or "etcd.json this host is the member" in allowed.stderr
