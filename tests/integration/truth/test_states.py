# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that somebody or something has changed: the look, check mode and the run say the same of them.

Most of the states are entered by one process on each node, library/truth_states.py; some go through the playbook.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
DATA = "/var/lib/k3a"
TLS, AGENT_TLS = f"{DATA}/server/tls", f"{DATA}/agent/tls"
# A certificate for a key that is there, of the node's own CA, whose time is over.
EXPIRED = f"""
cd {AGENT_TLS} && name=client-flannel
openssl x509 -in $name.crt -signkey $name.key -x509toreq -out /run/truth.csr
openssl x509 -req -in /run/truth.csr -CA {TLS}/client-ca.crt -CAkey {TLS}/client-ca.key -days -1 -out $name.crt
"""
# One that the node's CA has not signed.
FOREIGN = f"""
cd {AGENT_TLS} && name=serving-kubelet
openssl req -x509 -new -key $name.key -subj /CN=somebody -out $name.crt
"""
DAMAGED = f"printf x >> $(readlink -f {DATA}/data/current/images/pause*)"
# Several at once, of different steps, with the names that each changes.
TOGETHER = {
    DAMAGED: set(),
    f"rm {DATA}/data/current": {f"{DATA}/data/current"},
    EXPIRED: {f"{AGENT_TLS}/client-flannel.crt", "k3a-flannel.service"},
    FOREIGN: {f"{AGENT_TLS}/serving-kubelet.crt"},
    "chmod 755 /etc/k3a/k3a.yaml": {"/etc/k3a/k3a.yaml"},
    "systemctl stop k3a-scheduler": {"k3a-scheduler.service"},
    f"rm {TLS}/client-controller.crt": {f"{TLS}/client-controller.crt", "k3a-controller-manager.service"},
}
# What the run refuses, by what is done to a file.
REFUSED = {
    f"{TLS}/server-ca.crt": "rm {}",
    f"{TLS}/client-ca.crt": "printf '\\377' > {}",
    f"{DATA}/server/token": "rm {}",
}


def play(cluster, *options: str) -> tuple[int, str]:
    command = ["ansible-playbook", str(PLAYBOOKS / "site.yml"), "-i", str(cluster.inventory), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def refusals(output: str) -> list[str]:
    return re.findall(r"^\[ERROR\]: Task failed: (.*)", output, re.M)


@pytest.fixture(scope="module")
def seen(cluster, tmp_path_factory):
    """What each node was like in each state."""
    reports = tmp_path_factory.mktemp("states")
    playbook = Path(__file__).with_name("states.yml")
    command = ["ansible-playbook", str(playbook), "-i", str(cluster.inventory), "-e", f"reports={reports}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    found = {path.stem: json.loads(path.read_text()) for path in reports.iterdir()}
    return [{"node": node, **state} for node, states in found.items() for state in states]


def test_the_look_check_mode_and_the_run_say_the_same(seen):
    assert len({state["state"] for state in seen}) > 40
    assert [state for state in seen if state["check"] != state["real"]] == []
    assert [state for state in seen if state["real"]["traceback"]] == []


def test_what_differs_is_seen_and_mended(seen):
    mended = [state for state in seen if not state["refuses"]]
    assert [state for state in mended if state["real"]["changes"] != sorted(state["expected"])] == []
    assert [state for state in mended if not state["drift"].endswith("would change")] == []


def test_what_cannot_be_mended_is_refused_in_the_same_sentence(seen):
    refused = [state for state in seen if state["refuses"]]
    assert [state for state in refused if state["drift"] != f"{state['step']}: {state['real']['refusal']}"] == []


def test_afterwards_nothing_differs(seen):
    assert [state for state in seen if state["after"]] == []


def test_the_playbook_announces_what_it_then_does(cluster, changes):
    server = cluster.servers[0]
    for command in TOGETHER:
        cluster.run(server, "sh", "-ec", command)
    _code, announced = play(cluster, "--check", "--diff")
    _code, done = play(cluster, "--diff")
    assert changes(announced) == changes(done)
    assert {name for names in TOGETHER.values() for name in names} <= {name for _task, name in changes(done)}
    code, again = play(cluster, "--diff")
    assert (code, changes(again)) == (0, set())


@pytest.mark.parametrize("path", REFUSED)
def test_the_playbook_refuses_in_check_mode_what_it_refuses(cluster, path):
    server = cluster.servers[0]
    cluster.run(server, "sh", "-ec", f"cp -a {path} /run/truth; {REFUSED[path].format(path)}")
    try:
        (announced_code, announced), (code, done) = play(cluster, "--check"), play(cluster)
    finally:
        cluster.run(server, "cp", "-a", "/run/truth", path)
    assert announced_code and code
    assert refusals(announced) == refusals(done)
    assert path in done
    assert "Traceback" not in announced + done
