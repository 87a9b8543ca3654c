# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import fcntl
import grp
import os
import pwd
import socket

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import registry
from ansible_collections.k3a.cluster.plugins.module_utils._host import host
from ansible_collections.k3a.cluster.plugins.module_utils._reset import process, reset
from ansible_collections.k3a.cluster.plugins.module_utils._reset.process import Process, Unit

BUNDLE = "602c8c8bdc1c977c3ab5ba5c40d3af3fcde3a3da7ba8a606db3ced1444edaa25"


def node(data_dir="/var/lib/k3a", points=(), units=(), processes=(), ours=True):
    return reset.Node(str(data_dir), ours, "/etc/k3a/k3a.yaml", 1, tuple(points), tuple(units), tuple(processes))


def what(plan):
    return [name for removal in plan for name in removal.what]


def make(directory, *paths):
    for path in paths:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text("")


def holds(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir())


@pytest.fixture
def told(monkeypatch):
    """The commands that the host would have been given."""
    commands = []
    monkeypatch.setattr(process, "run", lambda *command, **_how: commands.append(command) or "")
    return commands


@pytest.fixture
def units(tmp_path, monkeypatch):
    directory = tmp_path / "system"
    directory.mkdir()
    monkeypatch.setattr(reset, "UNIT_DIRECTORY", str(directory))
    return directory


def test_the_kubelet_stops_first_then_pods_die_then_the_rest_stops(tmp_path):
    (tmp_path / "agent/tls").mkdir(parents=True)
    running = [
        Unit("k3a-etcd.service", "active", 226),
        Unit("k3a-containerd.service", "active", 320),
        Unit("k3a-kubelet.service", "activating", 527),
        Unit("k3a-flannel.service", "failed"),
        Unit("kubepods.slice", "active", slice="-.slice"),
        Unit("cri-containerd-15.scope", "active", slice="kubepods-burstable.slice"),
        Unit("cri-containerd-99.scope", "active", slice="system.slice"),
    ]
    table = [
        Process(320, 1, f"{tmp_path}/data/{BUNDLE}/bin/containerd", 1),
        Process(799, 1, f"{tmp_path}/data/{BUNDLE}/bin/containerd-shim-runc-v2", 1),
        Process(825, 799, "/pause", 2),
    ]
    assert what(reset.stop_node(node(tmp_path, units=running, processes=table))) == [
        "k3a-kubelet.service",
        "process containerd-shim-runc-v2 (799)",
        "process pause (825)",
        "k3a-etcd.service",
        "k3a-containerd.service",
        "cri-containerd-15.scope",
        "kubepods.slice",
    ]


def test_pods_of_a_kubelet_that_is_not_ours_stay(tmp_path, units):
    assert what(reset.stop_node(node(tmp_path, units=[Unit("kubepods.slice", "active")]))) == []


def test_what_tells_that_k3a_was_here_goes_last(tmp_path, units, told):
    data_dir = tmp_path / "k3a"
    cluster = ("agent/etc/kubelet.yaml", "server/tls/server-ca.key", "server/db/etcd/member/wal")
    make(data_dir, *cluster, f"data/{BUNDLE}/bin/etcd", "host.json", "notes", "server/backup/of-mine", "data/photos")
    make(units, "k3a-etcd.service", "multi-user.target.wants/k3a-etcd.service", "ssh.service", "a.wants/ssh.service")
    plan = [*reset.forget_state(node(data_dir))]
    assert what(plan) == [
        f"{data_dir}/agent/etc",
        f"{data_dir}/server/tls",
        f"{data_dir}/server/db/etcd/member",
        f"{units}/k3a-etcd.service",
        f"{units}/multi-user.target.wants/k3a-etcd.service",
        f"{data_dir}/host.json",
        f"{data_dir}/data/{BUNDLE}",
    ]
    assert reset.apply(plan) == []
    assert holds(data_dir) == ["data/photos", "notes", "server/backup/of-mine"]
    assert sorted(os.listdir(units)) == ["a.wants", "multi-user.target.wants", "ssh.service"]
    assert ("systemctl", "daemon-reload") in told


