# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import Address, Route
from ansible_collections.k3a.cluster.plugins.module_utils._host import check
from ansible_collections.k3a.cluster.plugins.module_utils._host.accounts import Account
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_facts import Space
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_firewall import Firewall, Opened
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_kernel import Kernel, wanted_features
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_neighbours import Neighbours
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_proc import PORT_CHECK, Holder, Socket
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import Identity
from ansible_collections.k3a.cluster.tests.unit.host_samples import (
    AGENT,
    BUILT_IN,
    FRESH,
    WANTED,
    found,
    the_only,
)


def test_nothing_is_wrong_with_a_fresh_host():
    assert found() == {}


def test_settings_of_the_kernel_that_nobody_may_change():
    others = {"kernel_settings": (("kernel.panic", "0"),)}
    assert found(**others) == {}, "they are set"
    key, text = the_only(found(wanted=replace(WANTED, protect_kernel_defaults=True), **others))
    assert key == ("fail", "kernel_defaults")
    assert text == (
        "kernel.panic is 0, which k3a_protect_kernel_defaults keeps k3a and the kubelet from changing; set it to 10 in"
        " /etc/sysctl.d, and now with sysctl -w, or leave the variable out"
    )
    assert found(wanted=replace(WANTED, protect_kernel_defaults=True, agent=False), **others) == {}


def test_what_a_server_keeps_whatever_its_variables_say_later():
    here = {"encryption": "secretbox", "installed": frozenset({"kubelet", "etcd"})}
    assert found(**here) == {}
    other = replace(WANTED, agent=False, secrets_encryption=False)
    assert found(wanted=other, **here).keys() == {("fail", "secrets_encryption"), ("fail", "disable_agent")}
    assert found(wanted=replace(other, server=False, agent=True), **here) == {}


class TestNames:
    def test_the_node_is_called_as_the_host_in_lower_case(self):
        assert check.node_name(FRESH, WANTED) == "node-1"
        assert check.node_name(FRESH, replace(WANTED, node_name="other")) == "other"

    @pytest.mark.parametrize("hostname", ["localhost", "localhost.localdomain"])
    def test_localhost_is_no_name(self, hostname):
        key, text = the_only(found(hostname=hostname))
        assert key == ("fail", "hostname")
        assert text == f"the hostname is {hostname}; give the host a name, or set k3a_node_name"
        assert found(wanted=replace(WANTED, node_name="node-7"), hostname=hostname) == {}

    @pytest.mark.parametrize("name", ["node_1", "-node", "node.", "a..b", "n" * 64, "knoten-ä"])
    def test_what_kubernetes_does_not_take(self, name):
        assert ("fail", "hostname") in found(hostname=name)

    @pytest.mark.parametrize("machine_id", ["", "uninitialized", "3D1219C7C4C5404AAA1F6D2A48ADFDA4"])
    def test_a_host_needs_a_machine_id(self, machine_id):
        key, text = the_only(found(machine_id=machine_id))
        assert key == ("fail", "machine_id")
        assert text == "/etc/machine-id holds no machine id; run systemd-machine-id-setup on the host"
        known = Identity(machine_id="3d1219c7c4c5404aaa1f6d2a48adfda4")
        _key, text = the_only(found(machine_id=machine_id, recorded=True, identity=known))
        assert text == (
            "/etc/machine-id holds no machine id, and by /etc/k3a/identity.json it is 3d1219c7c4c5404aaa1f6d2a48adfda4; "
            "write that into it"
        )

    def test_a_name_may_end_in_an_id_of_the_machine(self):
        wanted = replace(WANTED, with_node_id=True)
        name = check.node_name(FRESH, wanted)
        assert name == f"node-1-{check.node_id(FRESH.machine_id)}"
        assert address.valid_node_name(name)
        assert check.node_name(FRESH, replace(wanted, node_name="other")).startswith("other-")
        assert found(wanted=wanted) == {}

    def test_the_id_is_the_machines_and_does_not_give_the_machine_id_away(self):
        one, other = check.node_id(FRESH.machine_id), check.node_id(FRESH.machine_id.replace("3", "4"))
        assert check.node_id(FRESH.machine_id) == one != other
        assert len(one) == 8 and one not in FRESH.machine_id


