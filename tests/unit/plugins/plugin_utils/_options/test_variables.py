# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import components, spec, variables

DEFAULTS = {name: value for name, value in spec.defaults().items() if name not in ("k3a_bundle", "k3a_kubeconfig")}
AUTHENTICATOR = {
    "issuer": {"url": "https://idp.example.org/realms/x", "audiences": ["k8s"]},
    "claimMappings": {"username": {"claim": "email", "prefix": ""}},
}
IMAGES = ["pause:3.10 ", "reg.example.org/Pause", "https://reg.example.org/pause", "{{ image }}"]
FLAGS = {"kubelet": ["max-pods", "v"], "kube-apiserver": ["audit-log-path"], "etcd": ["snapshot-count"]}


def problems(flags=None, **values):
    """What is wrong with these values among defaults, as name and message."""
    known = FLAGS if flags is None else flags
    return [(f.name, f.message) for f in variables.variable_findings({**DEFAULTS, **values}, known)]


def messages(**values):
    return [message for _name, message in problems(**values)]


def test_the_defaults_are_fine():
    assert problems() == []


def test_every_rule_is_about_a_variable_that_exists():
    assert {name for name, _rule in variables.RULES} <= spec.specification().keys() | spec.of_playbooks().keys()


def test_a_variable_of_the_wrong_type_is_not_judged_again():
    values = {name: value for name, value in DEFAULTS.items() if name != "k3a_cluster_cidr"}
    assert variables.variable_findings(values, {}) == []


@pytest.mark.parametrize("mode, warned", [("0600", False), ("640", False), ("0644", True), ("0666", True), ("601", True), ("x", False)])
def test_a_kubeconfig_that_everybody_reads_is_warned_of(mode, warned):
    found = [(finding.name, finding.level) for finding in variables.warnings({"k3a_write_kubeconfig_mode": mode})]
    assert found == ([("k3a_write_kubeconfig_mode", "warn")] if warned else [])


@pytest.mark.parametrize("level, warned", [(0, False), (7, False), (8, True)])
def test_a_level_at_which_secrets_are_logged_is_warned_of(level, warned):
    found = [(finding.name, finding.level) for finding in variables.warnings({"k3a_v": level})]
    assert found == ([("k3a_v", "warn")] if warned else [])


@pytest.mark.parametrize("mode, warned", [("0600", True), ("0640", False), ("640", False), ("x", False)])
def test_a_group_that_cannot_read_its_kubeconfig_is_warned_of(mode, warned):
    values = {"k3a_write_kubeconfig_mode": mode, "k3a_write_kubeconfig_group": "ops"}
    told = [f"{finding.message}; {finding.remedy}" for finding in variables.warnings(values)]
    sentence = 'k3a_write_kubeconfig_group is ops, which cannot read a file of the mode 0600; set k3a_write_kubeconfig_mode to "0640"'
    assert told == ([sentence] if warned else [])


