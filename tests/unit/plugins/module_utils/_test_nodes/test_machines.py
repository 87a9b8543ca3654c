# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import machines, nodes, qemu
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.debian import NodesError
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.host import Host

KEY = "ssh-ed25519 AAAA test nodes m"


class Module:
    """Stands in for AnsibleModule on a machine that has these addresses, by interface."""

    check_mode = False

    def __init__(self, **addresses):
        self.addresses = addresses
        self.commands = []
        self.warn = print

    def run_command(self, argv, data=None, handle_exceptions=True):
        if argv[:2] == ["ip", "-json"]:
            shown = [{"ifname": name, "addr_info": [{"local": a}]} for name, a in self.addresses.items()]
            return 0, json.dumps(shown), ""
        self.commands.append(argv)
        return 0, "", ""


@pytest.fixture(autouse=True)
def running(monkeypatch, tmp_path):
    """The machines that have power; the cache is empty."""
    found = []
    monkeypatch.setattr(machines.qemu, "processes", lambda set_name: iter(found))
    monkeypatch.setenv("K3A_CACHE", str(tmp_path / "cache"))
    return found


@pytest.fixture
def module():
    return Module()


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "m")


def kind(module, directory, **options):
    return machines.Machines(Host(module), "m", directory, machines.Options(**options))


def wanted(servers=1):
    return nodes.wanted_nodes("m", servers, 0, str(machines.networks("m")[0]))


def make(module, directory, node, **options):
    """Create a machine whose power comes by a script that is not called."""
    made = kind(module, directory, **options)
    os.makedirs(made._disk.users)
    made.create(node, KEY)
    return made


def process(directory, name, stopped=False):
    return qemu.Process(4711, name, f"{directory}/machines/{name}", stopped)


def test_a_set_has_networks_of_its_own_that_follow_from_its_name():
    mine, other = machines.networks("m"), machines.networks("n")
    assert machines.networks("m") == mine
    assert len(mine) == machines.MOST_INTERFACES
    assert not any(a.overlaps(b) for a in mine for b in other)
    assert all(network.subnet_of(machines.ADDRESSES) for network in mine + other)


def test_names_of_interfaces_fit_the_kernel():
    longest = "x" * 40
    assert len(machines.bridge_name(longest, 3)) <= 15
    assert len(machines.tap_name(longest + "-server-89", 3)) <= 15


def test_an_address_ends_the_same_on_each_interface():
    (server,) = wanted()
    ends = {machines.address_in(network, server).split(".")[3] for network in machines.networks("m")}
    assert ends == {"11"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": 512}, "memory is 512: a node needs 1024 MiB"),
        ({"disks": 9}, "disks is 9"),
        ({"disk_size": 0}, "disk_size is 0"),
        ({"interfaces": 0}, "interfaces is 0"),
        ({"interfaces": 5}, "interfaces is 5: a machine has 1 to 4"),
    ],
)
def test_what_no_machine_can_have_is_refused(module, directory, options, message):
    with pytest.raises(NodesError, match=message):
        kind(module, directory, **options).check("")


def test_a_network_that_is_in_use_is_refused(directory):
    address = str(machines.networks("m")[0][7])
    with pytest.raises(NodesError, match="is in use on eth0: take another name"):
        kind(Module(eth0=address), directory).check("")
    own = {machines.bridge_name("m", 0): str(machines.networks("m")[0][1])}
    kind(Module(**own), directory).check("")


def test_a_machine_is_a_disk_that_refers_to_the_common_one_and_a_script(module, directory):
    (server,) = wanted()
    made = make(module, directory, server, disks=1, disk_size=2)
    where = f"{directory}/machines/m-server-1"
    disks = [argv for argv in module.commands if argv[0] == "qemu-img"]
    assert [argv[5:] for argv in disks] == [
        ["-b", made._disk.file, "-F", "raw", f"{where}/disk.qcow2"],
        [f"{where}/disk-1.qcow2", "2G"],
    ]
    assert module.commands[-1] == [f"{where}/start"]
    assert os.stat(f"{where}/start").st_mode & 0o777 == 0o755
    assert os.readlink(f"{made._disk.users}/m-server-1") == where


def test_states_of_machines(module, directory, running):
    for server in wanted(3):
        os.makedirs(f"{directory}/machines/{server.name}")
        with open(f"{directory}/machines/{server.name}/start", "w"):
            pass
    os.makedirs(f"{directory}/machines/m-half-made")
    running += [process(directory, "m-server-1"), process(directory, "m-server-2", stopped=True)]
    running.append(process(directory, "m-without-files"))
    assert kind(module, directory).states() == {
        "m-server-1": "running",
        "m-server-2": "paused",
        "m-server-3": "exited",
        "m-half-made": "lost",
        "m-without-files": "lost",
    }


def test_machines_of_a_set_of_the_same_name_elsewhere_are_left_alone(module, directory, running, tmp_path):
    elsewhere = tmp_path / "other/machines/m-server-1"
    elsewhere.mkdir(parents=True)
    running.append(process(str(tmp_path / "other"), "m-server-1"))
    with pytest.raises(NodesError, match=f"m-server-1 of another set m runs in {elsewhere}: take another name"):
        kind(module, directory).states()


def test_a_key_that_a_machine_does_not_know_is_refused(module, directory):
    made = make(module, directory, wanted()[0])
    made.check(KEY)
    for other in ("", "ssh-ed25519 BBBB test nodes m"):
        with pytest.raises(NodesError, match="m-server-1 does not know the key"):
            made.check(other)


def test_a_machine_with_other_options_is_told(module, directory):
    made = make(module, directory, wanted()[0])
    assert made.older(wanted(2), KEY) == []
    assert kind(module, directory, memory=4096).older(wanted(2), KEY) == ["m-server-1"]


def test_the_network_is_there_when_each_bridge_has_its_address(directory):
    first = {machines.bridge_name("m", 0): str(machines.networks("m")[0][1])}
    assert kind(Module(**first), directory).network() == "present"
    assert kind(Module(**first), directory, interfaces=2).network() == "absent"


def test_a_bridge_is_made_with_an_address_that_no_machine_takes_with_it(module, directory):
    kind(module, directory).make_network()
    gateway, bridge = str(machines.networks("m")[0][1]), machines.bridge_name("m", 0)
    assert module.commands[0] == ["ip", "link", "add", bridge, "address", nodes.mac_address(gateway), "type", "bridge"]
    assert ["ip", "address", "replace", f"{gateway}/24", "dev", bridge] in module.commands


def test_removal_leaves_nothing(module, directory):
    made = make(module, directory, wanted()[0])
    made.remove(["m-server-1"])
    assert made.states() == {}
    assert os.listdir(made._disk.users) == []


def test_a_login_may_take_as_long_for_ansible_as_for_those_who_read_its_options(module, directory):
    found = kind(module, directory).variables([])
    assert found["ansible_ssh_extra_args"] == f"-o ConnectTimeout={found['ansible_timeout']}"
