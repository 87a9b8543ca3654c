# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The API server as data: its arguments and the configuration files that harden it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import program
from ansible_collections.k3a.cluster.plugins.module_utils._components import audit, etcd_guard
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, health, options, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    ANYWHERE,
    OF_API,
    SERVER,
    Certificate,
    Declaration,
    Grant,
    Port,
    Refused,
    User,
    refused,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, flags, yaml
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap, kubelet_authorities

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# The variable that has the way in which flags of OIDC are said beside an authentication configuration.
JWT = "k3a_jwt_authenticators"
OIDC_FLAGS = tuple(
    f"oidc-{name}"
    for name in (
        "ca-file",
        "client-id",
        "groups-claim",
        "groups-prefix",
        "issuer-url",
        "required-claim",
        "signing-algs",
        "username-claim",
        "username-prefix",
    )
)
DECLARATION = Declaration(
    name="apiserver",
    role=SERVER,
    program="kube-apiserver",
    arguments="kube_apiserver_arg",
    fixed=("etcd-prefix", "etcd-servers", "etcd-servers-overrides", "service-cluster-ip-range"),
    refused=(
        Refused(
            "bind-address",
            "the server's own components and its health check ask the API at loopback",
            "remove it, and keep others out with a firewall",
            harmless=("0.0.0.0", "::"),
        ),
        Refused("secure-port", "nodes and load balancers have to know the port, too", "set k3a_https_listen_port"),
        Refused("advertise-address", "others have to know the address, too", "set k3a_advertise_address"),
        Refused(
            "audit-log-path",
            "the API server may write to no other directory",
            "leave it out, and read the log in server/logs of the data directory, or set it to -, for the journal",
            harmless=("-",),
        ),
        Refused(
            "authorization-config",
            "the API server takes none beside authorization-mode, which it has",
            "set authorization-mode, and authorization-webhook-config-file where Webhook is in it",
        ),
        *refused(
            "components know the API by certificates of the cluster's own CA",
            "name further names in k3a_tls_san, or a further certificate in tls-sni-cert-key",
            "client-ca-file",
            "tls-cert-file",
            "tls-private-key-file",
        ),
        *refused(
            "the API server knows etcd and kubelets by the cluster's own CAs",
            "remove it",
            "etcd-cafile",
            "etcd-certfile",
            "etcd-keyfile",
            "kubelet-certificate-authority",
            "kubelet-client-certificate",
            "kubelet-client-key",
        ),
        Refused("service-node-port-range", "k3a keeps the API's port out of it", "set k3a_service_node_port_range"),
        Refused("authentication-config", "k3a writes that file", "name those whose tokens are believed in " + JWT),
        Refused(
            "anonymous-auth",
            "k3a's authentication configuration says what may be asked without a name",
            "remove it: without a name only health and the cluster's CA are told",
        ),
        *refused(
            "the API server takes none of its kind beside an authentication configuration, which it has",
            f"describe the issuer in {JWT}, with issuer.url, issuer.audiences and claimMappings",
            *OIDC_FLAGS,
        ),
    ),
    ports=(Port(6443, ANYWHERE, option="https_listen_port"),),
    certificates=(
        Certificate("client-kube-apiserver", "client", "system:kube-apiserver-kubelet-client"),
        Certificate("client-auth-proxy", "request-header", "system:auth-proxy"),
        Certificate("serving-kube-apiserver", "server", "kube-apiserver", usages=("server",), names=OF_API),
        Certificate("etcd-client", "etcd-server", "etcd-client", stem="etcd/client"),
    ),
    # Its name and purpose are from when all of the control plane ran as it: the files that operators made for it stay
    # readable, and a reset knows who made the user.
    users=(User("kube", "Kubernetes control plane (k3a)"),),
    grants=(
        # As a client of the kubelets: logs, exec, port-forward and metrics, and nothing else.
        Grant(
            "system:k3a-kubelet-api",
            (("User", "system:kube-apiserver-kubelet-client"),),
            role="system:kubelet-api-admin",
        ),
    ),
)
USER = DECLARATION.users[0]
KUBELET_AUTHORITIES = "kubelet-cas.crt"
PROGRAM = "k3a"

# Without a name load balancers and operators may ask for health, and a machine that joins for the cluster's CA.
ANONYMOUS_PATHS = ("/livez", "/readyz", "/healthz", "/api/v1/namespaces/kube-public/configmaps/cluster-info")
AUTHENTICATION = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AuthenticationConfiguration",
    "anonymous": {"enabled": True, "conditions": [{"path": path} for path in ANONYMOUS_PATHS]},
}