OTHERS = {
    "a directory for all": ("srv/data/customers", "srv/agent/readme", "srv/server/www/index.html"),
    "another program's": ("server/db/table", "server/etc/x.conf", "agent/etc/y.conf", "data/files/letter"),
    "K3s's": (
        "agent/etc/x",
        "agent/tls/y",
        "data/current",
        "server/cred/passwd",
        "server/db/state.db",
        "server/tls/ca",
    ),
    "an empty one": (),
}


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_goes_of_a_directory_that_is_somebody_elses(tmp_path, units, told, monkeypatch, name):
    """Names such as db or tls say nothing: of a directory that no record names it takes a bundle to be ours."""
    make(tmp_path, *OTHERS[name])
    commands = tmp_path / "bin"
    monkeypatch.setattr(
        reset.tree, "names", lambda path, real=reset.tree.names: real(path) if "/usr/local" not in path else []
    )
    before = holds(tmp_path)
    seen = reset.observe(str(tmp_path), False, "/etc/k3a/k3a.yaml", 1)
    assert not seen.ours
    assert [*reset.forget_state(seen)] == []
    assert reset.left_alone(seen) == []
    assert holds(tmp_path) == before
    assert not commands.exists()


def test_programs_of_others_in_a_directory_of_that_name_go_on(tmp_path):
    table = [Process(7, 1, f"{tmp_path}/data/tool", 1), Process(8, 1, f"{tmp_path}/data/{BUNDLE}/bin/etcd", 1)]
    assert what(reset.stop_node(node(tmp_path, processes=table))) == ["process etcd (8)"]
    assert what(reset.stop_node(node(tmp_path, processes=table, ours=False))) == []


@pytest.mark.parametrize(
    "point, goes",
    [("", True), ("server/db", True), ("server/db/etcd", True), ("server/backup", False), ("server/tls/share", False)],
)
def test_a_disk_for_what_is_ours_is_emptied_and_another_is_not_looked_into(tmp_path, units, told, point, goes):
    place = f"{tmp_path}/{point}".rstrip("/")
    inside = {"": "host.json", "server/db": "etcd/member/wal", "server/db/etcd": "member/wal"}.get(point, "of-mine")
    make(tmp_path, f"{point}/{inside}", "server/tls/x", "server/db/etcd/member/snap", f"data/{BUNDLE}/x")
    seen = node(tmp_path, [place])
    for removal in reset.forget_state(seen):
        for path in removal.what:
            reset.tree.remove(path, seen.points)
    assert os.path.isdir(place)
    assert os.path.lexists(f"{place}/{inside}") is not goes
    assert not os.path.lexists(tmp_path / "server/tls/x")
    assert [*reset.forget_state(seen)] == []
    told_of = [f"{place} is a mount that k3a has not made; what is in it was left as it is"]
    assert reset.left_alone(seen) == ([] if goes else told_of)


def test_a_link_that_we_have_not_made_is_neither_followed_nor_removed(tmp_path, units, told):
    data_dir, elsewhere = tmp_path / "k3a", tmp_path / "elsewhere"
    make(elsewhere, "etcd/member/wal", "key")
    make(data_dir, f"data/{BUNDLE}/x", "server/etc/x")
    (data_dir / "server/db").symlink_to(elsewhere)
    (data_dir / "server/tls").symlink_to(elsewhere)
    (data_dir / "data/current").symlink_to(BUNDLE)
    seen = node(data_dir)
    assert reset.apply(reset.forget_state(seen)) == []
    assert holds(elsewhere) == ["etcd/member/wal", "key"]
    assert os.listdir(data_dir / "data") == []
    assert sorted(os.listdir(data_dir / "server")) == ["db", "tls"]
    assert [text.split(" is a link")[0] for text in reset.left_alone(seen)] == [
        f"{data_dir}/server/db",
        f"{data_dir}/server/tls",
    ]


@pytest.mark.parametrize(
    "target, ours",
    [
        ("/opt/data/current/bin/kubectl", True),
        ("/opt/agent/lib/k3a.pyz", True),
        ("/opt/agent/etc/crictl.yaml", True),
        ("/opt/node/bin/node", False),
        ("/opt/terraform", False),
        ("/opt/agent/lib/other", False),
    ],
)
def test_a_command_is_ours_when_it_leads_to_what_we_made(target, ours):
    assert reset.is_target_of_ours(target, "/opt") is ours


def test_what_somebody_had_before_us_comes_back(tmp_path, units, told, monkeypatch):
    data_dir, crictl = tmp_path / "k3a", tmp_path / "crictl.yaml"
    make(data_dir, "agent/etc/crictl.yaml", "host.json")
    (data_dir / "host.json").write_text('{"settings": {}}')
    monkeypatch.setattr(reset.containerd, "CRICTL", str(crictl))
    for name in ("forget_kubectl", "own_users"):
        monkeypatch.setattr(reset, name, lambda *_arguments: [])
    crictl.symlink_to(data_dir / "agent/etc/crictl.yaml")
    (tmp_path / "crictl.yaml.before-k3a").write_text("timeout: 9\n")
    seen = reset.observe(str(data_dir), True, str(tmp_path / "none"), 1)
    removals = [each for each in reset.forget_host(seen) if str(crictl) in each.what]
    assert [each.what for each in removals] == [(str(crictl), f"{crictl}.before-k3a")]
    reset.apply(removals)
    assert crictl.read_text() == "timeout: 9\n" and not crictl.is_symlink()
    assert not [each for each in reset.forget_host(seen) if str(crictl) in each.what], "it is not ours any more"


