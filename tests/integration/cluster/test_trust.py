# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node is trusted with: nobody takes a kubelet for the API, whoever leads there."""

from __future__ import annotations

TLS, AGENT_TLS = "/var/lib/k3a/server/tls", "/var/lib/k3a/agent/tls"
AGENT_ETC, SERVER_ETC = "/var/lib/k3a/agent/etc", "/var/lib/k3a/server/etc"
# curl's exit code for a certificate that is not trusted.
UNTRUSTED = "60"


def curl(cluster, node: str, authority: str, url: str, *options: str) -> str:
    """The exit code of curl that trusts a CA."""
    words = ["curl", "--silent", "--output /dev/null", f"--cacert {authority}", *options, url]
    return cluster.run(node, "sh -c", f"{' '.join(words)}; echo $?").strip()


def test_a_kubelet_does_not_pass_for_the_api(cluster):
    for node in cluster.nodes:
        for host in ("127.0.0.1", "localhost", cluster.addresses[node]):
            url = f"https://{host}:10250/healthz"
            assert curl(cluster, node, f"{AGENT_TLS}/server-ca.crt", url) == UNTRUSTED, (node, host)


def test_the_api_knows_kubelets_by_a_ca_of_their_own(cluster):
    for server in cluster.servers:
        url = "https://127.0.0.1:10250/healthz"
        assert curl(cluster, server, f"{TLS}/kubelet-serving-ca.crt", url) == "0", server
        # A cluster that always had it trusts no other.
        authorities = cluster.run(server, f"cat {SERVER_ETC}/kubelet-cas.crt")
        assert authorities == cluster.run(server, f"cat {TLS}/kubelet-serving-ca.crt")


def test_components_know_the_api_by_its_name(cluster):
    for directory, nodes in ((AGENT_ETC, cluster.nodes), (SERVER_ETC, cluster.servers)):
        for node in nodes:
            script = f"grep -L 'tls-server-name: kubernetes.default.svc' {directory}/*.kubeconfig || true"
            found = cluster.run(node, "sh -c", script)
            assert found.strip() == "", node


def test_no_process_has_the_key_of_the_server_ca(cluster):
    for server in cluster.servers:
        found = cluster.run(server, "sh -c", f"grep -l '{TLS}/server-ca.key' /etc/systemd/system/k3a-*.service || true")
        assert found.strip() == "", server
