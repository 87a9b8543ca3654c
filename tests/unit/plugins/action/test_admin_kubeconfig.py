# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import os
import re
import socket
from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.action import admin_kubeconfig as action
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves
from ansible_collections.k3a.cluster.plugins.modules import admin_kubeconfig as documented
from ansible_collections.k3a.cluster.plugins.modules import certificate_signature as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki
from ansible_collections.k3a.cluster.tests.unit import joinable_cluster
from cryptography import x509

URL = "https://10.0.0.1:6443"
OBSTACLE = action.obstacle


@pytest.fixture(scope="module")
def ca_certificates():
    return {name: pki.new_authority(name) for name in ("server", "client")}


@pytest.fixture
def arguments(tmp_path, ca_certificates):
    tls = tmp_path / "k3a/server/tls"
    tls.mkdir(parents=True)
    for name, pair in ca_certificates.items():
        for suffix, text in zip(("crt", "key"), pair, strict=True):
            (tls / f"{name}-ca.{suffix}").write_text(text)
    return {
        "path": str(tmp_path / "inventory/kubeconfig"),
        "server_url": URL,
        "ca_certificates": {name: pair[0] for name, pair in ca_certificates.items()},
        "data_dir": str(tmp_path / "k3a"),
    }


@pytest.fixture(autouse=True)
def tried(monkeypatch):
    """No API is tried, but what would be is kept; test_what_keeps_the_api_away tries one for real."""
    tried = []
    monkeypatch.setattr(action, "obstacle", lambda *given: tried.append(given) or "it does not answer")
    return tried


def written(path):
    return yaml.safe_load(files.read_bytes(path))


def test_it_is_written_once_and_then_right(run_action, arguments):
    announced = run_action(action, module, check=True, **arguments)
    assert not os.path.exists(arguments["path"])
    done = run_action(action, module, **arguments)
    assert done == announced
    assert (done["changed"], done["path"]) == (True, arguments["path"])
    assert files.ownership(arguments["path"])[0] == 0o600
    before = files.read_bytes(arguments["path"])
    again = run_action(action, module, **arguments)
    assert (again["changed"], again["diff"]) == (False, [])
    assert files.read_bytes(arguments["path"]) == before


def test_it_names_the_cluster_and_an_administrator_of_it(run_action, arguments, ca_certificates):
    run_action(action, module, **arguments)
    document = written(arguments["path"])
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    assert cluster["server"] == URL
    assert base64.b64decode(cluster["certificate-authority-data"]).decode() == ca_certificates["server"][0]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    assert certificate.subject.rfc4514_string() == "CN=k3a:administrator,O=k3a:administrators"
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca_certificates["client"][0].encode()))


def test_one_of_the_break_glass_identity_is_replaced(run_action, arguments, ca_certificates):
    """What was written before: it could be taken from nobody for a year."""
    leaf = leaves.leaf_of(kubeconfig.BREAK_GLASS, "", leaves.Names("", (), ())).as_dict()
    certificate, key = pki.issue(leaf, *ca_certificates["client"])
    content = kubeconfig.embedded(URL, ca_certificates["server"][0].encode(), certificate.encode(), key.encode())
    files.write_file(files.owned_by_me(arguments["path"], content.encode()))
    done = run_action(action, module, **arguments)
    assert done["changed"] and "system:masters" in done["diff"][0]["before"]
    user = written(arguments["path"])["users"][0]["user"]
    assert b"system:masters" not in base64.b64decode(user["client-certificate-data"])
    assert not run_action(action, module, **arguments)["changed"]


def test_the_authoritys_key_is_asked_for_only_when_it_is_needed_and_unlogged(run_action, arguments):
    run_action(action, module, check=True, **arguments)
    assert run_action.exchanges == []
    done = run_action(action, module, **arguments)
    run_action(action, module, **arguments)
    assert run_action.exchanges == [True]
    assert "PRIVATE KEY" not in json.dumps(done)


def test_another_url_is_told_and_written(run_action, arguments):
    run_action(action, module, **arguments)
    moved = {**arguments, "server_url": "https://10.0.0.9:6443"}
    done = run_action(action, module, **moved)
    assert done["diff"][0]["before"] == f"its server is {URL}, not https://10.0.0.9:6443\n"
    assert written(arguments["path"])["clusters"][0]["cluster"]["server"] == "https://10.0.0.9:6443"


def test_that_the_api_cannot_be_reached_from_here_is_only_told(run_action, arguments, tried):
    for url in (URL, "https://10.0.0.9:6443"):
        done = run_action(action, module, **{**arguments, "server_url": URL, "server_urls": [url]})
        assert not done.get("failed") and done["obstacle"] == "it does not answer"
    assert tried == [(URL, arguments["ca_certificates"]["server"])] * 2
    new = run_action(action, module, check=True, **{**arguments, "ca_certificates": {}, "path": arguments["path"] + "2"})
    assert new["obstacle"] == "" and len(tried) == 2