class TestToken:
    KEPT = f"K10{'ab' * 32}::server:s3cr3t-word"

    @pytest.mark.parametrize("given", ["", "s3cr3t-word", KEPT, f"K10{'cd' * 32}::server:s3cr3t-word"])
    def test_the_one_that_is_kept_in_any_form_or_none(self, given):
        """Whether it pins this cluster's CA is for the controller to say, who knows the cluster."""
        assert found(wanted=replace(WANTED, token=given), token=self.KEPT) == {}

    def test_before_one_is_kept_any_will_do(self):
        assert found(wanted=replace(WANTED, token="s3cr3t-word")) == {}

    def test_another_one_is_refused(self):
        key, text = the_only(found(wanted=replace(WANTED, token="another"), token=self.KEPT))
        assert key == ("fail", "token")
        assert text == (
            "k3a_token is not the token that this server keeps; "
            "give the cluster's token or none; rotate_token.yml replaces it"
        )

    @pytest.mark.parametrize("given", ["K10s3cr3t", f"K10{'cd' * 32}::server:another"])
    def test_what_is_wrong_by_itself_is_told_once_for_all_servers(self, given):
        assert found(wanted=replace(WANTED, token=given), token=self.KEPT) == {}


class TestSystem:
    def test_systemd_has_to_run_and_be_recent(self):
        assert the_only(found(systemd=0))[1].startswith("systemd does not run this host")
        assert the_only(found(systemd=245))[1].startswith("systemd 245 is too old")
        assert found(systemd=247) == {}

    def test_cgroup_v1_is_for_those_who_say_so(self):
        v1 = {"cgroup": 1, "controllers": frozenset({"cpu", "cpuset", "memory", "pids"})}
        key, text = the_only(found(**v1))
        assert key == ("fail", "cgroup")
        assert "set k3a_allow_cgroup_v1 to true" in text
        assert found(wanted=replace(WANTED, allow_cgroup_v1=True), **v1) == {}

    def test_a_host_without_cgroups(self):
        assert the_only(found(cgroup=0, controllers=frozenset()))[0] == ("fail", "cgroup")

    def test_a_controller_that_is_switched_off_is_named(self):
        text = the_only(found(controllers=FRESH.controllers - {"memory"}))[1]
        assert text.startswith("the kernel has no cgroup controller memory; enable it")

    def test_what_systemd_starts_needs_a_python_of_the_system(self):
        assert the_only(found(lacking_python="/usr/bin/python3")) == (
            ("fail", "python"),
            "Ansible's Python is outside of /usr, and /usr/bin/python3, by which systemd starts k3a's programs, is not there "
            "or older than 3.9; install Python 3.9 or newer as /usr/bin/python3",
        )

    def test_every_missing_command_is_named_with_its_package(self):
        texts = found(commands=FRESH.commands - {"nft", "openssl"})
        assert texts == {
            ("fail", "command_nft"): "the host has no command nft; install it (package nftables)",
            ("fail", "command_openssl"): "the host has no command openssl; install it (package openssl)",
        }

    def test_iptables_is_needed_only_by_its_mode(self):
        assert ("fail", "command_iptables") in found(wanted=replace(WANTED, proxy_mode="iptables"))

    def test_little_memory_warns_and_more_is_wanted_of_a_server(self):
        assert the_only(found(memory=1024 * check.MIB))[0] == ("warn", "memory")
        assert found(wanted=AGENT, memory=1024 * check.MIB) == {}

    def test_swap_warns_or_fails_as_the_operator_wants(self):
        key, text = the_only(found(swap=("/dev/zram0",)))
        assert key == ("warn", "swap")
        assert text.startswith("swap is on (/dev/zram0)")
        assert ("fail", "swap") in found(wanted=replace(WANTED, swap="fail"), swap=("/dev/zram0",))