def authentication(authenticators: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Who may ask without a name, and whose tokens are believed besides the cluster's own."""
    return {**AUTHENTICATION, **({"jwt": list(authenticators)} if authenticators else {})}


# In bytes; a longer event of the audit log loses the content of its request.
LONGEST_EVENT = 32768
# Who renews a lease every few seconds by being what it is.
LEASE_HOLDERS = (
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:k3a-approver",
)


def audit_policy() -> dict[str, Any]:
    """Who changed what, saw a secret or reached through to a node, and what outsiders try; never a secret's content.

    A policy cannot tell what was refused, so of those who belong to the cluster reads are only logged of what matters.
    """
    core, leases = {"group": ""}, [{"group": "coordination.k8s.io", "resources": ["leases"]}]
    certificates = ["certificatesigningrequests", "certificatesigningrequests/*"]
    told = [{**core, "resources": ["nodes/status"]}, {"group": "certificates.k8s.io", "resources": certificates}]
    changes = ["create", "update", "patch", "delete", "deletecollection"]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            # The heartbeat of the cluster; who else takes a lease of the control plane becomes its leader.
            {"level": "None", "users": [*LEASE_HOLDERS], "resources": leases},
            {"level": "None", "userGroups": ["system:nodes"], "resources": leases, "namespaces": ["kube-node-lease"]},
            {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"], "resources": leases},
            {
                "level": "Metadata",
                "verbs": changes,
                "resources": leases,
                "namespaces": ["kube-system", "kube-node-lease", "k3a-system"],
            },
            {"level": "None", "resources": leases},
            {"level": "None", "resources": [{**core, "resources": ["events"]}]},
            {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi*"]},
            {
                "level": "None",
                "userGroups": ["system:nodes"],
                "verbs": ["update", "patch"],
                "resources": [{**core, "resources": ["pods/status"]}],
            },
            # What a node says of itself, and what certificate somebody asks for, is what others go by.
            {"level": "Request", "verbs": changes, "resources": told},
            {
                "level": "Metadata",
                "resources": [
                    {**core, "resources": ["secrets", "configmaps", "serviceaccounts/token"]},
                    {**core, "resources": ["pods/exec", "pods/attach", "pods/portforward", "pods/log"]},
                    {**core, "resources": ["pods/proxy", "services/proxy", "nodes/proxy"]},
                    {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
                ],
            },
            {"level": "Metadata", "userGroups": ["system:unauthenticated", "system:bootstrappers"]},
            {"level": "Metadata", "verbs": changes},
        ],
    }


def admission(level: str) -> dict[str, Any]:
    """The Pod Security level of namespaces that say nothing themselves."""
    warned = "restricted" if level != "privileged" else "privileged"
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [
            {
                "name": "PodSecurity",
                "configuration": {
                    "apiVersion": "pod-security.admission.config.k8s.io/v1",
                    "kind": "PodSecurityConfiguration",
                    "defaults": {
                        "enforce": level,
                        "enforce-version": "latest",
                        "audit": warned,
                        "audit-version": "latest",
                        "warn": warned,
                        "warn-version": "latest",
                    },
                    "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": ["kube-system"]},
                },
            }
        ],
    }


