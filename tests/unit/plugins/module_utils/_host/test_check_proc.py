# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_proc as proc
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_proc import Mount, Socket

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:094D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 67999 2 00000000337772eb 100 0 0 10 0
   1: 00000000:280A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1126 1 00000000258c9795 100 0 0 10 0
   2: 0B00590A:0016 0100590A:D2F0 01 00000000:00000000 02:000A2B5E 00000000     0        0 140021 2 00000000337772eb 20 4 31 10 -1
"""  # noqa: E501
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 136348 1 000000007c94ae61 100 0 0 10 0
   1: 00000000000000000000000001000000:192B 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 136349 1 000000007c94ae61 100 0 0 10 0
"""  # noqa: E501
UDP = """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  118: 00000000:2118 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 0000000051b0d1a5 0
"""
NODE_MOUNTS = """\
86 50 0:40 / / rw,relatime shared:3 - overlay overlay rw,lowerdir=/l/ZG7N,upperdir=/u/diff,workdir=/u/work,uuid=on
91 86 0:46 / /run rw,nosuid,nodev,relatime shared:10 - tmpfs tmpfs rw
101 86 254:0 /volumes/38e2/_data /var/lib/k3a rw,relatime shared:28 - ext4 /dev/vda rw,discard,resv_strict
102 89 0:50 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:14 - tmpfs tmpfs ro,size=4096k,nr_inodes=1024,mode=755
103 102 0:29 / /sys/fs/cgroup/cpu rw,nosuid,nodev,noexec,relatime shared:15 - cgroup cgroup rw,cpu
49 102 0:37 / /sys/fs/cgroup/systemd rw,relatime shared:23 - cgroup cgroup rw,name=systemd
51 102 0:38 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:30 - cgroup2 cgroup2 rw
"""
DEBIAN_MOUNTS = """\
25 30 0:23 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
30 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
31 25 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
77 30 254:17 / /mnt/my\\040disk rw,noexec,relatime shared:40 - xfs /dev/vdb ro,attr2
78 77 254:18 / /mnt/my\\040disk/k3a rw,relatime shared:41 master:3 - ext4 /dev/vdc rw
"""
CGROUPS = """\
#subsys_name	hierarchy	num_cgroups	enabled
cpuset	3	1	1
cpu	1	1	1
memory	0	11	0
"""


def test_listening_tcp_sockets():
    assert proc.listening(TCP, "tcp") == [
        Socket("tcp", "127.0.0.1", 2381, 67999),
        Socket("tcp", "0.0.0.0", 10250, 1126),
    ]
    assert proc.listening(TCP6, "tcp") == [Socket("tcp", "::", 22, 136348), Socket("tcp", "::1", 6443, 136349)]


def test_bound_udp_sockets_of_the_kernel_have_no_inode():
    assert proc.listening(UDP, "udp") == [Socket("udp", "0.0.0.0", 8472, 0)]


def test_a_kernel_without_ipv6_has_no_sockets_of_it():
    assert proc.listening("", "tcp") == []


@pytest.mark.parametrize(
    "ip, wildcard, loopback",
    [
        ("0.0.0.0", True, False),
        ("::", True, False),
        ("127.0.0.53", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("10.0.0.1", False, False),
    ],
)
def test_where_a_socket_listens(ip, wildcard, loopback):
    one = Socket("tcp", ip, 1, 1)
    assert (one.wildcard, one.loopback) == (wildcard, loopback)


def test_the_mount_of_a_path_is_the_deepest():
    table = proc.mounts(NODE_MOUNTS)
    assert proc.mount_of("/var/lib/k3a/data", table).kind == "ext4"
    assert proc.mount_of("/var/lib/k3a", table).point == "/var/lib/k3a"
    assert proc.mount_of("/var/lib/k3a2", table) == Mount("/", "overlay", frozenset({"rw", "relatime"}))


def test_mount_points_are_unescaped_and_a_filesystem_may_be_read_only_itself():
    table = proc.mounts(DEBIAN_MOUNTS)
    disk = proc.mount_of("/mnt/my disk/other", table)
    assert disk.point == "/mnt/my disk"
    assert {"ro", "noexec"} <= disk.options
    assert proc.mount_of("/mnt/my disk/k3a/data", table).options == {"rw", "relatime"}


def test_a_later_mount_covers_an_earlier_one_on_the_same_point():
    covered = NODE_MOUNTS + "200 86 0:99 / /var/lib/k3a rw,noexec - tmpfs tmpfs rw\n"
    assert proc.mount_of("/var/lib/k3a/x", proc.mounts(covered)).kind == "tmpfs"


def test_cgroup_version():
    assert proc.cgroup_version(proc.mounts(DEBIAN_MOUNTS)) == 2
    assert proc.cgroup_version(proc.mounts(NODE_MOUNTS)) == 1
    assert proc.cgroup_version([]) == 0


def test_a_controller_that_is_switched_off_does_not_count():
    assert proc.v1_controllers(CGROUPS) == {"cpuset", "cpu"}


def test_swap_and_memory():
    swaps = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/zram0  partition\t524284\t\t0\t\t100\n"
    assert proc.swaps(swaps) == ("/dev/zram0",)
    assert proc.swaps(swaps.splitlines()[0]) == ()
    assert proc.memory_total("MemTotal:       24606720 kB\nMemFree:        1 kB\n") == 24606720 * 1024


@pytest.mark.parametrize(
    "cgroup, unit",
    [
        ("0::/system.slice/k3a-kubelet.service\n", "k3a-kubelet.service"),
        ("9:name=systemd:/system.slice/ssh.service\n3:cpuset:/\n0::/system.slice/ssh.service\n", "ssh.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n", "web.service"),
        ("0::/user.slice/user-0.slice/session-3.scope\n", ""),
        ("0::/system.slice/k3s.service/child\n", "k3s.service"),
    ],
)
def test_unit_of_a_process(cgroup, unit):
    assert proc.unit_of(cgroup) == unit


def test_only_units_of_the_collection_are_ours():
    assert proc.Holder(1, "etcd", "k3a-etcd.service").ours
    assert not proc.Holder(1, "etcd", "etcd.service").ours
    assert proc.Holder(1, "nc", "").of_unit == ""
    assert proc.Holder(1, "nginx", "nginx.service").of_unit == ", nginx.service"


def test_the_holder_of_a_real_socket_is_found():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        inode = os.fstat(listener.fileno()).st_ino
        found = proc.holders([inode, 0])
    assert found[inode].pid == os.getpid()
    assert list(found) == [inode]
