# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import EtcdUnavailable
from ansible_collections.k3a.cluster.plugins.module_utils._joining import node_password as passwords
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records
from ansible_collections.k3a.cluster.plugins.modules import server_info
from ansible_collections.k3a.cluster.tests.unit import etcd_members, joinable_cluster, record_samples
from ansible_collections.k3a.cluster.tests.unit.etcd_members import member, url


@pytest.mark.parametrize(
    "given, url",
    [
        ({"node_ip": ["10.0.0.1"]}, "https://10.0.0.1:6443"),
        ({"node_ip": ["fd00::1"], "https_listen_port": 443}, "https://[fd00::1]:443"),
        ({"node_ip": ["10.0.0.1", "fd00::1"], "advertise_address": "192.0.2.1"}, "https://192.0.2.1:6443"),
        # What is wrong with its variables the check says, once.
        ({"cluster_cidr": ["nonsense"]}, ""),
    ],
)
def test_the_url_is_that_of_this_server(run_module, tmp_path, given, url):
    found = run_module(server_info, data_dir=str(tmp_path), **given)
    assert (found["url"], found["ca_certificates"], found["changed"]) == (url, {}, False)


def test_a_host_that_is_no_server_yet_is_asked_nothing(run_module, tmp_path):
    found = run_module(server_info, data_dir=str(tmp_path), node_ip=["10.0.0.1"])
    assert (found["healthy"], found["reason"]) == (False, "the server is not installed yet")
    assert (found["etcd_members"], found["nodes"], found["node_passwords"]) == ([], [], [])
    assert found["bootstrap_record"] == "absent"


def test_check_mode_looks_as_well(run_module, tmp_path):
    found = run_module(server_info, check=True, data_dir=str(tmp_path), node_ip=["10.0.0.1"])
    assert found["url"] == "https://10.0.0.1:6443"


def test_where_no_address_can_be_found_the_url_is_left_to_the_check(run_module, tmp_path, monkeypatch):
    monkeypatch.setattr(server_info.address, "node_addresses", list)
    found = run_module(server_info, data_dir=str(tmp_path))
    assert (found["url"], found["healthy"]) == ("", False)


class Datastore(etcd_members.Cluster):
    """Members, and the keys of a record."""

    def __init__(self, *members):
        super().__init__(*members)
        self.store = record_samples.Store()
        self.reached = True

    def known_members(self):
        if not self.reached:
            raise EtcdUnavailable("no member of etcd answers (https://127.0.0.1:2379: Connection refused)")
        return list(self.kept)

    def prefix(self, prefix):
        self._asked()
        return self.store.prefix(prefix)

    def get(self, key):
        self._asked()
        return self.store.get(key)


class Api(joinable_cluster.Cluster):
    """The API as an administrator sees it."""

    def answer(self, method, path, user, body):
        if user != "system:admin" or method != "GET":
            return 403, {"message": f"{user} may not {method} {path}"}
        status, answer = self.objects.get(path.partition("?")[0], (404, {"message": f"{path} is not there"}))
        return status, answer


def test_what_a_node_says_of_itself_is_judged():
    """It gets into sentences for the operator, and every run brings all of it to the controller."""
    many = [f"10.0.0.{number}" for number in range(99)]
    told = server_info.described(node("evil", "1\n\x1b[2J" + "x" * 9999, "10.0.0.1\nno address", *many))
    assert told["machine_id"].isprintable() and len(told["machine_id"]) <= 64 + len("...")
    assert told["addresses"] == many[: server_info.MOST - 1]


def node(name, machine_id="", *addresses):
    listed = [{"type": "InternalIP", "address": address} for address in addresses]
    status = {"nodeInfo": {"machineID": machine_id}, "addresses": [*listed, {"type": "Hostname", "address": name}]}
    return {"metadata": {"name": name}, "status": status}


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    return joinable_cluster.Authority(folder, "server"), joinable_cluster.Authority(folder, "client")