@pytest.mark.parametrize(
    "name, good, bad",
    [
        ("k3a_node_name", ["", "node-1", "a.b"], ["Node", "a_b"]),
        ("k3a_cluster_domain", ["cluster.local", "k8s"], ["", "Cluster.Local", ".local"]),
        ("k3a_new_token", ["", "x" * 16, f"K10{'a' * 64}::server:{'x' * 16}", "K10x"], ["x" * 15]),
        ("k3a_cluster_domain", [f"{'a' * 63}.local"], [f"{'a' * 64}.local", ".".join(["a" * 60] * 5)]),
        ("k3a_tls_san", [["api.example.org", "10.0.0.1", "*.example.org"], []], [["https://api"], ["a b"], ["a" * 64]]),
        ("k3a_bundle", ["/bundle"], [""]),
        ("k3a_kubeconfig", ["kubeconfig"], [""]),
        ("k3a_resolv_conf", ["", "/etc/resolv.conf"], ["etc/resolv.conf"]),
        ("k3a_pause_image", ["", "pause", "reg.example.org:5000/a/pause:3.10", "Reg/pause@sha256:" + 64 * "0"], IMAGES),
        ("k3a_wait_timeout", [1, 86400], [0, 86401, 10**12]),
        ("k3a_service_node_port_range", ["30000-32767"], ["\u0663\u0660-\u0664\u0660", "30000-999999999999"]),
        ("k3a_coredns_custom", [{"a.server": ""}], [{"\u00e4.server": ""}]),
        ("k3a_https_listen_port", [6443, 443], [0, 65536, 30000]),
        ("k3a_lb_server_port", [6444, 7444], [0, 65536, 6443, 6445]),
        ("k3a_service_node_port_range", ["30000-32767", "80-90"], ["30000", "9-1", "0-10", "60000-70000"]),
        ("k3a_wait_timeout", [1, 600], [0, -1]),
        ("k3a_v", [0, 4, 10], [-1, 2**31]),
        (
            "k3a_https_proxy",
            ["", "http://proxy.example.org:3128", "http://me:s3cr%40t@10.0.0.1:3128/", "socks5://[fd00::1]:1080", "http://me:p@ss;w@p"],
            ["proxy.example.org:3128", "http://", "http://a b", 'http://a"b', "ftp://a", "http://a\nLD_PRELOAD=x"]
            + ["http://me:100%@p", "http://me:a#b@p", "http://p:99999", "http://p:0", "http://me@"],
        ),
        (
            "k3a_environment",
            [{}, {"kubelet": {"GODEBUG": "netdns=go", "GOMAXPROCS": 2}, "kube-proxy": {}}],
            [
                {"traefik": {}},
                {"kubelet": "A=1"},
                {"kubelet": {"A-B": "1"}},
                {"kubelet": {"A": "1\nB=2"}},
                {"kubelet": {"A": True}},
                {"kubelet": {"PATH": "/bin"}},
                {"etcd": {"ETCD_DATA_DIR": "/srv"}},
                {"apiserver": {"https_proxy": "http://a"}},
                {"containerd": {"LD_PRELOAD": "/x.so"}},
            ],
        ),
        (
            "k3a_no_proxy",
            [[], [".example.org", "10.0.0.0/8", "fd00::/8", "reg:5000"]],
            [["a b"], ["a\nB=c"], ["a,b"], ["10.0.0.0/99"], ["http://a"], ["10.0.0.0/255.0.0.0"]],
        ),
        ("k3a_vmodule", ["", "kubelet*=4", "a=1,b/*=10"], ["kubelet", "a=x", "a=1,", "a=1, b=2", "a=2147483648"]),
        ("k3a_pod_pids_limit", [1, 4096, -1], [0, -2]),
        ("k3a_data_dir", ["/srv/k3a", "/var/lib/k3a-2"], ["srv/k3a", "/", "/my disk/k3a", "/srv/k3a/"]),
        ("k3a_write_kubeconfig", ["/etc/k3a/k3a.yaml"], ["k3a.yaml"]),
        ("k3a_write_kubeconfig_mode", ["0600", "640"], ["0o600", "rw-", "0999", "0"]),
        ("k3a_write_kubeconfig_group", ["", "ops", "domain.users"], ["1000", "a b", "-x"]),
        ("k3a_write_kubeconfig_name", ["default", "k3a@prod", "team/prod"], ["", "a b", "a\n"]),
        (
            "k3a_server_url",
            ["", "https://10.0.0.1:6443", "https://[fd00::1]:6443/"],
            ["10.0.0.1", "http://a", "https://a:b"],
        ),
        ("k3a_node_label", [["example.com/disk=ssd", "a="]], [["a"], ["=b"], ["a=b c"], ["/a=b"], ["a=" + "x" * 64]]),
        ("k3a_node_annotation", [["example.com/note=any text: at all"]], [["note"], ["a b=c"]]),
        ("k3a_node_taint", [["dedicated=db:NoSchedule", "a:NoExecute"]], [["a=b"], ["a=b:Never"], [":NoSchedule"]]),
        (
            "k3a_audit_policy",
            [{}, {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}],
            [
                {"rules": []},
                {"kind": "Policy"},
                {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": []},
                {"apiVersion": "audit.k8s.io/v1beta1", "kind": "Policy", "rules": [{"level": "Metadata"}]},
            ],
        ),
        (
            "k3a_jwt_authenticators",
            [
                [],
                [AUTHENTICATOR],
                [{**AUTHENTICATOR, "claimMappings": {"username": {"expression": "claims.sub"}}}],
                [AUTHENTICATOR, {**AUTHENTICATOR, "issuer": {"url": "https://b.example.org", "audiences": ["k8s"]}}],
            ],
            [
                [AUTHENTICATOR, AUTHENTICATOR],
                [{**AUTHENTICATOR, "claimMapping": {}}],
                [{**AUTHENTICATOR, "issuer": {"url": "http://idp.example.org", "audiences": ["k8s"]}}],
                [{**AUTHENTICATOR, "issuer": {"url": "https://idp.example.org", "audiences": []}}],
                [{**AUTHENTICATOR, "claimMappings": {"username": {"claim": "email"}}}],
            ],
        ),
        (
            "k3a_coredns_custom",
            [{"example.server": "example.org { whoami }", "log.override": "log"}],
            [{"example": "x"}, {"a.server": ["x"]}],
        ),
        (
            "k3a_registries",
            [{}, {"mirrors": {"docker.io": {"endpoint": ["https://m"]}}, "configs": {"m": {"tls": {"ca_file": "/c"}}}}],
            [
                {"mirror": {}},
                {"mirrors": ["docker.io"]},
                {"mirrors": {"docker.io": {"endpoints": []}}},
                {"mirrors": {"docker.io": {"endpoint": "https://m"}}},
                {"configs": {"m": "secret"}},
            ],
        ),
    ],
)
def test_values(name, good, bad):
    for value in good:
        assert messages(**{name: value}) == [], value
    for value in bad:
        found = problems(**{name: value})
        assert [n for n, _message in found] == [name], value
        assert name in found[0][1]


class TestArguments:
    @pytest.mark.parametrize("argument", ["max-pods=250", "max-pods+=250", "max-pods-=250", "--v=2", "v="])
    def test_k3ss_forms(self, argument):
        assert messages(k3a_kubelet_arg=[argument]) == []

    def test_a_flag_that_the_component_does_not_know(self):
        assert messages(k3a_kubelet_arg=["max-podz=250"]) == ["k3a_kubelet_arg: kubelet has no flag max-podz"]
        assert messages(k3a_kube_apiserver_arg=["max-pods=250"]) == [
            "k3a_kube_apiserver_arg: kube-apiserver has no flag max-pods"
        ]

    @pytest.mark.parametrize(
        "name, argument",
        [
            ("k3a_etcd_arg", "force-new-cluster=true"),
            ("k3a_etcd_arg", "--data-dir=/srv/etcd"),
            ("k3a_etcd_arg", "wal-dir=/srv/wal"),
            ("k3a_etcd_arg", "config-file=/etc/etcd.yaml"),
            ("k3a_etcd_arg", "initial-cluster-state=new"),
            ("k3a_etcd_arg", "unsafe-no-fsync=true"),
            ("k3a_kube_apiserver_arg", "etcd-prefix=/other"),
            ("k3a_kube_apiserver_arg", "etcd_prefix=/other"),
            ("k3a_kube_apiserver_arg", "etcd-servers+=https://10.0.0.9:2379"),
            ("k3a_kube_apiserver_arg", "service-cluster-ip-range=10.53.0.0/16"),
            ("k3a_kube_controller_manager_arg", "cluster-cidr=10.52.0.0/16"),
            ("k3a_kubelet_arg", "hostname-override=other"),
        ],
    )
    @pytest.mark.parametrize("known", [{}, FLAGS])
    def test_a_flag_by_which_a_cluster_or_node_would_be_another_one(self, name, argument, known):
        [(told, message)] = problems(known, **{name: [argument]})
        assert told == name
        assert "decides which cluster, node or data" in message

    @pytest.mark.parametrize(
        "argument, sentence",
        [
            (
                "bind-address=10.0.0.1",
                "bind-address cannot be set, since the server's own components and its health check ask the API at loopback",
            ),
            ("secure_port=7443", "secure_port cannot be set, since nodes and load balancers have to know the port, too"),
            ("advertise-address=10.0.0.1", "advertise-address cannot be set, since others have to know the address, too"),
        ],
    )
    def test_a_flag_that_others_would_have_to_know_of(self, argument, sentence):
        assert messages(k3a_kube_apiserver_arg=[argument]) == [f"k3a_kube_apiserver_arg: {sentence}"]

    @pytest.mark.parametrize(
        "argument, way",
        [
            ("oidc-issuer-url=https://idp.example.org/realms/x", "describe the issuer in k3a_jwt_authenticators, with"),
            ("anonymous-auth=false", "remove it: without a name only health and the cluster's CA are told"),
            ("authentication-config=/etc/a.yaml", "name those whose tokens are believed in k3a_jwt_authenticators"),
            ("audit-log-path=/var/log/kubernetes/audit.log", "leave it out, and read the log in server/logs of the data"),
        ],
    )
    def test_a_flag_with_which_the_api_server_does_not_start_beside_its_own_configuration(self, argument, way):
        values = {**DEFAULTS, "k3a_kube_apiserver_arg": [argument]}
        (finding,) = variables.variable_findings(values, {})
        assert finding.remedy.startswith(way)

    @pytest.mark.parametrize(
        "name, argument, way",
        [
            ("k3a_kube_apiserver_arg", "authorization-config=/etc/a.yaml", "set authorization-mode, and authorization-webhook"),
            ("k3a_kube_apiserver_arg", "tls-cert-file=/etc/a.crt", "name further names in k3a_tls_san, or a further"),
            ("k3a_kube_controller_manager_arg", "secure-port=0", "remove it"),
            ("k3a_kube_controller_manager_arg", "cluster-signing-cert-file=/etc/ca.crt", "remove it"),
            ("k3a_kube_scheduler_arg", "bind-address=10.0.0.1", "remove it"),
            ("k3a_kube_scheduler_arg", "write-config-to=/tmp/scheduler.yaml", "remove it"),
            ("k3a_etcd_arg", "listen-metrics-urls=http://10.0.0.1:2381", "set k3a_etcd_expose_metrics"),
            ("k3a_etcd_arg", "log-outputs=/var/log/etcd.log", "remove it, and read its journal"),
            ("k3a_kubelet_arg", "node-ip=10.0.0.1", "set k3a_node_ip"),
            ("k3a_kubelet_arg", "cgroup-driver=cgroupfs", "remove it"),
            ("k3a_kubelet_arg", "register-node=false", "remove it"),
            ("k3a_kubelet_arg", "healthz-port=0", "remove it"),
            ("k3a_kube_proxy_arg", "config=/etc/p.yaml", "write what is in it as arguments"),
            ("k3a_kube_proxy_arg", "proxy-mode=ipvs", "set k3a_proxy_mode"),
        ],
    )
    def test_a_flag_with_which_a_run_would_end_in_the_middle(self, name, argument, way):
        (finding,) = variables.variable_findings({**DEFAULTS, name: [argument]}, {})
        assert finding.remedy.startswith(way)

    @pytest.mark.parametrize(
        "name, argument",
        [
            ("k3a_kubelet_arg", "cgroup-driver=systemd"),
            ("k3a_kubelet_arg", "max-pods=250"),
            ("k3a_etcd_arg", "listen-metrics-urls=http://0.0.0.0:2381"),
            ("k3a_etcd_arg", "quota-backend-bytes=8589934592"),
            ("k3a_kube_controller_manager_arg", "bind-address=0.0.0.0"),
            ("k3a_kube_apiserver_arg", "authorization-mode=Node,RBAC,Webhook"),
            ("k3a_kube_proxy_arg", "metrics-bind-address=0.0.0.0:10249"),
        ],
    )
    def test_flags_of_guides_that_work(self, name, argument):
        assert variables.variable_findings({**DEFAULTS, name: [argument]}, {}) == []

    @pytest.mark.parametrize("name", components.REFUSED)
    def test_what_is_refused_is_a_flag_of_the_program(self, name):
        recorded = json.loads((Path(__file__).parents[3] / "component_flags.json").read_text())["flags"]
        assert components.REFUSED[name].keys() <= set(recorded[components.ARGUMENTS[name]])

    def test_every_flag_of_oidc_that_the_api_server_has_is_among_them(self):
        recorded = json.loads((Path(__file__).parents[3] / "component_flags.json").read_text())["flags"]["kube-apiserver"]
        oidc = {flag for flag in recorded if flag.startswith("oidc-")}
        assert oidc and oidc <= components.REFUSED["k3a_kube_apiserver_arg"].keys()

    @pytest.mark.parametrize(
        "name, argument",
        [
            ("k3a_kube_apiserver_arg", "audit-log-path=-"),
            ("k3a_kube_apiserver_arg", "bind-address=0.0.0.0"),
            ("k3a_kube_apiserver_arg", "bind-address=::"),
            ("k3a_kube_scheduler_arg", "bind-address=0.0.0.0"),
        ],
    )
    def test_addresses_at_which_it_is_found_all_the_same(self, name, argument):
        assert problems({}, **{name: [argument]}) == []

    @pytest.mark.parametrize("argument", ["max-pods", "", "=250"])
    def test_no_form(self, argument):
        assert messages(k3a_kubelet_arg=[argument]) == [
            f"k3a_kubelet_arg: {argument!r} is not of the form flag=value",
        ]

    def test_without_a_manifest_only_the_form_can_be_judged(self):
        assert problems({}, k3a_kubelet_arg=["max-podz=250"]) == []
        assert problems({}, k3a_kubelet_arg=["max-podz"]) != []

    def test_every_component_is_one_of_the_bundles(self):
        assert set(components.ARGUMENTS) == {n for n in spec.specification() if n.endswith("_arg")}


def wrong_with(*paths):
    found = variables.manifest_findings({"k3a_manifests": list(map(str, paths))}, lambda path: open(path).read())
    return [finding.message for finding in found]


class TestManifests:
    def test_good_ones(self, tmp_path):
        (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
        assert wrong_with(tmp_path) == wrong_with() == []
        assert variables.manifest_findings({}, open) == []

    def test_file_document_and_field_are_named(self, tmp_path):
        path = tmp_path / "a.yaml"
        path.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\nkind: Pod\nmetadata: {name: b}\n")
        (message,) = wrong_with(path)
        assert message.startswith(f"k3a_manifests: {path}, document 2")
        assert "apiVersion is missing" in message

    def test_a_file_that_is_not_there(self, tmp_path):
        assert wrong_with(f"{tmp_path}/none.yaml") == [
            f"k3a_manifests: {tmp_path}/none.yaml: No such file or directory"
        ]


@pytest.mark.parametrize("value", ["half", "-1", "10 %", "1.5", "%", "", "0", "0%", "101%", "1\n"])
def test_how_many_nodes_may_be_away_is_a_number_or_a_percentage(value):
    (finding,) = variables.variable_findings({"k3a_max_unavailable": value}, {})
    assert finding.level == "fail" and "k3a_max_unavailable" in finding.message


@pytest.mark.parametrize("value", ["1", "20", "10%", "100%"])
def test_such_are_fine(value):
    assert variables.variable_findings({"k3a_max_unavailable": value}, {}) == []


# What YAML, JSON and -e can make of a value, in whatever place.
ANYTHING = [
    *(None, "", 0, 1, -1, 2, 1.5, True, False, float("nan"), 10**30, "9" * 5000, b"x", {"a"}, date(2026, 1, 1)),
    *("x", "yes", "[a", "{a", "a=b", "a:b", "~", "/", "//", "\x00", "\u2028", "[2026-01-01]", "[&a [*a]]", "[!!binary aGk=]"),
    *([], [None], [1], [[1]], [{}], [{"a": None}], [{"issuer": 1}], {}, {1: 2}, {None: None}, {"a": {"b": [1]}}),
    *({"kubelet": None}, {"kubelet": ["A"]}, {"kubelet": {1: "a"}}, {"kubelet": {"A": True}}, {"mirrors": []}),
    *({"mirrors": {"a": {"endpoint": 1}}}, {"configs": {"a": {"auth": 1, "tls": []}}}, {"configs": {"a": None}}),
    *({"kind": "Policy", "rules": [1]}, {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": []}]}),
]


@pytest.mark.parametrize("name", sorted({**spec.specification(), **spec.of_playbooks()}))
def test_whatever_a_variable_is_given_is_taken_or_refused_in_sentences_that_name_it(name):
    known = {**spec.specification(), **spec.of_playbooks()}
    for given in ANYTHING:
        values, wrong = spec.evaluate({name: known[name]}, {name: given}, lambda value: value)
        assert len(wrong) <= 1 and all(name in each.sentence and "\n" not in each.sentence for each in wrong), given
        found = variables.variable_findings({**{k: v for k, v in DEFAULTS.items() if k != name}, **values}, {})
        assert all("\n" not in f"{each.message}{each.remedy}" for each in found), given
