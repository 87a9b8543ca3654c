# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role addons makes of what nodes and hosts say: objects of its own, whatever they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible._internal._templating._jinja_plugins import JinjaPluginIntercept
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.k3a.cluster.plugins.filter import node_hosts
from ansible_collections.k3a.cluster.plugins.module_utils._joining import join
from ansible_collections.k3a.cluster.plugins.plugin_utils._addon.manifest import load

ROLE = Path(__file__).parents[2] / "roles/addons"
CONFIG = {"cluster_cidr": ["10.42.0.0/16"], "cluster_dns": ["10.43.0.10"], "nodes": ["server-1"]}
# What a node once made cluster-admin of itself by: it reports its own addresses.
BINDING = """10.0.0.66 evil
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: system:k3a-node-hosts}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: system:node:evil}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns-node-hosts-x, namespace: kube-system}
data:
  NodeHosts: |
    10.0.0.66"""
NAME = "10.0.0.66 registry.example.com\n    10.0.0.66"


@pytest.fixture(autouse=True)
def filters(monkeypatch: pytest.MonkeyPatch) -> None:
    """The filters of the collection, which no loader finds outside of a playbook."""
    own = {f"k3a.cluster.{name}": found for name, found in node_hosts.FilterModule().filters().items()}
    found, known = JinjaPluginIntercept.__getitem__, JinjaPluginIntercept.__contains__
    monkeypatch.setattr(JinjaPluginIntercept, "__getitem__", lambda self, key: own[key] if key in own else found(self, key))
    monkeypatch.setattr(JinjaPluginIntercept, "__contains__", lambda self, key: key in own or known(self, key))


def templar(**more: Any) -> Templar:
    loader = DataLoader()
    verdict = {"config": CONFIG, "servers": ["10.0.0.1:6443"], "coredns_image": "registry.example.org/coredns:v1"}
    known = {
        "ansible_search_path": [str(ROLE)],
        "_k3a": {"disable": [], "manifests": [], "cluster_domain": "cluster.local", "coredns_custom": {}, "server_url": ""},
        "_k3a_verdict": verdict,
        "_k3a_ca_certificates": {"server": "the server CA\n", "client": "the client CA\n"},
        "_k3a_cluster_id": "0b2d",
        **loader.load_from_file(str(ROLE / "vars/main.yml"), trusted_as_template=True),
    }
    return Templar(loader, {**known, **more})


def shipped(addons: list[dict[str, Any]]) -> dict[str, Any]:
    return {str(item.key()): item.body for item in load(addons, lambda path: "")}


def settled(*nodes: dict[str, Any]) -> dict[str, Any]:
    """What is applied in the end, of nodes as the API has them."""
    tasks = DataLoader().load_from_file(str(ROLE / "tasks/settle.yml"), trusted_as_template=True)
    (block,) = (task for task in tasks if "block" in task)
    (task,) = (task for task in block["block"] if "k3a.cluster.addon" in task)
    given = templar(_k3a_nodes={"nodes": list(nodes), "waiting": []}, **task.get("vars", {}))
    return shipped(given.template(task["k3a.cluster.addon"]["addons"]))


def node(name: str, *addresses: str) -> dict[str, Any]:
    return {"name": name, "internal_ips": list(addresses)}


def test_nodes_have_their_names_in_dns() -> None:
    found = settled(node("server-1", "10.0.0.1", "fd00::1"), node("agent-1", "10.0.0.2"))
    (body,) = found.values()
    assert body["data"] == {"NodeHosts": "10.0.0.2 agent-1\n10.0.0.1 server-1\nfd00::1 server-1\n"}


@pytest.mark.parametrize("address", [BINDING, NAME, "10.0.0.66\n", "{{ 7 * 7 }}", "fe80::1%x\n10.0.0.66 evil"])
def test_an_address_that_is_none_becomes_nothing(address: str) -> None:
    found = settled(node("server-1", "10.0.0.1"), node("evil", address))
    assert list(found) == ["ConfigMap kube-system/coredns-node-hosts"]
    assert found.popitem()[1]["data"] == {"NodeHosts": "10.0.0.1 server-1\n"}


def test_a_server_s_word_for_its_address_stays_a_word() -> None:
    hostile = 'x"\n  - apiVersion: v1\n    kind: Namespace\n    metadata: {name: evil}\n  - {}'
    given = templar(_k3a_verdict={"config": CONFIG, "servers": [hostile], "coredns_image": ""})
    found = shipped([given.template(given.available_variables["_k3a_cluster_info"])])
    assert sorted(found) == ["ConfigMap kube-public/cluster-info", "ConfigMap kube-system/k3a-config"]
    kubeconfig = yaml.safe_load(found["ConfigMap kube-public/cluster-info"]["data"]["kubeconfig"])
    assert kubeconfig["clusters"][0]["cluster"]["server"] == f"https://{hostile}"


def test_a_machine_that_joins_reads_what_the_cluster_says_of_itself() -> None:
    authorities = {"client": "the client CA\n", "kubelet-serving": "the CA of kubelets\n"}
    given = templar(_k3a_ca_certificates={"server": "-----BEGIN CERTIFICATE-----\n", **authorities})
    found = shipped([given.template(given.available_variables["_k3a_cluster_info"])])
    published = join.published(found["ConfigMap kube-public/cluster-info"], "https://10.0.0.1:6443")
    assert published.authority == "-----BEGIN CERTIFICATE-----\n"
    config, found_authorities = join.config_in(found["ConfigMap kube-system/k3a-config"], "https://10.0.0.1:6443")
    assert (config, found_authorities) == ({**CONFIG, "cluster_id": "0b2d"}, authorities)


@pytest.mark.parametrize("name", ["_k3a_cluster_info", "_k3a_coredns_addon"])
def test_an_addon_of_ours_says_all_that_it_may_consist_of(name: str) -> None:
    given = templar()
    custom = {**given.available_variables["_k3a"], "coredns_custom": {"a.override": "log\n"}}
    addon = templar(_k3a=custom).template(given.available_variables[name])
    assert sorted(shipped([addon])) == sorted(addon["consists_of"])
