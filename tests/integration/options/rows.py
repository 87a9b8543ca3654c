# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable with a value that is not its default, and the question that tells what it does to what runs.

Names in angle brackets, such as <data_dir>, stand for what is known when the nodes are there (test_options.py).
A variable that is asked for nowhere here has a row in ELSEWHERE, with the test that has it and the reason.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from questions import (
    AGENT,
    AS_ADMIN,
    CONTROLLER,
    CURL,
    PROXY,
    REGISTRY,
    SERVER,
    STATUS,
    Question,
    api,
    argument,
    certificate,
    configz_of_kubelet,
    configz_of_proxy,
    dns,
    environment,
    inside,
    journal,
    pulls,
    runtime,
    token_as_it_is,
    told,
)

# An install with all values that go together, a run by which those that can change go back to their defaults, and an
# install on hosts that were reset with the values that exclude others. A question that is answered as a value wants has
# to be answered otherwise where the variable has another one.
ALL, BACK, OTHERS = ROUNDS = ("all", "back", "others")


@dataclass(frozen=True)
class On:
    """A variable that the two hosts have different values of."""

    server: Any
    agent: Any


@dataclass(frozen=True)
class Row:
    """A variable, a value, the questions that tell whether it has an effect, and the rounds that have the value."""

    variable: str
    value: Any
    questions: tuple[Question, ...]
    rounds: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """A playbook, run at the end of a round, with variables that only it knows."""

    round: str
    playbook: str
    variables: dict[str, Any]
    questions: tuple[Question, ...] = ()
    says: str = ""  # of what it shows
    before: str = ""  # a script on the server
    succeeds: bool = True


@dataclass(frozen=True)
class Elsewhere:
    """The test of a variable that is not asked for here, and why it is not."""

    test: str
    reason: str
    word: str = ""  # that stands in the test; by default the variable's name, with or without its prefix


def row(variable: str, value: Any, *questions: Question, rounds: tuple[str, ...] = (ALL,)) -> Row:
    return Row(variable, value, questions, rounds)


# What a run of another value would be refused by, or what a new value in BACK would not undo: see docs/identity.md.
LASTING = (ALL, BACK)


