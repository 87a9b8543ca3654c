# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fnmatch

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import apiserver
from ansible_collections.k3a.cluster.tests.unit.component_samples import (
    BUNDLE,
    command,
    directives,
    document,
    params_for,
    unknown_flags,
)

ETC = "/var/lib/k3a/server/etc"
RUN = "/run/credentials/k3a-apiserver.service"
SUITES = ",".join(
    f"TLS_ECDHE_{key}_WITH_{cipher}"
    for cipher in ("AES_256_GCM_SHA384", "AES_128_GCM_SHA256", "CHACHA20_POLY1305_SHA256")
    for key in ("ECDSA", "RSA")
)


def component_of(encrypted=True, **given):
    return apiserver.apiserver_component(params_for(apiserver, **given), "10.0.0.1", encrypted, "the CAs\n")


def test_the_arguments():
    assert command(component_of().unit) == [
        f"{BUNDLE}/bin/kube-apiserver",
        f"--admission-control-config-file={ETC}/admission.yaml",
        "--advertise-address=10.0.0.1",
        "--allow-privileged=true",
        "--api-audiences=https://kubernetes.default.svc.cluster.local,k3a",
        "--audit-log-maxage=30",
        "--audit-log-maxbackup=10",
        "--audit-log-maxsize=100",
        "--audit-log-path=/var/lib/k3a/server/logs/audit.log",
        "--audit-log-truncate-enabled=true",
        "--audit-log-truncate-max-event-size=32768",
        f"--audit-policy-file={ETC}/audit-policy.yaml",
        f"--authentication-config={ETC}/authentication.yaml",
        "--authorization-mode=Node,RBAC",
        f"--client-ca-file={RUN}/client-ca.crt",
        "--enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs",
        "--enable-bootstrap-token-auth=true",
        f"--encryption-provider-config={RUN}/encryption-config.json",
        f"--etcd-cafile={RUN}/etcd-server-ca.crt",
        f"--etcd-certfile={RUN}/etcd-client.crt",
        f"--etcd-keyfile={RUN}/etcd-client.key",
        "--etcd-servers=https://127.0.0.1:2379",
        f"--kubelet-certificate-authority={ETC}/kubelet-cas.crt",
        f"--kubelet-client-certificate={RUN}/client-kube-apiserver.crt",
        f"--kubelet-client-key={RUN}/client-kube-apiserver.key",
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
        "--profiling=false",
        f"--proxy-client-cert-file={RUN}/client-auth-proxy.crt",
        f"--proxy-client-key-file={RUN}/client-auth-proxy.key",
        "--requestheader-allowed-names=system:auth-proxy",
        f"--requestheader-client-ca-file={RUN}/request-header-ca.crt",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        "--secure-port=6443",
        "--service-account-extend-token-expiration=false",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={RUN}/service.key",
        f"--service-account-signing-key-file={RUN}/service.key",
        "--service-cluster-ip-range=10.43.0.0/16",
        "--service-node-port-range=30000-32767",
        "--shutdown-watch-termination-grace-period=1s",
        "--storage-backend=etcd3",
        f"--tls-cert-file={RUN}/serving-kube-apiserver.crt",
        f"--tls-cipher-suites={SUITES}",
        "--tls-min-version=VersionTLS12",
        f"--tls-private-key-file={RUN}/serving-kube-apiserver.key",
    ]


def test_its_program_knows_every_argument():
    assert unknown_flags(component_of().unit) == []


def test_every_credential_that_is_read_is_loaded_and_counts():
    component = component_of()
    loaded = dict(line.split(":", 1) for line in directives(component.unit)["LoadCredential"])
    read = {word.split("=")[1].rpartition("/")[2] for word in command(component.unit) if f"={RUN}/" in word}
    assert read == set(loaded)
    assert set(loaded.values()) == set(component.inputs)


def test_it_knows_kubelets_by_their_cas():
    (file,) = [file for file in component_of().files if file.path == f"{ETC}/kubelet-cas.crt"]
    assert (file.content, file.mode, file.secret) == (b"the CAs\n", 0o640, False)


def test_without_encryption_nothing_of_it_is_asked_for():
    component = component_of(encrypted=False)
    assert "encryption" not in component.unit
    assert not [path for path in component.inputs if "encryption" in path]


