# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import json

import pytest
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import identity
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec


def told(server=False, **values):
    return identity.node_args(server, values, spec.specification(), spec.defaults())


def test_the_command_is_what_the_host_is():
    assert told(server=True) == ["server"]
    assert told() == ["agent"]


def test_only_what_an_operator_has_set_is_told():
    assert told(**spec.defaults()) == ["agent"]
    assert told(**{**spec.defaults(), "k3a_cluster_domain": "other.local"}) == ["agent", "--cluster-domain", "other.local"]


def test_names_are_k3ss_and_sorted():
    assert told(server=True, k3a_tls_san=["b", "a"], k3a_node_label=["x=y"]) == [
        *("server", "--node-label", "x=y", "--tls-san", "b", "--tls-san", "a"),
    ]


@pytest.mark.parametrize(
    "name, value, shown",
    [
        ("k3a_with_node_id", True, "true"),
        ("k3a_https_listen_port", 7443, "7443"),
        ("k3a_node_name", "öö", "öö"),
    ],
)
def test_a_value_is_shown_as_a_flag_has_it(name, value, shown):
    assert told(**{name: value})[2] == shown


@pytest.mark.parametrize("name", sorted(identity.OF_THE_CONTROLLER))
def test_where_things_are_on_the_controller_is_not_told(name):
    assert name in spec.specification()
    assert told(**{name: "elsewhere"}) == ["agent"]


class TestSecrets:
    SECRET = [name for name, option in spec.specification().items() if option.get("no_log")]

    def test_there_are_some(self):
        assert {"k3a_token", "k3a_registries"} <= set(self.SECRET)

    @pytest.mark.parametrize("name", SECRET)
    @pytest.mark.parametrize("value", ["s3cr3t-word", ["s3cr3t-word"], {"password": "s3cr3t-word"}])
    def test_they_are_masked_whatever_they_hold(self, name, value):
        arguments = told(server=True, **{name: value})
        assert arguments[1:] == ["--" + name[4:].replace("_", "-"), "********"]
        assert "s3cr3t" not in str(identity.node_annotations(arguments))

    def test_an_agent_is_the_same_with_a_token_and_without(self):
        assert told(k3a_token="s3cr3t-word") == told() == ["agent"]


@pytest.mark.parametrize(
    "given, shown",
    [
        *((open_, open_) for open_ in ("v=2", "max-pods=200", "profiling=true", "log-dir=/var/log/x", "audit-log-maxage=", "verbose")),
        *((open_, open_) for open_ in ("node-status-update-frequency=10s", "kube-reserved-memory+=1.5Gi")),
        ("service-account-issuer=https://user:s3cr3t@example.org", "service-account-issuer=********"),
        ("feature-gates=A=true", "feature-gates=********"),
        ("initial-cluster-token=123456", "initial-cluster-token=********"),
        ("oidc-client-id+=s3cr3t", "oidc-client-id+=********"),
        ("webhook-password=/looks/like/a/path", "webhook-password=********"),
    ],
)
def test_of_a_components_flag_only_what_is_surely_no_secret_is_shown(given, shown):
    for name in ("k3a_kubelet_arg", "k3a_kube_apiserver_arg", "k3a_etcd_arg"):
        assert told(server=True, **{name: [given]})[2] == shown


def test_what_is_a_file_of_its_own_is_not_shown():
    for name in ("k3a_coredns_custom", "k3a_audit_policy"):
        assert told(server=True, **{name: {"a.override": "tsig s3cr3t"}})[2] == "********"


def test_the_annotations_of_a_node():
    arguments = ["agent", "--node-name", 'a"b']
    args, env, digest = identity.node_annotations(arguments)
    assert json.loads(args.partition("k3a.io/node-args=")[2]) == arguments
    assert env == "k3a.io/node-env={}"
    key, _equals, value = digest.partition("=")
    assert key == "k3a.io/node-config-hash"
    assert base64.b32decode(value) == hashlib.sha256((json.dumps(arguments) + "{}").encode()).digest()


def test_another_configuration_has_another_hash():
    hashes = {identity.node_annotations(["agent", "--node-name", name])[2] for name in ("a", "b", "a")}
    assert len(hashes) == 2
