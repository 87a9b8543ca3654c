# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power of a machine is cut while a client writes: it comes back by itself, with all that the client was promised.

The machines are processes of qemu. What they have not flushed to their disks is lost when theirs is killed: not so
when a container is killed, whose files are in the page cache of the machine under it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest
from kubernetes import client
from urllib3.exceptions import HTTPError

CUTS = int(os.environ.get("K3A_TEST_CUTS") or 1)
# Emulated, a machine takes minutes for what is seconds elsewhere.
WHOLE = 600


class Plug:
    """The power of a machine."""

    def __init__(self, cluster, node: str) -> None:
        self._cluster = cluster
        self.node = node
        self._files: Path = cluster.directory / "machines" / node

    def cut(self) -> None:
        pid = int((self._files / "qemu.pid").read_text())
        process = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        # Its disks and its interfaces are its own until it has ended; whoever has to may still wait for it then.
        select.select([process], [], [])
        os.close(process)

    def give(self) -> None:
        subprocess.run([self._files / "start"], check=True)

    def boot(self) -> str:
        """Of which boot the machine is."""
        return self._cluster.run(self.node, "cat /proc/sys/kernel/random/boot_id")

    def cycle(self, tell) -> None:
        """Cut the power and give it back, until the machine takes commands."""
        before, start = self.boot(), time.monotonic()
        self.cut()
        self.give()
        self._cluster.wait_for_ssh(self.node, WHOLE)
        tell(f"{self.node}: SSH {time.monotonic() - start:.0f} s after a power cut")
        assert self.boot() != before


def wait_for_node(api, wait, name: str, since: float) -> None:
    """Until a node is Ready, and its kubelet alive since then: asked from here, for kubectl is a burden there."""

    def ready():
        try:
            lease = client.CoordinationV1Api(api).read_namespaced_lease(name, "kube-node-lease", _request_timeout=30)
            node = client.CoreV1Api(api).read_node(name, _request_timeout=30)
        except (HTTPError, client.ApiException) as error:
            return False, error
        status = next(c.status for c in node.status.conditions if c.type == "Ready")
        return status == "True" and lease.spec.renew_time.timestamp() > since, (status, lease.spec.renew_time)

    wait(ready, f"{name} Ready again", WHOLE)


@pytest.mark.parametrize("group", ["servers", "agents"])
def test_power_cut(cluster, servers, playbooks, writing_from_here, api, wait, tell, group):
    nodes = getattr(cluster, group)
    if not nodes:
        pytest.skip(f"the set has no {group}")
    for _cut in range(CUTS):
        for node in nodes:
            start, since = time.monotonic(), time.time()
            Plug(cluster, node).cycle(tell)
            wait_for_node(api, wait, node, since)
            tell(f"{node}: Ready {time.monotonic() - start:.0f} s after a power cut")
            servers.wait_until_whole(timeout=WHOLE)
            writing_from_here.go_on(timeout=WHOLE)
    writing_from_here.stop()
    playbooks.change_nothing()