def test_what_keeps_the_api_away(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("pki")
    server, other = (joinable_cluster.Authority(folder, name) for name in ("server", "other"))
    cluster = joinable_cluster.Cluster(server, joinable_cluster.Authority(folder, "client"))
    with joinable_cluster.serving(cluster, folder) as url:
        assert OBSTACLE(url, server.text) == ""
        assert f"the API at {url} is not trusted" in OBSTACLE(url, other.text)
    assert f"the API at {url} cannot be reached: Connection refused" in OBSTACLE(url, server.text)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(action, "PATIENCE", 0.05)
        assert "cannot be reached: " in OBSTACLE(f"https://127.0.0.1:{silent.getsockname()[1]}", server.text)


OTHERS = ["https://10.0.0.2:6443", "https://10.0.0.3:6443"]


def test_one_that_leads_to_another_server_stays_as_it_is(run_action, arguments):
    """Which server answers first changes from run to run; all of them are the cluster."""
    run_action(action, module, **arguments)
    before = files.read_bytes(arguments["path"])
    again = run_action(action, module, **{**arguments, "server_url": OTHERS[0], "server_urls": [*OTHERS, URL]})
    assert (again["changed"], again["diff"]) == (False, [])
    assert files.read_bytes(arguments["path"]) == before


def test_one_that_leads_to_a_server_that_is_gone_is_written_anew(run_action, arguments):
    run_action(action, module, **arguments)
    done = run_action(action, module, **{**arguments, "server_url": OTHERS[0], "server_urls": OTHERS})
    assert done["diff"][0]["before"] == f"its server is {URL}, not {OTHERS[0]}\n"
    assert written(arguments["path"])["clusters"][0]["cluster"]["server"] == OTHERS[0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"apiVersion: v1\nkind: Config\n",
        b"{unbalanced",
        b"- a\n",
        b"users: 1\n",
        b"\xff",
        b"clusters: [{cluster: {}}]\n",
    ],
)
def test_a_file_that_is_no_kubeconfig_of_ours_is_never_overwritten(run_action, arguments, content):
    os.makedirs(os.path.dirname(arguments["path"]))
    with open(arguments["path"], "wb") as stream:
        stream.write(content)
    done = run_action(action, module, **arguments)
    assert done["failed"]
    assert "move it away or set k3a_kubeconfig" in done["msg"]
    assert files.read_bytes(arguments["path"]) == content


def test_the_kubeconfig_of_another_cluster_is_never_overwritten(run_action, arguments):
    foreign = pki.new_authority("other")
    certificate, key = pki.issue(action.LEAF, *foreign)
    text = kubeconfig.embedded(URL, foreign[0].encode(), certificate.encode(), key.encode())
    files.write_file(files.owned_by_me(arguments["path"], text.encode()))
    done = run_action(action, module, **arguments)
    assert done["failed"]
    assert "another CA" in done["msg"]
    assert files.read_bytes(arguments["path"]) == text.encode()


def test_a_damaged_key_of_this_cluster_is_replaced(run_action, arguments):
    run_action(action, module, **arguments)
    document = written(arguments["path"])
    document["users"][0]["user"]["client-key-data"] = base64.b64encode(b"damaged").decode()
    with open(arguments["path"], "w", encoding="utf-8") as stream:
        yaml.safe_dump(document, stream)
    done = run_action(action, module, **arguments)
    assert done["diff"][0]["before"] == "its key is missing or another one\n"
    assert not run_action(action, module, **arguments)["changed"]


def test_an_authority_whose_key_is_anothers_is_one_sentence(run_action, arguments, tmp_path):
    (tmp_path / "k3a/server/tls/client-ca.key").write_text(pki.new_authority("other")[1])
    done = run_action(action, module, **arguments)
    assert done["failed"]
    assert "does not belong to its certificate" in done["msg"]
    assert not os.path.exists(arguments["path"])


def test_before_the_cluster_exists_check_mode_announces_it(run_action, arguments):
    done = run_action(action, module, check=True, **{**arguments, "ca_certificates": {}})
    assert done["changed"]
    assert done["diff"][0]["before"] == "the cluster is new\n"


def test_what_parse_reads_is_what_was_written(ca_certificates):
    certificate, key = pki.issue(action.LEAF, *ca_certificates["client"])
    text = kubeconfig.embedded(URL, ca_certificates["server"][0].encode(), certificate.encode(), key.encode())
    assert action.parse(text.encode()) == {
        "url": URL,
        "authority": ca_certificates["server"][0],
        "certificate": certificate,
        "key": key,
        "name": "default",
    }


