# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pwd
from dataclasses import replace

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._drift import drift
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._host import host

if os.geteuid() != 0:
    pytest.skip("the files of a host belong to root", allow_module_level=True)


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """Kernel settings in a directory of the test: `proc(key, value)` makes one."""
    monkeypatch.setattr(host, "setting_path", lambda key: str(tmp_path / "sys" / key.replace(".", "/")))

    def make(key, value):
        path = tmp_path / "sys" / key.replace(".", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
        return path

    return make


@pytest.fixture
def wanted(tmp_path, proc):
    record = host.record_path(str(tmp_path / "k3a"))
    return host.Host(
        directories=(files.Directory(str(tmp_path / "k3a"), 0o755),),
        files=(files.File(str(tmp_path / "etc/90-k3a.conf"), b"a = 1\n", 0o644),),
        settings={"net.ipv4.conf.all.forwarding": "1", "kernel.panic": "10", "vm.panic_on_oom": "0"},
        record=record,
        modules=(),
    )


def paths(plan):
    return [change.path for change in plan.changes]


@pytest.mark.parametrize("families, ipv6", [([4], False), ([6], True), ([4, 6], True)])
def test_ipv6_is_forwarded_only_when_the_cluster_has_it(families, ipv6):
    assert ("net.ipv6.conf.all.forwarding" in host.wanted_host("/d", families, {}, "vxlan").settings) is ipv6
    assert host.wanted_host("/d", families, {}, "vxlan").settings["net.ipv4.conf.all.forwarding"] == "1"


def test_everything_survives_a_reboot(monkeypatch):
    monkeypatch.setattr(host, "MODULES", ("overlay", "vxlan"))
    wanted = host.wanted_host("/d", [4, 6], {"etcd": "etcd datastore (k3a)"}, "wireguard-native")
    written = {file.path: file.content.decode() for file in wanted.files}
    assert written["/etc/modules-load.d/k3a.conf"] == "overlay\nvxlan\nwireguard\n"
    assert written["/etc/sysusers.d/k3a.conf"] == 'u etcd - "etcd datastore (k3a)"\n'
    lines = dict(line.split(" = ") for line in written["/etc/sysctl.d/60-k3a.conf"].splitlines())
    assert {key.lstrip("-"): value for key, value in lines.items()} == wanted.settings
    # At boot the bridge's settings are there only once its module is, which is no error.
    assert all(key.startswith("-") == ("net.bridge." in key) for key in lines)


@pytest.mark.parametrize(
    "backend, more", [("vxlan", ()), ("host-gw", ()), ("none", ()), ("wireguard-native", ("wireguard",))]
)
def test_a_host_loads_what_flannel_may_not_load(backend, more):
    assert host.wanted_modules(backend) == (*host.MODULES, *more)


def test_a_fresh_host_is_prepared_and_then_right(wanted, proc, tmp_path):
    forwarding = proc("net.ipv4.conf.all.forwarding", "0")
    panic = proc("kernel.panic", "0")
    proc("vm.panic_on_oom", "0")
    plan = host.make_plan(wanted)
    assert paths(plan) == [
        f"{tmp_path}/k3a",
        f"{tmp_path}/etc/90-k3a.conf",
        "net.ipv4.conf.all.forwarding",
        "kernel.panic",
    ]
    assert not (tmp_path / "k3a").exists()
    host.apply(wanted, plan)
    assert (forwarding.read_text().strip(), panic.read_text().strip()) == ("1", "10")
    assert host.make_plan(wanted).changes == ()
    assert host.read_record(wanted.record) == {"net.ipv4.conf.all.forwarding": "0", "kernel.panic": "0"}


def test_a_setting_that_this_kernel_does_not_have_is_left_out(wanted):
    assert host.make_plan(wanted).settings == {}


def test_the_former_value_is_never_overwritten(wanted, proc):
    proc("kernel.panic", "0")
    host.apply(wanted, host.make_plan(wanted))
    proc("kernel.panic", "33")
    host.apply(wanted, host.make_plan(wanted))
    assert host.read_record(wanted.record) == {"kernel.panic": "0"}
    proc("net.ipv4.conf.all.forwarding", "0")
    host.apply(wanted, host.make_plan(wanted))
    assert host.read_record(wanted.record) == {"kernel.panic": "0", "net.ipv4.conf.all.forwarding": "0"}


def test_the_former_value_is_on_the_disk_before_the_setting_changes(wanted, proc, monkeypatch):
    proc("kernel.panic", "0")

    def refuse(key, value):
        assert host.read_record(wanted.record) == {"kernel.panic": "0"}
        raise host.HostError("no")

    monkeypatch.setattr(host, "write_setting", refuse)
    with pytest.raises(host.HostError):
        host.apply(wanted, host.make_plan(wanted))


def test_a_host_that_is_right_has_nothing_to_remember(wanted, proc):
    proc("kernel.panic", "10")
    host.apply(wanted, host.make_plan(wanted))
    assert not os.path.exists(wanted.record)


def test_the_record_is_roots_and_readable_for_programs(wanted, proc):
    host.record(wanted.record, {"b": "1", "a": None})
    assert json.loads(files.read_bytes(wanted.record)) == {"settings": {"a": None, "b": "1"}}
    assert files.ownership(wanted.record) == (0o600, "root", "root")


@pytest.mark.parametrize(
    "key, wanted, current, modules, answer",
    [
        ("kernel.panic", "10", "10", (), False),
        ("kernel.panic", "10", "0", (), True),
        ("kernel.panic", "10", None, ("br_netfilter",), False),
        ("net.bridge.bridge-nf-call-iptables", "1", None, ("br_netfilter",), True),
        ("net.bridge.bridge-nf-call-iptables", "1", None, (), False),
        ("net.bridge.bridge-nf-call-iptables", "1", "1", (), False),
        ("fs.inotify.max_user_instances", "8192", "128", (), True),
        ("fs.inotify.max_user_instances", "8192", "8192", (), False),
        ("fs.inotify.max_user_instances", "8192", "65536", (), False),
        ("fs.inotify.max_user_instances", "8192", None, (), False),
    ],
)
def test_a_setting_changes_when_it_differs_and_a_minimum_when_it_is_less(key, wanted, current, modules, answer):
    assert host.has_to_change(key, wanted, current, modules) is answer


def test_a_setting_that_comes_with_a_module_is_announced(wanted, monkeypatch, proc):
    key = "net.bridge.bridge-nf-call-iptables"
    monkeypatch.setattr(host, "loadable", lambda _names: ("br_netfilter",))
    bridged = host.Host(wanted.directories, wanted.files, {key: "1"}, wanted.record)
    plan = host.make_plan(bridged)
    assert plan.settings == {key: "1"}
    assert (plan.changes[-1].before, plan.changes[-1].after) == ("\n", "1\n")


def test_users_that_exist_are_not_missing(monkeypatch):
    mine = pwd.getpwuid(0).pw_name
    assert host.missing_users((mine, "k3a-nobody-has-this")) == ("k3a-nobody-has-this",)


def test_a_user_without_a_group_of_its_name_is_made_one(monkeypatch):
    mine = pwd.getpwuid(0)
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: mine)
    assert host.missing_users((mine.pw_name, "flannel-of-users")) == ("flannel-of-users",)


