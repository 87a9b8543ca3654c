# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import debian

TARGETS = """\
|nodistro|main|https://packages.example.com/node/
Debian|bookworm-security|main|https://security.example.org/debian-security/
Debian|trixie|main|https://new.example.org/debian/
Debian|bookworm|contrib|https://contrib.example.org/debian/
Debian|bookworm|main|https://mirror.example.org/debian/
"""


def test_the_mirror_is_the_one_that_apt_uses_for_the_same_release():
    assert debian.debian_mirror(TARGETS, "bookworm") == "https://mirror.example.org/debian/"
    assert debian.debian_mirror(TARGETS, "trixie") == "https://new.example.org/debian/"


def test_another_release_of_debian_comes_from_the_same_archive():
    newer = "".join(line for line in TARGETS.splitlines(True) if "bookworm|main" not in line)
    assert debian.debian_mirror(newer, "bookworm") == "https://new.example.org/debian/"


def test_no_debian_archive_is_told_apart():
    assert debian.debian_mirror("Ubuntu|noble|main|https://archive.example.org/ubuntu/\n", "bookworm") is None


def test_a_mirror_that_was_chosen_is_taken_without_a_question():
    def run(argv):
        raise AssertionError(argv)

    assert debian.find_mirror(run, "trixie", "https://mine.example.org/") == "https://mine.example.org/"


def test_without_a_mirror_the_user_is_told_which_option_to_set():
    with pytest.raises(debian.NodesError, match="set 'mirror'"):
        debian.find_mirror(lambda argv: "", "bookworm", None)


def test_apt_installs_what_is_added(tmp_path):
    ran = []

    def run(argv):
        ran.append(" ".join(argv))
        return ""

    recipe = debian.Recipe("bookworm", "systemd", {}, ("a.timer",), ("own.service",), ("docker.io", "auditd"))
    debian.make_tree(run, recipe, str(tmp_path), "https://m/")
    assert any(command.endswith("install docker.io auditd") for command in ran)
    assert recipe.key() != debian.Recipe("bookworm", "systemd", {}, ("a.timer",), ("own.service",)).key()


def test_the_key_follows_the_recipe():
    recipe = debian.Recipe("bookworm", "systemd", {"/etc/motd": (0o644, "hello\n")}, (), ("ssh.service",))
    louder = debian.Recipe("bookworm", "systemd", {"/etc/motd": (0o644, "HELLO\n")}, (), ("ssh.service",))
    assert recipe.key() == recipe.key() != louder.key()


def test_a_tree_shares_no_identity_with_another():
    assert debian.FILES["/etc/machine-id"][1] == ""
    assert "etc/ssh/ssh_host_*" in debian.REMOVED


def test_a_tree_has_the_files_of_its_recipe_before_its_units_are_enabled(tmp_path):
    there = []

    def run(argv):
        if argv[2:4] == ["systemctl", "enable"]:
            there.extend([argv[4:], os.path.exists(tmp_path / "etc/systemd/system/own.service")])
        return ""

    files = {"/etc/systemd/system/own.service": (0o644, "[Service]\n")}
    debian.make_tree(
        run, debian.Recipe("bookworm", "systemd", files, (), ("own.service",)), str(tmp_path), "https://m/"
    )
    assert there == [["own.service"], True]


def test_nothing_is_left_of_a_failed_build(tmp_path):
    with pytest.raises(debian.NodesError), debian.workdir(lambda argv: "", str(tmp_path)) as path:
        os.makedirs(os.path.join(path, "root/etc"))
        raise debian.NodesError("'debootstrap' failed")
    assert list(tmp_path.iterdir()) == []
