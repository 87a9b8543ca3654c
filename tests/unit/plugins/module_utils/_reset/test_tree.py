# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._reset import tree


def populated(tmp_path):
    for path in ("data/disk/inner/file", "data/other/file", "data/file"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    return str(tmp_path / "data")


def everything(tmp_path):
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))


def test_a_directory_goes_with_all_it_holds(tmp_path):
    directory = populated(tmp_path)
    assert tree.removable(directory, [])
    tree.remove(directory, [])
    assert everything(tmp_path) == []
    assert not tree.removable(directory, [])


def test_what_is_mounted_stays_as_it_is_with_the_way_to_it(tmp_path):
    directory = populated(tmp_path)
    points = [f"{directory}/disk/inner"]
    assert tree.removable(directory, points)
    tree.remove(directory, points)
    assert everything(tmp_path) == ["data", "data/disk", "data/disk/inner", "data/disk/inner/file"]
    assert not tree.removable(directory, points)


def test_a_directory_that_is_a_mount_itself_stays_as_it_is(tmp_path):
    directory = populated(tmp_path)
    before = everything(tmp_path)
    assert not tree.removable(directory, [directory])
    tree.remove(directory, [directory])
    assert everything(tmp_path) == before


def test_a_link_goes_and_its_target_stays(tmp_path):
    directory = populated(tmp_path)
    (tmp_path / "link").symlink_to(directory)
    tree.remove(str(tmp_path / "link"), [])
    assert "link" not in everything(tmp_path)
    assert "data/file" in everything(tmp_path)


def test_own_mounts_are_strictly_below_our_directories_innermost_first():
    points = [
        "/",
        "/run/k3a",
        "/run/k3a/a",
        "/run/k3a/a/b",
        "/run/k3abc",
        "/var/lib/kubelet",
        "/var/lib/kubelet/pods/x",
    ]
    roots = ("/run/k3a", "/var/lib/kubelet/pods")
    assert tree.own_mounts(points, roots) == ["/var/lib/kubelet/pods/x", "/run/k3a/a/b", "/run/k3a/a"]


def test_a_directory_is_empty_once_all_in_it_is_gone(tmp_path):
    directory = populated(tmp_path)
    inner = {f"{directory}/{name}" for name in ("disk", "other", "file")}
    assert tree.emptied(directory, inner, [])
    assert not tree.emptied(directory, inner - {f"{directory}/file"}, [])
    assert not tree.emptied(directory, inner, [directory])
    assert not tree.emptied(f"{directory}/nothing", inner, [])
