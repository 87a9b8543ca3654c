# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import k3s_config

# As K3s's documentation has one, of two address families.
DOCUMENTED = """
write-kubeconfig-mode: "0644"
tls-san:
  - "foo.local"
node-label:
  - "foo=bar"
  - "something=amazing"
cluster-init: true
token: "secret"
node-ip: 10.0.10.22,2a05:d012:c6f:4655:d73c:c825:a184:1b75
cluster-cidr: 10.42.0.0/16,2001:cafe:42:0::/56
service-cidr: 10.43.0.0/16,2001:cafe:43:1::/112
"""
# With all keys that its author knew, most of them empty.
LISTING = """
data-dir: /var/lib/rancher/k3s
cluster-dns: 10.43.0.10
cluster-domain: cluster.local
flannel-backend: vxlan
kube-apiserver-arg:
kube-scheduler-arg:
kubelet-arg:
default-local-storage-path:
disable:
write-kubeconfig-mode: 644
"""
# As guides to hardening and to OIDC have them.
HARDENED = """
protect-kernel-defaults: true
secrets-encryption: true
kube-apiserver-arg:
  - "enable-admission-plugins=NodeRestriction,EventRateLimit"
  - 'audit-log-path=/var/lib/rancher/k3s/server/logs/audit.log'
  - oidc-issuer-url=https://idp.example.org/realms/k
kube-controller-manager-arg: terminated-pod-gc-threshold=10
kubelet-arg:
  - --streaming-connection-idle-timeout=5m
  - make-iptables-util-chains
kube-controller-arg: [profiling=true]
disable: traefik,servicelb
node-taint: [CriticalAddonsOnly=true:NoExecute]
selinux: true
"""


def settings(*texts: str, environment: str = "") -> k3s_config.Settings:
    return k3s_config.settings([(f"{number}.yaml", text) for number, text in enumerate(texts)], environment)


def translated(*texts: str, environment: str = "") -> tuple[dict[str, Any], list[str]]:
    found = k3s_config.imported(settings(*texts, environment=environment))
    return found.variables, found.notes


class TestFiles:
    def test_drop_ins_come_after_the_file_in_the_order_of_their_names(self, tmp_path: Path) -> None:
        base = tmp_path / "config.yaml"
        base.touch()
        folder = tmp_path / "config.yaml.d"
        folder.mkdir()
        for name in ("20-b.yml", "10-a.YAML", "readme.txt", "02-data-ignore-this.yaml.bak"):
            (folder / name).touch()
        (folder / "30.yaml").mkdir()
        expected = [str(base), str(folder / "10-a.YAML"), str(folder / "20-b.yml")]
        assert k3s_config.files_of(str(base)) == expected
        base.unlink()
        assert k3s_config.files_of(str(base)) == expected[1:]

    def test_a_file_that_is_not_there_is_looked_for_where_nothing_else_is(self, tmp_path: Path) -> None:
        assert k3s_config.files_of(str(tmp_path / "config.yaml")) == [str(tmp_path / "config.yaml")]


