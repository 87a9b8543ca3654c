# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import image

TARGETS = """\
|nodistro|main|https://packages.example.com/node/
Debian|bookworm-security|main|https://security.example.org/debian-security/
Debian|trixie|main|https://new.example.org/debian/
Debian|bookworm|contrib|https://contrib.example.org/debian/
Debian|bookworm|main|https://mirror.example.org/debian/
"""


def test_the_mirror_is_the_one_that_apt_uses_for_the_same_release():
    assert image.debian_mirror(TARGETS) == "https://mirror.example.org/debian/"


def test_another_release_of_debian_comes_from_the_same_archive():
    newer = "".join(line for line in TARGETS.splitlines(True) if "bookworm|main" not in line)
    assert image.debian_mirror(newer) == "https://new.example.org/debian/"


def test_no_debian_archive_is_told_apart():
    assert image.debian_mirror("Ubuntu|noble|main|https://archive.example.org/ubuntu/\n") is None


def test_the_tag_follows_the_recipe(monkeypatch):
    before = image.image_name()
    assert re.fullmatch(r"localhost/k3a-node:[0-9a-f]{12}", before)
    assert image.image_name() == before
    monkeypatch.setitem(image.FILES, "/etc/motd", (0o644, "hello\n"))
    assert image.image_name() != before


def test_an_image_that_is_there_is_not_built(monkeypatch, tmp_path):
    monkeypatch.setattr(image, "LOCK", str(tmp_path / "lock"))
    commands = []

    def run(argv):
        commands.append(argv[:2])
        return "0123456789ab\n"

    assert image.ensure_image(run, mirror=None) is False
    assert commands == [["podman", "images"]]


def test_without_a_mirror_the_user_is_told_which_option_to_set(monkeypatch, tmp_path):
    monkeypatch.setattr(image, "LOCK", str(tmp_path / "lock"))
    with pytest.raises(image.NodesError, match="set 'mirror'"):
        image.ensure_image(lambda argv: "", mirror=None)


def test_a_failed_build_leaves_no_directory(monkeypatch, tmp_path):
    monkeypatch.setattr(image, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(image, "WORK", str(tmp_path))

    def run(argv):
        if argv[0] == "debootstrap":
            raise image.NodesError("'debootstrap' failed")
        return ""

    with pytest.raises(image.NodesError, match="debootstrap"):
        image.ensure_image(run, mirror="https://mirror.example.org/debian/")
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_images_of_earlier_recipes_go_unless_they_are_in_use():
    answers = {"images": f"{image.image_name()}\nlocalhost/k3a-node:used\nlocalhost/k3a-node:old\n"}
    answers["ps"] = "localhost/k3a-node:used\ndocker.example.org/other:1\n"
    removed = []

    def run(argv):
        if argv[1] == "rmi":
            removed.extend(argv[2:])
        return answers.get(argv[1], "")

    image.remove_older(run)
    assert removed == ["localhost/k3a-node:old"]


def test_the_image_shares_no_identity_between_nodes():
    assert image.FILES["/etc/machine-id"][1] == ""
    assert "etc/ssh/ssh_host_*" in image.REMOVED