POD = "run options --namespace={} --image=example.org/none --dry-run=server"
AUDITED = """
<kubectl> create configmap options --from-literal=canary=canary-<name> --dry-run=server >/dev/null
grep -Fc canary-<name> <data_dir>/server/logs/audit.log || true
"""
STORED = """
<kubectl> create secret generic options --from-literal=canary=canary >/dev/null
tls=<data_dir>/server/tls/etcd
etcdctl --endpoints=https://127.0.0.1:2379 --cacert=$tls/server-ca.crt --cert=$tls/client.crt --key=$tls/client.key \
  get /registry/secrets/default/options --print-value-only | tr -cd '[:print:]' | cut -c 1-18
<kubectl> delete secret options >/dev/null
"""
# A dry run lets every port pass.
NODE_PORT = """
<kubectl> create service nodeport options --tcp=80 --node-port=30500 2>&1
<kubectl> delete service options --ignore-not-found >/dev/null
"""
EXTERNAL = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "options"},
    "spec": {"ports": [{"port": 80}], "externalIPs": ["203.0.113.9"]},
}
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "rules": [{"level": "Request", "resources": [{"group": "", "resources": ["configmaps"]}]}, {"level": "None"}],
}
ISSUER = "https://issuer.options.invalid"
AUTHENTICATOR = {
    "issuer": {"url": ISSUER, "audiences": ["options"]},
    "claimMappings": {"username": {"claim": "sub", "prefix": "options:"}},
}
# {"alg":"RS256"}.{"iss":"https://issuer.options.invalid","aud":"options","sub":"ann","exp":4102444800}, not signed
TOKEN = (
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5vcHRpb25zLmludmFsaWQiLCJhdWQiOiJvcHRpb25zIiwic3ViIjoiYW5uIiwi"
    "ZXhwIjo0MTAyNDQ0ODAwfQ.c2lnbmVk"
)
COREFILE = "options.example:53 {\n  hosts {\n    192.0.2.77 a.options.example\n  }\n}\n"
COMPONENTS = {
    "etcd": SERVER,
    "apiserver": SERVER,
    "controller-manager": SERVER,
    "scheduler": SERVER,
    "containerd": AGENT,
    "kubelet": AGENT,
    "kube-proxy": AGENT,
    "flannel": AGENT,
}
# A sandbox in the network of its host, which needs no CNI, and the image that it runs.
SANDBOX = """
printf '%s' '{"metadata":{"name":"options","namespace":"default","uid":"options-<name>","attempt":1},
  "linux":{"cgroup_parent":"kubepods-besteffort.slice",
   "security_context":{"namespace_options":{"network":2}}}}' >/run/options.json
id=$(crictl runp /run/options.json)
ctr --namespace=k8s.io containers info $id | sed -n 's/^ *"Image": "\\(.*\\)",/\\1/p'
crictl rmp --force $id >/dev/null
"""
NODES_BY_THE_KUBECONFIG = """
python - <<'END'
from kubernetes import client, config
config.load_kube_config("<round>/admin.kubeconfig")
print(len(client.CoreV1Api().list_node().items))
END
"""
# A pod that no controller would make anew, with an emptyDir, on the agent.
BARE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "bare", "namespace": "default"},
    "spec": {
        "nodeName": "<agent_node>",
        "containers": [{"name": "bare", "image": "example.org/options/pause:1", "imagePullPolicy": "Never"}],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    },
}
BARE_POD = f"echo {shlex.quote(json.dumps(BARE))} | <kubectl> apply --filename=-"
# On the controller, beside the inventory of each round.
FILES = {
    "token": "options-token-of-the-file\n",
    "bootstrap": "option.0123456789abcdef\n",
    "rotated": "options-rotated-by-a-file\n",
    "config.yaml": "cluster-cidr: 10.77.0.0/16\n",
    "k3s.env": "K3S_URL=https://k3s.options.test:6443\n",
    "manifests/options.yaml": json.dumps(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "options", "namespace": "default"},
            "data": {"of": "the round <name>"},
        }
    ),
}
LISTEN = "systemd-run --quiet --unit={} python3 -m http.server --bind 127.0.0.1 {} --directory /var/empty"
# What a round needs of a host before its run.
PREPARED: dict[str, dict[str, str]] = {
    ALL: {
        SERVER: "ip address add <server_second>/24 dev eth0; echo nameserver 192.0.2.53 >/etc/options.conf",
        AGENT: "ip address add <agent_second>/24 dev eth0; echo nameserver 192.0.2.53 >/etc/options.conf;"
        f" mkdir -p /var/empty; {LISTEN.format(REGISTRY, 5999)}; {LISTEN.format(PROXY, 5998)}",
    },
    BACK: dict.fromkeys(
        (SERVER, AGENT),
        "ctr --namespace=k8s.io images tag $(ctr --namespace=k8s.io images list --quiet | grep /pause:)"
        " example.org/options/pause:1",
    ),
    OTHERS: {
        host: "ip link add link eth0 name options0 type macvlan mode bridge;"
        " sysctl --quiet --write net.ipv6.conf.options0.disable_ipv6=0; ip link set options0 up;"
        f" ip address add <{host}_third>/24 dev options0;"
        f" ip address add fd00:77::<{host}_number>/64 dev options0 nodad"
        for host in (SERVER, AGENT)
    },
}


# ---- the table, in the order of docs/variables.md