def apiserver_component(
    params: dict[str, Any], advertise_address: str, encrypted: bool, kubelet_cas: str
) -> component.Component:
    """The API server as it should run on this server; C(kubelet_cas) is PEM, by which it knows kubelets."""
    layout = layouts.Layout(params["data_dir"])
    sources = [
        ("client-ca.crt", layout.tls("client-ca.crt")),
        ("request-header-ca.crt", layout.tls("request-header-ca.crt")),
        ("service.key", layout.tls("service.key")),
        ("etcd-server-ca.crt", layout.tls("etcd/server-ca.crt")),
        ("etcd-client.crt", layout.tls("etcd/client.crt")),
        ("etcd-client.key", layout.tls("etcd/client.key")),
    ]
    for leaf in ("serving-kube-apiserver", "client-kube-apiserver", "client-auth-proxy"):
        sources += [(f"{leaf}.crt", layout.tls(f"{leaf}.crt")), (f"{leaf}.key", layout.tls(f"{leaf}.key"))]
    if encrypted:
        sources.append((bootstrap.ENCRYPTION, layout.cred(bootstrap.ENCRYPTION)))
    credentials = layouts.Credentials(DECLARATION.unit, tuple(sources))
    configuration = {
        "authentication.yaml": authentication(params["jwt_authenticators"]),
        "admission.yaml": admission(params["pod_security_level"]),
        "audit-policy.yaml": params["audit_policy"] or audit_policy(),
    }
    arguments = {
        **_arguments(params, layout, credentials, advertise_address),
        **({"encryption-provider-config": credentials.path(bootstrap.ENCRYPTION)} if encrypted else {}),
    }
    service = (
        ("Type", "notify"),
        *layouts.run_as(USER.name),
        etcd_guard.before_start(params["data_dir"], "apiserver"),
        (
            "ExecStart",
            systemd.command_line(program(params, DECLARATION.program), flags.merge(arguments, params["extra_args"])),
        ),
        *credentials.directives,
        *layouts.KEEP_RUNNING,
        *layouts.MEMORY,
        *systemd.environment(params["environment"]),
        ("TimeoutStartSec", "infinity"),
        # Without its datastore it would take a minute and a half to end its last requests, which cannot succeed.
        ("TimeoutStopSec", "10"),
        ("LimitNOFILE", "1048576"),
        *layouts.SANDBOX,
        *layouts.KNOWS_INTERFACES,
        # A new file of the audit log gets the owner of the former one.
        ("SystemCallFilter", "@chown"),
        *privileged_port(params["https_listen_port"]),
        ("ReadWritePaths", layout.logs),
    )
    texts = {name: yaml.dump(content) for name, content in configuration.items()}
    texts[KUBELET_AUTHORITIES] = kubelet_cas
    # Not Requires=: the API server waits for its datastore by itself, and must not stop when that restarts.
    unit = (("After", "network-online.target k3a-etcd.service"), ("Wants", "network-online.target"))
    return component.Component(
        name=DECLARATION.name,
        unit=systemd.unit_text("Kubernetes API server (k3a)", (*unit, *layouts.NEVER_GIVE_UP), service),
        directories=(
            files.Directory(layout.server_etc("").rstrip("/"), 0o755),
            files.Directory(layout.logs, 0o700, USER.name, USER.name),
        ),
        files=tuple(
            files.File(layout.server_etc(name), content.encode(), mode=0o640, group=USER.name)
            for name, content in texts.items()
        ),
        inputs=credentials.inputs,
        healthy=(ready(layout, params["https_listen_port"]),),
    )


def ready(layout: layouts.Layout, port: int) -> health.Condition:
    """The API answers to a client that trusts the cluster's own CA."""
    return health.answers_ok(f"https://127.0.0.1:{port}/readyz?verbose", layout.tls("server-ca.crt"))


def awaited_component(params: dict[str, Any]) -> component.Component:
    """The API server of this server as what waits for it sees it."""
    condition = ready(layouts.Layout(params["data_dir"]), params["https_listen_port"])
    return component.Component(name=DECLARATION.name, unit="", healthy=(condition,))


def privileged_port(port: int) -> tuple[tuple[str, str], ...]:
    """What a process without root needs for a port below 1024."""
    bind = "CAP_NET_BIND_SERVICE"
    return (("AmbientCapabilities", bind), ("CapabilityBoundingSet", bind)) if port < 1024 else ()


