# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import debian, image


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


def test_a_failed_build_leaves_no_directory(monkeypatch, tmp_path):
    monkeypatch.setattr(image, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(debian, "WORK", str(tmp_path))

    def run(argv):
        if argv[0] == "debootstrap":
            raise debian.NodesError("'debootstrap' failed")
        return ""

    with pytest.raises(debian.NodesError, match="debootstrap"):
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
