# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input is refused in clear sentences, all at once and before any change, by the playbook that would install."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
CANARY = "K10canary0815"

# What is wrong, and a part of the sentence that says so.
VARIABLES = {
    "k3a_clutser_cidr": ("10.42.0.0/16", "there is no variable k3a_clutser_cidr; did you mean k3a_cluster_cidr?"),
    "k3a_wait_timeout": ("soon", "k3a_wait_timeout must be a whole number"),
    "k3a_write_kubeconfig_mode": (384, "k3a_write_kubeconfig_mode must be a text, and is the number 384"),
    "k3a_flannel_backend": ("wireguard", "k3a_flannel_backend: wireguard is what K3s had before wireguard-native"),
    "k3a_service_cidr": (["10.42.128.0/17"], "the networks 10.42.0.0/16 and 10.42.128.0/17 overlap"),
    "k3a_cluster_dns": (["10.43.0"], "k3a_cluster_dns: '10.43.0' is not an IP address"),
    "k3a_node_ip": (["fd00::7"], "k3a_node_ip fd00::7 is IPv6, and the cluster's networks are IPv4"),
    "k3a_kubelet_arg": (["max-podz=5"], "k3a_kubelet_arg: kubelet has no flag max-podz"),
    "k3a_node_taint": (["a=b:Never"], "has the unknown effect 'Never'"),
    "k3a_cluster_domain": ("{{ nowhere }}", "k3a_cluster_domain has no value: 'nowhere' is undefined"),
    "k3a_manifests": (["/nonexistent.yaml"], "k3a_manifests: /nonexistent.yaml: No such file or directory"),
    "k3a_token": ({"secret": CANARY}, "k3a_token must be a text, and is a mapping; correct it"),
}