def test_a_user_of_a_directory_that_lists_nobody_is_not_missing(monkeypatch):
    monkeypatch.setattr(pwd, "getpwall", list)
    assert host.missing_users((pwd.getpwuid(0).pw_name,)) == ()


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "host.json").write_text('{"settings"')
    with pytest.raises(host.HostError, match=f"^{tmp_path}/host.json is damaged; "):
        host.read_record(str(tmp_path / "host.json"))


def test_files_that_are_read_later_at_boot_and_set_something_else_are_told():
    texts = [
        ("/etc/sysctl.d/10-early.conf", "kernel.panic = 0\n"),
        ("/etc/sysctl.d/99-sysctl.conf", "# kernel.panic = 1\nkernel/panic=0\nvm.panic_on_oom = 0\nvm.swappiness=1\n"),
    ]
    (told,) = host.overriding({"kernel.panic": "10", "vm.panic_on_oom": "0"}, texts)
    assert told.startswith("/etc/sysctl.d/99-sysctl.conf sets kernel.panic to 0 when this host boots, after ")


def test_a_file_of_settings_hides_those_of_its_name_in_later_directories(tmp_path, monkeypatch):
    for number, directory in enumerate(("etc", "lib")):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "99-x.conf").write_text(f"kernel.panic={number}\n")
    monkeypatch.setattr(host, "SYSCTL_DIRECTORIES", (f"{tmp_path}/etc", f"{tmp_path}/lib"))
    assert host.boot_settings() == [(f"{tmp_path}/etc/99-x.conf", "kernel.panic=0\n")]


def test_modules_that_this_kernel_does_not_have_are_built_in_or_of_no_use():
    assert host.loadable(["k3a_no_such_module"]) == ()


def test_the_kernels_own_settings_are_read():
    assert host.read_setting("kernel.ostype") == "Linux"
    assert host.read_setting("kernel.k3a-no-such-setting") is None


def test_a_refusal_of_the_kernel_is_one_sentence():
    with pytest.raises(host.HostError, match="kernel.ostype cannot be set to x on this host: "):
        host.write_setting("kernel.ostype", "x")


def test_a_command_that_fails_is_told_in_its_words():
    with pytest.raises(host.HostError, match="ls /k3a-no-such failed: .*No such file"):
        host._run(["ls", "/k3a-no-such"])