class TestVersions:
    """Of the kernel and of nft, as a Debian 11 has them."""

    OLD = replace(FRESH, kernel=replace(FRESH.kernel, release="5.10.0-30-amd64"), nft="0.9.8")

    def test_both_are_refused_with_the_other_mode_as_the_remedy(self):
        need = "is too old: kube-proxy and flannel need"
        remedy = "set k3a_proxy_mode to iptables for all hosts of the cluster, or use a newer distribution"
        assert found(self.OLD) == {
            ("fail", "kernel_version"): f"kernel 5.10.0-30-amd64 {need} 5.13 for k3a_proxy_mode nftables; {remedy}",
            ("fail", "nft_version"): f"nft 0.9.8 {need} 1.0.1 for k3a_proxy_mode nftables; {remedy}",
        }

    def test_the_other_mode_takes_them(self):
        iptables = dict.fromkeys(BUILT_IN, "y")
        iptables.update((f.symbol, "y") for f in wanted_features(2, [4], "iptables", "vxlan", "overlayfs"))
        seen = replace(
            self.OLD,
            kernel=replace(self.OLD.kernel, config=iptables),
            commands=FRESH.commands | check.IPTABLES_COMMANDS.keys(),
        )
        assert found(seen, replace(WANTED, proxy_mode="iptables")) == {}

    def test_a_server_that_is_no_node_takes_them(self):
        assert found(self.OLD, replace(WANTED, agent=False)) == {}


class TestKernel:
    def without(self, symbol, **changes):
        config = {name: value for name, value in BUILT_IN.items() if name != symbol}
        return replace(FRESH.kernel, **{"config": config, **changes})

    def test_a_missing_feature_says_what_needs_it(self):
        key, text = the_only(found(kernel=self.without("VXLAN")))
        assert key == ("fail", "kernel_vxlan")
        assert text.startswith("kernel 6.1.0-44-amd64 has no CONFIG_VXLAN, which k3a_flannel_backend vxlan needs")

    def test_a_backend_that_does_without_it_is_a_way_out(self):
        assert found(wanted=replace(WANTED, flannel_backend="host-gw"), kernel=self.without("VXLAN")) == {}

    def test_a_module_that_is_not_installed(self):
        kernel = self.without("", config={**BUILT_IN, "VXLAN": "m"}, loadable=frozenset({"overlay"}))
        key, text = the_only(found(kernel=kernel))
        assert key == ("fail", "kernel_vxlan")
        assert "linux-modules-extra" in text

    def test_a_kernel_that_says_nothing_is_doubted_once(self):
        kernel = Kernel("6.1", None, frozenset(), None)
        key, text = the_only(found(kernel=kernel))
        assert key == ("warn", "kernel_unknown")
        assert "VXLAN" in text

    def test_a_server_without_agent_runs_no_pods(self):
        assert found(wanted=replace(WANTED, agent=False), kernel=self.without("VXLAN")) == {}


