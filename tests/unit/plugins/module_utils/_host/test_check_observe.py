# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_observe as look
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, judge
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_facts import Component, Wanted
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import ca_hash
from ansible_collections.k3a.cluster.tests.unit.etcd_members import begin_data, identity
from ansible_collections.k3a.cluster.tests.unit.record_samples import server

WANTED = Wanted(
    "/var/lib/k3a",
    True,
    True,
    "",
    (),
    ("10.42.0.0/16",),
    ("10.43.0.0/16",),
    "vxlan",
    "",
    "nftables",
    "overlayfs",
    "",
    False,
    "warn",
    "",
    0,
)

SHOWN = """\
Id=k3s.service
ActiveState=inactive

Id=firewalld.service
ActiveState=active

Id=kubelet.service
ActiveState=activating
"""


def test_active_units_are_those_that_run_or_try_to():
    assert look.parse_units(SHOWN) == {"firewalld.service", "kubelet.service"}
    assert look.parse_units("") == frozenset()


@pytest.mark.parametrize(
    "shown, version", [("Version=252.39-1~deb12u2\n", 252), ("Version=v255.4\n", 255), ("Version=250\n", 250), ("", 0)]
)
def test_systemd_version(shown, version):
    assert look.parse_version(shown) == version


def test_this_machine_is_observed_and_judged():
    seen = look.observe(WANTED, lambda command: (0, "Version=252\n", ""))
    assert seen.hostname == os.uname().nodename
    assert seen.memory > 0
    assert seen.mount.point.startswith("/")
    assert seen.space.free > 0
    assert isinstance(judge(seen, WANTED), list)


def test_nft_is_asked_for_its_version_where_that_matters(monkeypatch):
    monkeypatch.setattr(look.shutil, "which", lambda name, path: f"/usr/sbin/{name}")
    told = {"/usr/sbin/nft": "nftables v0.9.8 (E.D.S.)\n"}

    def run(command):
        return 0, told.get(command[0], ""), ""

    assert look.observe(WANTED, run).nft == "0.9.8"
    assert look.observe(replace(WANTED, proxy_mode="iptables"), run).nft == ""


@pytest.mark.parametrize("group, there", [("", True), ("root", True), ("nobody-has-it", False)])
def test_whether_the_host_has_the_group_of_the_kubeconfig_is_seen(group, there):
    seen = look.observe(replace(WANTED, write_kubeconfig_group=group), lambda *_command: (0, "", ""))
    assert seen.has_kubeconfig_group is there


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_file_that_a_component_may_not_read_is_a_finding(tmp_path):
    path = tmp_path / "extender.yaml"
    path.touch(0o600)
    argument = f"config={path}"
    component = Component("scheduler", "k3a-scheduler.service", False, (), ("daemon",), ("v=2", argument))
    wanted = replace(WANTED, components=(component,))
    seen = look.observe(wanted, lambda *_command: (0, "", ""))
    (told,) = [finding for finding in judge(seen, wanted) if finding.name == "arguments"]
    assert told.message == f"{path}, which the argument {argument} names, cannot be read by daemon, as whom it runs"
    for other in (replace(component, users=()), replace(component, arguments=("v=2",))):
        seen = look.observe(replace(WANTED, components=(other,)), lambda *_command: (0, "", ""))
        assert seen.unusable == ()


def test_settings_of_the_kernel_that_the_kubelet_wants_otherwise_are_seen(monkeypatch):
    values = {**look.host.KUBELET_SETTINGS, "kernel.panic": "0", "vm.panic_on_oom": None}
    monkeypatch.setattr(look.host, "read_setting", values.get)
    assert look.observe(WANTED, lambda *_command: (0, "", "")).kernel_settings == (("kernel.panic", "0"),)


def test_what_is_in_the_way_of_the_kubeconfig_is_a_finding(tmp_path):
    (tmp_path / "file").write_text("root:x:0:0\n")
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\nclusters: []\n")
    for path, reason in (
        (tmp_path, f"{tmp_path}: Is a directory"),
        (tmp_path / "file", f"{tmp_path}/file is there and no kubeconfig"),
        (tmp_path / "file" / "below", f"{tmp_path}/file: Not a directory"),
        (tmp_path / "kubeconfig", ""),
        (tmp_path / "new" / "kubeconfig", ""),
        ("", ""),
    ):
        wanted = replace(WANTED, server=True, write_kubeconfig=str(path))
        seen = look.observe(wanted, lambda *_command: (0, "", ""))
        assert seen.unwritable == reason
        told = [f"{f.message}; {f.remedy}" for f in judge(seen, wanted) if f.name == "write_kubeconfig"]
        remedy = "name another file, or move away what is there"
        assert told == ([f"k3a_write_kubeconfig {path} cannot be written: {reason}; {remedy}"] if reason else [])
        assert look.observe(replace(wanted, server=False), lambda *_command: (0, "", "")).unwritable == ""