ROWS = (
    row(
        "k3a_data_dir",
        "/var/lib/k3a/elsewhere",
        argument(SERVER, "etcd", "data-dir", "/var/lib/k3a/elsewhere/server/db/etcd"),
        argument(AGENT, "kubelet", "config", "/var/lib/k3a/elsewhere/agent/etc/kubelet.yaml"),
        rounds=LASTING,
    ),
    row(
        "k3a_v",
        4,
        configz_of_kubelet(4, "logging", "verbosity"),
        configz_of_proxy(4, "logging", "verbosity"),
        journal(SERVER, "apiserver", '"HTTP" verb='),
        journal(SERVER, "controller-manager", "Caches populated"),
        journal(SERVER, "scheduler", "Attempting to schedule pod"),
        # It hardly writes more at this level.
        argument(AGENT, "flannel", "v", "4"),
    ),
    row(
        "k3a_vmodule",
        "round_trippers=6",
        configz_of_kubelet("round_trippers", "logging", "vmodule", 0, "filePattern"),
        configz_of_proxy("round_trippers", "logging", "vmodule", 0, "filePattern"),
        journal(SERVER, "controller-manager", '"Response" verb='),
        rounds=(OTHERS,),
    ),
    row(
        "k3a_debug",
        True,
        journal(SERVER, "etcd", '"level":"debug"'),
        journal(AGENT, "containerd", "level=debug"),
    ),
    row(
        "k3a_environment",
        {name: {"TEST_OPTION": f"of {name}"} for name in COMPONENTS},
        *(environment(where, name, "TEST_OPTION", f"of {name}") for name, where in COMPONENTS.items()),
    ),
    row(
        "k3a_node_name",
        On("one.options", "two-options"),
        Question(
            SERVER,
            "<kubectl> get nodes --output=name",
            ["node/one.options", "node/two-options"],
            lambda s: sorted(s.split()),
        ),
        rounds=LASTING,
    ),
    row(
        "k3a_with_node_id",
        True,
        Question(SERVER, "<kubectl> get nodes --output=name | grep -Ec -- '-[0-9a-f]{8}$' || true", "1"),
        rounds=(OTHERS,),
    ),
    row(
        "k3a_node_ip",
        On("<server_second>", "<agent_second>"),
        api("node <agent_node>", '.status.addresses[?(@.type=="InternalIP")].address', "<agent_second>"),
        argument(SERVER, "etcd", "advertise-client-urls", "https://<server_second>:2379"),
        rounds=LASTING,
    ),
    row(
        "k3a_node_external_ip",
        On(["203.0.113.7"], ["203.0.113.8"]),
        certificate(SERVER, "127.0.0.1:<port>", "IP:203.0.113.7"),
        certificate(AGENT, "127.0.0.1:10250", "IP:203.0.113.8"),
        rounds=LASTING,  # a certificate keeps what it is valid for until it is renewed
    ),
    row(
        "k3a_cluster_cidr",
        "10.52.0.0/16",
        Question(
            SERVER,
            "<kubectl> get nodes --output=jsonpath='{.items[*].spec.podCIDR}'",
            ["10.52.0.0/24", "10.52.1.0/24"],
            lambda said: sorted(said.split()),
        ),
        Question(AGENT, "sed -n 's/FLANNEL_NETWORK=//p' /run/flannel/subnet.env", "10.52.0.0/16"),
        rounds=LASTING,
    ),
    row(
        "k3a_cluster_cidr",
        ["10.62.0.0/16", "fd00:62::/56"],
        api("node <agent_node>", ".spec.podCIDRs", '["10.62.0.0/24","fd00:62::/64"]'),
        Question(AGENT, "grep -Fc fd00:62: /run/flannel/subnet.env || true", "2"),
        rounds=(OTHERS,),
    ),
    row(
        "k3a_service_cidr",
        "10.53.0.0/16",
        api("service kubernetes", ".spec.clusterIPs", '["10.53.0.1"]'),
        rounds=LASTING,
    ),
    row(
        "k3a_service_cidr",
        ["10.63.0.0/16", "fd00:63::/112"],
        Question(
            SERVER,
            "<kubectl> create service clusterip options --tcp=80 --dry-run=client --output=json"
            ' | sed \'s/"type"/"ipFamilyPolicy": "RequireDualStack", "type"/\''
            " | <kubectl> create --dry-run=server --output=jsonpath={.spec.clusterIPs} --filename=-",
            True,
            lambda said: said.startswith('["10.63.') and "fd00:63::" in said,
        ),
        rounds=(OTHERS,),
    ),
    row(
        "k3a_cluster_dns",
        "10.53.0.53",
        api("service --namespace=kube-system kube-dns", ".spec.clusterIP", "10.53.0.53"),
        configz_of_kubelet(["10.53.0.53"], "clusterDNS"),
        rounds=LASTING,
    ),
    row(
        "k3a_cluster_domain",
        "options.test",
        dns("kubernetes.default.svc.options.test", "10.53.0.1"),
        configz_of_kubelet("options.test", "clusterDomain"),
        rounds=LASTING,
    ),
    row(
        "k3a_https_listen_port",
        7443,
        Question(AGENT, f"{CURL} https://<server>:7443/readyz", "ok"),
        rounds=LASTING,
    ),
    row(
        "k3a_flannel_backend",
        "host-gw",
        api("node <agent_node>", ".metadata.annotations.flannel\\.alpha\\.coreos\\.com/backend-type", "host-gw"),
        rounds=(OTHERS,),
    ),
    row(
        "k3a_flannel_iface",
        "options0",
        api("node <agent_node>", ".metadata.annotations.flannel\\.alpha\\.coreos\\.com/public-ip", "<agent_third>"),
        api(
            "node <agent_node>",
            '.status.addresses[?(@.type=="InternalIP")].address',
            "<agent_third> fd00:77::<agent_number>",
        ),
        rounds=(OTHERS,),
    ),
    row(
        "k3a_server_url",
        "https://<server>:7443",
        Question(CONTROLLER, "grep -h ' server: ' <kubeconfig>", "server: https://<server>:7443"),
    ),
    row(
        "k3a_lb_server_port",
        7444,
        Question(AGENT, f"{CURL} https://127.0.0.1:7444/readyz", "ok"),
    ),
    row(
        "k3a_disable_apiserver_lb",
        True,
        Question(
            AGENT,
            "systemctl is-active k3a-load-balancer\n"
            "ss -Htn state established '( dport = :6443 )' | grep -Fc <server_third>:6443 || true",
            True,
            lambda said: said.startswith("inactive\n") and int(said.split()[1]) > 0,
        ),
        rounds=(OTHERS,),
    ),
    row(
        "k3a_token_file",
        "<round>/token",
        Question(SERVER, "grep -o options-token-of-the-file <data_dir>/server/token", "options-token-of-the-file"),
        # The end of the round rotates it.
    ),
    row(
        "k3a_token",
        "options-token-of-the-variable",
        Question(
            SERVER, "grep -o options-token-of-the-variable <data_dir>/server/token", "options-token-of-the-variable"
        ),
        rounds=(OTHERS,),
    ),
    row("k3a_kubeconfig", "<round>/admin.kubeconfig", Question(CONTROLLER, NODES_BY_THE_KUBECONFIG, "2")),
    row(
        "k3a_proxy_mode",
        "iptables",
        Question(AGENT, f"{CURL} http://127.0.0.1:10249/proxyMode", "iptables"),
        Question(
            AGENT, "iptables-save -t nat | grep -Fc -- '-A KUBE-SERVICES'", True, lambda counted: int(counted or 0) > 0
        ),
        rounds=(OTHERS,),
    ),
    row(
        "k3a_advertise_address",
        "<server>",
        api(
            "endpointslice --selector=kubernetes.io/service-name=kubernetes",
            ".items[0].endpoints[0].addresses[0]",
            "<server>",
        ),
    ),
    row(
        "k3a_tls_san",
        ["options.example.org", "<server>"],
        certificate(AGENT, "<server>:<port>", "DNS:options.example.org"),
        rounds=LASTING,  # a certificate keeps what it is valid for until it is renewed
    ),
    row(
        "k3a_service_node_port_range",
        "31000-31999",
        Question(SERVER, NODE_PORT, True, lambda said: "valid ports is 31000-31999" in said),
    ),
    row(
        "k3a_kube_apiserver_arg",
        ["default-not-ready-toleration-seconds=77"],
        Question(
            SERVER,
            f"<kubectl> {POD.format('kube-system')} --output=json",
            77,
            lambda said: json.loads(said)["spec"]["tolerations"][0]["tolerationSeconds"],
        ),
    ),
    row(
        "k3a_kube_controller_manager_arg",
        ["terminated-pod-gc-threshold=77"],
        Question(
            SERVER,
            f"{AS_ADMIN} https://127.0.0.1:10257/configz",
            77,
            inside("kubecontrollermanager.config.k8s.io", "PodGCController", "TerminatedPodGCThreshold"),
        ),
    ),
    row(
        "k3a_kube_scheduler_arg",
        ["profiling=true"],
        Question(SERVER, f"{AS_ADMIN} {STATUS} https://127.0.0.1:10259/debug/pprof/", "200"),
    ),
    row(
        "k3a_etcd_arg",
        ["quota-backend-bytes=3000000000"],
        Question(
            SERVER,
            f"{CURL} http://127.0.0.1:2381/metrics | sed -n 's/^etcd_server_quota_backend_bytes //p'",
            "3e+09",
        ),
    ),
    row(
        "k3a_etcd_expose_metrics",
        True,
        Question(AGENT, f"{CURL} {STATUS} http://<server_ip>:2381/metrics || true", "200"),
    ),
    row(
        "k3a_secrets_encryption_provider",
        "aescbc",
        Question(SERVER, STORED, "k8s:enc:aescbc:v1:"),
        rounds=LASTING,
    ),
    row(
        "k3a_secrets_encryption",
        False,
        Question(SERVER, STORED, True, lambda stored: stored.startswith("k8s") and ":enc:" not in stored),
        rounds=(OTHERS,),
    ),
    row(
        "k3a_pod_security_level",
        "restricted",
        told(POD.format("default"), 'is forbidden: violates PodSecurity "restricted'),
    ),
    row(
        "k3a_audit_policy",
        AUDIT_POLICY,
        Question(SERVER, AUDITED, True, lambda counted: int(counted) > 0),
    ),
    row(
        "k3a_jwt_authenticators",
        [AUTHENTICATOR],
        Question(
            SERVER,
            f"{CURL} --output /dev/null --header 'Authorization: Bearer {TOKEN}' https://127.0.0.1:<port>/api\n"
            + journal(SERVER, "apiserver", ISSUER).script,
            True,
            lambda counted: int(counted) > 0,
        ),
    ),
    row(
        "k3a_service_external_ips",
        True,
        Question(
            SERVER,
            f"echo {shlex.quote(json.dumps(EXTERNAL))} | <kubectl> create --dry-run=server --output=name --filename=-",
            "service/options",
        ),
    ),
    row(
        "k3a_disable_agent",
        True,
        Question(
            SERVER, "<kubectl> get nodes --output=name | wc -l; systemctl is-active k3a-kubelet || true", "1\ninactive"
        ),
        rounds=(OTHERS,),
    ),
    row(
        "k3a_write_kubeconfig",
        "/etc/k3a/operators.yaml",
        Question(
            SERVER,
            "kubectl --kubeconfig=/etc/k3a/operators.yaml get namespace default --output=name",
            "namespace/default",
        ),
        # A file that was written elsewhere stays there.
        rounds=LASTING,
    ),
    row("k3a_write_kubeconfig_mode", "0640", Question(SERVER, "stat --format=%a <server_file>", "640")),
    row("k3a_write_kubeconfig_group", "users", Question(SERVER, "stat --format=%G <server_file>", "users")),
    row(
        "k3a_write_kubeconfig_name",
        "options",
        Question(SERVER, "<kubectl> config current-context", "options"),
        Question(CONTROLLER, "sed -n 's/^current-context: //p' <kubeconfig>", "options"),
    ),
    row(
        "k3a_node_label",
        ["example.org/options=yes"],
        Question(SERVER, "<kubectl> get nodes --selector=example.org/options=yes --output=name | wc -l", "2"),
    ),
    row(
        "k3a_node_annotation",
        ["example.org/options=a, b"],
        api("node <agent_node>", ".metadata.annotations.example\\.org/options", "a, b"),
    ),
    row(
        "k3a_node_taint",
        ["example.org/options=yes:PreferNoSchedule"],
        api("node <agent_node>", '.spec.taints[?(@.key=="example.org/options")].effect', "PreferNoSchedule"),
    ),
    row(
        "k3a_kubelet_arg",
        ["max-pods=77"],
        configz_of_kubelet(77, "maxPods"),
        api("node <agent_node>", ".status.capacity.pods", "77"),
    ),
    row("k3a_kube_proxy_arg", ["config-sync-period=7m"], configz_of_proxy("7m0s", "configSyncPeriod")),
    row("k3a_resolv_conf", "/etc/options.conf", configz_of_kubelet("/etc/options.conf", "resolvConf")),
    row(
        "k3a_snapshotter",
        "native",
        Question(
            AGENT,
            "crictl imagefsinfo",
            "io.containerd.snapshotter.v1.native",
            lambda said: inside("status", "imageFilesystems", 0, "fsId", "mountpoint")(said).rpartition("/")[2],
        ),
    ),
    row(
        "k3a_pause_image",
        "example.org/options/pause:1",
        Question(AGENT, SANDBOX, "example.org/options/pause:1"),
        rounds=(BACK,),
    ),
    row("k3a_nonroot_devices", True, runtime(True, "device_ownership_from_security_context")),
    row(
        "k3a_registries",
        {
            "mirrors": {
                "mirrored.example.org": {"endpoint": ["http://127.0.0.1:5999"]},
                "plain.example.org": {"endpoint": ["http://plain.example.org"]},
            }
        },
        pulls({("mirrored.example.org/<name>/none:1", "/v2/<name>/none/"): REGISTRY}, "yes"),
    ),
    row(
        "k3a_http_proxy",
        "http://127.0.0.1:5998",
        pulls({("plain.example.org/<name>/none:1", "http://plain.example.org/v2/<name>/none/"): PROXY}, "yes"),
    ),
    row(
        "k3a_https_proxy",
        "http://127.0.0.1:5998",
        pulls({("secure-<name>.example.org/none:1", "secure-<name>.example.org:443"): PROXY}, "yes"),
    ),
    row(
        "k3a_no_proxy",
        [".direct.example.org"],
        pulls(
            {
                ("<name>.direct.example.org/none:1", "<name>.direct.example.org:443"): PROXY,
                ("<name>.proxied.example.org/none:1", "<name>.proxied.example.org:443"): PROXY,
            },
            "no yes",
        ),
    ),
    # These nodes may need the next three; where they do not, they do no harm.
    row("k3a_allow_cgroup_v1", True, configz_of_kubelet(False, "failCgroupV1"), rounds=ROUNDS),
    row("k3a_restrict_oom_score_adj", True, runtime(True, "restrictOOMScoreAdj"), rounds=ROUNDS),
    row("k3a_manage_conntrack", False, configz_of_proxy(0, "conntrack", "maxPerCore"), rounds=ROUNDS),
    row("k3a_pod_pids_limit", 1234, configz_of_kubelet(1234, "podPidsLimit")),
    # The settings are those that an earlier kubelet of the same kernel has made.
    row("k3a_protect_kernel_defaults", True, configz_of_kubelet(True, "protectKernelDefaults"), rounds=(BACK,)),
    row(
        "k3a_disable",
        ["coredns"],
        Question(SERVER, "<kubectl> get deployments,services --namespace=kube-system --output=name", ""),
        rounds=(OTHERS,),
    ),
    row("k3a_coredns_custom", {"options.server": COREFILE}, dns("a.options.example", "192.0.2.77")),
    row("k3a_manifests", ["<round>/manifests"], api("configmap options", ".data.of", "the round all")),
)