class TestSettings:
    """As K3s's own test of its reader has it."""

    def test_every_value_is_a_text(self) -> None:
        assert settings('a: 1\nb: "0600"\nc-d: true\ne:\nf: [1, "2", "", three]\ng: 0600\nh: 2026-01-01') == {
            "a": ["1"],
            "b": ["0600"],
            "c-d": ["true"],
            "e": [""],
            "f": ["1", "2", "", "three"],
            "g": ["384"],
            "h": ["2026-01-01"],
        }

    def test_a_later_file_wins_and_a_plus_adds(self) -> None:
        first, second, third = "a: [1]\nb: x\ne: 1", "a+: [2, 3]\nb+: w\ne: 2\nf+: new", "a+: 4\nb: z"
        assert settings(first, second) == {"a": ["1", "2", "3"], "b": ["x", "w"], "e": ["2"], "f": ["new"]}
        assert settings(first, second, third)["a"] == ["1", "2", "3", "4"]
        assert settings(first, second, third)["b"] == ["z"]

    def test_one_letter_is_the_flag_that_has_it(self) -> None:
        assert settings("t: s3cr3t\ni: 10.0.0.1\nv: 2") == {"token": ["s3cr3t"], "node-ip": ["10.0.0.1"], "v": ["2"]}

    def test_a_file_may_hold_nothing(self) -> None:
        assert settings("", "# nothing\n", "---\n") == {}

    def test_the_environment_says_what_no_file_says(self) -> None:
        given = (
            "K3S_URL=https://s1:6443\nK3S_TOKEN='a b'\n# K3S_DEBUG=true\nK3S_NODE_NAME=\"n1\"\nPATH=/bin\nK3S_NEW=1\n"
        )
        assert settings("node-name: n2", environment=given) == {
            "node-name": ["n2"],
            "server": ["https://s1:6443"],
            "token": ["a b"],
            "K3S_NEW": ["1"],
        }

    def test_proxies_of_containerd_alone_are_told_from_those_of_all(self) -> None:
        given = "HTTP_PROXY=http://a\nCONTAINERD_HTTP_PROXY=http://b\nNO_PROXY=10.0.0.0/8,.example.org\nNO_COLOR=1\n"
        assert settings(environment=given) == {
            "HTTP_PROXY": ["http://a"],
            "CONTAINERD_HTTP_PROXY": ["http://b"],
            "NO_PROXY": ["10.0.0.0/8,.example.org"],
        }
        assert settings(environment="HTTP_PROXY=http://a\nCONTAINERD_HTTP_PROXY=http://a") == {"HTTP_PROXY": ["http://a"]}

    def test_proxies_may_be_in_lower_case_as_the_installer_finds_them(self) -> None:
        given = "http_proxy=http://a\nHTTPS_PROXY=http://b\nhttps_proxy=http://c\nno_proxy=.example.org\n"
        expected = {"HTTP_PROXY": ["http://a"], "HTTPS_PROXY": ["http://b"], "NO_PROXY": [".example.org"]}
        assert settings(environment=given) == expected

    @pytest.mark.parametrize(
        "given, of_kubelet, of_containerd",
        [
            # A spelling of containerd's own takes the place of the same spelling, and capital letters come first.
            ("HTTP_PROXY=http://a\nCONTAINERD_http_proxy=http://b", "http://a", "http://a"),
            ("http_proxy=http://a\nCONTAINERD_http_proxy=http://b", "http://a", "http://b"),
            ("http_proxy=http://a\nCONTAINERD_HTTP_PROXY=http://b", "http://a", "http://b"),
            # One without a value takes the place, too.
            ("HTTP_PROXY=http://a\nCONTAINERD_HTTP_PROXY=", "http://a", ""),
            ("HTTP_PROXY=http://a\nhttp_proxy=http://b\nCONTAINERD_HTTP_PROXY=", "http://a", "http://b"),
            ("NO_PROXY=a,b\nno_proxy=b,c", "a,b,c", "a,b,c"),
            ("NO_PROXY=a,b\nno_proxy=c\nCONTAINERD_NO_PROXY=d", "a,b,c", "d"),
            ("NO_PROXY=a\nCONTAINERD_no_proxy=d", "a", "a"),
            ("CONTAINERD_NO_PROXY=d", "", "d"),
        ],
    )
    def test_the_kubelet_and_containerd_heed_what_they_do_in_k3s(self, given: str, of_kubelet: str, of_containerd: str) -> None:
        name = "NO_PROXY" if "NO_PROXY" in given else "HTTP_PROXY"
        found = settings(environment=given)
        assert found.get(name, [""]) == [of_kubelet]
        assert found.get(f"CONTAINERD_{name}", [of_kubelet]) == [of_containerd]

    def test_the_environment_is_read_as_systemd_does(self) -> None:
        given = (
            "\ufeffK3S_URL = https://a \r\n; K3S_DEBUG=1\n\nK3S_SELINUX=\n"
            "K3S_TOKEN='it'\"'\"'s'\nK3S_NODE_NAME=\"a\\\"b\"\nK3S_DATA_DIR=/a\\ b\nK3S_RESOLV_CONF=/a\\\n/b\n"
        )
        assert settings(environment=given) == {
            "server": ["https://a"],
            "token": ["it's"],
            "node-name": ['a"b'],
            "data-dir": ["/a b"],
            "resolv-conf": ["/a/b"],
        }

    @pytest.mark.parametrize(
        "line, shown", [("export K3S_TOKEN=x3y", "export K3S_TOKEN="), ("x3y", "a line without =")]
    )
    def test_what_systemd_skips_is_told_without_its_value(self, line: str, shown: str) -> None:
        with pytest.raises(k3s_config.ConfigError) as raised:
            settings(environment=line)
        assert str(raised.value) == (
            f"the environment has {shown}, which systemd skips: write it as NAME=value, or remove it"
        )

    @pytest.mark.parametrize(
        "text, sentence",
        [
            ("a: [", "0.yaml, document 1, line 2: not valid YAML: "),
            ("a: 1\na: 2", "0.yaml, document 1, line 2: a is given twice"),
            ("- a", "0.yaml is not a mapping of flags to their values"),
            ("a: {b: 1}", "0.yaml: a has more inside it than a text or a list of texts"),
            ("a: [[1]]", "0.yaml: a has more inside it than a text or a list of texts"),
            ("token: a\nt: b", "0.yaml: t and token are one flag, and K3s does not start with both; leave one"),
            (
                "t: a\nnode-ip: b\ntoken+: c",
                "0.yaml: token and t are one flag, and K3s does not start with both; leave",
            ),
            (
                "write-kubeconfig-mode: 0644",
                "0.yaml: write-kubeconfig-mode is 0644 without quotes, which K3s reads as the number 420; "
                "put in quotes what is meant",
            ),
            ("a: 1\n---\nb: 1", "0.yaml has several documents, of which K3s reads the first"),
        ],
    )
    def test_what_cannot_be_read_is_told(self, text: str, sentence: str) -> None:
        with pytest.raises(k3s_config.ConfigError) as raised:
            settings(text)
        assert str(raised.value).startswith(sentence)

    def test_two_forms_of_a_flag_are_told_though_they_are_in_two_files(self) -> None:
        with pytest.raises(k3s_config.ConfigError, match=r"^1.yaml: t and token are one flag"):
            settings("token: a", "t: b")

    def test_a_number_that_is_read_as_it_is_written_is_one(self) -> None:
        found = settings("write-kubeconfig-mode: 644\nhttps-listen-port: 6443\ndebug: true\nlb-server-port: 0\n1: 2")
        assert found["write-kubeconfig-mode"] == ["644"]

    def test_all_that_cannot_be_read_is_told_at_once(self) -> None:
        with pytest.raises(k3s_config.ConfigError, match="0.yaml is not .*; 1.yaml is not"):
            settings("1", "2")