@pytest.fixture
def records(tmp_path, units, told, monkeypatch):
    """A host that has nothing but a data directory, units and records, these in a directory of the test."""
    directory = tmp_path / "etc"
    monkeypatch.setattr(reset, "RECORDS", str(directory))
    monkeypatch.setattr(reset, "SHARED_DIRECTORIES", ())
    monkeypatch.setattr(reset.layouts, "KUBELET_DIRECTORY", str(tmp_path / "kubelet"))
    monkeypatch.setattr(reset, "mount_points", tuple)
    monkeypatch.setattr(process, "units", lambda *_patterns: [])
    monkeypatch.setattr(process, "processes", list)
    for step in ("forget_host", "leave_network", "forget_pods", "forget_runtime"):
        monkeypatch.setattr(reset, step, lambda _node: [])
    return directory


def test_a_data_directory_that_is_a_link_is_emptied_and_its_commands_go(tmp_path, records):
    """What is under /usr/local/bin names it as it was given; and a link that leads nowhere is no place to install to."""
    disk, given = tmp_path / "disk/k3a", tmp_path / "k3a"
    make(disk, f"data/{BUNDLE}/bin/kubectl", "agent/etc/crictl.yaml")
    (disk / "data/current").symlink_to(BUNDLE)
    given.symlink_to(disk)
    assert reset.is_target_of_ours(f"{given}/data/current/bin/kubectl", str(disk))
    assert reset.is_target_of_ours(f"{given}/agent/etc/crictl.yaml", str(disk))
    assert not reset.is_target_of_ours("data/current", str(disk)) and not reset.is_target_of_ours("/bin/sh", str(disk))
    reset.apply(reset.make_plan(reset.observe(str(given), True, "/etc/k3a/k3a.yaml", 1)))
    assert os.listdir(given) == []


