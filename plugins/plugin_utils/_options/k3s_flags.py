# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Every flag of K3s's server and agent, and what became of it: the variable that does it, or why there is none.

The check answers with it who sets a variable by the name of such a flag, C(import_config.yml) translates by it, and
docs/k3s-flags.md is written from it. This file imports nothing of the collection, so that a tool can read it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

TEXT, NUMBER, TRUTH, LIST = "str", "int", "bool", "list"
SERVER, AGENT, BOTH = "server", "agent", "server, agent"


@dataclass(frozen=True)
class Flag:
    """A flag of K3s. Why and instead are clauses: they begin in lower case and end without a full stop."""

    name: str
    kind: str = TEXT
    on: str = SERVER
    alias: str = ""
    environment: str = ""
    # The variable that does it; none, and there is a reason.
    variable: str = ""
    # The value of that variable that true means.
    value: str = ""
    # Why there is none, or what the variable does otherwise.
    why: str = ""
    # What to do. Where a variable has it, K3s's value is not the variable's.
    instead: str = ""

    @property
    def carried(self) -> bool:
        """Whether the variable takes K3s's value."""
        return bool(self.variable and not self.instead)

    @property
    def own_name(self) -> str:
        """The variable that the flag would be by its own name."""
        return f"k3a_{self.name.replace('-', '_')}"

    @property
    def sentence(self) -> str:
        """What there is to know of the flag, besides its variable."""
        clauses = "; ".join(clause for clause in (self.why, self.instead) if clause)
        return f"{clauses[0].upper()}{clauses[1:]}." if clauses else ""


def _variable(
    name: str, kind: str = TEXT, on: str = SERVER, variable: str = "", why: str = "", instead: str = ""
) -> Flag:
    """A flag that is a variable, of the same name unless another one is said."""
    flag = Flag(name, kind, on, variable=variable, why=why, instead=instead)
    return flag if variable else replace(flag, variable=flag.own_name)


def _none(reason: tuple[str, str], kind: str, on: str, *names: str) -> tuple[Flag, ...]:
    """Flags that are no variables, for one reason."""
    return tuple(Flag(name, kind, on, why=reason[0], instead=reason[1]) for name in names)


NO_LOG_FILE = ("every component logs to the journal of its own unit", "read it with journalctl -u 'k3a-*'")
NO_SUPERVISOR = (
    "there is no supervisor, and kube-apiserver itself serves the API",
    "k3a_https_listen_port is its port",
)
NO_SNAPSHOTS = (
    "no playbook takes snapshots of etcd or restores them yet",
    "make one with etcdctl snapshot save, on a server",
)
NO_S3 = ("no playbook takes snapshots of etcd yet, so none go to S3", NO_SNAPSHOTS[1])
NO_RESET = (
    "no playbook brings back a cluster that lost most of its servers",
    "remove_node.yml takes lost servers out while most are left",
)
ETCD = ("etcd is the only datastore", "leave it out")
NO_HELM = (
    "no Helm controller is packaged, and there are no HelmCharts",
    "render the chart, and name the result in k3a_manifests",
)
NO_CLOUD = ("no cloud controller is packaged", "name the manifests of one in k3a_manifests")
NO_SERVICELB = ("no ServiceLB is packaged", "name the manifests of MetalLB or the like in k3a_manifests")
WHOLE_SERVERS = ("every server runs etcd and all of the control plane", "leave it out")
CONTAINERD = ("the runtime is the bundle's containerd, with runc", "leave it out")
OWN_IMAGES = ("the images of the system come with the bundle, and none is pulled", "leave it out")
CREDENTIALS = ("the kubelet has flags for it", "set image-credential-provider-{0} in the arguments of the kubelet")
NO_VPN = ("no VPN is set up", "set it up on the hosts, and name the addresses in k3a_node_ip")
NODE_DNS = ("the DNS names of a Node are a cloud controller's to give", "leave it out")
FLANNEL_FILE = ("the file is made of variables", "see k3a_flannel_backend and k3a_cluster_cidr")