@pytest.fixture
def refused(cluster):
    """Run the installing playbook, and return the message it fails with and everything it wrote."""

    def run(*arguments, inventory=None):
        command = [BIN / "ansible-playbook", "playbooks/site.yml", "-i", inventory or cluster.inventory, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        assert done.returncode != 0
        assert "Traceback" not in output
        assert not re.search(r"changed=[1-9]", output)
        message = re.search(r"\[ERROR\]: (?:Task failed: Action failed: )?(.*?)\nOrigin:", output, re.S)
        assert message, output
        return message[1], output

    return run


@pytest.fixture
def own_inventory(cluster, tmp_path):
    """An inventory of the same nodes in other groups, or with hosts of its own."""

    def write(groups):
        lines = [f"[{name}]\n" + "".join(f"{host}\n" for host in hosts) for name, hosts in groups.items()]
        keep = cluster.inventory.read_text().partition("[all:vars]")
        path = tmp_path / "hosts"
        path.write_text("\n".join(lines) + "\n" + keep[1] + keep[2])
        return path

    return write


def reached(cluster, node, name=None, *variables):
    return " ".join([name or node, f"ansible_host={cluster.addresses[node]}", *variables])


def test_variables_are_all_told_at_once(refused, tmp_path):
    path = tmp_path / "variables.json"
    path.write_text(json.dumps({name: value for name, (value, _sentence) in VARIABLES.items()}))
    message, output = refused("-e", f"@{path}", "-vvv", "--diff")
    assert {sentence for _value, sentence in VARIABLES.values() if sentence not in message} == set()
    assert CANARY not in output.replace(path.read_text(), "")


def test_hosts_that_cannot_become_nodes(refused, cluster, own_inventory):
    server, agent = cluster.servers[0], cluster.agents[-1]
    cluster.run(server, "systemd-run --unit=foreign python3 -m http.server 10250")
    cluster.run(agent, "systemd-run --unit=k3s sleep 600")
    cluster.run(agent, "ip route add 10.42.5.0/24 dev eth0")
    cluster.run(agent, "mount -t tmpfs -o size=100m,noexec none /mnt")
    small = reached(cluster, agent, None, "k3a_data_dir=/mnt/k3a")
    inventory = own_inventory({"server": [reached(cluster, server)], "agent": [small]})
    try:
        cluster.run(server, "timeout 20 sh -c 'until ss -ltn | grep -q :10250; do sleep 0.1; done'")
        message, _output = refused(inventory=inventory)
    finally:
        cluster.run(server, "systemctl stop foreign.service")
        cluster.run(agent, "systemctl stop k3s.service; ip route del 10.42.5.0/24 dev eth0; umount /mnt")
    held = rf"^{server}: port 10250/tcp, which kubelet needs, is in use by python3 \(pid \d+, foreign.service\); "
    assert re.search(held, message, re.M)
    for sentence in (
        "another Kubernetes runs on this host (k3s.service); ",
        "the route 10.42.5.0/24 on eth0 overlaps k3a_cluster_cidr 10.42.0.0/16; ",
        "/mnt/k3a (on /mnt, tmpfs) is mounted noexec; ",
        "/mnt/k3a (on /mnt, tmpfs) has 100 MiB free, and the install needs ",
    ):
        assert f"{agent}: {sentence}" in message


def test_a_user_without_root(refused, cluster):
    message, _output = refused("-e", "ansible_become_exe=/nonexistent/sudo")
    assert f"{cluster.nodes[0]}, {cluster.nodes[1]}" in message
    assert re.search(r": the user \w+ cannot become root \(.*not found\); let it run sudo", message)


def test_one_machine_under_two_names(refused, cluster, own_inventory):
    server, agent = cluster.servers[0], cluster.agents[0]
    agents = [reached(cluster, agent), reached(cluster, agent, "twin")]
    inventory = own_inventory({"server": [reached(cluster, server)], "agent": agents})
    message, _output = refused("-e", "k3a_strict=true", inventory=inventory)
    assert f"{agent}, twin: have one machine id (" in message


@pytest.mark.parametrize(
    "groups, sentence",
    [
        (("agent",), "inventory: the group server is missing; "),
        (("server", "agent"), "is in both groups, server and agent; "),
        (("servers",), "inventory: the group server is missing; rename the group servers"),
    ],
)
def test_groups(refused, cluster, own_inventory, groups, sentence):
    message, _output = refused(inventory=own_inventory({name: [reached(cluster, cluster.nodes[0])] for name in groups}))
    assert sentence in message


def test_an_inventory_without_hosts(refused, own_inventory):
    assert "the group server has no host" in refused(inventory=own_inventory({"server": []}))[0]


def test_cgroup_v1_is_refused_unless_it_is_asked_for(refused, cluster):
    if cluster.run(cluster.nodes[0], "stat -fc %T /sys/fs/cgroup").strip() == "cgroup2fs":
        pytest.skip("these nodes have cgroup v2")
    assert "the host uses cgroup v1" in refused("-e", "k3a_allow_cgroup_v1=false")[0]


class TestBundle:
    @pytest.fixture
    def copy(self, tmp_path):
        """The built bundle again, of links, so that a file of it can be damaged."""
        lookup = [BIN / "ansible", "localhost", "-m", "debug", "-a", "msg={{ lookup('k3a.cluster.bundle') }}"]
        shown = subprocess.run(lookup, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        bundle = Path(re.search(r"(/\S+)", shown.split("=>")[1])[1].strip("\"'"))
        copy = tmp_path / "bundle"
        (copy / "files").mkdir(parents=True)
        (copy / "manifest.json").write_bytes((bundle / "manifest.json").read_bytes())
        for file in (bundle / "files").iterdir():
            (copy / "files" / file.name).symlink_to(file)
        return copy

    def smallest(self, bundle):
        return min((bundle / "files").iterdir(), key=lambda file: file.stat().st_size)

    def test_truncated(self, refused, copy):
        file = self.smallest(copy)
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content[: len(content) // 2])
        message, _output = refused("-e", f"k3a_bundle={copy}")
        assert re.search(
            rf"the bundle {copy} cannot be used: \S+ is truncated or damaged \(files/{file.name}\); ", message
        )

    def test_tampered_with(self, refused, copy):
        file = self.smallest(copy)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.unlink()
        file.write_bytes(content)
        message, _output = refused("-e", f"k3a_bundle={copy}")
        assert re.search(rf"the bundle {copy} cannot be used: \S+ is damaged: .*{file.name}", message)

    def test_of_another_architecture(self, refused, copy):
        manifest = (copy / "manifest.json").read_text()
        ours = json.loads(manifest)["architecture"]
        (copy / "manifest.json").write_text(manifest.replace(f'"architecture":"{ours}"', '"architecture":"riscv64"'))
        assert f"is for riscv64, and the host is {ours}; " in refused("-e", f"k3a_bundle={copy}")[0]

    def test_unreadable(self, refused, copy):
        (copy / "manifest.json").write_text("{")
        assert (
            f"the bundle {copy} cannot be used: manifest.json is not valid JSON"
            in refused("-e", f"k3a_bundle={copy}")[0]
        )

    def test_not_there(self, refused, tmp_path):
        assert (
            f"there is no bundle {tmp_path}/none on the controller; " in refused("-e", f"k3a_bundle={tmp_path}/none")[0]
        )


def test_a_broken_manifest_is_named_by_file_document_and_field(refused, tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\nkind: Pod\nmetadata: {name: b}\n")
    message, _output = refused("-e", json.dumps({"k3a_manifests": [str(path)]}))
    assert re.search(rf"k3a_manifests: {path}, document 2 .*apiVersion is missing", message)
