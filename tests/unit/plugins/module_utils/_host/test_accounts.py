# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pwd

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host import accounts
from ansible_collections.k3a.cluster.plugins.module_utils._host.accounts import Account

SHADOW = "etcd:$y$j9T$abc:20000:0:99999:7:::\nflannel:!*:20000::::::\nkube::20000:0:99999:7:::\nbroken\n"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with these accounts."""
    homes = {name: tmp_path / name for name in ("etcd", "flannel", "kube", "kube-proxy")}
    known = {
        name: pwd.struct_passwd((name, "x", 1000 + number, 100, f"of {name}", str(home), "/bin/sh"))
        for number, (name, home) in enumerate(homes.items())
    }
    monkeypatch.setattr(accounts.pwd, "getpwnam", known.__getitem__)
    for constant, content in (("SHADOW", SHADOW), ("LOGIN_DEFS", "# UID_MIN 5\nUID_MIN\t\t 1001\n")):
        path = tmp_path / constant
        path.write_text(content)
        monkeypatch.setattr(accounts, constant, str(path))
    return homes


def test_what_the_host_says_of_its_accounts(host):
    (host["etcd"] / ".ssh").mkdir(parents=True)
    (host["etcd"] / ".ssh/authorized_keys").write_text("ssh-ed25519 AAAA")
    (host["flannel"] / ".ssh").mkdir(parents=True)
    (host["flannel"] / ".ssh/authorized_keys").touch()
    assert accounts.find(["kube-scheduler", "etcd", "flannel", "kube", "kube-proxy"]) == (
        Account("etcd", 1000, "of etcd", "/bin/sh", True, True, True, 1001),
        Account("flannel", 1001, "of flannel", "/bin/sh", False, False, True, 1001),
        Account("kube", 1002, "of kube", "/bin/sh", True, False, False, 1001),
        Account("kube-proxy", 1003, "of kube-proxy", "/bin/sh", None, False, False, 1001),
    )


def test_a_host_that_does_not_say_whose_which_number_is_has_the_usual_ones(host, monkeypatch):
    monkeypatch.setattr(accounts, "LOGIN_DEFS", "/none")
    (known,) = accounts.find(["etcd"])
    assert known.first_person == accounts.FIRST_PERSON and known.is_of_a_person


def test_whatever_version_of_k3a_made_an_account_says_so():
    assert Account("etcd", 998, "etcd datastore (k3a)").is_ours
    assert not Account("etcd", 998, "etcd datastore").is_ours
