# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of any size of which only the answers exist, for the connection plugin C(recording).

All hosts are as they should be. What modules answer is made from their own documentation and from the functions that
make it on a real host, not kept from a run: a recording would hold certificates that expire, and forms that are past.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import ipaddress
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import build, recipe
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import go_architecture
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig, registry
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import client_url, peer_url
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap, certificate, leaves
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle import archive
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import make_bundle
from ansible_collections.k3a.cluster.tests.unit.component_samples import KNOWN

# The result of a module run, and the arguments without which it is not the answer.
Result = Mapping[str, Any]
Answers = list[tuple[Mapping[str, Any], Result]]
CLUSTER_ID = "0b2d3c6e-6a8f-4f0e-9d3b-5a1c1f0e7d42"
ADDRESSES = ipaddress.ip_network("10.0.0.0/16")
BUNDLED = {f"bin/program-{number}": b"\x7fELF %d" % number for number in range(13)}
IMAGES = {name: f"registry.k8s.io/{name}:v1" for name in ("coredns/coredns", "pause")}


def documented(module: str) -> dict[str, Any]:
    """What a module says that it returns, by the samples of its documentation."""
    returned = importlib.import_module(f"ansible_collections.k3a.cluster.plugins.modules.{module}").RETURN
    return {name: value["sample"] for name, value in yaml.safe_load(returned).items() if "sample" in value}


@dataclasses.dataclass(frozen=True)
class Host:
    """A host of the inventory, and the node that it is."""

    number: int
    name: str
    server: bool

    @property
    def address(self) -> str:
        return str(ADDRESSES[self.number + 1])

    @property
    def machine_id(self) -> str:
        return f"{self.number:032x}"