def test_the_dns_servers_are_those_of_the_given_file_or_of_the_one_that_pods_get(tmp_path, monkeypatch):
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("nameserver 127.0.0.53\n")
    monkeypatch.setattr(look.resolver, "usable_resolv_conf", lambda: str(real))
    for given, found in ((stub, ("127.0.0.53",)), (tmp_path / "none", None), ("", None)):
        seen = look.observe(replace(WANTED, resolv_conf=str(given)), lambda *_command: (0, "", ""))
        assert seen.dns_servers == found
    real.write_text("nameserver 10.0.0.1\n")
    assert look.observe(WANTED, lambda *_command: (0, "", "")).dns_servers == ("10.0.0.1",)


class TestInstalled:
    """What an earlier run has left, and what a run on the same host finds there again."""

    def seen(self, layout):
        ours = (Component("flannel", "k3a-flannel.service", True, ()),)
        return look.observe(replace(WANTED, components=ours, data_dir=layout.data_dir), lambda command: (0, "", ""))

    def test_a_fresh_host_has_nothing(self, tmp_path, monkeypatch):
        monkeypatch.setattr(look, "PASSWORD_FILE", f"{tmp_path}/none")
        seen = self.seen(Layout(str(tmp_path)))
        assert (seen.etcd_data, seen.authority, seen.token) == (False, "", "")
        assert (seen.installed, seen.node_password) == (frozenset(), False)

    def test_a_server_has_its_authority_token_and_data(self, tmp_path):
        layout = server(tmp_path)
        authority = Path(layout.tls("server-ca.crt")).read_text()
        seen = self.seen(layout)
        assert (seen.authority, seen.etcd_data) == (ca_hash(authority), False)
        assert seen.token == f"K10{seen.authority}::server:s3cr3t-word"
        Path(layout.etcd, "member/wal").mkdir(parents=True)
        Path(layout.etcd, "member/wal/0.wal").write_text("")
        assert self.seen(layout).etcd_data

    def test_what_a_server_has_lost_of_what_servers_share_is_seen(self, tmp_path):
        layout = server(tmp_path)
        Path(layout.token).unlink()
        assert self.seen(layout).lost == "", "a run was killed before there was one"
        Path(layout.etcd, "member/wal").mkdir(parents=True)
        Path(layout.etcd, "member/wal/0.wal").write_text("")
        assert self.seen(layout).lost != ""

    def test_a_record_is_read_and_one_that_is_damaged_is_told(self, tmp_path, monkeypatch):
        record, etcd = tmp_path / "identity.json", tmp_path / "etcd.json"
        monkeypatch.setattr(look.identities, "IDENTITY", str(record))
        monkeypatch.setattr(look.identities, "ETCD", str(etcd))
        record.write_text('{"format": 1, "machine_id": "m1", "node_name": "n1", "data_dir": "/srv/k3a"}')
        etcd.write_text('{"format": 1, "cluster_id": "1", "member_id": "2"}')
        seen = self.seen(Layout(str(tmp_path)))
        assert (seen.recorded, seen.identity.node_name, seen.damaged) == (True, "n1", ())
        assert (seen.etcd_recorded.cluster_id, seen.etcd_recorded.member_id) == ("1", "2")
        record.write_text("{")
        etcd.write_text("{}")
        seen = self.seen(Layout(str(tmp_path)))
        assert (seen.recorded, len(seen.damaged)) == (False, 2)
        told = [finding for finding in judge(seen, WANTED) if finding.name == "identity"]
        assert [finding.level for finding in told] == [FAIL, FAIL]
        assert told[0].message.startswith(f"{record} is damaged (")
        assert told[0].remedy == (
            "put it back from a backup, or remove it while k3a runs on this host as it should: it is written anew by what runs"
        )

    def test_what_a_host_has_is_looked_for_where_it_keeps_it(self, tmp_path, monkeypatch):
        """A directory that is only wanted was never its own; but data there is data, too."""
        layout = server(tmp_path / "kept")
        record = tmp_path / "identity.json"
        record.write_text(json.dumps({"format": 1, "data_dir": layout.data_dir}))
        monkeypatch.setattr(look.identities, "IDENTITY", str(record))
        seen = self.seen(Layout(f"{tmp_path}/wanted"))
        assert (seen.authority != "", seen.state, seen.etcd_data) == (True, True, False)
        Path(f"{tmp_path}/wanted/server/db/etcd/member/wal").mkdir(parents=True)
        Path(f"{tmp_path}/wanted/server/db/etcd/member/wal/0.wal").write_text("")
        assert self.seen(Layout(f"{tmp_path}/wanted")).etcd_data

    def test_data_of_etcd_that_is_an_old_copy_is_seen_where_it_does_not_run(self, tmp_path, monkeypatch):
        layout, mine = Layout(str(tmp_path / "k3a")), identity(3)
        monkeypatch.setattr(look.data, "PROGRESS", str(tmp_path / "etcd-progress.json"))
        begin_data(Path(layout.etcd), mine, 7)
        assert not self.seen(layout).etcd_outdated
        progress = {"format": 1, "cluster_id": mine.cluster_id, "member_id": mine.member_id, "commit": 9}
        (tmp_path / "etcd-progress.json").write_text(json.dumps(progress))
        assert self.seen(layout).etcd_outdated
        assert self.seen(layout).etcd_kept == mine, "whose data it is"
        monkeypatch.setattr(look, "_etcd", lambda _layout: mine)
        ours = (Component("etcd", "k3a-etcd.service", False, ()),)
        monkeypatch.setattr(look, "_systemd", lambda _run, _own: (252, frozenset({"k3a-etcd.service"})))
        wanted = replace(WANTED, data_dir=layout.data_dir, components=ours)
        seen = look.observe(wanted, lambda _command: (0, "", ""))
        assert (seen.etcd_outdated, seen.etcd_kept) == (False, EtcdIdentity())

    @pytest.mark.parametrize("log", [b"", b"no log of etcd"])
    def test_data_of_etcd_that_does_not_say_whose_it_is_is_nobodys(self, tmp_path, log):
        layout = Layout(str(tmp_path / "k3a"))
        Path(layout.etcd, "member/wal").mkdir(parents=True)
        Path(layout.etcd, "member/wal/0.wal").write_bytes(log)
        assert self.seen(layout).etcd_kept == EtcdIdentity()

    def test_an_etcd_that_ends_again_and_again_says_why(self, tmp_path, monkeypatch):
        monkeypatch.setattr(look.broken, "complaint", lambda: "tocommit(9) is out of range")
        ours = (Component("etcd", "k3a-etcd.service", False, ()),)
        wanted = replace(WANTED, data_dir=str(tmp_path), components=ours)
        running, answering = frozenset({"k3a-etcd.service"}), EtcdIdentity("1", "2")
        for units, etcd, told in (
            (running, EtcdIdentity(), "tocommit(9) is out of range"),
            (running, answering, ""),
            (frozenset(), EtcdIdentity(), ""),
        ):
            monkeypatch.setattr(look, "_systemd", lambda _run, _own, units=units: (252, units))
            monkeypatch.setattr(look, "_etcd", lambda _layout, etcd=etcd: etcd)
            assert look.observe(wanted, lambda _command: (0, "", "")).etcd_complaint == told

    def test_the_local_etcd_says_who_it_is_while_it_runs(self, tmp_path, monkeypatch):
        asked = []

        class Local:
            def __init__(self, layout, endpoints, timeout):
                asked.append((layout.data_dir, endpoints))

            def identity(self):
                return EtcdIdentity("1", "2")

        monkeypatch.setattr(look, "Etcd", Local)
        ours = (Component("etcd", "k3a-etcd.service", False, ()),)
        wanted = replace(WANTED, components=ours, data_dir=str(tmp_path))
        shown = "Id=k3a-etcd.service\nActiveState=active\n"
        monkeypatch.setattr(
            os.path, "isdir", lambda path, real=os.path.isdir: path == "/run/systemd/system" or real(path)
        )
        seen = look.observe(wanted, lambda command: (0, shown, ""))
        assert (seen.etcd.cluster_id, seen.etcd.member_id) == ("1", "2")
        assert asked == [(str(tmp_path), ["https://127.0.0.1:2379"])]
        assert look.observe(wanted, lambda command: (0, "", "")).etcd.member_id == ""

    def test_a_node_has_its_units_and_its_password(self, tmp_path, monkeypatch):
        password = tmp_path / "password"
        password.write_text("secret\n")
        monkeypatch.setattr(look, "PASSWORD_FILE", str(password))
        monkeypatch.setattr(look.own_units, "installed", lambda: {"flannel": ""})
        seen = self.seen(Layout(str(tmp_path)))
        assert (seen.installed, seen.node_password) == ({"flannel"}, True)


