# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server dies or is cut off while clients write: they go on, and lose nothing they were promised.

It is always the server that the clients use, and that leads etcd. What a playbook does meanwhile is in ../faults.
"""

from __future__ import annotations

import json
import time

import pytest

CUT_OFF = 15


def test_killed_processes(cluster, servers, writing, victim, check):
    cluster.feed(victim, "", "systemctl", "kill", "--kill-who=main", "--signal=KILL", "k3a-*.service")
    writing.go_on()
    servers.wait_until_whole()
    check()


@pytest.mark.parametrize(
    "ways, group",
    [("out", "nodes"), ("in", "nodes"), ("in and out", "servers")],
    ids=["outgoing", "incoming", "both-ways-from-servers"],
)
def test_a_server_that_is_cut_off(cluster, servers, wait, writing, victim, network, check, ways, group):
    # Not a wait for something: this is how long the fault lasts.
    mended = time.monotonic() + CUT_OFF
    network.cut(ways, getattr(cluster, group))
    writing.go_on(40)
    wait(lambda: (servers.answers(victim), "ready"), "the server that is cut off says that it is not ready", 60)
    time.sleep(max(0, mended - time.monotonic()))
    network.mend()
    servers.wait_until_whole()
    check()


def test_too_few_servers_are_left_alone(cluster, servers, playbooks, podman):
    """Two of three are away: nothing is changed, whatever there would be to do."""
    away = servers.names[:2]
    servers.wait_until_whole()
    try:
        for name in away:
            podman("pause", name)
        changed = json.dumps({"k3a_kube_apiserver_arg": ["max-requests-inflight=401"]})
        played = playbooks.run("site.yml", "-e", changed)
    finally:
        for name in away:
            podman("unpause", name)
    assert played.changed == {}
    sentence = f"{', '.join(away)}: cannot be reached, and with 2 of 3 servers away nothing is changed"
    assert sentence in " ".join(played.output.split()), played.output[-3000:]
    servers.wait_until_whole()