def test_choices_reach_the_arguments():
    words = command(
        component_of(
            https_listen_port=443,
            service_cidr=["10.43.0.0/16", "fd00:43::/112"],
            service_node_port_range="20000-20100",
            cluster_domain="k3a.test",
            extra_args=["enable-admission-plugins+=AlwaysPullImages", "audit-log-maxage=7", "v=4"],
        ).unit
    )
    assert {
        "--secure-port=443",
        "--service-cluster-ip-range=10.43.0.0/16,fd00:43::/112",
        "--service-node-port-range=20000-20100",
        "--service-account-issuer=https://kubernetes.default.svc.k3a.test",
        "--enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs,AlwaysPullImages",
        "--audit-log-maxage=7",
        "--v=4",
    } <= set(words)


@pytest.mark.parametrize(
    "port, capability", [(443, "CAP_NET_BIND_SERVICE"), (1023, "CAP_NET_BIND_SERVICE"), (1024, ""), (6443, "")]
)
def test_a_low_port_needs_one_capability_and_no_other_port_does(port, capability):
    lines = directives(component_of(https_listen_port=port).unit)
    assert lines["CapabilityBoundingSet"][-1] == capability
    assert lines.get("AmbientCapabilities", [""]) == [capability]
    assert (lines["User"], lines["Group"]) == (["kube"], ["kube"])


def test_nobody_without_a_name_gets_further_than_health_and_the_way_to_join():
    paths = ["/livez", "/readyz", "/healthz", "/api/v1/namespaces/kube-public/configmaps/cluster-info"]
    written = document(component_of(), f"{ETC}/authentication.yaml")
    assert written == {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": True, "conditions": [{"path": path} for path in paths]},
    }
    assert "anonymous-auth" not in component_of().unit


@pytest.mark.parametrize(
    "level, warned", [("privileged", "privileged"), ("baseline", "restricted"), ("restricted", "restricted")]
)
def test_namespaces_without_a_label_have_a_pod_security_level(level, warned):
    (plugin,) = document(component_of(pod_security_level=level), f"{ETC}/admission.yaml")["plugins"]
    assert plugin["name"] == "PodSecurity"
    defaults = plugin["configuration"]["defaults"]
    assert (defaults["enforce"], defaults["audit"], defaults["warn"]) == (level, warned, warned)
    assert plugin["configuration"]["exemptions"]["namespaces"] == ["kube-system"]


def test_services_may_have_external_addresses_when_the_operator_says_so():
    assert "--enable-admission-plugins=NodeRestriction" in command(component_of(service_external_ips=True).unit)


def judged(user_groups, verb, group, resource, namespace="default", user="somebody"):
    """The level at which the audit policy logs a request for a resource: that of the first rule that matches."""
    for rule in apiserver.audit_policy()["rules"]:
        resources = rule.get("resources")
        if "nonResourceURLs" in rule:
            continue
        patterns = [pattern for r in resources or () if r["group"] == group for pattern in r["resources"]]
        if resources and not any(fnmatch.fnmatch(resource, pattern) for pattern in patterns):
            continue
        if "verbs" in rule and verb not in rule["verbs"]:
            continue
        if user not in rule.get("users", [user]) or namespace not in rule.get("namespaces", [namespace]):
            continue
        if "userGroups" in rule and not set(rule["userGroups"]) & set(user_groups):
            continue
        return rule["level"]
    return "None"


@pytest.mark.parametrize(
    "groups, verb, group, resource, level",
    [
        ([], "get", "", "secrets", "Metadata"),
        ([], "list", "", "configmaps", "Metadata"),
        ([], "create", "", "secrets", "Metadata"),
        ([], "create", "", "pods/exec", "Metadata"),
        ([], "create", "apps", "deployments", "Metadata"),
        ([], "delete", "", "pods", "Metadata"),
        ([], "list", "", "pods", "None"),
        ([], "watch", "apps", "deployments", "None"),
        ([], "create", "", "events", "None"),
        (["system:nodes"], "patch", "", "pods/status", "None"),
        # By what a node says of itself one once became cluster-admin.
        (["system:nodes"], "patch", "", "nodes/status", "Request"),
        (["developers"], "patch", "", "nodes/status", "Request"),
        (["system:bootstrappers"], "create", "certificates.k8s.io", "certificatesigningrequests", "Request"),
        ([], "update", "certificates.k8s.io", "certificatesigningrequests/approval", "Request"),
        ([], "get", "certificates.k8s.io", "certificatesigningrequests", "None"),
        *(([], "get", "", way, "Metadata") for way in ("nodes/proxy", "services/proxy", "pods/proxy", "pods/log")),
        (["system:bootstrappers"], "list", "", "nodes", "Metadata"),
        (["system:unauthenticated"], "get", "apps", "deployments", "Metadata"),
    ],
)
def test_the_audit_log_has_changes_and_access_to_secrets_and_no_heartbeat(groups, verb, group, resource, level):
    assert judged(groups, verb, group, resource) == level