@dataclasses.dataclass
class RecordedCluster:
    """Its hosts, its CAs, and what its modules answer."""

    servers: int
    agents: int
    ca_certificates: dict[str, tuple[str, str]] = dataclasses.field(
        default_factory=lambda: {name: pki.new_authority(prefix) for name, prefix in bootstrap.CN_PREFIXES.items()}
    )

    def __post_init__(self) -> None:
        # Many nodes have some certificates of the same name: it is the judging that is to take time, not the making.
        self._issued = functools.cache(self._issue)

    @functools.cached_property
    def hosts(self) -> list[Host]:
        names = [f"server-{number}" for number in range(1, self.servers + 1)]
        names += [f"agent-{number}" for number in range(1, self.agents + 1)]
        return [Host(number, name, number < self.servers) for number, name in enumerate(names)]

    @property
    def certificates(self) -> dict[str, str]:
        """The CAs' certificates."""
        return {name: pem for name, (pem, _key) in self.ca_certificates.items()}

    # ---- what is written

    def write(self, directory: Path, log: Path | None = None) -> Path:
        """Write answers, bundle and the administrator's kubeconfig into a directory; the inventory's path."""
        answers = directory / "answers"
        for module, of_all in self.of_all_hosts().items():
            write_answers(answers / f"{module}.json", of_all)
        for module, of_host in self.of_each_host().items():
            for host in self.hosts:
                write_answers(answers / host.name / f"{module}.json", of_host(host))
        write_bundle(directory / "cache")
        (directory / "kubeconfig").write_text(self.admin_kubeconfig())
        inventory = directory / "hosts"
        inventory.write_text(self.inventory(answers, log))
        return inventory

    def inventory(self, answers: Path, log: Path | None = None) -> str:
        """The hosts with their groups, and this machine, whose modules are answered too."""
        groups = {
            "server": [host for host in self.hosts if host.server],
            "agent": [host for host in self.hosts if not host.server],
        }
        lines = ["localhost"]
        for group, hosts in groups.items():
            lines += [f"[{group}]", *(f"{host.name} ansible_host={host.address}" for host in hosts)]
        lines += ["[all:vars]", "ansible_connection=recording", "ansible_python_interpreter=/usr/bin/python3"]
        lines += [f"ansible_recording_answers={answers}", *([f"ansible_recording_log={log}"] if log else [])]
        return "\n".join(lines) + "\n"

    def admin_kubeconfig(self) -> str:
        """The file on the controller, as a run would leave it."""
        leaf = leaves.leaf_of(kubeconfig.ADMINISTRATOR, "", leaves.Names("", (), ())).as_dict()
        issued, key = pki.issue(leaf, *self.ca_certificates["client"])
        url = f"https://{self.hosts[0].address}:6443"
        return kubeconfig.embedded(url, self.certificates["server"].encode(), issued.encode(), key.encode())

    # ---- what is answered

    def of_all_hosts(self) -> dict[str, Answers]:
        """The answers that do not depend on the host, by module."""
        component = {"changed": False, "unhealthy_reason": "", "changes": [], "restarted": False, "diff": []}
        names = ("apiserver", "approver", "containerd", "controller_manager", "etcd", "etcd_progress", "flannel", "host", "kube_proxy")
        names = (*names, "certificate_monitor", "certificate_renewal", "identity", "kubelet", "kubeconfig", "load_balancer", "node_registration", "scheduler")
        return {
            **{name: [({}, component)] for name in names},
            "ping": [({}, {"ping": "pong"})],
            "cluster_lock": [({}, {"changed": False, "was_holder": False, "interpreter": "/usr/bin/python3"})],
            "addon": [({}, {**documented("addon"), "changed": False, "diff": []})],
            "node": [({}, {"changed": False, "nodes": list(map(self.listed_node, self.hosts)), "waiting": [], "diff": []})],
            "server_info": [({}, self.server_info())],
            "bootstrap": [({}, {"changed": False, "ca_certificates": self.certificates, "missing_paths": [], "diff": []})],
            "bundle": [({}, bundle_report())],
            "certificate": [({}, {"changed": False, "certificates": [], "paths": [], "diff": []})],
        }

    def of_each_host(self) -> dict[str, Callable[[Host], Answers]]:
        """The answers of one host, by module."""
        return {
            "check_config": lambda host: [({}, {"changed": False, "findings": [], "facts": self.facts(host)})],
            "drift": lambda host: [
                ({}, {"changed": False, "reason": "", "certificates": self.found_certificates(host)})
            ],
        }

    def facts(self, host: Host) -> dict[str, Any]:
        """What the check of a host finds."""
        return {
            **documented("check_config")["facts"],
            "hostname": host.name,
            "node_name": host.name,
            "node_ips": [host.address],
            "machine_id": host.machine_id,
            "addresses": {"eth0": [host.address]},
            "architecture": go_architecture(),
            "etcd_data": host.server,
            "etcd_running": host.server,
            "authority": "a" * 64 if host.server else "",
            "identity": {"machine_id": host.machine_id, "cluster_id": CLUSTER_ID, "node_name": host.name},
            "recorded": True,
            "installed": ["kubelet"],
            "state": True,
            "load_balancer": True,
            "node_password": True,
            "bundle_present": True,
            "clock": "@now@",
        }

    def server_info(self) -> dict[str, Any]:
        """What a server knows of its cluster."""
        members = [
            {
                "id": str(host.number),
                "name": host.name,
                "peer_urls": [peer_url(host.address)],
                "client_urls": [client_url(host.address)],
                "learner": False,
                "leader": host.number == 0,
                "healthy": True,
            }
            for host in self.hosts
            if host.server
        ]
        return {
            "changed": False,
            "url": f"https://{self.hosts[0].address}:6443",
            "ca_certificates": self.certificates,
            "healthy": True,
            "reason": "",
            "etcd_members": members,
            "nodes": [
                {"name": host.name, "machine_id": host.machine_id, "addresses": [host.address]} for host in self.hosts
            ],
            "node_passwords": [host.name for host in self.hosts],
            "cluster_id": CLUSTER_ID,
            "config": {},
            "bootstrap_record": "current",
        }

    def listed_node(self, host: Host) -> dict[str, Any]:
        """A node as the cluster lists it."""
        return {
            "name": host.name,
            "ready": True,
            "roles": ["control-plane", "etcd"] if host.server else [],
            "internal_ip": host.address,
            "internal_ips": [host.address],
            "external_ip": "",
            "external_ips": [],
            "hostname": host.name,
            "pod_cidrs": ["10.42.0.0/24"],
            "taints": [],
            "kubelet_version": "v1.37.2",
            "container_runtime": "containerd://2.4.2",
            "os_image": "Debian GNU/Linux 12 (bookworm)",
            "kernel_version": "6.1.0-44-amd64",
            "architecture": go_architecture(),
        }

    def found_certificates(self, host: Host) -> list[list[dict[str, Any]]]:
        """What the steps that look at certificates find, each: all is there, and valid."""
        profiles = ("server", "agent") if host.server else ("agent",)
        defaults = {name: option.get("default") for name, option in certificate.OPTIONS.items()}
        given = {"node_name": host.name, "node_ip": [host.address]}
        return [
            [self._issued(leaf) for leaf in certificate.leaves_of({**defaults, **given, **declared(profile)})]
            for profile in profiles
        ]

    def _issue(self, leaf: Any) -> dict[str, Any]:
        issued, key = pki.issue(leaf.as_dict(), *self.ca_certificates[leaf.authority])
        return {**leaf.as_dict(), "current": issued, "has_key": True, "request": pki.request_of(key)}


def declared(profile: str) -> dict[str, Any]:
    """A profile, and the certificates that it stands for."""
    return {"profile": profile, "declared": registry.certificates(profile)}


def bundle_report() -> dict[str, Any]:
    """What the bundle's module says where the bundle is there."""
    return {
        "changed": False,
        "complete": True,
        "architecture": go_architecture(),
        "current": {"versions": {}},
        "damaged_files": [],
        "diff": [],
        "foreign_commands": [],
        "held_files": [],
        "installed": {},
        "removed_directories": [],
    }


def write_answers(path: Path, answers: Answers) -> None:
    """The file of a module's answers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(answers))


def write_bundle(cache: Path) -> Path:
    """A bundle where the controller looks for the one that it has built, when K3A_CACHE names this cache."""
    files = {**BUNDLED, **{f"images/{number}.tar": name.encode() for number, name in enumerate(IMAGES)}}
    images = [
        {"path": f"images/{number}.tar", "name": IMAGES[name], "component": name} for number, name in enumerate(IMAGES)
    ]
    make_bundle(cache / "bundle", files, images=images, links={}, flags=KNOWN["flags"])
    source = archive.SOURCE
    recipes = yaml.safe_load((source / "components.yml").read_text())["components"]
    components = [recipe.Component(name, text, str(source), str(cache)) for name, text in recipes.items()]
    link = Path(build.lock_link(str(cache), recipe.bundle_key(components)))
    link.parent.mkdir()
    link.symlink_to("../bundle")
    return cache / "bundle"
