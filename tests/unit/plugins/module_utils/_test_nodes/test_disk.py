# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import debian, disk


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("K3A_CACHE", str(tmp_path))
    return tmp_path / "machines"


def build(argv):
    """Stands in for the commands that build a disk."""
    if argv[0] == "debootstrap":
        os.makedirs(f"{argv[4]}/boot")
        for name in ("vmlinuz-6.1.0-9", "vmlinuz-6.1.0-10", "initrd.img-6.1.0-10"):
            with open(f"{argv[4]}/boot/{name}", "w") as handle:
                handle.write(name)
    elif argv[0] == "mkfs.ext4":
        with open(argv[-2], "w") as handle:
            handle.write("a file system")
    return ""


def test_a_disk_is_built_once_and_kept_outside_of_the_checkout(cache):
    assert disk.ensure_disk(build, "bookworm", (), "https://mirror.example.org/")
    found = disk.disk_of("bookworm")
    assert found.exists()
    assert os.path.dirname(found.directory) == str(cache)
    assert open(found.file).read() == "a file system"
    assert open(found.initrd).read() == "initrd.img-6.1.0-10"
    assert sorted(path.name for path in cache.iterdir()) == sorted([found.name, "lock"])

    def nothing(argv):
        raise AssertionError(argv)

    assert not disk.ensure_disk(nothing, "bookworm", (), None)


def test_nothing_is_left_of_a_disk_that_could_not_be_built(cache):
    def run(argv):
        if argv[0] == "mkfs.ext4":
            raise debian.NodesError("no space")
        return build(argv)

    with pytest.raises(debian.NodesError):
        disk.ensure_disk(run, "bookworm", (), "https://mirror.example.org/")
    assert [path.name for path in cache.iterdir()] == ["lock"]


def test_each_release_and_each_recipe_has_a_disk_of_its_own(monkeypatch):
    before = disk.disk_of("bookworm")
    assert before != disk.disk_of("trixie")
    with_docker = disk.disk_of("bookworm", ["docker.io"])
    assert with_docker != before
    assert with_docker.name.startswith("bookworm+docker.io-")
    monkeypatch.setitem(disk.FILES, "/etc/motd", (0o644, "hello\n"))
    assert disk.disk_of("bookworm") != before


def test_an_older_disk_goes_unless_a_machine_refers_to_it(cache, tmp_path):
    for name in ("bookworm-old", "bookworm-used", "bookworm+docker.io-1", "trixie-other"):
        (cache / name / "users").mkdir(parents=True)
    (tmp_path / "m-server-1").mkdir()
    (cache / "bookworm-used/users/m-server-1").symlink_to(tmp_path / "m-server-1")
    (cache / "bookworm-old/users/m-server-1").symlink_to(tmp_path / "gone")
    disk.ensure_disk(build, "bookworm", (), "https://mirror.example.org/")
    assert {path.name for path in cache.iterdir()} == {
        "bookworm-used", "bookworm+docker.io-1", "trixie-other", disk.disk_of("bookworm").name, "lock"
    }  # fmt: skip


def test_a_machine_has_devices_and_boots_from_few_modules():
    assert "systemd-udevd.service" not in disk.recipe("bookworm").masked
    assert disk.FILES["/etc/initramfs-tools/conf.d/test-node"][1] == "MODULES=list\n"


def test_what_makes_a_copy_a_machine_is_a_shell_script(tmp_path):
    """With what it was given, as far as it goes without being root of a machine: the networks."""
    text = disk.FILES[disk.INIT][1]
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    (tmp_path / "systemd/network").mkdir(parents=True)
    networks = text[text.index("number=0\n") : text.index("ssh-keygen")].replace("/etc/", f"{tmp_path}/")
    given = "addresses=10.97.4.11/24,10.97.5.11/24\ngateway=10.97.4.1\n"
    subprocess.run(["sh", "-e"], input=given + networks, text=True, check=True)
    first = (tmp_path / "systemd/network/10-test-node-0.network").read_text()
    assert "MACAddress=02:00:0a:61:04:0b\n" in first
    assert first.endswith("Address=10.97.4.11/24\nIPv6AcceptRA=no\nGateway=10.97.4.1\nDNS=10.97.4.1\n")
    second = (tmp_path / "systemd/network/10-test-node-1.network").read_text()
    assert "MACAddress=02:00:0a:61:05:0b\n" in second
    assert "Gateway" not in second