class TestResolver:
    GIVEN = replace(WANTED, resolv_conf="/etc/resolv.k3a")

    @pytest.mark.parametrize("servers", [None, ()])
    def test_a_host_without_a_dns_server_that_pods_reach(self, servers):
        key, text = the_only(found(dns_servers=servers))
        assert key == ("fail", "resolv_conf")
        assert text == (
            "neither /etc/resolv.conf nor /run/systemd/resolve/resolv.conf names a DNS server that pods can reach; "
            "set k3a_resolv_conf to a file that does"
        )

    def test_a_given_file_has_to_be_there(self):
        assert found(wanted=self.GIVEN) == {}
        key, text = the_only(found(wanted=self.GIVEN, dns_servers=None))
        assert key == ("fail", "resolv_conf")
        assert text == "k3a_resolv_conf names /etc/resolv.k3a, which is no file there; name a file of the host"

    def test_a_given_file_has_to_name_a_server(self):
        key, text = the_only(found(wanted=self.GIVEN, dns_servers=()))
        assert key == ("fail", "resolv_conf")
        assert text == (
            "/etc/resolv.k3a, which k3a_resolv_conf names, has no DNS server, without which CoreDNS does not start; "
            "add a line 'nameserver' with its address"
        )

    def test_a_given_server_may_be_one_that_is_reached_in_ways_that_only_its_operator_knows(self):
        assert found(wanted=self.GIVEN, dns_servers=("169.254.20.10",)) == {}

    def test_a_server_without_agent_has_no_pods_that_ask(self):
        assert found(wanted=replace(WANTED, agent=False), dns_servers=None) == {}
        assert found(wanted=replace(self.GIVEN, agent=False), dns_servers=()) == {}


class TestAddresses:
    def test_a_configured_address_has_to_be_the_hosts(self):
        key, text = the_only(found(wanted=replace(WANTED, node_ip=("10.0.0.9",))))
        assert key == ("fail", "node_ip")
        assert text == "k3a_node_ip 10.0.0.9 is no address of this host; use one it has: 10.89.0.11"

    def test_an_address_written_otherwise_is_the_same(self):
        seen = replace(FRESH, addresses=(*FRESH.addresses, Address("eth0", "fd00::2", 64, True)))
        wanted = replace(WANTED, node_ip=("10.89.0.11", "fd00:0::2"))
        assert found(seen, wanted) == {}

    def test_a_family_that_the_host_does_not_have(self):
        wanted = replace(WANTED, cluster_cidr=("fd00:42::/56",), service_cidr=("fd00:43::/112",))
        key, text = the_only(found(wanted=wanted))
        assert key == ("fail", "node_ip")
        assert text == "the host has no IPv6 address on the interface of the default route; set k3a_node_ip"

    def test_a_node_inside_the_clusters_own_networks(self):
        wanted = replace(WANTED, cluster_cidr=("10.89.0.0/16",))
        assert "the node's address 10.89.0.11 lies inside k3a_cluster_cidr 10.89.0.0/16" in str(found(wanted=wanted))

    def test_an_interface_that_is_not_there(self):
        key, text = the_only(found(wanted=replace(WANTED, flannel_iface="eth7")))
        assert key == ("fail", "flannel_iface")
        assert text.endswith("choose one of eth0")


class TestRoutes:
    def test_a_route_into_the_clusters_networks_fails(self):
        key, text = the_only(found(routes=(*FRESH.routes, Route("wg0", "10.42.5.0/24", 0))))
        assert key == ("fail", "route")
        assert text.startswith("the route 10.42.5.0/24 on wg0 overlaps k3a_cluster_cidr 10.42.0.0/16")

    def test_a_wider_route_only_warns(self):
        assert set(found(routes=(*FRESH.routes, Route("tun0", "10.0.0.0/8", 50)))) == {("warn", "route")}

    @pytest.mark.parametrize("interface", ["cni0", "flannel.1", "flannel-wg", "veth1a2b3c"])
    def test_routes_of_the_pod_network_are_ours(self, interface):
        assert found(routes=(*FRESH.routes, Route(interface, "10.42.1.0/24", 0))) == {}

    def test_so_are_those_of_host_gw_where_our_flannel_runs(self):
        routes = (*FRESH.routes, Route("eth0", "10.42.1.0/24", 0, "10.89.0.12"))
        assert ("fail", "route") in found(routes=routes)
        assert found(routes=routes, active_units=frozenset({"k3a-flannel.service"})) == {}