def test_what_cannot_be_written_to_is_seen(tmp_path, monkeypatch):
    assert look._space(f"{tmp_path}/none/below").writable
    monkeypatch.setattr(look.os, "access", lambda path, mode: mode != os.W_OK)
    assert not look._space(str(tmp_path)).writable


def test_a_file_system_without_a_size_is_not_full(tmp_path, monkeypatch):
    """As a host that was booted into its memory may have at /etc: ramfs counts neither blocks nor inodes."""
    monkeypatch.setattr(look.os, "statvfs", lambda path: os.statvfs_result((4096, 4096, 0, 0, 0, 0, 0, 0, 4096, 255)))
    space = look._space(str(tmp_path))
    assert space.free > 2**40 and space.free_inodes is None


@pytest.mark.parametrize(
    "running, rc, lacking",
    [("/usr/local/bin/python3", 1, ""), ("/opt/bin/python3", 0, ""), ("/opt/bin/python3", 1, "/usr/bin/python3")],
)
def test_the_systems_python_is_tried_where_ansibles_is_elsewhere(running, rc, lacking):
    asked = []
    assert look._lacking_python(running, lambda command: asked.append(command[0]) or (rc, "", "")) == lacking
    assert asked == ([] if running.startswith("/usr/") else ["/usr/bin/python3"])