RUNS = (
    Run(
        ALL,
        "token_create.yml",
        {
            "k3a_bootstrap_token_file": "<round>/bootstrap",
            "k3a_token_file": "<round>/joining",
            "k3a_token_description": "for the options",
            "k3a_token_ttl": "1h",
            "k3a_token_usages": ["authentication"],
            "k3a_token_groups": ["system:bootstrappers:options"],
        },
        (
            Question(CONTROLLER, "grep -o '::option[.].*' <round>/joining", "::option.0123456789abcdef"),
            Question(
                SERVER,
                "<kubectl> get secret --namespace=kube-system bootstrap-token-option --output=json",
                ("for the options", "authentication", "system:bootstrappers:options", True),
                lambda said: token_as_it_is(json.loads(said)["data"]),
            ),
        ),
    ),
    Run(
        ALL,
        "token_delete.yml",
        {"k3a_bootstrap_token": ["option"]},
        (
            Question(
                SERVER,
                "<kubectl> get secrets --namespace=kube-system --output=name | grep -c token-option || true",
                "0",
            ),
        ),
    ),
    Run(
        ALL,
        "rotate_token.yml",
        {"k3a_new_token_file": "<round>/rotated"},
        (Question(SERVER, "grep -o options-rotated-by-a-file <data_dir>/server/token", "options-rotated-by-a-file"),),
    ),
    Run(
        BACK,
        "rotate_token.yml",
        {"k3a_new_token": "options-rotated-by-a-variable"},
        (
            Question(
                SERVER, "grep -o options-rotated-by-a-variable <data_dir>/server/token", "options-rotated-by-a-variable"
            ),
        ),
    ),
    Run(BACK, "import_config.yml", {"k3a_import_config": "<round>/config.yaml"}, says="10.77.0.0/16"),
    Run(
        BACK,
        "import_config.yml",
        {"k3a_import_environment": "<round>/k3s.env"},
        says="server: k3a_server_url is not set here",
    ),
    Run(
        BACK,
        "remove_node.yml",
        {"k3a_remove_node": ["<agent_node>"]},
        before=BARE_POD,
        says="no controller would make it anew",
        succeeds=False,
    ),
    Run(
        BACK,
        "remove_node.yml",
        {"k3a_remove_node": ["<agent_node>"], "k3a_drain_force": True, "k3a_drain_delete_emptydir_data": False},
        says="its emptyDir scratch would be lost",
        succeeds=False,
    ),
    Run(
        BACK,
        "remove_node.yml",
        {"k3a_remove_node": ["<agent_node>"], "k3a_drain_force": True},
        (
            Question(SERVER, "<kubectl> get nodes --output=name", "node/<server_node>"),
            Question(AGENT, "systemctl list-units --plain --no-legend 'k3a-*' | wc -l", "0"),
        ),
    ),
    Run(
        BACK,
        "reset.yml",
        {"k3a_reset": False},
        (Question(SERVER, "systemctl is-active k3a-etcd || true", "active"),),
        says="Nothing was removed.",
        succeeds=False,
    ),
    Run(
        BACK,
        "reset.yml",
        {"k3a_reset": True},
        (Question(SERVER, "systemctl is-active k3a-etcd || true", "inactive"),),
    ),
)


