# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts


def test_everything_is_under_the_data_directory():
    layout = layouts.Layout("/data")
    assert layout.tls("etcd/server-ca.crt") == "/data/server/tls/etcd/server-ca.crt"
    assert layout.cred("encryption-config.json") == "/data/server/cred/encryption-config.json"
    assert layout.server_etc("audit-policy.yaml") == "/data/server/etc/audit-policy.yaml"
    assert layout.agent_tls("client-ca.crt") == "/data/agent/tls/client-ca.crt"
    assert layout.agent_etc("cni/net.d") == "/data/agent/etc/cni/net.d"
    assert (layout.etcd, layout.logs, layout.token) == (
        "/data/server/db/etcd",
        "/data/server/logs",
        "/data/server/token",
    )


def test_credentials_are_loaded_read_and_counted_alike():
    credentials = layouts.Credentials("k3a-etcd.service", (("ca.crt", "/data/ca.crt"), ("key", "/data/other.key")))
    assert credentials.directives == (
        ("LoadCredential", "ca.crt:/data/ca.crt"),
        ("LoadCredential", "key:/data/other.key"),
    )
    assert credentials.inputs == ("/data/ca.crt", "/data/other.key")
    assert credentials.path("key") == "/run/credentials/k3a-etcd.service/key"
    with pytest.raises(LookupError):
        credentials.path("unknown")


def test_tls_1_2_keeps_to_forward_secrecy_and_authenticated_ciphers_as_k3s_does():
    suites = layouts.TLS_CIPHER_SUITES.split(",")
    assert len(suites) == len(set(suites)) == 6
    assert all(suite.startswith(("TLS_ECDHE_ECDSA_WITH_", "TLS_ECDHE_RSA_WITH_")) for suite in suites)
    assert not [suite for suite in suites if "CBC" in suite]


@pytest.mark.parametrize("sandbox", [layouts.SANDBOX, layouts.TIMER_SANDBOX, layouts.NETWORK_SANDBOX])
def test_a_sandbox_gains_no_privilege_and_writes_nothing_others_can_read(sandbox):
    directives = dict(sandbox)
    assert directives["NoNewPrivileges"] == "yes"
    assert directives["ProtectSystem"] == "strict"
    assert directives["UMask"] == "0077"
    assert "CAP_SYS_MODULE" not in directives["CapabilityBoundingSet"]
    assert directives["ProtectKernelModules"] == "yes"


def test_what_a_client_of_the_api_on_a_node_is_handed():
    assert layouts.Layout("/srv/k3a").node_client("client-example") == (
        ("server-ca.crt", "/srv/k3a/agent/tls/server-ca.crt"),
        ("client.crt", "/srv/k3a/agent/tls/client-example.crt"),
        ("client.key", "/srv/k3a/agent/tls/client-example.key"),
    )


def test_what_programs_the_network_has_two_capabilities_without_being_root_and_so_have_its_commands():
    directives = dict(layouts.NETWORK_SANDBOX)
    assert directives["CapabilityBoundingSet"] == directives["AmbientCapabilities"] == "CAP_NET_ADMIN CAP_NET_RAW"
    # The older iptables opens this file before anything else; nobody else on the host may hold the lock.
    assert directives["ExecStartPre"] == (
        '+/bin/sh -c "touch /run/xtables.lock && chgrp kube-proxy /run/xtables.lock && chmod 0640 /run/xtables.lock"'
    )


def test_what_programs_the_network_reaches_neither_keys_nor_pods_nor_those_who_do_what_they_are_told():
    directives = dict(layouts.closed_to_network("/srv/k3a"))
    # Neither has to be there: an agent has no control plane, and another CNI no containerd of ours.
    assert directives["InaccessiblePaths"].split() == [
        *("-/srv/k3a/server", "-/srv/k3a/agent/containerd", "-/etc/k3a", "-/var/lib/kubelet"),
        *("-/run/dbus", "-/run/systemd/private"),
    ]
    # This is made anew at each boot, maybe later than these start.
    assert directives["TemporaryFileSystem"] == "/run/k3a:ro"