def told_of(name, **wanted):
    given = replace(WANTED, **wanted)
    found = judge(look.observe(given, lambda *_command: (0, "", "")), given)
    return [f"{each.message}; {each.remedy}" for each in found if each.name == name]


def test_a_data_directory_that_cannot_be_is_one_finding(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    own = "set k3a_data_dir to a directory of its own, such as /var/lib/k3a"
    for path, why in (
        (f"{tmp_path}/file", f"{tmp_path}/file is no directory"),
        (f"{tmp_path}/file/k3a", f"{tmp_path}/file/k3a cannot be a directory, since {tmp_path}/file is no directory"),
        (f"{tmp_path}/loop", f"{tmp_path}/loop is a link that leads to no directory"),
        ("/srv/" + "a" * 300, f"/srv/{'a' * 35}... is too long for a path"),
        ("srv/k3a", "'srv/k3a' is not an absolute path"),
    ):
        assert told_of("data_dir", data_dir=path) == [f"{why}; {own}"]


def test_a_resolver_configuration_that_is_no_file_is_a_finding(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path, tmp_path / "loop", tmp_path / ("a" * 300)):
        told = f"k3a_resolv_conf names {path}, which is no file there; name a file of the host"
        assert told_of("resolv_conf", resolv_conf=str(path)) == [told]


class TestWriteLatency:
    def test_writes_are_timed_and_leave_nothing(self, tmp_path):
        before = tmp_path.stat().st_mtime_ns
        taken = look.write_latency(str(tmp_path / "not/there/yet"))
        assert 0.0 < taken < 1.0
        assert list(tmp_path.iterdir()) == [] and tmp_path.stat().st_mtime_ns == before

    def test_it_is_the_median(self, tmp_path, monkeypatch):
        delays = [0.05, *[0.001] * 4]
        monkeypatch.setattr(look, "WRITES", len(delays))
        monkeypatch.setattr(look.os, "fdatasync", lambda file: look.time.sleep(delays.pop(0)))
        assert look.write_latency(str(tmp_path)) < 0.04

    def test_a_very_slow_disk_is_not_waited_for(self, tmp_path, monkeypatch):
        monkeypatch.setattr(look, "WRITES_PATIENCE", 0.05)
        calls = []
        monkeypatch.setattr(look.os, "fdatasync", lambda file: calls.append(look.time.sleep(0.03)))
        assert look.write_latency(str(tmp_path)) >= 0.03 and len(calls) == 3

    def test_one_slow_write_is_no_slow_disk(self, tmp_path, monkeypatch):
        """Nor does it matter that the process itself was held up before the first."""
        delays = [0.06, 0.001, 0.001]
        for patience in (0.05, -1.0):
            monkeypatch.setattr(look, "WRITES_PATIENCE", patience)
            left = [*delays]
            monkeypatch.setattr(look.os, "fdatasync", lambda file, left=left: look.time.sleep(left.pop(0)))
            assert look.write_latency(str(tmp_path)) < 0.04

    def test_where_no_such_file_can_be_nothing_is_said(self, tmp_path):
        (tmp_path / "file").write_text("")
        assert look.write_latency(str(tmp_path / "file")) == 0.0
        assert look.write_latency("/proc/none") == 0.0