class TestRemoval:
    """After a reset: the file goes when it is of the cluster that went."""

    @pytest.fixture
    def path(self, tmp_path):
        return str(tmp_path / "kubeconfig")

    @pytest.fixture
    def authority(self, path, ca_certificates):
        """Of the cluster of the kubeconfig, with the name that a real one has."""
        authority, _key = pki.new_authority("k3a-server")
        certificate, key = pki.issue(action.LEAF, *ca_certificates["client"])
        text = kubeconfig.embedded(URL, authority.encode(), certificate.encode(), key.encode())
        files.write_file(files.owned_by_me(path, text.encode()))
        return authority

    def remove(self, run_action, path, authority, check=False):
        given = {"path": path, "ca_certificates": {"server": authority}, "state": "absent"}
        return run_action(action, module, check=check, **given)

    def test_it_goes_once_and_check_mode_announces_it(self, run_action, path, authority):
        announced = self.remove(run_action, path, authority, check=True)
        assert os.path.exists(path)
        assert self.remove(run_action, path, authority) == announced
        assert announced["changed"]
        assert announced["diff"][0]["before_header"] == path
        assert not os.path.exists(path)
        assert not self.remove(run_action, path, authority)["changed"]

    def test_one_of_another_cluster_stays(self, run_action, path, authority):
        other, _key = pki.new_authority("k3a-server")
        assert not self.remove(run_action, path, other)["changed"]
        assert os.path.exists(path)

    def test_it_goes_when_a_killed_reset_took_the_authority_already(self, run_action, path, authority):
        assert self.remove(run_action, path, "")["changed"]
        assert not os.path.exists(path)

    @pytest.mark.parametrize("content", [b"apiVersion: v1\nkind: Config\n", b"my notes"])
    def test_a_file_that_is_no_kubeconfig_of_ours_stays(self, run_action, path, content):
        files.write_file(files.owned_by_me(path, content))
        assert not self.remove(run_action, path, "")["changed"]
        assert files.read_bytes(path) == content

    def test_the_kubeconfig_of_another_kind_of_cluster_stays(self, run_action, path, ca_certificates):
        foreign = pki.new_authority("kubernetes")
        certificate, key = pki.issue(action.LEAF, *foreign)
        text = kubeconfig.embedded(URL, foreign[0].encode(), certificate.encode(), key.encode())
        files.write_file(files.owned_by_me(path, text.encode()))
        assert not self.remove(run_action, path, "")["changed"]
        assert os.path.exists(path)


def test_it_is_removed_when_it_is_this_clusters(run_action, arguments):
    run_action(action, module, **arguments)
    announced = run_action(action, module, check=True, state="absent", **arguments)
    assert os.path.exists(arguments["path"])
    done = run_action(action, module, state="absent", **arguments)
    assert done == announced
    assert done["changed"]
    assert not os.path.exists(arguments["path"])
    assert run_action(action, module, state="absent", **arguments)["changed"] is False


def test_it_is_removed_when_its_cluster_is_gone_already(run_action, arguments, tmp_path):
    server = pki.new_authority("k3a-server")
    for suffix, text in zip(("crt", "key"), server, strict=True):
        (tmp_path / f"k3a/server/tls/server-ca.{suffix}").write_text(text)
    given = {**arguments, "ca_certificates": {**arguments["ca_certificates"], "server": server[0]}}
    run_action(action, module, **given)
    assert run_action(action, module, state="absent", path=given["path"], ca_certificates={})["changed"]


@pytest.mark.parametrize("content", [b"apiVersion: v1\nkind: Config\n", b"\xff", b""])
def test_a_file_of_somebody_else_is_not_removed(run_action, arguments, content):
    os.makedirs(os.path.dirname(arguments["path"]))
    with open(arguments["path"], "wb") as stream:
        stream.write(content)
    assert run_action(action, module, state="absent", **arguments)["changed"] is False
    assert files.read_bytes(arguments["path"]) == content


def test_the_kubeconfig_of_another_cluster_is_not_removed(run_action, arguments):
    run_action(action, module, **arguments)
    for other in ({"server": pki.new_authority("k3a-server")[0]}, {}):
        done = run_action(action, module, state="absent", path=arguments["path"], ca_certificates=other)
        assert done["changed"] is False
    assert os.path.exists(arguments["path"])


def test_where_the_api_is_has_to_be_said(run_action, arguments):
    done = run_action(action, module, **{key: value for key, value in arguments.items() if key != "server_url"})
    assert done["failed"]
    assert done["msg"].startswith("server_url is required")


def test_it_takes_the_options_that_are_documented():
    used = set(re.findall(r'self\._task\.args(?:\.get\(|\[)"(\w+)"', Path(action.__file__).read_text()))
    assert used | {"timeout"} == set(yaml.safe_load(documented.DOCUMENTATION)["options"])


def test_it_has_the_name_that_was_asked_for_and_else_the_one_that_it_has(run_action, arguments):
    run_action(action, module, **arguments)
    assert written(arguments["path"])["current-context"] == "default"
    done = run_action(action, module, name="staging", **arguments)
    assert done["diff"][0]["before"] == "its name is default, not staging\n"
    document = written(arguments["path"])
    assert [document[kind][0]["name"] for kind in ("clusters", "users", "contexts")] == ["staging"] * 3
    assert not run_action(action, module, name="staging", **arguments)["changed"]
    assert not run_action(action, module, **arguments)["changed"]
    run_action(action, module, **{**arguments, "server_url": "https://10.0.0.9:6443"})
    assert written(arguments["path"])["current-context"] == "staging"
