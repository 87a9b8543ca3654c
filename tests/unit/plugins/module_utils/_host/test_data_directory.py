# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import store
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._host import data_directory
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_rotation

# What each component consists of.
UNITS = Path(__file__).parents[3] / "unit_texts.json"
BUNDLE = "602c8c8bdc1c977c3ab5ba5c40d3af3fcde3a3da7ba8a606db3ced1444edaa25"


def make(directory, *paths):
    for path in paths:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text("")


@pytest.mark.parametrize("path", ["/var/lib/k3a", "/srv/k3a", "/mnt/disk/k3a", "/opt/k3a/data", "/data/k3a", "/usr/local/k3a"])
def test_a_directory_of_its_own_is_fit(path):
    assert data_directory.unfit(path) == ""


@pytest.mark.parametrize(
    "path, why",
    [
        ("/", "others use"),
        ("/srv", "others use"),
        ("/opt", "others use"),
        ("/data", "others use"),
        ("/var/lib", "others use"),
        ("/usr/local", "others use"),
        ("/var/lib/../..", "does not say where"),
        ("/srv/./k3a", "does not say where"),
        ("/home/ann/k3a", "is in /home,"),
        ("/root/k3a", "is in /root,"),
        ("/tmp/k3a", "is in /tmp,"),
        ("/etc/k3a", "is in /etc,"),
        ("/var/lib/kubelet", "is in /var/lib/kubelet,"),
        ("/usr/lib/k3a", "is in /usr/lib,"),
    ],
)
def test_one_that_others_use_or_services_cannot_is_not(path, why):
    assert why in data_directory.unfit(path)


def test_what_is_ours_is_named_and_what_is_not(tmp_path):
    ours = ("agent/tls/x", "agent/containerd/io.containerd.x/y", "server/db/etcd/member/wal", "server/db/etcd.env")
    ours += (f"data/files/{BUNDLE}/etcd", f"data/{BUNDLE}/x", "data/verified.json", "host.json", "server/.token.new")
    make(tmp_path, *ours, "notes", "data/photos/1", "server/db/mine", "agent/images/x", "server/lost+found/x")
    (tmp_path / "data/current").symlink_to(BUNDLE)
    (tmp_path / "server/logs").symlink_to("/var/log")
    assert {path[len(f"{tmp_path}/") :] for path in data_directory.own_paths(str(tmp_path))} == {
        *("agent/tls", "agent/containerd/io.containerd.x", "server/db/etcd/member", "server/db/etcd.env"),
        *(f"data/files/{BUNDLE}", f"data/{BUNDLE}", "data/verified.json", "data/current", "host.json", "server/.token.new"),
    }
    assert [path[len(f"{tmp_path}/") :] for path in data_directory.foreign_paths(str(tmp_path))] == [
        *("notes", "agent/images", "server/db/mine", "data/photos"),
    ]
    assert data_directory.foreign_links(str(tmp_path)) == [f"{tmp_path}/server/logs"]


@pytest.mark.parametrize(
    "path",
    [
        *(token_rotation.pending_path(Layout("")), "/server/.token.next.new", "/server/.token.7qx_k1ab"),
        *(f"/data/{store.INDEX}", f"/data/.{store.INDEX}.4711.new", "/data/.incoming/x"),
        # Those of a host that 9fcea67 installed.
        *("/data/.verified.json", "/data/..verified.json.4711.new", "/.host.json.x8_2abcd", "/data/current.4711.new"),
    ],
)
def test_what_a_killed_run_or_an_earlier_version_leaves_is_ours(tmp_path, path):
    make(tmp_path, path.lstrip("/"))
    assert data_directory.foreign_paths(str(tmp_path)) == []
    assert len(data_directory.own_paths(str(tmp_path))) == 1


def test_what_components_keep_there_is_known_as_ours():
    """What is not would be left by a reset, and refused as somebody else's by the next install."""
    paths = set(re.findall(r"(?:/var/lib|/srv)/k3a/((?:agent|server)/[^\s\"\\\\]+)", UNITS.read_text()))
    assert len(paths) > 40
    strange = []
    for path in paths:
        directory, names = "", path.split("/")
        while directory in data_directory.OURS and names:
            name = names.pop(0)
            strange += [] if data_directory.is_ours(directory, name) else [path]
            directory = f"{directory}/{name}".lstrip("/")
    assert strange == []


@pytest.mark.parametrize("link", ["server", "server/db", "server/db/etcd"])
def test_a_link_is_not_followed(tmp_path, link):
    here, there = tmp_path / "k3a", tmp_path / "there"
    make(there, "db/etcd/member/x", "etcd/member/x", "member/x")
    (here / link).parent.mkdir(parents=True)
    (here / link).symlink_to(there)
    assert data_directory.own_paths(str(here)) == []
    assert data_directory.foreign_links(str(here)) == [f"{here}/{link}"]


def test_a_data_directory_may_be_a_link_itself(tmp_path):
    make(tmp_path / "disk", "server/tls/x")
    (tmp_path / "k3a").symlink_to(tmp_path / "disk")
    assert data_directory.own_paths(str(tmp_path / "k3a")) == [f"{tmp_path}/k3a/server/tls"]


@pytest.mark.parametrize(
    "paths, ours",
    [
        ((f"data/{BUNDLE}/manifest.json",), True),
        ((f"data/.{BUNDLE}.new/x",), True),
        ((f"data/files/{BUNDLE}/etcd",), True),
        ((f"data/{BUNDLE}",), False),
        (("agent/tls/x", "server/cred/x", "server/db/etcd/x"), False),
        (("data/files/letter", "host.json"), False),
    ],
)
def test_it_takes_a_bundle_to_know_a_data_directory_of_ours(tmp_path, paths, ours):
    make(tmp_path, *paths)
    assert data_directory.has_signs(str(tmp_path)) is ours


def test_so_does_what_was_changed_of_the_host(tmp_path):
    (tmp_path / "host.json").write_text(json.dumps({"settings": {"kernel.panic": "0"}}))
    assert data_directory.has_signs(str(tmp_path))
    assert not data_directory.has_signs(f"{tmp_path}/nothing")


def test_where_the_disk_has_something_else_no_directory_can_be(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "link").symlink_to(tmp_path)
    elsewhere = "a link that leads to no directory"
    for path, why in (
        ("new/below", ""),
        ("link/new", ""),
        ("file", "{0} is no directory"),
        ("file/new/below", "{0} cannot be a directory, since {1}/file is no directory"),
        ("loop", f"{{0}} is {elsewhere}"),
        ("gone/new", f"{{0}} cannot be a directory, since {{1}}/gone is {elsewhere}"),
    ):
        assert data_directory.blocked(f"{tmp_path}/{path}") == why.format(f"{tmp_path}/{path}", tmp_path)
    for path in ("/" + "a" * 300, "/a" * 2000):
        assert data_directory.blocked(path) == f"{path[:40]}... is too long for a path"
    assert data_directory.blocked("srv/k3a") == "'srv/k3a' is not an absolute path"