def _arguments(
    params: dict[str, Any], layout: layouts.Layout, credentials: layouts.Credentials, advertise_address: str
) -> dict[str, str]:
    issuer = f"https://kubernetes.default.svc.{params['cluster_domain']}"
    # Whoever may make a Service could take the packets to any address by it (CVE-2020-8554).
    plugins = ("NodeRestriction", *(() if params["service_external_ips"] else ("DenyServiceExternalIPs",)))
    return {
        "admission-control-config-file": layout.server_etc("admission.yaml"),
        "advertise-address": advertise_address,
        "allow-privileged": "true",
        "api-audiences": f"{issuer},{PROGRAM}",
        "audit-log-maxage": "30",
        "audit-log-maxbackup": "10",
        "audit-log-maxsize": "100",
        "audit-log-path": f"{layout.logs}/audit.log",
        # What is logged with its content may be as long as somebody likes, and would push all else out of the log.
        "audit-log-truncate-enabled": "true",
        "audit-log-truncate-max-event-size": str(LONGEST_EVENT),
        "audit-policy-file": layout.server_etc("audit-policy.yaml"),
        "authentication-config": layout.server_etc("authentication.yaml"),
        "authorization-mode": "Node,RBAC",
        "client-ca-file": credentials.path("client-ca.crt"),
        "enable-admission-plugins": ",".join(plugins),
        "enable-bootstrap-token-auth": "true",
        "etcd-cafile": credentials.path("etcd-server-ca.crt"),
        "etcd-certfile": credentials.path("etcd-client.crt"),
        "etcd-keyfile": credentials.path("etcd-client.key"),
        "etcd-servers": "https://127.0.0.1:2379",
        "kubelet-certificate-authority": layout.server_etc(KUBELET_AUTHORITIES),
        "kubelet-client-certificate": credentials.path("client-kube-apiserver.crt"),
        "kubelet-client-key": credentials.path("client-kube-apiserver.key"),
        "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
        "profiling": "false",
        "proxy-client-cert-file": credentials.path("client-auth-proxy.crt"),
        "proxy-client-key-file": credentials.path("client-auth-proxy.key"),
        "requestheader-allowed-names": "system:auth-proxy",
        "requestheader-client-ca-file": credentials.path("request-header-ca.crt"),
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "secure-port": str(params["https_listen_port"]),
        "service-account-extend-token-expiration": "false",
        "service-account-issuer": issuer,
        "service-account-key-file": credentials.path("service.key"),
        "service-account-signing-key-file": credentials.path("service.key"),
        "service-cluster-ip-range": ",".join(params["service_cidr"]),
        "service-node-port-range": params["service_node_port_range"],
        # Without it watches stay open, and the server stays for a minute, when it is told to stop.
        "shutdown-watch-termination-grace-period": "1s",
        "storage-backend": "etcd3",
        "tls-cert-file": credentials.path("serving-kube-apiserver.crt"),
        "tls-cipher-suites": layouts.TLS_CIPHER_SUITES,
        "tls-min-version": "VersionTLS12",
        "tls-private-key-file": credentials.path("serving-kube-apiserver.key"),
        **flags.logging(params),
    }


PATIENCE = 10.0
OPTIONS = component.argument_spec(
    {
        "node_ip": options.NODE_IP,
        "advertise_address": options.ADVERTISE_ADDRESS,
        "https_listen_port": options.HTTPS_LISTEN_PORT,
        "cluster_cidr": options.CLUSTER_CIDR,
        "after": {"type": "list", "elements": "str", "default": []},
        "service_cidr": options.SERVICE_CIDR,
        "service_node_port_range": {"type": "str", "default": "30000-32767"},
        "cluster_domain": options.CLUSTER_DOMAIN,
        "secrets_encryption": {"type": "bool", "default": True, "no_log": False},
        "pod_security_level": {
            "type": "str",
            "choices": ["privileged", "baseline", "restricted"],
            "default": "baseline",
        },
        "audit_policy": {"type": "dict", "default": {}},
        "jwt_authenticators": {"type": "list", "elements": "dict", "default": []},
        "service_external_ips": {"type": "bool", "default": False},
        "environment": options.ENVIRONMENT,
        "v": options.V,
        "vmodule": options.VMODULE,
        "extra_args": options.EXTRA_ARGS,
    }
)


def not_ready(servers: list[str], authority: str) -> str | None:
    """Which of other servers' API servers is not ready, and why; one that has just been restarted has some seconds."""
    conditions = [health.answers_ok(f"https://{server}/readyz?verbose", authority) for server in servers]
    deadline = time.monotonic() + PATIENCE
    reasons = (health.wait_for(condition, deadline) for condition in conditions)
    return next((reason for reason in reasons if reason), None)


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    wrong = audit.flaws(params["audit_policy"]) if params["audit_policy"] else []
    if wrong:
        problem = f"audit_policy is none with which the API server starts: {wrong[0]}"
        raise K3aError(f"{problem}; correct it, or leave it out")
    node_ips = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"]))
    encrypted = params["secrets_encryption"] or os.path.exists(Layout(params["data_dir"]).cred(bootstrap.ENCRYPTION))
    # In check mode a new cluster has no CAs yet.
    kubelet_cas = kubelet_authorities.read(Layout(params["data_dir"])) or "the CAs of kubelets\n"
    wanted = apiserver_component(params, params["advertise_address"] or node_ips[0], encrypted, kubelet_cas)

    def foresee(plan: component.Plan) -> tuple[()]:
        problem = plan.interrupts and not_ready(params["after"], Layout(params["data_dir"]).tls("server-ca.crt"))
        if problem:
            raise K3aError(f"k3a-apiserver is not restarted, since another server's is not ready: {problem}")
        return ()

    module.exit_json(**component.converge(module, wanted, params["pending"], foresee=foresee))