_FLAGS = (
    Flag(
        "config",
        on=BOTH,
        why="variables of the inventory take the place of K3s's config.yaml",
        instead="import_config.yml translates one",
    ),
    _variable("debug", TRUTH, BOTH, why="it is for etcd and containerd, and k3a_v for the others"),
    _variable("v", NUMBER, BOTH),
    _variable("vmodule", on=BOTH),
    *_none(NO_LOG_FILE, TEXT, BOTH, "log"),
    *_none(NO_LOG_FILE, TRUTH, BOTH, "alsologtostderr"),
    Flag(
        "bind-address",
        on=BOTH,
        why="the API listens on all addresses of a server, since its own clients and its health checks use loopback",
        instead="keep others out with a firewall",
    ),
    _variable("https-listen-port", NUMBER),
    *_none(NO_SUPERVISOR, NUMBER, SERVER, "supervisor-port", "apiserver-port"),
    *_none(NO_SUPERVISOR, TEXT, SERVER, "apiserver-bind-address"),
    _variable("advertise-address", why="by default it is the first of k3a_node_ip, and never an external address"),
    Flag(
        "advertise-port",
        NUMBER,
        why="the API is published at the port at which it listens",
        instead="k3a_https_listen_port is both",
    ),
    _variable("tls-san", LIST),
    Flag(
        "tls-san-security",
        TRUTH,
        why="the certificate of the API has only names that the collection knows and those of k3a_tls_san",
        instead="leave it out",
    ),
    _variable(
        "data-dir",
        on=BOTH,
        why="what K3s keeps there is not taken over",
        instead="leave it out, or name a directory of its own",
    ),
    _variable("cluster-cidr", LIST),
    _variable("service-cidr", LIST),
    _variable("service-node-port-range"),
    _variable("cluster-dns", LIST),
    _variable("cluster-domain"),
    _variable("flannel-backend"),
    Flag(
        "flannel-ipv6-masq",
        TRUTH,
        why="what pods send by IPv6 to the outside always has their node's address",
        instead="leave it out",
    ),
    Flag(
        "flannel-external-ip",
        TRUTH,
        why="nodes reach each other at k3a_node_ip",
        instead="name there the addresses by which they do",
    ),
    Flag(
        "egress-selector-mode",
        why="the API reaches kubelets directly, as in K3s's mode disabled",
        instead="let the servers reach port 10250 of all nodes",
    ),
    *_none(NO_SERVICELB, TEXT, SERVER, "servicelb-namespace"),
    _variable("write-kubeconfig"),
    _variable("write-kubeconfig-mode"),
    _variable("write-kubeconfig-group"),
    _variable("write-kubeconfig-name", why="the kubeconfig on the controller has it, too"),
    *_none(NO_HELM, TEXT, SERVER, "helm-job-image"),
    *_none(NO_HELM, LIST, SERVER, "helm-controller-arg"),
    _variable("token", on=BOTH, why="it encrypts the bootstrap record, and no server joins by it"),
    _variable(
        "token-file",
        on=BOTH,
        why="it is a file of the controller, and not of the host",
        instead="bring it there",
    ),
    Flag(
        "agent-token",
        why="hosts of the group agent need no token, and other machines have bootstrap tokens",
        instead="token_create.yml makes one",
    ),
    Flag(
        "agent-token-file",
        why="hosts of the group agent need no token, and other machines have bootstrap tokens",
        instead="token_create.yml writes one to k3a_token_file",
    ),
    _variable(
        "server",
        on=BOTH,
        variable="k3a_server_url",
        why="hosts join by being in the inventory",
        instead="set k3a_server_url where a load balancer is in front of the servers, or to join by a token",
    ),
    Flag(
        "cluster-init",
        TRUTH,
        why="etcd is always the datastore, and site.yml finds the server that founds the cluster",
        instead="leave it out",
    ),
    *_none(NO_RESET, TRUTH, SERVER, "cluster-reset"),
    *_none(NO_RESET, TEXT, SERVER, "cluster-reset-restore-path"),
    _variable("kube-apiserver-arg", LIST),
    _variable("etcd-arg", LIST),
    _variable("kube-controller-manager-arg", LIST),
    _variable("kube-scheduler-arg", LIST),
    *_none(NO_CLOUD, LIST, SERVER, "kube-cloud-controller-manager-arg", "kube-cloud-controller-arg"),
    *_none(ETCD, TRUTH, SERVER, "kine-tls"),
    *_none(ETCD, TEXT, SERVER, "datastore-endpoint", "datastore-cafile", "datastore-certfile", "datastore-keyfile"),
    _variable("etcd-expose-metrics", TRUTH),
    *_none(NO_SNAPSHOTS, TRUTH, SERVER, "etcd-disable-snapshots", "etcd-snapshot-compress"),
    *_none(NO_SNAPSHOTS, TEXT, SERVER, "etcd-snapshot-name", "etcd-snapshot-schedule-cron", "etcd-snapshot-dir"),
    *_none(NO_SNAPSHOTS, TEXT, SERVER, "etcd-snapshot-reconcile-interval", "etcd-snapshot-restrictions"),
    *_none(NO_SNAPSHOTS, NUMBER, SERVER, "etcd-snapshot-retention"),
    *_none(NO_S3, TRUTH, SERVER, "etcd-s3", "etcd-s3-skip-ssl-verify", "etcd-s3-insecure"),
    *_none(NO_S3, TEXT, SERVER, "etcd-s3-endpoint", "etcd-s3-endpoint-ca", "etcd-s3-access-key", "etcd-s3-secret-key"),
    *_none(NO_S3, TEXT, SERVER, "etcd-s3-session-token", "etcd-s3-bucket", "etcd-s3-bucket-lookup-type"),
    *_none(NO_S3, TEXT, SERVER, "etcd-s3-region", "etcd-s3-folder", "etcd-s3-proxy", "etcd-s3-config-secret"),
    *_none(NO_S3, TEXT, SERVER, "etcd-s3-timeout"),
    *_none(NO_S3, NUMBER, SERVER, "etcd-s3-retention"),
    Flag(
        "default-local-storage-path",
        why="no storage provisioner is packaged",
        instead="name the manifests of one in k3a_manifests",
    ),
    _variable("disable", LIST, why="of what K3s packages only coredns is, so that nothing else can be left out"),
    Flag(
        "disable-scheduler",
        TRUTH,
        why="kube-scheduler always runs",
        instead="give pods of another scheduler its schedulerName",
    ),
    *_none(NO_CLOUD, TRUTH, SERVER, "disable-cloud-controller"),
    Flag("disable-kube-proxy", TRUTH, why="kube-proxy always runs", instead="leave it out"),
    Flag(
        "disable-network-policy",
        TRUTH,
        why="no controller enforces NetworkPolicies, so that there is none to leave out",
        instead="leave it out",
    ),
    *_none(NO_HELM, TRUTH, SERVER, "disable-helm-controller"),
    *_none(WHOLE_SERVERS, TRUTH, SERVER, "disable-apiserver", "disable-controller-manager", "disable-etcd"),
    _variable("disable-agent", TRUTH),
    Flag(
        "embedded-registry",
        TRUTH,
        why="nodes share no images with each other",
        instead="name a mirror in k3a_registries",
    ),
    Flag(
        "supervisor-metrics",
        TRUTH,
        why="there is no supervisor",
        instead="every component serves its own metrics; k3a certificate check tells of certificates",
    ),
    _variable("node-name", on=BOTH),
    _variable(
        "with-node-id", TRUTH, BOTH, why="the id is derived from the machine id, and so is another one than K3s's"
    ),
    _variable("node-label", LIST, BOTH),
    _variable("node-taint", LIST, BOTH, why="taints are kept as they are said, and not only set at registration"),
    Flag(
        "image-credential-provider-bin-dir",
        on=BOTH,
        why=CREDENTIALS[0],
        instead=CREDENTIALS[1].format("bin-dir"),
    ),
    Flag(
        "image-credential-provider-config",
        on=BOTH,
        why=CREDENTIALS[0],
        instead=CREDENTIALS[1].format("config"),
    ),
    *_none(CONTAINERD, TRUTH, BOTH, "docker"),
    *_none(CONTAINERD, TEXT, BOTH, "container-runtime-endpoint", "default-runtime", "image-service-endpoint"),
    Flag(
        "disable-default-registry-endpoint",
        TRUTH,
        BOTH,
        why="where no mirror has an image, containerd asks the registry itself",
        instead="leave it out",
    ),
    _variable("nonroot-devices", TRUTH, BOTH),
    _variable("pause-image", on=BOTH),
    _variable("snapshotter", on=BOTH),
    _variable(
        "private-registry",
        on=BOTH,
        variable="k3a_registries",
        why="it has what K3s's registries.yaml says, and is no path",
        instead="write the content of that file there",
    ),
    *_none(OWN_IMAGES, TEXT, SERVER, "system-default-registry"),
    *_none(OWN_IMAGES, LIST, BOTH, "airgap-extra-registry"),
    _variable("node-ip", LIST, BOTH),
    _variable("node-external-ip", LIST, BOTH, why="certificates have it, and the Node does not"),
    *_none(NODE_DNS, LIST, BOTH, "node-internal-dns", "node-external-dns"),
    _variable("resolv-conf", on=BOTH),
    _variable("flannel-iface", on=BOTH),
    *_none(FLANNEL_FILE, TEXT, BOTH, "flannel-conf", "flannel-cni-conf"),
    *_none(NO_VPN, TEXT, BOTH, "vpn-auth", "vpn-auth-file"),
    _variable("kubelet-arg", LIST, BOTH),
    _variable("kube-proxy-arg", LIST, BOTH),
    _variable("protect-kernel-defaults", TRUTH, BOTH),
    _variable("disable-apiserver-lb", TRUTH, AGENT),
    _variable("lb-server-port", NUMBER, BOTH),
    _variable("secrets-encryption", TRUTH, why="it is on by default"),
    _variable("secrets-encryption-provider", why="it is secretbox by default"),
    Flag(
        "enable-pprof",
        TRUTH,
        BOTH,
        why="components have flags for it",
        instead="set profiling=true in the arguments of a component of the control plane",
    ),
    Flag(
        "rootless",
        TRUTH,
        BOTH,
        why="etcd and the control plane run as users of their own, and the node's components as root",
        instead="leave it out",
    ),
    Flag(
        "prefer-bundled-bin",
        TRUTH,
        BOTH,
        why="the host's own nft or iptables is used, and the bundle has none",
        instead="leave it out",
    ),
    _variable("selinux", TRUTH, BOTH),
    # What K3s had once, or has by two names.
    _variable("kube-controller-arg", LIST, variable="k3a_kube_controller_manager_arg"),
    _variable("cluster-secret", on=AGENT, variable="k3a_token"),
    _variable("no-deploy", LIST, variable="k3a_disable"),
    Flag("no-flannel", TRUTH, AGENT, variable="k3a_flannel_backend", value="none"),
    Flag("disable-selinux", TRUTH, AGENT, why="k3a_selinux is false by default", instead="leave it out"),
)
ALIASES = {
    "config": "c",
    "data-dir": "d",
    "log": "l",
    "node-ip": "i",
    "server": "s",
    "token": "t",
    "write-kubeconfig": "o",
}
ENVIRONMENT = {
    "agent-token": "K3S_AGENT_TOKEN",
    "agent-token-file": "K3S_AGENT_TOKEN_FILE",
    "apiserver-bind-address": "K3S_APISERVER_BIND_ADDRESS",
    "apiserver-port": "K3S_APISERVER_PORT",
    "cluster-init": "K3S_CLUSTER_INIT",
    "cluster-reset": "K3S_CLUSTER_RESET",
    "cluster-secret": "K3S_CLUSTER_SECRET",
    "config": "K3S_CONFIG_FILE",
    "data-dir": "K3S_DATA_DIR",
    "datastore-cafile": "K3S_DATASTORE_CAFILE",
    "datastore-certfile": "K3S_DATASTORE_CERTFILE",
    "datastore-endpoint": "K3S_DATASTORE_ENDPOINT",
    "datastore-keyfile": "K3S_DATASTORE_KEYFILE",
    "debug": "K3S_DEBUG",
    "etcd-s3-access-key": "AWS_ACCESS_KEY_ID",
    "etcd-s3-secret-key": "AWS_SECRET_ACCESS_KEY",
    "etcd-s3-session-token": "AWS_SESSION_TOKEN",
    "lb-server-port": "K3S_LB_SERVER_PORT",
    "node-name": "K3S_NODE_NAME",
    "resolv-conf": "K3S_RESOLV_CONF",
    "selinux": "K3S_SELINUX",
    "server": "K3S_URL",
    "supervisor-port": "K3S_SUPERVISOR_PORT",
    "system-default-registry": "K3S_SYSTEM_DEFAULT_REGISTRY",
    "token": "K3S_TOKEN",
    "token-file": "K3S_TOKEN_FILE",
    "vpn-auth": "K3S_VPN_AUTH",
    "vpn-auth-file": "K3S_VPN_AUTH_FILE",
    "write-kubeconfig": "K3S_KUBECONFIG_OUTPUT",
    "write-kubeconfig-group": "K3S_KUBECONFIG_GROUP",
    "write-kubeconfig-mode": "K3S_KUBECONFIG_MODE",
    "write-kubeconfig-name": "K3S_KUBECONFIG_NAME",
}
# What K3s knows by the environment alone. With CONTAINERD_ before its name it is for containerd
# alone, and takes the place of the other there.
PROXIES = {
    name: Flag(name, kind, BOTH, variable=f"k3a_{name.lower()}", why="it is for containerd and the kubelet")
    for name, kind in (("HTTP_PROXY", TEXT), ("HTTPS_PROXY", TEXT), ("NO_PROXY", LIST))
}
# Those whose value is a secret.
SECRET = frozenset(
    {
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "agent-token",
        "cluster-secret",
        "datastore-endpoint",
        "etcd-s3-access-key",
        "etcd-s3-secret-key",
        "etcd-s3-session-token",
        "token",
        "vpn-auth",
    }
)
# What k3a does in any case, as if the flag were true; all others it leaves, as if the flag were false.
ALWAYS = frozenset(
    {
        "disable-cloud-controller",
        "disable-helm-controller",
        "disable-network-policy",
        "etcd-disable-snapshots",
        "flannel-ipv6-masq",
        "tls-san-security",
    }
)
FLAGS = {
    flag.name: replace(flag, alias=ALIASES.get(flag.name, ""), environment=ENVIRONMENT.get(flag.name, ""))
    for flag in _FLAGS
}
# A flag as a variable would be called after it, or after K3s's variable of the environment.
AS_VARIABLES = {
    **{
        f"k3a_{flag.environment.removeprefix('K3S_').lower()}": flag
        for flag in FLAGS.values()
        if flag.environment.startswith("K3S_")
    },
    **{flag.own_name: flag for flag in FLAGS.values()},
}


