# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.k3a.cluster.plugins.module_utils._components import etcd_guard
from ansible_collections.k3a.cluster.tests.unit.etcd_members import begin_data, identity

# With records in a directory of the test: the host that runs it may be a server itself.
ALLOWED = """
import sys
sys.path.insert(0, "{program}")
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import data, guard
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._identity import identity
identity.ETCD, data.PROGRESS = "{folder}/etcd.json", "{folder}/etcd-progress.json"
real = files.write_file
files.write_file = lambda file: real(files.owned_by_me(file.path, file.content))
sys.exit(guard.main(["etcd", "{data_dir}"]))
"""


def test_the_program_that_systemd_asks_has_all_that_it_needs(tmp_path):
    data_dir = tmp_path / "k3a"
    file = etcd_guard.program_file(str(data_dir), sys.executable)
    Path(file.path).parent.mkdir(parents=True)
    Path(file.path).write_bytes(file.content)
    Path(file.path).chmod(file.mode)

    def ask(directive, line, where):
        assert directive == where
        command = line.removeprefix("+").replace("\\\n", "").split()
        return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)

    stopped = ask(*etcd_guard.after_stop(str(data_dir)), where="ExecStopPost")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    refused = ask(*etcd_guard.before_start(str(data_dir), "etcd"), where="ExecStartPre")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"the data of etcd is gone from {data_dir}/server/db/etcd, and etcd begins")
    begin_data(data_dir / "server/db/etcd", identity(3))
    allowed = subprocess.run(
        [sys.executable, "-IS", "-c", ALLOWED.format(program=file.path, folder=tmp_path, data_dir=data_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (allowed.returncode, allowed.stderr) == (0, "")
    assert (tmp_path / "etcd-progress.json").exists()