@pytest.mark.parametrize("killed_after", range(20))
def test_one_that_is_killed_is_finished_by_the_next(tmp_path, units, records, monkeypatch, killed_after):
    data_dir = tmp_path / "k3a"
    make(
        data_dir, "agent/tls/x", "agent/containerd/m/x", "server/tls/x", "server/token.next", "server/db/etcd/member/x"
    )
    make(data_dir, f"data/{BUNDLE}/x", f"data/files/{BUNDLE}/x", "data/verified.json", "host.json")
    (data_dir / "host.json").write_text('{"settings": {}}')
    make(records, "identity.json")
    make(units, "k3a-etcd.service")
    monkeypatch.setattr(reset, "remove_units", lambda paths: [os.unlink(path) for path in paths])
    reset.apply(reset.make_plan(reset.observe(str(data_dir), True, "/etc/k3a/k3a.yaml", 1))[:killed_after])
    recorded = (records / "identity.json").exists() or (units / "k3a-etcd.service").exists()
    reset.converge(str(data_dir), recorded, "/etc/k3a/k3a.yaml", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["system"] and holds(units) == []


def test_a_mount_whose_name_is_no_text_is_one_like_others(monkeypatch):
    """A user may mount something by FUSE."""
    line = b"36 35 98:0 / /mnt/\xff\x040 rw - fuse x rw\n".replace(b"\x040", b"\\040")
    monkeypatch.setattr(reset.files, "read_bytes", lambda _path: line)
    assert [os.fsencode(point) for point in reset.mount_points()] == [b"/mnt/\xff "]


def test_mounts_of_pods_go_and_those_of_the_administrator_stay():
    points = (
        "/var/lib/k3a",
        "/var/lib/kubelet",
        "/var/lib/k3a/server/db",
        "/var/lib/kubelet/plugins",
        "/run/k3a/containerd/io.containerd.runtime.v2.task/k8s.io/15/rootfs",
        "/var/lib/kubelet/pods/79/volumes/kubernetes.io~projected/config",
    )
    assert reset.pod_mounts(node(points=points)) == [points[5], points[4]]
    assert node(points=points).staying == set(points[:4])


def test_users_of_another_description_are_not_ours(monkeypatch, tmp_path):
    entries = [
        pwd.struct_passwd(("etcd", "x", 997, 997, registry.users()["etcd"], "/", "/usr/sbin/nologin")),
        pwd.struct_passwd(("kube", "x", 996, 996, "somebody's", "/", "/usr/sbin/nologin")),
        pwd.struct_passwd(("root", "x", 0, 0, "root", "/root", "/bin/sh")),
    ]
    monkeypatch.setattr(pwd, "getpwall", lambda: entries)
    monkeypatch.setattr(host, "SYSUSERS", str(tmp_path / "k3a.conf"))
    assert reset.own_users() == []
    make(tmp_path, "k3a.conf")
    assert reset.own_users() == ["etcd"]


def test_a_kubeconfig_elsewhere_is_ours_when_it_holds_this_server_s_authority(tmp_path):
    make(tmp_path, "server/tls/server-ca.crt")
    (tmp_path / "server/tls/server-ca.crt").write_bytes(b"-----BEGIN CERTIFICATE-----\nMII\n")
    ours, other = tmp_path / "ours", tmp_path / "other"
    ours.write_bytes(b"certificate-authority-data: " + base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMII\n"))
    other.write_text("certificate-authority-data: LS0t")
    assert reset.is_kubeconfig_of(str(tmp_path), str(ours))
    assert not reset.is_kubeconfig_of(str(tmp_path), str(other))
    assert not reset.is_kubeconfig_of(str(tmp_path), f"{tmp_path}/nothing")
    assert not reset.is_kubeconfig_of(f"{tmp_path}/nothing", str(other))


def test_the_networks_of_pods_are_those_that_flannel_was_told(tmp_path):
    make(tmp_path, "agent/etc/flannel/net-conf.json")
    text = '{"Network": "10.42.0.0/16", "EnableIPv4": true, "IPv6Network": "::/0", "EnableIPv6": false}'
    (tmp_path / "agent/etc/flannel/net-conf.json").write_text(text)
    assert reset.pod_networks(node(tmp_path)) == ["10.42.0.0/16"]
    assert reset.pod_networks(node(f"{tmp_path}/nothing")) == []


def test_the_socket_of_a_shim_is_the_one_that_it_was_started_with(tmp_path):
    (tmp_path / "bootstrap.json").write_text('{"version":3,"address":"unix:///run/containerd/s/44","protocol":"ttrpc"}')
    assert reset.shim_socket(str(tmp_path)) == "/run/containerd/s/44"
    assert reset.shim_socket(f"{tmp_path}/nothing") is None


def test_a_socket_that_nobody_listens_on_is_dead(tmp_path):
    with socket.socket(socket.AF_UNIX) as alive, socket.socket(socket.AF_UNIX) as dead:
        alive.bind(str(tmp_path / "alive"))
        alive.listen()
        dead.bind(str(tmp_path / "dead"))
        dead.close()
        assert reset.dead_sockets(str(tmp_path)) == {f"{tmp_path}/dead"}


def test_a_setting_that_the_kernel_refuses_is_told_and_keeps_nothing_else():
    refused = reset.Removal(("kernel setting k3a.never",), lambda: reset.restore_setting("k3a.never", "1"))
    done = []
    after = reset.Removal(("x",), lambda: done.append("x"))
    assert [warning.split(" cannot")[0] for warning in reset.apply([refused, after])] == [
        "the kernel setting k3a.never"
    ]
    assert done == ["x"]


def test_the_lock_of_iptables_goes_when_our_group_was_let_in_and_nobody_holds_it(tmp_path):
    lock, ours = tmp_path / "xtables.lock", grp.getgrgid(os.getegid()).gr_name
    assert list(reset.leave_lock(str(lock), ours)) == []
    lock.touch(0o640)
    assert list(reset.leave_lock(str(lock), "somebody's")) == []
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        reset.apply(reset.leave_lock(str(lock), ours))
        assert lock.stat().st_mode & 0o777 == 0o600
    assert reset.apply(reset.leave_lock(str(lock), ours)) == []
    assert not lock.exists()


def test_a_directory_that_somebody_uses_again_stays(tmp_path):
    make(tmp_path, "used/file")
    (tmp_path / "empty").mkdir()
    for name in ("used", "empty", "nothing"):
        reset.remove_directory(f"{tmp_path}/{name}")
    assert sorted(os.listdir(tmp_path)) == ["used"]


def test_what_keeps_coming_back_is_an_error_with_its_name(monkeypatch):
    again = [reset.Removal(("interface cni0",), lambda: None)]
    monkeypatch.setattr(reset, "observe", lambda *_where: None)
    monkeypatch.setattr(reset, "make_plan", lambda _node: again)
    monkeypatch.setattr(reset, "left_alone", lambda _node: [])
    with pytest.raises(reset.ResetError, match="interface cni0 came back 3 times"):
        reset.converge("/var/lib/k3a", True, "/etc/k3a/k3a.yaml", 1)