@dataclass(frozen=True)
class OtherValues:
    """Values that a flag has, or had, and its variable does not know: why, with a place for them, and what to do."""

    values: frozenset[str]
    why: str
    instead: str


OTHER_VALUES = {
    "k3a_disable": (
        OtherValues(
            frozenset({"ccm", "local-storage", "metrics-server", "runtimes", "servicelb", "traefik"}),
            "K3s packages {0}, and k3a does not, so that there is nothing to leave out",
            "remove it",
        ),
    ),
    "k3a_flannel_backend": (
        OtherValues(frozenset({"wireguard"}), "{0} is what K3s had before wireguard-native", "set wireguard-native"),
        OtherValues(
            frozenset({"ipsec"}), "{0} is what K3s had once", "set wireguard-native, which encrypts packets, too"
        ),
    ),
    "k3a_snapshotter": (
        OtherValues(
            frozenset({"btrfs", "fuse-overlayfs", "stargz", "zfs"}),
            "{0} is not in the bundle",
            "set overlayfs, or native where that does not work",
        ),
    ),
}


def other_values(variable: str, values: Collection[str]) -> tuple[str, str]:
    """Why the variable does not take these values, and what to do; nothing where one of them is none of K3s's."""
    for known in OTHER_VALUES.get(variable, ()):
        if known.values.issuperset(values):
            return f"{variable}: {known.why.format(', '.join(values))}", known.instead
    return "", ""
