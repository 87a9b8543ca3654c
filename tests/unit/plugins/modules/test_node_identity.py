# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password
from ansible_collections.k3a.cluster.plugins.modules import node_identity
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping

SECRETS = "/api/v1/namespaces/k3a-system/secrets"
HASHES = {"n1": "$1:aa:15:8:1:b25l", "n2": "$1:bb:15:8:1:dHdv"}


@pytest.fixture
def objects(asked_at):
    """A cluster with two nodes."""
    with keeping() as (objects, url):
        asked_at(url)
        for number, name in enumerate(HASHES):
            objects.add(f"/api/v1/nodes/{name}", {"metadata": {"name": name, "uid": f"uid-{number}"}})
        objects.asked.clear()
        yield objects


@pytest.fixture
def keep(run_module, objects):
    def keep(*names, **more):
        nodes = [{"name": name, "hash": HASHES[name]} for name in names]
        return run_module(node_identity, nodes=nodes, **{"timeout": 20, **more})

    return keep


def test_each_node_owns_a_secret_with_its_hash(objects, keep):
    result = keep("n1", "n2")
    assert (result["changed"], result["secrets"]) == (True, ["n1.node-password.k3a", "n2.node-password.k3a"])
    kept = objects.kept[f"{SECRETS}/n2.node-password.k3a"]
    assert base64.b64decode(kept["data"]["hash"]).decode() == HASHES["n2"]
    assert (kept["type"], kept["immutable"]) == ("k3a.io/node-password", True)
    assert node_password.kept(kept) == node_password.Kept("uid-1")


def test_a_secret_of_a_former_password_is_replaced(objects, keep):
    path = f"{SECRETS}/n1.node-password.k3a"
    objects.add(path, {"data": {"hash": "b2xk"}, "immutable": True})
    keep("n1")
    assert objects.requests("DELETE") == [path]
    assert base64.b64decode(objects.kept[path]["data"]["hash"]).decode() == HASHES["n1"]
    assert len(objects.under(SECRETS)) == 1


def test_check_mode_announces_the_same_and_asks_nobody(objects, keep):
    announced = keep("n1", check=True)
    assert objects.asked == []
    assert keep("n1") == announced
    assert announced["diff"] == [
        {
            "before_header": "n1.node-password.k3a",
            "after_header": "n1.node-password.k3a",
            "before": "",
            "after": "the hash of the node's password\n",
        }
    ]


def test_without_nodes_nothing_changes(objects, keep):
    result = keep()
    assert (result["changed"], result["secrets"], result["diff"]) == (False, [], [])


def test_no_hash_is_in_what_comes_out(keep):
    assert "b25l" not in json.dumps(keep("n1"))


def test_a_node_that_is_not_there_is_named(objects, keep):
    objects.kept.pop("/api/v1/nodes/n1")
    failed = keep("n1")
    assert failed["failed"]
    assert failed["msg"] == "Passwords of nodes: /api/v1/nodes/n1 not found"
    assert objects.under(SECRETS) == []


def test_a_run_that_was_killed_in_between_is_finished(objects, keep):
    """The old Secret is gone and the new one not there yet; the role asks again for what the cluster does not have."""
    path = f"{SECRETS}/n1.node-password.k3a"
    objects.add(path, {"data": {"hash": "b2xk"}})
    objects.refusals["POST", SECRETS] = [(403, "the API went away")]
    assert keep("n1")["failed"]
    assert path not in objects.kept
    assert not keep("n1").get("failed")
    assert path in objects.kept


def test_an_api_that_is_busy_is_asked_again(objects, keep):
    objects.refusals["GET", "/api/v1/nodes/n1"] = [(503, "starting")]
    assert not keep("n1").get("failed")


def test_a_host_that_is_no_server_is_one_sentence(run_module, tmp_path):
    given = [{"name": "n1", "hash": HASHES["n1"]}]
    failed = run_module(node_identity, data_dir=str(tmp_path), nodes=given)
    missing = f"{tmp_path}/server/tls/server-ca.crt is missing"
    assert failed["msg"] == f"Passwords of nodes: this host is no server of a cluster, or not yet: {missing}"