@pytest.mark.parametrize(
    "groups, user, namespace, level",
    [
        (["system:nodes"], "system:node:a", "kube-node-lease", "None"),
        (["system:nodes"], "system:node:a", "kube-system", "Metadata"),
        ([], "system:kube-scheduler", "kube-system", "None"),
        ([], "system:admin", "kube-system", "Metadata"),
        (["system:serviceaccounts"], "system:serviceaccount:evil:default", "kube-system", "Metadata"),
        (["system:serviceaccounts:kube-system"], "system:serviceaccount:kube-system:csi", "kube-system", "None"),
        (["system:serviceaccounts"], "system:serviceaccount:team:operator", "team", "None"),
    ],
)
def test_a_lease_that_somebody_else_takes_is_logged(groups, user, namespace, level):
    assert judged(groups, "update", "coordination.k8s.io", "leases", namespace, user) == level


def test_contents_are_logged_of_what_nodes_and_machines_that_join_say_only():
    (rule,) = [rule for rule in apiserver.audit_policy()["rules"] if rule["level"] not in ("None", "Metadata")]
    assert rule["level"] == "Request"
    assert [each["resources"] for each in rule["resources"]] == [
        ["nodes/status"],
        ["certificatesigningrequests", "certificatesigningrequests/*"],
    ]


def test_an_operators_audit_policy_is_taken_as_it_is():
    own = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Request"}]}
    assert document(component_of(audit_policy=own), f"{ETC}/audit-policy.yaml") == own


def test_further_authenticators_stand_beside_who_may_ask_without_a_name():
    path, jwt = f"{ETC}/authentication.yaml", [{"issuer": {"url": "https://idp.example.org", "audiences": ["k8s"]}}]
    assert "jwt" not in document(component_of(), path)
    assert document(component_of(jwt_authenticators=jwt), path) == {**document(component_of(), path), "jwt": jwt}


def test_the_files_of_its_configuration_are_readable_for_its_user():
    assert {(file.mode, file.owner, file.group) for file in component_of().files} == {(0o640, "root", "kube")}
    logs = component_of().directories[-1]
    assert (logs.path, logs.mode, logs.owner) == ("/var/lib/k3a/server/logs", 0o700, "kube")


def test_it_may_give_a_new_audit_log_its_owner_and_no_other_component_may():
    # What rotates the log does so, and writes nothing more when it cannot.
    assert directives(component_of().unit)["SystemCallFilter"] == [
        *("@system-service", "~@privileged @resources"),
        "@chown",
    ]


class TestTurns:
    """One server after the other: what breaks the first must not break them all."""

    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch):
        monkeypatch.setattr(apiserver, "PATIENCE", 0.2)

    @pytest.fixture
    def answers(self, monkeypatch):
        """What each server says of itself, by its address."""
        said = {}
        monkeypatch.setattr(apiserver.health, "answers_ok", lambda url, _cafile: lambda: said[url.split("/")[2]])
        return said

    def test_the_first_waits_for_nobody(self, answers):
        assert apiserver.not_ready([], "") is None

    def test_all_before_have_to_be_ready(self, answers):
        answers |= {"10.0.0.1:6443": None, "10.0.0.2:6443": "[-]etcd failed"}
        assert apiserver.not_ready(["10.0.0.1:6443"], "") is None
        assert apiserver.not_ready(["10.0.0.1:6443", "10.0.0.2:6443"], "") == "[-]etcd failed"

    def test_one_that_is_coming_back_is_waited_for(self, monkeypatch):
        coming = iter(["it starts", "it starts", None])
        monkeypatch.setattr(apiserver.health, "answers_ok", lambda *_: lambda: next(coming))
        monkeypatch.setattr(apiserver, "PATIENCE", 10.0)
        assert apiserver.not_ready(["10.0.0.1:6443"], "") is None
