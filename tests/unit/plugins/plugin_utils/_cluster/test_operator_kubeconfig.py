# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import operator_kubeconfig as own

AUTHORITY = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
FILE = kubeconfig.embedded("https://10.0.0.1:6443", AUTHORITY.encode(), b"certificate", b"key").encode()
MINE, OTHERS = tokens.ca_hash(AUTHORITY), tokens.ca_hash(AUTHORITY.replace("AAAA", "BBBB"))


def told(content, authority):
    return [str(found) for found in own.kubeconfig_findings("/srv/kubeconfig", content, authority)]


def test_what_was_written_is_read_again():
    assert own.parse(FILE) == {
        "url": "https://10.0.0.1:6443",
        "authority": AUTHORITY,
        "certificate": "certificate",
        "key": "key",
        "name": "default",
    }


@pytest.mark.parametrize("content, authority", [(None, MINE), (None, ""), (FILE, MINE)])
def test_no_file_and_this_clusters_own_are_well(content, authority):
    assert told(content, authority) == []


def test_that_of_another_cluster_is_told_before_anything_changes():
    assert told(FILE, OTHERS) == [
        "inventory: /srv/kubeconfig on the controller is the kubeconfig of another cluster, with another CA; move it away,"
        " or set k3a_kubeconfig"
    ]


def test_where_there_is_no_cluster_it_shows_that_there_was_one():
    assert told(FILE, "") == [
        "inventory: /srv/kubeconfig on the controller is the kubeconfig of a cluster, and no server has its data; bring"
        " back the disks of that cluster's servers, or move the file away when it is no more"
    ]


@pytest.mark.parametrize("content", [b"", b"text", b"{}", b"\x00", b"clusters: []"])
def test_what_is_no_kubeconfig_is_not_overwritten(content):
    (text,) = told(content, MINE)
    assert "would be overwritten, but it is not a kubeconfig with an embedded certificate; move it away" in text


def test_a_place_where_no_file_can_be_is_told(tmp_path):
    (tmp_path / "file").touch()
    assert own.place_findings(str(tmp_path / "new" / "kubeconfig")) == []
    assert [str(found) for found in own.place_findings(str(tmp_path / "file" / "kubeconfig"))] == [
        f"inventory: k3a_kubeconfig {tmp_path}/file/kubeconfig on the controller cannot be written: {tmp_path}/file: Not a"
        " directory; name a file that you can write"
    ]


def test_so_is_one_where_this_user_may_not_write(tmp_path, monkeypatch):
    monkeypatch.setattr(own.os, "access", lambda folder, _mode: folder != str(tmp_path))
    assert own.obstacle(str(tmp_path / "new" / "kubeconfig")) == f"{tmp_path}: Permission denied"
