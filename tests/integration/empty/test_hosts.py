# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


def test_remember_the_hosts_as_they_came(cluster):
    hosts = {node: cluster.snapshot(node) for node in cluster.nodes}
    assert all("/etc/machine-id" in host["files"] for host in hosts.values())
    assert not any(host["processes"] for host in hosts.values())
    cluster.remember("empty", hosts)


def test_the_hosts_are_different_machines(cluster):
    identities = {cluster.run(node, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub") for node in cluster.nodes}
    assert len(identities) == len(cluster.nodes)


def test_users_log_in_without_being_root(cluster):
    assert "ansible_user=root" not in cluster.inventory.read_text()
