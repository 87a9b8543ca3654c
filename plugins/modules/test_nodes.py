#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: test_nodes
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
short_description: Make machines to try a cluster on
description:
  - Makes, starts and removes a set of freshly installed Debian machines, with systemd, SSH and a user who may use sudo,
    and writes the inventory that leads to them.
  - Runs as root on the machine that holds the nodes, which needs debootstrap, iproute2 and openssh-client.
  - Nodes of O(kind=container) are podman containers. They start in seconds, on the kernel of the machine that holds
    them. That needs podman, runc, netavark and aardvark-dns, too. Their image is made the first time, which takes about
    a minute, and kept by podman. Limits that all containers of the machine share, those of inotify, are raised to what
    several clusters need, until the next boot.
  - Nodes of O(kind=machine) are emulated in software by qemu. Each has a kernel, systemd, udev, cgroup v2, disks and
    interfaces of its own, and is about ten times slower. That needs qemu-system-x86, qemu-utils and e2fsprogs, too. The
    disk that they begin with is made the first time, which takes three minutes, and kept in the cache (E(K3A_CACHE), or
    else C(~/.cache/k3a)).
  - The files of a machine are in C(machines/NAME) below O(directory). A kill of the process in C(qemu.pid) there cuts
    its power, and the script C(start) gives it back.
options:
  name:
    description:
      - Name of the set.
      - Its nodes are called C(NAME-server-1), C(NAME-agent-1) and so on.
    type: str
    required: true
  kind:
    description:
      - What the nodes are made of. All nodes of a set are of one kind.
      - V(absent) of O(state) removes nodes of either kind.
    type: str
    choices: [container, machine]
    default: container
  state:
    description:
      - V(present) makes what is missing, starts what is stopped and removes what is too much.
      - V(absent) removes the nodes, their network and O(directory).
    type: str
    choices: [present, absent]
    default: present
  servers:
    description: Number of nodes in the group C(server).
    type: int
    default: 1
  agents:
    description: Number of nodes in the group C(agent).
    type: int
    default: 2
  release:
    description:
      - The release of Debian, 12 or 13, by its code name.
      - Containers have V(bookworm), whose systemd is the last that boots with cgroup v1.
    type: str
    choices: [bookworm, trixie]
    default: bookworm
  memory:
    description: Memory of a machine in MiB; containers share that of the machine that holds them.
    type: int
    default: 3072
  disks:
    description: Number of empty disks of a machine beside the first, which has 10 GiB.
    type: int
    default: 0
  disk_size:
    description: Size of each of O(disks) in GiB.
    type: int
    default: 4
  interfaces:
    description:
      - Number of network interfaces of a machine, at most 4, each on a network of its own.
      - Only the first has a default route. On each an address ends as on the first.
    type: int
    default: 1
  kernel_arguments:
    description: What a machine's kernel is told besides, as on a command line, such as C(security=selinux).
    type: str
    default: ""
  packages:
    description:
      - Further packages of Debian that a machine has from its first boot on, with what they need.
      - Machines with other packages begin with another disk, which is made the first time as well.
    type: list
    elements: str
    default: []
  directory:
    description: Where the inventory C(hosts), the SSH key and C(known_hosts) are written, and the files of machines.
    type: path
    required: true
  mirror:
    description:
      - URL of the Debian archive that the image or the disk is made from.
      - By default the one in apt's own configuration.
    type: str
  timeout:
    description:
      - Seconds after which nodes that are not running and reachable are an error.
      - By default 180 for containers and 600 for machines.
    type: int
extends_documentation_fragment:
  - k3a.cluster.attributes
"""

EXAMPLES = r"""
- name: Make one server and two agents
  k3a.cluster.test_nodes:
    name: k3a
    servers: 1
    agents: 2
    directory: build/k3a

- name: Make three machines, each with a second disk
  k3a.cluster.test_nodes:
    name: m
    kind: machine
    servers: 3
    agents: 0
    disks: 1
    directory: build/m

- name: Remove them and all that they left
  k3a.cluster.test_nodes:
    name: k3a
    state: absent
    directory: build/k3a
"""

RETURN = r"""
nodes:
  description: The nodes of the set.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the node, as that of its container.
      type: str
    group:
      description: Its group in the inventory.
      type: str
    address:
      description: Its address; empty in check mode as long as a set of containers has no network.
      type: str
  sample:
    - name: k3a-server-1
      group: server
      address: 10.89.0.11
inventory:
  description: Path of the inventory.
  returned: success
  type: str
  sample: /home/me/k3a/build/k3a/hosts
"""

import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.containers import Containers
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.debian import NodesError
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.host import Host, Kind
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.machines import Machines, Options
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.node_set import NodeSet

OPTIONS: dict[str, dict] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["container", "machine"], "default": "container"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "servers": {"type": "int", "default": 1},
    "agents": {"type": "int", "default": 2},
    "release": {"type": "str", "choices": ["bookworm", "trixie"], "default": "bookworm"},
    "memory": {"type": "int", "default": 3072},
    "disks": {"type": "int", "default": 0},
    "disk_size": {"type": "int", "default": 4},
    "interfaces": {"type": "int", "default": 1},
    "kernel_arguments": {"type": "str", "default": ""},
    "packages": {"type": "list", "elements": "str", "default": []},
    "directory": {"type": "path", "required": True},
    "mirror": {"type": "str"},
    "timeout": {"type": "int"},
}
OF_MACHINES = ("release", "memory", "disks", "disk_size", "interfaces", "kernel_arguments", "packages")


@reports_errors
def run(module: AnsibleModule) -> None:
    if os.geteuid() != 0:
        raise NodesError("test nodes are privileged containers, or machines with interfaces: run as root")
    given, host = module.params, Host(module)
    node_set = NodeSet(host, given["name"], given["directory"])
    kinds: dict[str, Kind] = {
        "container": Containers(host, node_set.name),
        "machine": Machines(host, node_set.name, node_set.directory, Options(**{k: given[k] for k in OF_MACHINES})),
    }
    # A kind whose program is not here has no nodes here.
    there = {name: kind for name, kind in kinds.items() if shutil.which(kind.TOOLS[0])}
    if given["state"] == "absent":
        module.exit_json(**node_set.absent(list(there.values())))
    kind = kinds[given["kind"]]
    if given["kind"] == "container":
        refuse_of_machines(given)
    for command in (*kind.TOOLS, "ssh-keygen"):
        module.get_bin_path(command, required=True)
    others = [each for each in there.values() if each is not kind]
    result = node_set.present(kind, others, given["servers"], given["agents"], given["mirror"], given["timeout"])
    module.exit_json(**result)


def refuse_of_machines(given: dict) -> None:
    for name in OF_MACHINES:
        if given[name] != OPTIONS[name]["default"]:
            raise NodesError(f"{name} is {given[name]}: only machines have that choice, so set 'kind' to it")


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
