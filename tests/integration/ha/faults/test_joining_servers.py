# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server leaves and joins again, in runs that are killed; the next one finishes, and nobody sees a secret."""

from __future__ import annotations

import random
import time

import pytest

VERBOSE = ("-vvvv", "--diff")


@pytest.fixture
def joining(servers, playbooks):
    """The last server, which has just been removed."""
    name, others = servers.names[-1], servers.names[:-1]
    playbooks.succeed("remove_node.yml", "-e", f"k3a_remove_node={name}")
    assert servers.members(others[0]) == dict.fromkeys(others, "voter")
    return name


def test_killed_runs_leave_no_learner_and_no_secret(cluster, servers, playbooks, writing, tell, joining):
    others = servers.names[:-1]
    secrets = {needle for server in others for needle in cluster.secrets(server)}
    # What has to be seen, and for how many seconds at most to go on then.
    stages = {
        "etcd's task has begun": (lambda said, _members: "TASK [k3a.cluster.server : Run etcd]" in said, 1.0),
        "it is a member": (lambda _said, members: len(members) > len(others), 0.0),
        "it votes": (lambda _said, members: members.get(joining) == "voter", 0.5),
    }
    seed = int(time.time())
    moments = random.Random(seed)
    output = ""
    for stage, (reached, most) in stages.items():
        playing = playbooks.start("site.yml", *VERBOSE)
        while playing.runs() and not reached(playing.said(), servers.members(others[0])):
            time.sleep(0.05)
        assert playing.runs(), playing.said()[-3000:]
        time.sleep(moments.random() * most)
        playing.kill()
        output += playing.said()
        members = servers.members(others[0])
        tell(f"seed {seed}: killed when {stage}; members: {members}")
        assert {members[name] for name in others} == {"voter"}
        assert list(members.values()).count("learner") <= 1
    output += playbooks.succeed("site.yml", *VERBOSE).output
    servers.wait_until_whole()
    writing.go_on()
    writing.stop()
    playbooks.change_nothing()
    assert "Copy the CAs, keys and server token to the joining server" in output
    secrets |= set(cluster.secrets(joining))
    assert [needle[:8] for needle in secrets if needle in output] == []
    assert cluster.feed(joining, "", "ls", "/var/lib/k3a/server/db") == "etcd\n"