class TestTranslation:
    def test_the_documented_example(self) -> None:
        variables, notes = translated(DOCUMENTED)
        assert variables == {
            "k3a_write_kubeconfig_mode": "0644",
            "k3a_tls_san": ["foo.local"],
            "k3a_node_label": ["foo=bar", "something=amazing"],
            "k3a_node_ip": ["10.0.10.22", "2a05:d012:c6f:4655:d73c:c825:a184:1b75"],
            "k3a_cluster_cidr": ["10.42.0.0/16", "2001:cafe:42:0::/56"],
            "k3a_service_cidr": ["10.43.0.0/16", "2001:cafe:43:1::/112"],
        }
        assert [note.partition(":")[0] for note in notes] == ["cluster-init", "token"]

    def test_empty_keys_are_none(self) -> None:
        variables, notes = translated(LISTING)
        assert variables == {
            "k3a_cluster_dns": ["10.43.0.10"],
            "k3a_cluster_domain": "cluster.local",
            "k3a_flannel_backend": "vxlan",
            "k3a_write_kubeconfig_mode": "644",
        }
        assert notes == [
            "data-dir: k3a_data_dir is not set here. What K3s keeps there is not taken over; leave it out, or name a "
            "directory of its own."
        ]

    def test_guides_to_hardening(self) -> None:
        variables, notes = translated(HARDENED)
        assert variables == {
            "k3a_protect_kernel_defaults": True,
            "k3a_secrets_encryption": True,
            "k3a_kube_apiserver_arg": [
                "enable-admission-plugins=NodeRestriction,EventRateLimit",
                "audit-log-path=/var/lib/rancher/k3s/server/logs/audit.log",
                "oidc-issuer-url=https://idp.example.org/realms/k",
            ],
            "k3a_kube_controller_manager_arg": ["terminated-pod-gc-threshold=10", "profiling=true"],
            "k3a_kubelet_arg": ["streaming-connection-idle-timeout=5m", "make-iptables-util-chains=true"],
            "k3a_node_taint": ["CriticalAddonsOnly=true:NoExecute"],
            "k3a_selinux": True,
        }
        assert [note for note in notes if note.startswith("disable")] == [
            "disable: Not taken over: traefik, servicelb. Of what K3s packages only coredns is, so that nothing else can "
            "be left out."
        ]

    def test_what_is_left_out_and_packaged_is_carried_over(self) -> None:
        assert translated("disable: [coredns]\nno-deploy: coredns") == ({"k3a_disable": ["coredns", "coredns"]}, [])

    @pytest.mark.parametrize("value, variables", [("true", {"k3a_flannel_backend": "none"}), ("false", {})])
    def test_a_flag_may_stand_for_a_value(self, value: str, variables: dict[str, str]) -> None:
        assert translated(f"no-flannel: {value}") == (variables, [])

    @pytest.mark.parametrize(
        "text", ["docker: false", "debug: false", "rootless: 'no'", "disable-helm-controller: true"]
    )
    def test_what_asks_for_no_more_than_what_is_done_anyway_is_not_told(self, text: str) -> None:
        assert translated(text)[1] == []

    @pytest.mark.parametrize("text", ["docker: true", "secrets-encryption: false", "disable-helm-controller: false"])
    def test_what_asks_for_something_else_is_told(self, text: str) -> None:
        assert len(translated(text)[1]) == 1

    def test_of_a_flag_given_twice_the_last_value_counts(self) -> None:
        assert translated("cluster-domain: [a.example, b.example]")[0] == {"k3a_cluster_domain": "b.example"}

    def test_what_k3s_does_not_know_is_told(self) -> None:
        assert translated("profile: cis") == ({}, ["profile: K3s has no such flag, and skips it."])

    @pytest.mark.parametrize(
        "text, sentence",
        [
            ("flannel-backend: ipsec", "k3a_flannel_backend: ipsec is what K3s had once; set wireguard-native"),
            ("snapshotter: overlay", 'k3a_snapshotter must be one of overlayfs, native, and is "overlay"'),
            ("https-listen-port: 70000", "k3a_https_listen_port 70000 is not a port"),
            ("protect-kernel-defaults:", "k3a_protect_kernel_defaults must be true or false, and is empty"),
            ("etcd-arg: [initial-cluster=x]", "k3a_etcd_arg: initial-cluster decides which cluster"),
        ],
    )
    def test_what_the_check_would_refuse_is_told_now(self, text: str, sentence: str) -> None:
        (note,) = translated(text)[1]
        assert note.startswith(sentence)

    def test_a_proxy_may_hold_a_password_and_is_not_shown(self) -> None:
        given = "HTTPS_PROXY=http://me:swordfish@proxy:3128\nNO_PROXY=10.0.0.0/8,.example.org"
        variables, notes = translated(environment=given)
        assert variables == {"k3a_no_proxy": ["10.0.0.0/8", ".example.org"]}
        assert notes == [
            "HTTPS_PROXY: It is a secret, and not shown here; set k3a_https_proxy.",
            "NO_PROXY: It is for containerd and the kubelet.",
        ]

    def test_what_k3s_gives_to_containerd_is_what_the_variables_do(self) -> None:
        """It does not add to what the kubelet has, whose own has no variable."""
        given = "NO_PROXY=.kubelet.example\nCONTAINERD_NO_PROXY=.example.org,10.0.0.0/8\nCONTAINERD_HTTPS_PROXY=http://u:p@x"
        variables, notes = translated(environment=given)
        assert variables == {"k3a_no_proxy": [".example.org", "10.0.0.0/8"]}
        assert notes == [
            "CONTAINERD_HTTPS_PROXY: It is a secret, and not shown here; set k3a_https_proxy.",
            "NO_PROXY: Not taken over: k3a_no_proxy is what K3s gives to containerd, by CONTAINERD_NO_PROXY, and is the "
            "kubelet's, too.",
            "CONTAINERD_NO_PROXY: It is for containerd and the kubelet.",
        ]
        assert translated(environment="NO_PROXY=.a\nCONTAINERD_NO_PROXY=")[0] == {}

    def test_nothing_comes_to_nothing(self) -> None:
        assert translated("") == ({}, [])
        assert translated("debug: []", environment="K3S_DEBUG=") == ({}, [])
        assert k3s_config.Imported().text == "---"

    def test_no_note_begins_a_line_of_its_own(self) -> None:
        shown = k3s_config.Imported({"k3a_node_name": "n1", "k3a_cluster_domain": "c"}, ["a\nk3a_token: b"]).text
        assert yaml.safe_load(shown) == {"k3a_node_name": "n1", "k3a_cluster_domain": "c"}
        assert shown.index("k3a_cluster_domain") < shown.index("# Of this host alone") < shown.index("k3a_node_name")