class TestPorts:
    NC = Holder(4711, "nc", "")

    def test_a_foreign_process_is_named(self):
        sockets = (Socket("tcp", "0.0.0.0", 10250, 7),)
        key, text = the_only(found(sockets=sockets, holders={7: self.NC}))
        assert key == ("fail", "port_10250")
        assert (
            text
            == "port 10250/tcp, which kubelet needs, is in use by nc (pid 4711); stop it, or have it listen elsewhere"
        )

    def test_with_its_unit(self):
        sockets = (Socket("tcp", "::", 6443, 7),)
        holders = {7: Holder(88, "nginx", "nginx.service")}
        assert "is in use by nginx (pid 88, nginx.service)" in the_only(found(sockets=sockets, holders=holders))[1]

    def test_our_own_components_hold_their_ports(self):
        sockets = (Socket("tcp", "10.89.0.11", 2379, 7), Socket("tcp", "127.0.0.1", 2379, 7))
        assert found(sockets=sockets, holders={7: Holder(12, "etcd", "k3a-etcd.service")}) == {}
        # Of a run that was killed a moment ago.
        assert found(sockets=sockets, holders={7: Holder(12, PORT_CHECK, "ssh.service")}) == {}

    def test_one_process_on_two_families_is_told_once(self):
        sockets = (Socket("tcp", "0.0.0.0", 10248, 7), Socket("tcp", "::", 10248, 8))
        the_only(found(sockets=sockets, holders={7: self.NC, 8: self.NC}))

    def test_what_stands_only_on_another_address_does_not_collide_on_loopback(self):
        assert found(sockets=(Socket("tcp", "192.168.1.7", 10259, 7),), holders={7: self.NC}) == {}
        assert found(sockets=(Socket("tcp", "127.0.0.1", 10259, 7),), holders={7: self.NC}) != {}

    def test_a_tunnel_of_the_kernel_is_ours_when_flannel_has_an_interface(self):
        sockets = (Socket("udp", "0.0.0.0", 8472, 0),)
        assert "is in use by the kernel" in the_only(found(sockets=sockets))[1]
        assert found(sockets=sockets, addresses=(*FRESH.addresses, Address("flannel.1", "10.42.0.0", 32, True))) == {}

    def test_a_host_that_none_of_ours_is_for_keeps_its_ports(self):
        sockets = (Socket("tcp", "0.0.0.0", 2379, 7),)
        assert found(wanted=replace(WANTED, components=()), sockets=sockets, holders={7: self.NC}) == {}


class TestNeighbours:
    def test_other_software_is_judged_by_what_the_host_is(self):
        left = Neighbours(leftovers=("/var/lib/rancher/k3s",))
        assert the_only(found(neighbours=left))[0] == ("warn", "other_kubernetes")
        assert found(neighbours=left, installed=frozenset({"flannel"})) == {}
        assert the_only(found(active_units=frozenset({"k3s.service"})))[0] == ("fail", "other_kubernetes")

    def test_what_the_kubelet_needs_is_for_nodes(self):
        lacking = Neighbours(has_kernel_messages=False)
        assert the_only(found(neighbours=lacking))[0] == ("fail", "kernel_messages")
        assert found(wanted=replace(WANTED, agent=False), neighbours=lacking) == {}


