# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the CIS Kubernetes Benchmark 1.12 that an installer decides, on the running processes and their files.

The numbers are the benchmark's.
"""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request

import pytest

UNITS = "/etc/systemd/system"
SERVER = "/var/lib/k3a/server"
AGENT = "/var/lib/k3a/agent"
# path, widest mode, owner, where
FILES = [
    ("1.1.1", f"{UNITS}/k3a-apiserver.service", 0o600, "root:root", "servers"),
    ("1.1.3", f"{UNITS}/k3a-controller-manager.service", 0o600, "root:root", "servers"),
    ("1.1.5", f"{UNITS}/k3a-scheduler.service", 0o600, "root:root", "servers"),
    ("1.1.7", f"{UNITS}/k3a-etcd.service", 0o600, "root:root", "servers"),
    ("1.1.9", f"{AGENT}/etc/cni/net.d/*.conflist", 0o600, "flannel:flannel", "nodes"),
    ("1.1.11", f"{SERVER}/db/etcd", 0o700, "etcd:etcd", "servers"),
    ("1.1.13", "/etc/k3a/k3a.yaml", 0o600, "root:root", "servers"),
    ("1.1.15", f"{SERVER}/etc/scheduler.kubeconfig", 0o600, "root:root", "servers"),
    ("1.1.17", f"{SERVER}/etc/controller-manager.kubeconfig", 0o600, "root:root", "servers"),
    ("1.1.20", f"{SERVER}/tls/*.crt {SERVER}/tls/etcd/*.crt", 0o644, "root:root", "servers"),
    ("1.1.21", f"{SERVER}/tls/*.key {SERVER}/tls/etcd/*.key", 0o600, "root:root", "servers"),
    ("4.1.1", f"{UNITS}/k3a-kubelet.service", 0o600, "root:root", "nodes"),
    ("4.1.3", f"{AGENT}/etc/kube-proxy.kubeconfig", 0o600, "root:root", "nodes"),
    ("4.1.5", f"{AGENT}/etc/kubelet.kubeconfig", 0o600, "root:root", "nodes"),
    ("4.1.7", f"{AGENT}/tls/client-ca.crt", 0o644, "root:root", "nodes"),
    ("4.1.9", f"{AGENT}/etc/kubelet.yaml", 0o600, "root:root", "nodes"),
]
# component, flag, what its value has to be: a text it contains, or None where it has to be absent
ARGUMENTS = [
    ("1.2.2", "apiserver", "token-auth-file", None),
    ("1.2.3", "apiserver", "enable-admission-plugins", "DenyServiceExternalIPs"),
    ("1.2.4", "apiserver", "kubelet-client-certificate", "client-kube-apiserver.crt"),
    ("1.2.5", "apiserver", "kubelet-certificate-authority", "kubelet-cas.crt"),
    ("1.2.6", "apiserver", "authorization-mode", "Node,RBAC"),
    ("1.2.14", "apiserver", "enable-admission-plugins", "NodeRestriction"),
    ("1.2.13", "apiserver", "disable-admission-plugins", None),
    ("1.2.15", "apiserver", "profiling", "false"),
    ("1.2.16", "apiserver", "audit-log-path", "/audit.log"),
    ("1.2.17", "apiserver", "audit-log-maxage", "30"),
    ("1.2.18", "apiserver", "audit-log-maxbackup", "10"),
    ("1.2.19", "apiserver", "audit-log-maxsize", "100"),
    ("1.2.21", "apiserver", "service-account-lookup", None),
    ("1.2.22", "apiserver", "service-account-key-file", "service.key"),
    ("1.2.23", "apiserver", "etcd-certfile", "etcd-client.crt"),
    ("1.2.24", "apiserver", "tls-cert-file", "serving-kube-apiserver.crt"),
    ("1.2.25", "apiserver", "client-ca-file", "client-ca.crt"),
    ("1.2.26", "apiserver", "etcd-cafile", "etcd-server-ca.crt"),
    ("1.2.27", "apiserver", "encryption-provider-config", "encryption-config.json"),
    ("1.2.30", "apiserver", "service-account-extend-token-expiration", "false"),
    ("1.3.1", "controller-manager", "terminated-pod-gc-threshold", "1000"),
    ("1.3.2", "controller-manager", "profiling", "false"),
    ("1.3.3", "controller-manager", "use-service-account-credentials", "true"),
    ("1.3.4", "controller-manager", "service-account-private-key-file", "service.key"),
    ("1.3.5", "controller-manager", "root-ca-file", "server-ca.crt"),
    ("1.3.7", "controller-manager", "bind-address", "127.0.0.1"),
    ("1.4.1", "scheduler", "profiling", "false"),
    ("1.4.2", "scheduler", "bind-address", "127.0.0.1"),
    ("2.1", "etcd", "cert-file", "server-client.crt"),
    ("2.2", "etcd", "client-cert-auth", "true"),
    ("2.3", "etcd", "auto-tls", None),
    ("2.4", "etcd", "peer-cert-file", "peer-server-client.crt"),
    ("2.5", "etcd", "peer-client-cert-auth", "true"),
    ("2.6", "etcd", "peer-auto-tls", None),
]
# the kubelet's effective configuration
KUBELET = [
    ("4.2.1", ("authentication", "anonymous", "enabled"), False),
    ("4.2.2", ("authorization", "mode"), "Webhook"),
    ("4.2.3", ("authentication", "x509", "clientCAFile"), f"{AGENT}/tls/client-ca.crt"),
    ("4.2.6", ("makeIPTablesUtilChains",), True),
    ("4.2.11", ("rotateCertificates",), True),
    ("4.2.13", ("podPidsLimit",), 4096),
    ("4.2.14", ("seccompDefault",), True),
]


@pytest.mark.parametrize("number, path, mode, owner, where", FILES, ids=[row[0] for row in FILES])
def test_files(cluster, number, path, mode, owner, where):
    for node in getattr(cluster, where):
        for line in cluster.run(node, f"sh -c 'stat --format=\"%a %U:%G %n\" {path}'").splitlines():
            found, owned, name = line.split()
            assert int(found, 8) & ~mode == 0 and owned == owner, f"{number} {node} {line}"
            assert name


@pytest.mark.parametrize("number, component, flag, wanted", ARGUMENTS, ids=[f"{r[0]} {r[2]}" for r in ARGUMENTS])
def test_arguments(cluster, number, component, flag, wanted):
    for server in cluster.servers:
        script = f"tr '\\0' '\\n' < /proc/$(systemctl show --property=MainPID --value k3a-{component})/cmdline"
        values = dict(word[2:].split("=", 1) for word in cluster.run(server, "sh -c", script).split() if "=" in word)
        found = values.get(flag)
        assert (found is None) if wanted is None else (found is not None and wanted in found), f"{number}: {found}"


@pytest.mark.parametrize("number, keys, wanted", KUBELET, ids=[row[0] for row in KUBELET])
def test_kubelets(cluster, core, number, keys, wanted):
    for node in cluster.nodes:
        answer = core.connect_get_node_proxy_with_path(node, "configz", _preload_content=False)
        value = json.loads(answer.data)["kubeletconfig"]
        for key in keys:
            value = value[key]
        assert value == wanted, number


def test_who_runs_what(cluster):
    for server in cluster.servers:
        for unit, user in {
            "etcd": "etcd",
            "apiserver": "kube",
            "controller-manager": "kube-controller-manager",
            "scheduler": "kube-scheduler",
        }.items():
            pid = cluster.run(server, f"systemctl show --property=MainPID --value k3a-{unit}").strip()
            assert cluster.run(server, f"stat --format=%U /proc/{pid}").strip() == user


@pytest.mark.parametrize("path, status", [("/readyz", 200), ("/livez", 200), ("/version", 401), ("/api/v1/nodes", 401)])
def test_anonymous_requests_reach_health_only(cluster, path, status):
    unverified = ssl._create_unverified_context()
    for server in cluster.servers:
        try:
            with urllib.request.urlopen(
                f"https://{cluster.addresses[server]}:6443{path}", context=unverified
            ) as answer:
                found = answer.status
        except urllib.error.HTTPError as error:
            found = error.code
        assert found == status


def test_secrets_are_encrypted_in_the_datastore(cluster, core):
    name, canary = "k3a-canary", "canary-in-the-datastore"
    core.create_namespaced_secret("default", {"metadata": {"name": name}, "stringData": {"key": canary}})
    try:
        tls = f"{SERVER}/tls/etcd"
        command = (
            f"etcdctl --endpoints=https://127.0.0.1:2379 --cacert={tls}/server-ca.crt --cert={tls}/client.crt "
            f"--key={tls}/client.key get /registry/secrets/default/{name} --write-out=json"
        )
        stored = json.loads(cluster.run(cluster.servers[0], command))["kvs"][0]["value"]
        value = base64.b64decode(stored)
        assert value.startswith(b"k8s:enc:secretbox:v1:") and canary.encode() not in value
    finally:
        core.delete_namespaced_secret(name, "default")


def test_ports_of_the_control_plane_are_on_loopback(cluster):
    """Of what listens on every address or the node's own there is the API, the kubelet, and etcd behind mTLS."""
    for node in cluster.nodes:
        listening = [line.split() for line in cluster.run(node, "ss -Hltnp").splitlines()]
        ours = ("kube", "etcd", "containerd", "flanneld")
        outside = {
            int(words[3].rsplit(":", 1)[1])
            for words in listening
            if not words[3].startswith(("127.", "[::1]")) and any(name in words[-1] for name in ours)
        }
        allowed = {6443, 2379, 2380, 10250} if node in cluster.servers else {10250}
        assert outside <= allowed, (node, outside)
