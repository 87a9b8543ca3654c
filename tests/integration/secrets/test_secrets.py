# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret of the cluster is anywhere but in its own file: in no log at any verbosity, nowhere others can look."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PLAYBOOK = Path(__file__).parents[3] / "playbooks/site.yml"


@pytest.fixture(scope="module")
def needles(cluster):
    """Every secret of the first server and of all nodes."""
    secrets = {needle for node in cluster.nodes for needle in cluster.secrets(node)}
    assert len(secrets) > 15
    return sorted(secrets)


def test_a_run_that_exchanges_keys_shows_none(cluster, needles):
    """Certificates are signed again, with the CA's key on its way to the controller, at high verbosity."""
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
        assert cluster.places_of(needles, node) == [], node


def test_secret_files_are_roots_alone(cluster):
    find = "find /var/lib/k3a/server/tls /var/lib/k3a/server/cred /var/lib/k3a/server/token /var/lib/k3a/agent/tls"
    for node in cluster.nodes:
        wide = cluster.run(node, f"sh -c '{find} -type f ! -name \"*.crt\" -perm /077 2>/dev/null || true'")
        assert wide == "", node