class TestSelinux:
    WANTED = replace(WANTED, selinux=True)
    TOOLS = FRESH.commands | {"restorecon", "semodule"}

    def test_one_that_is_enforcing_is_refused(self):
        assert the_only(found(selinux="enforcing")) == (
            ("fail", "selinux"),
            "SELinux is enforcing, by which systemd may not run what k3a installs; set k3a_selinux to true, or SELinux to "
            "permissive (setenforce 0, and in /etc/selinux/config)",
        )

    @pytest.mark.parametrize("mode", ["", "permissive"])
    def test_one_that_forbids_nothing_is_fine(self, mode):
        assert found(selinux=mode) == {}

    def test_with_the_labels_of_its_policy_it_is_fine(self):
        seen = replace(FRESH, selinux="enforcing", selinux_knows_containers=True, commands=self.TOOLS)
        assert found(seen, self.WANTED) == {}

    def test_what_is_missing_for_labels_is_named(self):
        assert found(wanted=self.WANTED, selinux="enforcing") == {
            ("fail", "selinux"): "k3a_selinux is true, and the host's policy of SELinux has no labels for containers; "
            "install the package container-selinux (Debian's own policy has them since Debian 13)",
            ("fail", "command_restorecon"): "the host has no command restorecon, which k3a_selinux needs; "
            "install it (package policycoreutils)",
            ("fail", "command_semodule"): "the host has no command semodule, which k3a_selinux needs; "
            "install it (package policycoreutils)",
        }

    def test_without_selinux_the_variable_asks_for_nothing(self):
        assert found(wanted=self.WANTED) == {}


@pytest.mark.parametrize("server, names", [(True, {"bundle_version"}), (False, set())])
def test_a_bundle_that_skips_a_version_is_refused(server, names):
    seen = replace(FRESH, versions={"kubernetes": "v1.35.1"})
    wanted = replace(WANTED if server else AGENT, bundle_versions={"kubernetes": "v1.37.2"})
    assert {name for _level, name in found(seen, wanted)} == names


class TestFirewall:
    CLOSED = Firewall(firewalld=Opened())

    def test_what_is_closed_is_refused_before_the_host_is_a_node(self):
        assert found(firewall=self.CLOSED) == {
            ("fail", "firewall"): "firewalld drops packets of pods (10.42.0.0/16); run firewall-cmd --permanent "
            "--zone=trusted --add-source=10.42.0.0/16 && firewall-cmd --reload, or switch firewalld off",
            ("fail", "firewall_ports"): "firewalld drops packets to TCP 2379, 6443, 10250 and UDP 8472; run "
            "firewall-cmd --permanent --add-port=2379/tcp --add-port=6443/tcp --add-port=10250/tcp --add-port=8472/udp "
            "&& firewall-cmd --reload, or switch firewalld off",
        }

    def test_a_node_that_works_as_its_operator_wants_is_not_stopped(self):
        seen = replace(FRESH, firewall=self.CLOSED, installed=frozenset({"flannel"}))
        assert found(seen).keys() == {("warn", "firewall"), ("warn", "firewall_ports")}

    def test_a_server_that_is_no_node_has_no_pods(self):
        _key, text = the_only(found(wanted=replace(WANTED, agent=False), firewall=self.CLOSED))
        assert "pods" not in text

    def test_ports_to_which_nobody_comes_may_be_closed(self):
        seen = replace(FRESH, firewall=Firewall(ufw=Opened()))
        text = found(seen, replace(WANTED, without_peers=("servers",)))["fail", "firewall_ports"]
        assert "packets to TCP 6443, 10250 and UDP 8472;" in text
        text = found(seen, replace(WANTED, without_peers=("servers", "nodes")))["fail", "firewall_ports"]
        assert "packets to TCP 6443;" in text

    def test_another_network_than_flannel_is_its_operators_matter(self):
        _key, text = the_only(found(wanted=replace(WANTED, flannel_backend="none"), firewall=self.CLOSED))
        assert "pods" not in text


def test_everything_is_told_at_once():
    names = {name for _level, name in found(systemd=0, swap=("/swapfile",), commands=frozenset(), machine_id="")}
    assert {"systemd", "swap", "machine_id", "command_nft", "command_mount"} <= names


def test_every_finding_is_two_clauses():
    worst = replace(
        FRESH, systemd=0, swap=("/s",), commands=frozenset(), machine_id="", memory=1, selinux="enforcing", cgroup=0
    )
    findings = check.judge(worst, WANTED)
    assert len(findings) > 10
    assert all(f.message and f.remedy and not f.message.endswith(".") and not f.remedy.endswith(".") for f in findings)