class TestCluster:
    """An installed server of three, with an API and a datastore that answer."""

    @pytest.fixture
    def layout(self, tmp_path, pki):
        layout = record_samples.server(tmp_path / "k3a")
        subject = {"common_name": "system:admin", "organization": "system:masters"}
        certificate, key = pki[1].issue(subject, "extendedKeyUsage=clientAuth\n")
        for name, text in (("client-admin.crt", certificate), ("client-admin.key", key)):
            Path(layout.tls(name)).write_text(text)
        Path(layout.tls("server-ca.crt")).write_text(pki[0].text)
        Path(layout.token).write_text(f"{server_info.bootstrap.secure_token(pki[0].text, 's3cr3t-word')}\n")
        return layout

    @pytest.fixture
    def etcd(self, monkeypatch, layout):
        stand_in = Datastore(member(1), member(2), member(3, learner=True))
        record = b"0123456789abcdef:AAAA"
        made = records.digest(record, records.material(layout), "s3cr3t-word")
        records.write(layout, stand_in.store, "s3cr3t-word", record, made)
        monkeypatch.setattr(server_info, "Etcd", stand_in)
        return stand_in

    @pytest.fixture
    def api(self, pki):
        api = Api(*pki)
        api.objects = {
            "/readyz": (200, {"message": "ok"}),
            "/api/v1/nodes": (200, {"items": [node("s1", "1d", "10.0.0.1", "fd00::1"), node("new")]}),
            server_info.NAMESPACE: (200, {"metadata": {"name": "kube-system", "uid": "0b2d"}}),
            server_info.DISCOVERY: (200, {"issuer": "https://kubernetes.default.svc.cluster.local"}),
            server_info.CONFIG: (200, {"data": {"config.json": '{"cluster_domain": "cluster.local"}'}}),
            server_info.SECRETS: (
                200,
                {
                    "items": [
                        {"metadata": {"name": "s1.node-password.k3a"}, "type": passwords.TYPE},
                        {"metadata": {"name": "of-somebody"}, "type": "Opaque"},
                    ]
                },
            ),
        }
        return api

    @pytest.fixture
    def ask(self, run_module, layout, etcd, api, tmp_path):
        def ask():
            with joinable_cluster.serving(api, tmp_path) as where:
                port = urlsplit(where).port
                return run_module(
                    server_info, data_dir=layout.data_dir, node_ip=["10.0.0.1"], https_listen_port=port
                )

        return ask

    def test_a_healthy_one_tells_everything(self, ask, etcd):
        etcd.ill, etcd.led_by = ("s2",), "1"
        found = ask()
        assert (found["changed"], found["healthy"], found["reason"]) == (False, True, "")
        assert found["etcd_members"] == [
            {
                "id": str(number),
                "name": f"s{number}",
                "peer_urls": [url(number)],
                "client_urls": [url(number, 2379)],
                "learner": learner,
                "leader": number == 1,
                "healthy": healthy,
            }
            for number, learner, healthy in ((1, False, True), (2, False, False), (3, True, True))
        ]
        assert found["nodes"] == [
            {"name": "s1", "machine_id": "1d", "addresses": ["10.0.0.1", "fd00::1"], "ready": False},
            {"name": "new", "machine_id": "", "addresses": [], "ready": False},
        ]
        assert found["node_passwords"] == ["s1"]
        assert found["bootstrap_record"] == "current"
        assert (found["cluster_id"], found["config"]) == ("0b2d", {"cluster_domain": "cluster.local"})
        assert found["issuer"] == "https://kubernetes.default.svc.cluster.local"
        assert etcd.endpoints == ("https://127.0.0.1:2379",)

    def test_the_nodes_are_read_a_page_at_a_time(self, ask, api):
        """Each may be as large as the API takes it, and this is a host's memory."""
        whole, asked = api.answer, []

        def paged(method, path, user, body):
            where, _mark, query = path.partition("?")
            if where != "/api/v1/nodes":
                return whole(method, path, user, body)
            asked.append(query)
            more = {} if "continue=more" in query else {"continue": "more"}
            return 200, {"items": [node(f"n{len(asked)}")], "metadata": more}

        api.answer = paged
        assert [each["name"] for each in ask()["nodes"]] == ["n1", "n2"]
        assert all("limit=20" in query for query in asked)

    def test_whose_passwords_are_kept(self, ask, api):
        passwords = [
            server_info.passwords.secret("s1", "$1:x", "uid-s1"),
            server_info.passwords.secret("again", "$1:x", "uid-before"),
            server_info.passwords.secret("gone", "$1:x", "uid-gone"),
            server_info.passwords.secret("coming", "$1:x", token="abcdef", until=2e9),
        ]
        found = [node(name) for name in ("s1", "again")]
        for each in found:
            each["metadata"]["uid"] = f"uid-{each['metadata']['name']}"
        api.objects["/api/v1/nodes"] = 200, {"items": found}
        api.objects[server_info.SECRETS] = 200, {"items": passwords}
        api.objects[server_info.removed.PATH] = 200, {"data": {"old": "2027-01-01T00:00:00Z"}}
        told = ask()
        assert told["node_passwords"] == ["s1", "coming"]
        assert (told["joined_nodes"], told["removed_nodes"]) == (["coming"], ["old"])

    def test_the_public_part_of_the_authorities_is_returned_and_no_key(self, ask, pki):
        found = ask()
        assert found["ca_certificates"]["server"] == pki[0].text
        assert sorted(found["ca_certificates"]) == sorted(leaves.AUTHORITIES)
        assert ".key" not in str(found)
        assert "s3cr3t-word" not in str(found)

    def test_without_etcd_there_are_no_members_and_no_verdict_on_the_record(self, ask, etcd):
        etcd.reached = False
        found = ask()
        assert (found["etcd_members"], found["bootstrap_record"], found["healthy"]) == ([], "unknown", False)
        assert found["reason"].startswith("no member of etcd answers (https://127.0.0.1:2379: ")
        assert [each["name"] for each in found["nodes"]] == ["s1", "new"]

    def test_without_a_majority_the_members_are_known_all_the_same(self, ask, etcd):
        etcd.majority = False
        found = ask()
        assert len(found["etcd_members"]) == 3
        assert (found["bootstrap_record"], found["healthy"]) == ("unknown", False)

    def test_an_api_that_is_not_ready_is_not_asked_for_nodes(self, ask, api):
        api.objects["/readyz"] = 500, {"message": "[-]etcd failed: reason withheld"}
        found = ask()
        assert (found["healthy"], found["nodes"], found["node_passwords"]) == (False, [], [])
        assert "[-]etcd failed" in found["reason"]
        assert not [path for _method, path, _user in api.asked if path.startswith("/api/")]

    @pytest.mark.parametrize("config_map", [(404, {}), (200, {}), (200, {"data": {"config.json": "{"}}), (200, {"data": {"config.json": "[]"}})])
    def test_a_cluster_that_has_been_told_nothing_yet_has_no_values(self, ask, api, config_map):
        api.objects[server_info.CONFIG] = config_map
        found = ask()
        assert (found["cluster_id"], found["config"], found["healthy"]) == ("0b2d", {}, True)

    def test_a_cluster_that_begins_has_no_id_yet(self, ask, api):
        for path in (server_info.NAMESPACE, server_info.CONFIG, server_info.DISCOVERY):
            del api.objects[path]
        found = ask()
        assert (found["cluster_id"], found["healthy"]) == ("", True)

    def test_an_api_that_is_down_is_a_reason(self, run_module, layout, etcd):
        found = run_module(server_info, data_dir=layout.data_dir, node_ip=["10.0.0.1"], https_listen_port=1)
        assert (found["healthy"], found["nodes"]) == (False, [])
        assert found["reason"].startswith("the API at https://127.0.0.1:1 cannot be reached: ")

    @pytest.mark.parametrize("missing", ["server/tls/service.key", "server/token"])
    def test_a_server_whose_installation_was_killed_has_a_stale_record(self, ask, layout, missing):
        (Path(layout.data_dir) / missing).unlink()
        found = ask()
        assert (found["bootstrap_record"], found["healthy"]) == ("stale", True)

    def test_a_record_of_another_token_is_told_as_documented(self, ask, layout):
        Path(layout.token).write_text("another-word\n")
        state = ask()["bootstrap_record"]
        assert state == "other token"
        _before, _key, documented = server_info.RETURN.partition("\nbootstrap_record:")
        assert all(f"V({each})" in documented for each in (state, "current", "stale", "absent", "unknown"))


def test_what_is_returned_is_what_is_documented(run_module, tmp_path):
    yaml = pytest.importorskip("yaml")
    found = run_module(server_info, data_dir=str(tmp_path), node_ip=["10.0.0.1"])
    # Which server it was is for the action to say.
    assert yaml.safe_load(server_info.RETURN).keys() - {"host"} == found.keys() - {"changed", "invocation", "warnings"}


PLAYBOOKS = Path(server_info.__file__).parents[2] / "playbooks"


@pytest.mark.parametrize("playbook", ["check_config.yml", "remove_node.yml"])
def test_a_playbook_asks_the_server_that_it_names(playbook):
    """The task runs for any host, delegated to a server, whose variables the action takes by this name."""
    yaml = pytest.importorskip("yaml")
    plays = yaml.safe_load((PLAYBOOKS / playbook).read_text())
    tasks = [task for play in plays for task in play.get("tasks", []) if "k3a.cluster.server_info" in task]
    assert tasks
    for task in tasks:
        assert task["k3a.cluster.server_info"] == {"host": task["delegate_to"]} == {"host": "{{ item }}"}
