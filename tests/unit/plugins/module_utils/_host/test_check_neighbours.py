# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_neighbours
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_neighbours import Neighbours


def told(seen=None, active=(), is_node=False, agent=True):
    findings = check_neighbours.findings(seen or Neighbours(), frozenset(active), is_node, agent)
    return [(f.level, f"{f.message}; {f.remedy}") for f in findings]


def test_nobody_else_is_fine():
    assert told(active=["ssh.service", "k3a-kubelet.service"]) == []


@pytest.mark.parametrize("unit", ["k3s.service", "kubelet.service", "rke2-agent.service"])
def test_another_kubernetes_that_runs_is_refused(unit):
    text = f"another Kubernetes runs on this host ({unit}); remove it first, or use another host"
    assert told(active=[unit]) == told(Neighbours(frozenset({unit})), [unit]) == [("fail", text)]


def test_one_that_starts_with_the_host_is_refused():
    assert told(Neighbours(frozenset({"k3s.service"}))) == [
        (
            "fail",
            "another Kubernetes is installed, and starts when this host boots (k3s.service); remove it first, or run "
            "systemctl disable k3s.service",
        )
    ]


def test_what_one_has_left_warns_until_the_host_is_a_node():
    seen = Neighbours(leftovers=("/var/lib/kubelet", "/var/lib/rancher/k3s"))
    assert told(seen) == [
        (
            "warn",
            "another Kubernetes has left /var/lib/kubelet, /var/lib/rancher/k3s on this host; remove it by its own means "
            "(k3s-uninstall.sh, kubeadm reset), and restart the host",
        )
    ]
    assert told(seen, is_node=True) == []


class TestCloudSetup:
    TEXT = (
        "nm-cloud-setup.timer of NetworkManager change routes, and then pods have no network; run systemctl disable "
        "--now nm-cloud-setup.service nm-cloud-setup.timer, and restart the host"
    )

    @pytest.mark.parametrize("enabled, active", [(["nm-cloud-setup.timer"], []), ([], ["nm-cloud-setup.timer"])])
    def test_it_is_refused_whether_it_runs_or_will(self, enabled, active):
        assert told(Neighbours(frozenset(enabled)), active) == [("fail", self.TEXT)]

    def test_a_node_is_told_and_a_server_without_pods_does_not_mind(self):
        seen = Neighbours(frozenset({"nm-cloud-setup.timer"}))
        assert told(seen, is_node=True) == [("warn", self.TEXT)]
        assert told(seen, agent=False) == []


def test_a_container_without_the_kernels_messages_is_told_how_to_get_them():
    ((level, text),) = told(Neighbours(has_kernel_messages=False, container="lxc"))
    assert level == "fail"
    assert text == (
        "the host has no device /dev/kmsg, without which the kubelet does not start (it is a container, lxc); share that "
        "of the machine with it (lxc.mount.entry: /dev/kmsg dev/kmsg none bind,create=file)"
    )


def test_units_are_enabled_by_links(tmp_path):
    wants = tmp_path / "multi-user.target.wants"
    wants.mkdir()
    (wants / "k3s.service").symlink_to("/etc/systemd/system/k3s.service")
    (wants / "ssh.service").symlink_to("/lib/systemd/system/ssh.service")
    assert check_neighbours.enabled_units(str(tmp_path)) == {"k3s.service"}


def test_what_holds_nothing_was_left_by_nobody(tmp_path):
    for name in ("empty", "disk/lost+found", "kubelet/pods"):
        (tmp_path / name).mkdir(parents=True)
    directories = [str(tmp_path / name) for name in ("empty", "disk", "kubelet", "nothing")]
    assert check_neighbours.leftovers(directories) == (str(tmp_path / "kubelet"),)


def test_this_machine_can_be_looked_at():
    assert isinstance(check_neighbours.observe(), Neighbours)