class TestKubeconfig:
    OPS = replace(WANTED, write_kubeconfig_group="ops")

    def test_the_group_of_the_kubeconfig_has_to_be_there(self):
        key, text = the_only(found(wanted=self.OPS, has_kubeconfig_group=False))
        assert key == ("fail", "write_kubeconfig_group")
        assert text == "the host has no group ops, which k3a_write_kubeconfig_group names; make it, or name another one"
        assert found(wanted=self.OPS) == {}

    def test_where_nothing_can_be_written_beside_it_that_is_told_alone(self):
        told = {"unwritable": "Read-only file system", "record_space": Space(0, None, writable=False)}
        assert list(found(wanted=replace(WANTED, write_kubeconfig="/etc/k3a/k3a.yaml"), **told)) == [("fail", "record_space")]
        elsewhere = found(wanted=replace(WANTED, write_kubeconfig="/root/config"), **told)
        assert ("fail", "write_kubeconfig") in elsewhere

    def test_a_host_that_is_no_server_needs_none(self):
        assert found(wanted=replace(self.OPS, server=False), has_kubeconfig_group=False) == {}


class TestAccounts:
    """Of the names of our units' users."""

    RUNS = "k3a-flannel.service runs as it: whoever is flannel could read the unit's keys"
    REMEDY = "rename it, or take its login away (usermod --lock --shell /usr/sbin/nologin flannel)"
    PERSON = Account("flannel", 1001, "Flann O'Brien", "/bin/bash", password=True, home=True)

    def told(self, account):
        findings = found(accounts=(account,))
        return the_only(findings) if findings else None

    def test_one_that_somebody_logs_in_as_is_refused(self):
        key, text = self.told(self.PERSON)
        assert key == ("fail", "user_flannel")
        assert text == f"somebody can log in as flannel (it has a password), and {self.RUNS}; {self.REMEDY}"

    @pytest.mark.parametrize(
        ("account", "way"),
        [
            (replace(PERSON, password=False, keys=True), "it has SSH keys"),
            (replace(PERSON, password=None), "a directory service knows it as a person"),
            (replace(PERSON, uid=0), "it is root by another name"),
            (replace(PERSON, uid=500), "it has a password"),
            (replace(PERSON, shell=""), "it has a password"),
        ],
    )
    def test_whatever_the_way_in(self, account, way):
        key, text = self.told(account)
        assert key == ("fail", "user_flannel") and f"({way})" in text

    def test_one_that_looks_like_a_persons_is_warned_of(self):
        """Nobody can tell that no other service lets it in."""
        key, text = self.told(replace(self.PERSON, password=False))
        assert key == ("warn", "user_flannel")
        assert text == f"the account flannel has a shell, a home and a person's number, and {self.RUNS}; {self.REMEDY}"

    @pytest.mark.parametrize(
        "account",
        [
            Account("etcd", 110, "", "/bin/false", home=True),
            Account("etcd", 110, "etcd datastore", "/bin/bash", home=True),
            Account("etcd", 1001, "", "/sbin/nologin", password=True, home=True),
            Account("etcd", 1001, "", "/bin/sh"),
            Account("etcd", 110, "", "/bin/sh", password=None),
            Account("etcd", 998, "etcd datastore (k3a)"),
        ],
    )
    def test_a_system_account_is_none(self, account):
        """A distribution's etcd package makes one, and every version of k3a did."""
        assert self.told(account) is None

    def test_our_own_is_never_refused(self):
        """Somebody who has given it a login is told what that means."""
        assert self.told(replace(self.PERSON, purpose="Pod network (k3a)"))[0] == ("warn", "user_flannel")

    def test_where_no_unit_runs_as_it_nobody_asks(self):
        assert check.wanted_users(WANTED) == {"etcd": "k3a-etcd.service", "flannel": "k3a-flannel.service"}