@pytest.mark.parametrize(
    "current, former, raised",
    [
        ("128", {}, True),
        ("8192", {}, False),
        ("100000", {}, False),
        ("8192", {"fs.inotify.max_user_instances": "128"}, True),
    ],
    ids=["too low", "just enough", "more", "raised by us"],
)
def test_a_minimum_is_kept_only_where_the_kernel_has_less_by_itself(proc, tmp_path, current, former, raised):
    proc("fs.inotify.max_user_instances", current)
    proc("fs.inotify.max_user_watches", "1000000")
    host.record(host.record_path(str(tmp_path)), former)
    assert (
        host.wanted_host(str(tmp_path), [4], {}, "vxlan").settings.get("fs.inotify.max_user_instances") == "8192"
    ) is raised
    assert "fs.inotify.max_user_watches" not in host.wanted_host(str(tmp_path), [4], {}, "vxlan").settings


@pytest.fixture
def seen(monkeypatch):
    """The hosts that were compared with this one, which is left alone."""
    compared = []

    def make_plan(wanted):
        compared.append(wanted)
        raise host.HostError("the module vxlan is not there")

    monkeypatch.setattr(host, "make_plan", make_plan)
    return compared


@pytest.mark.parametrize("cidrs, ipv6", [(["10.42.0.0/16"], False), (["10.42.0.0/16", "fd00:42::/56"], True)])
def test_the_options_reach_the_host(seen, cidrs, ipv6):
    drift.check("host", {"data_dir": "/srv/k3a", "cluster_cidr": cidrs})
    (wanted,) = seen
    assert wanted.record == "/srv/k3a/host.json"
    assert "/srv/k3a" in [directory.path for directory in wanted.directories]
    assert ("net.ipv6.conf.all.forwarding" in wanted.settings) is ipv6


def test_what_a_host_lacks_is_one_sentence(seen):
    assert drift.check("host", {}) == {"failed": True, "msg": "the module vxlan is not there"}


class TestLabels:
    """Of SELinux."""

    @pytest.fixture
    def installed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(host.selinux, "POLICY", str(tmp_path / "etc/k3a.cil"))
        done = []

        def install(text, data_dir):
            done.append(data_dir)
            files.write_file(files.File(host.selinux.POLICY, text.encode(), mode=0o644))

        monkeypatch.setattr(host.selinux, "install", install)
        return done

    @pytest.mark.parametrize(
        "mode, labelled, wants", [("enforcing", True, True), ("enforcing", False, False), ("", True, False)]
    )
    def test_a_host_has_them_where_there_is_selinux_and_they_are_asked_for(self, mode, labelled, wants, monkeypatch):
        monkeypatch.setattr(host.selinux, "mode", lambda: mode)
        monkeypatch.setattr(host.selinux, "names", lambda: host.selinux.FAMILIES[0])
        assert bool(host.wanted_host("/d", [4], {}, "vxlan", labelled).policy) is wants

    def test_they_are_planned_and_installed_once(self, wanted, installed):
        wanted = replace(wanted, policy="(policy)\n")
        plan = host.make_plan(wanted)
        assert host.selinux.POLICY in paths(plan)
        host.apply(wanted, plan)
        assert installed == [wanted.directories[0].path]
        assert host.selinux.POLICY not in paths(host.make_plan(wanted))


class TestNetworkManager:
    def texts(self, interfaces):
        return {f.path: f.content.decode() for f in host.wanted_host("/d", [4], {}, "vxlan", False, interfaces).files}

    def test_it_leaves_the_interfaces_of_the_pod_network_alone(self, tmp_path, monkeypatch):
        monkeypatch.setattr(host, "NETWORK_MANAGER", str(tmp_path / "conf.d/k3a.conf"))
        assert host.NETWORK_MANAGER not in self.texts(["cni0", "flannel.1"])
        (tmp_path / "conf.d").mkdir()
        assert self.texts(["cni0", "flannel.1"])[host.NETWORK_MANAGER] == (
            "# The pod network of k3a.\n[keyfile]\nunmanaged-devices+=interface-name:cni0;interface-name:flannel.1\n"
        )

    def test_it_reads_the_file_when_that_changes(self, wanted, tmp_path, monkeypatch):
        monkeypatch.setattr(host, "NETWORK_MANAGER", str(tmp_path / "k3a.conf"))
        ran = []
        monkeypatch.setattr(host.process, "run", ran.append)
        wanted = replace(wanted, files=(*wanted.files, files.File(host.NETWORK_MANAGER, b"x\n", 0o644)))
        host.apply(wanted, host.make_plan(wanted))
        assert ran == [["systemctl", "try-reload-or-restart", "NetworkManager.service"]]
        host.apply(wanted, host.make_plan(wanted))
        assert len(ran) == 1