# ---- what is not asked here

_BOUNDS = "tests/integration/bounds/test_bounds.py"
_CHECK = "tests/unit/plugins/module_utils/_host/test_check.py"
_MACHINES = "tests/unit/plugins/module_utils/_test_nodes/test_machines.py"
ELSEWHERE = {
    "k3a_bundle": Elsewhere(
        "tests/integration/programs/test_other_bundle.py", "it takes another bundle, which that scenario makes."
    ),
    "k3a_strict": Elsewhere(_BOUNDS, "no component knows it: it says how a run goes on without an agent."),
    "k3a_max_unavailable": Elsewhere(_BOUNDS, "no component knows it: it says in what order agents restart."),
    "k3a_wait_timeout": Elsewhere(_BOUNDS, "no component knows it: it says when a run gives up."),
    "k3a_replace": Elsewhere("tests/integration/identity/table.py", "it takes a rebuilt machine."),
    "k3a_manage_firewall": Elsewhere(
        "tests/unit/plugins/module_utils/_host/test_firewall.py",
        "no firewall of a distribution runs in these containers.",
        word="firewalld",
    ),
    "k3a_selinux": Elsewhere(
        "tests/unit/plugins/module_utils/_engine/test_selinux.py", "the kernel under containers has no SELinux."
    ),
    "k3a_swap": Elsewhere(_CHECK, "containers have the swap of the machine under them."),
    "k3a_bundle_archive": Elsewhere(
        "tests/unit/plugins/modules/test_bundle_archive.py", "no node knows it: it is a file on the controller."
    ),
    "k3a_release_names": Elsewhere(
        "tests/integration/ha/join/test_join.py", "it takes a machine that comes back under the name."
    ),
    "k3a_drain_grace_period": Elsewhere(
        "tests/unit/plugins/module_utils/_cluster/test_drain.py",
        "the API keeps it in a pod that is gone by the time that the run ends.",
        word="grace_period",
    ),
    "k3a_drain_timeout": Elsewhere(
        "tests/unit/plugins/plugin_utils/_options/test_deadlines.py",
        "no component knows it: it says when a run gives up.",
    ),
    "join_hosts": Elsewhere(
        "tests/integration/servers.py", "it takes a machine that is in no group; `Outsider` is one."
    ),
    **dict.fromkeys(
        ("nodes_name", "nodes_servers", "nodes_agents", "nodes_directory"),
        Elsewhere("molecule/options/create.yml", "the hosts of every scenario are made by it."),
    ),
    **dict.fromkeys(
        ("nodes_kind", "nodes_release"),
        Elsewhere("molecule/machines/create.yml", "the hosts of the scenario `machines` are made by it."),
    ),
    **dict.fromkeys(
        ("nodes_memory", "nodes_disks", "nodes_disk_size", "nodes_interfaces"),
        Elsewhere(_MACHINES, "only machines have them, and this scenario has containers."),
    ),
    "nodes_packages": Elsewhere(
        "tests/unit/plugins/module_utils/_test_nodes/test_debian.py",
        "only machines have any, from their first boot on.",
        "apt_installs_what_is_added",
    ),
    "nodes_kernel_arguments": Elsewhere(
        "tests/unit/plugins/module_utils/_test_nodes/test_qemu.py",
        "only machines have a kernel of their own.",
        "a_kernel_is_told_what_else",
    ),
}
