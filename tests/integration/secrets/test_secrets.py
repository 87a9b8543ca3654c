# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret of the cluster is anywhere but in its own file: in no log at any verbosity, nowhere others can look."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest

PLAYBOOK = Path(__file__).parents[3] / "playbooks/site.yml"

# Where a secret could have been left: processes, units, journals, temporary directories, readable files.
LOOK_AROUND = r"""
import glob, json, os, stat, subprocess, sys

needles = [line.encode() for line in json.load(sys.stdin)]
found = []

def look(where, content):
    found.extend(where for needle in needles if needle in content)

def read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""

for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
    if path.split("/")[2] != str(os.getpid()):
        look(path, read(path))
look("journal", subprocess.run(["journalctl", "--no-pager", "--output=cat"], capture_output=True, check=True).stdout)
shown = ["systemctl", "cat", "--no-pager", "k3a-*.service"]
look("units", subprocess.run(shown, capture_output=True, check=True).stdout)
homes = glob.glob("/home/*/.ansible") + ["/root/.ansible"]
for root in ["/tmp", "/var/tmp", "/etc", "/var/log", "/dev/shm", *homes]:
    for directory, _names, files in os.walk(root):
        for name in files:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and path != "/etc/k3a/k3a.yaml":
                look(path, read(path))
for directory, _names, files in os.walk("/var/lib/k3a"):
    for name in files:
        path = os.path.join(directory, name)
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077 and status.st_size < 1 << 20:
            look(path, read(path))
print(json.dumps(found))
"""


def needles_in(path: str, content: str) -> list[str]:
    """What would give a secret away."""
    if "PRIVATE KEY" in content:
        # The first line has the private number; later ones have the public key, which certificates show to everybody.
        return [content.split("PRIVATE KEY-----")[1].split(maxsplit=1)[0]]
    if path.endswith("encryption-config.json"):
        key = json.loads(content)["resources"][0]["providers"][0]["secretbox"]["keys"][0]["secret"]
        return [key, base64.b64encode(base64.b64decode(key)).decode()]
    return [content.strip().split(":")[-1]]


@pytest.fixture(scope="module")
def needles(cluster):
    """Every secret of the first server and of all nodes."""
    server = "/var/lib/k3a/server"
    find = f"find {server}/tls {server}/cred {server}/token /var/lib/k3a/agent/tls -type f"
    secrets = []
    for node in cluster.nodes:
        paths = cluster.run(node, f"sh -c '{find} 2>/dev/null || true'").split()
        for path in paths:
            if path.endswith((".key", "encryption-config.json", "token")):
                secrets += needles_in(path, cluster.run(node, "cat", path))
    assert len(secrets) > 15
    return sorted(set(secrets))


def test_a_run_that_exchanges_keys_shows_none(cluster, needles):
    """Certificates are signed again, with the authority's key on its way to the controller, at high verbosity."""
    server, agent = cluster.servers[0], cluster.agents[0]
    cluster.run(server, "rm /var/lib/k3a/server/tls/client-scheduler.crt")
    cluster.run(agent, "rm /var/lib/k3a/agent/tls/client-flannel.crt")
    (cluster.directory / "kubeconfig").unlink()
    command = ["ansible-playbook", str(PLAYBOOK), "-i", str(cluster.inventory), "-vvvv", "--diff"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-3000:]
    assert "client-scheduler.crt" in output
    assert [needle[:8] for needle in needles if needle in output] == []


def test_nothing_is_left_around_on_a_node(cluster, needles):
    for node in cluster.nodes:
        found = cluster.feed(node, json.dumps(needles), "python3", "-c", LOOK_AROUND)
        assert json.loads(found) == [], node


def test_secret_files_are_roots_alone(cluster):
    find = "find /var/lib/k3a/server/tls /var/lib/k3a/server/cred /var/lib/k3a/server/token /var/lib/k3a/agent/tls"
    for node in cluster.nodes:
        wide = cluster.run(node, f"sh -c '{find} -type f ! -name \"*.crt\" -perm /077 2>/dev/null || true'")
        assert wide == "", node
