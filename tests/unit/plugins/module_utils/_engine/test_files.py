# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import types

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files

MINE = files.ownership("/proc/self")[1:]


def own(path, content=b"new\n", mode=0o600, **more):
    return files.File(str(path), content, mode, *MINE, **more)


def names(folder):
    return sorted(os.listdir(folder))


def test_a_new_file_is_a_change_that_shows_its_content(tmp_path):
    change = files.file_change(own(tmp_path / "a"))
    assert change.as_diff() == {
        "before_header": f"{tmp_path}/a",
        "after_header": f"{tmp_path}/a",
        "before": "",
        "after": "new\n",
    }


def test_a_written_file_is_as_it_was_wanted_and_no_change_any_more(tmp_path):
    file = own(tmp_path / "deep/er/a", mode=0o640)
    files.write_file(file)
    assert (tmp_path / "deep/er/a").read_bytes() == b"new\n"
    assert files.ownership(file.path) == (0o640, *MINE)
    assert files.file_change(file) is None
    assert names(tmp_path / "deep/er") == ["a"]


def test_missing_parents_are_open_to_readers_whatever_the_umask_is(tmp_path):
    former = os.umask(0o077)
    try:
        files.write_file(own(tmp_path / "x/y/a"))
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "x/y").stat().st_mode) == 0o755


@pytest.mark.parametrize("step", ["fsync", "rename", "chmod"])
def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, step):
    (tmp_path / "a").write_bytes(b"old\n")

    def refuse(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(OSError, match="No space"):
        files.write_file(own(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == b"old\n"
    assert names(tmp_path) == ["a"]


def test_a_writer_that_is_killed_leaves_the_old_content_or_the_new_one(tmp_path):
    target = tmp_path / "a"
    target.write_bytes(b"x" * 300_000)
    program = (
        "import sys\n"
        f"sys.path[:0] = {sys.path!r}\n"
        "from ansible_collections.k3a.cluster.plugins.module_utils import _files as files\n"
        "print('up', flush=True)\n"
        "while True:\n"
        f"    files.write_file(files.File({str(target)!r}, b'y' * 300_000, 0o600, {MINE[0]!r}, {MINE[1]!r}))\n"
        f"    files.write_file(files.File({str(target)!r}, b'x' * 300_000, 0o600, {MINE[0]!r}, {MINE[1]!r}))\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    writer.stdout.readline()
    seen = {target.read_bytes() for _time in range(200)}
    writer.kill()
    writer.communicate()
    assert {*seen, target.read_bytes()} <= {b"x" * 300_000, b"y" * 300_000}


def test_a_failed_write_over_a_name_that_was_free_leaves_it_free(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "rename", lambda *_names: (unused for unused in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        files.write_file(own(tmp_path / "a"))
    assert names(tmp_path) == []


def test_a_wrong_mode_is_a_change_of_its_own_and_is_corrected(tmp_path):
    (tmp_path / "a").write_bytes(b"new\n")
    (tmp_path / "a").chmod(0o666)
    file = own(tmp_path / "a")
    change = files.file_change(file)
    assert change.before.startswith("mode: 0666\n")
    assert change.after == files.describe_mode(0o600, *MINE)
    files.write_file(file)
    assert files.file_change(file) is None


def test_a_wrong_owner_is_a_change_of_its_own_and_is_corrected(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    (tmp_path / "a").write_bytes(b"new\n")
    (tmp_path / "a").chmod(0o600)
    os.chown(tmp_path / "a", 12345, 54321)
    change = files.file_change(own(tmp_path / "a"))
    assert "owner: 12345\ngroup: 54321\n" in change.before
    files.write_file(own(tmp_path / "a"))
    assert files.file_change(own(tmp_path / "a")) is None


def test_an_owner_that_is_right_is_not_set_which_some_sandboxes_forbid(tmp_path, monkeypatch):
    def chown(*_arguments):
        raise PermissionError

    monkeypatch.setattr(os, "chown", chown)
    files.write_file(own(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == b"new\n"


def test_an_owner_that_this_host_does_not_have_is_told(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    with pytest.raises(OSError, match=r"a belongs to k3a-nobody:root, but .*k3a-nobody.*k3a.cluster.host makes"):
        files.write_file(files.File(str(tmp_path / "a"), b"", 0o600, "k3a-nobody", "root"))
    assert names(tmp_path) == []


def test_a_link_in_the_place_of_a_file_is_replaced_and_its_target_left_alone(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"new\n")
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    assert files.file_change(own(tmp_path / "a")) is not None
    files.write_file(own(tmp_path / "a", b"newer\n"))
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == b"new\n"


@pytest.mark.parametrize("current", [None, b"old-password", b"\xff\xfe"])
def test_a_secret_never_reaches_a_change(tmp_path, current):
    if current is not None:
        (tmp_path / "a").write_bytes(current)
    change = files.file_change(own(tmp_path / "a", b"new-password", secret=True))
    shown = str(change.as_diff())
    assert "password" not in shown
    assert change.before != change.after


def test_the_removal_of_a_secret_does_not_show_it(tmp_path):
    (tmp_path / "a").write_bytes(b"password")
    assert "password" not in str(files.absent_change(str(tmp_path / "a"), secret=True))


def test_binary_content_is_described(tmp_path):
    assert files.file_change(own(tmp_path / "a", b"\xff\x00")).after == "(binary content, not shown)\n"


def test_directories_are_made_and_corrected(tmp_path):
    wanted = files.Directory(str(tmp_path / "p/d"), 0o750, *MINE)
    assert files.directory_change(wanted).after == "directory\n" + files.describe_mode(0o750, *MINE)
    files.make_directory(wanted)
    assert files.directory_change(wanted) is None
    (tmp_path / "p/d").chmod(0o777)
    assert files.directory_change(wanted).before.startswith("mode: 0777")
    files.make_directory(wanted)
    assert files.directory_change(wanted) is None
    assert stat.S_IMODE((tmp_path / "p").stat().st_mode) == 0o755


def test_links_are_made_moved_and_then_right(tmp_path):
    link = files.Link(str(tmp_path / "l"), "one")
    assert files.link_change(link).as_diff()["after"] == "link to one\n"
    files.make_link(link)
    assert files.link_change(link) is None
    other = files.Link(str(tmp_path / "l"), "two")
    assert files.link_change(other).before == "link to one\n"
    files.make_link(other)
    assert os.readlink(tmp_path / "l") == "two"
    assert names(tmp_path) == ["l"]


class TestFormer:
    """What somebody else has where a link of ours comes."""

    @pytest.fixture
    def link(self, tmp_path):
        return files.Link(str(tmp_path / "crictl.yaml"), "/var/lib/k3a/agent/etc/crictl.yaml")

    def test_a_file_is_kept_beside_and_both_are_told(self, tmp_path, link):
        (tmp_path / "crictl.yaml").write_text("timeout: 9\n")
        assert files.link_change(link).before == "timeout: 9\n"
        assert files.former_change(link) == files.Change(f"{link.path}.before-k3a", "", "timeout: 9\n")
        files.keep_former(link)
        assert (tmp_path / "crictl.yaml").read_text() == "timeout: 9\n", "nobody is ever without it"
        files.make_link(link)
        assert (tmp_path / "crictl.yaml.before-k3a").read_text() == "timeout: 9\n"
        assert files.former_change(link) is None

    def test_a_link_of_somebody_is_kept_as_one(self, tmp_path, link):
        (tmp_path / "crictl.yaml").symlink_to("/opt/crictl.yaml")
        files.keep_former(link)
        files.make_link(link)
        assert os.readlink(tmp_path / "crictl.yaml.before-k3a") == "/opt/crictl.yaml"

    def test_an_older_one_stays(self, tmp_path, link):
        (tmp_path / "crictl.yaml.before-k3a").write_text("older\n")
        (tmp_path / "crictl.yaml").write_text("newer\n")
        assert files.former_change(link) is None
        files.keep_former(link)
        assert (tmp_path / "crictl.yaml.before-k3a").read_text() == "older\n"

    @pytest.mark.parametrize("target", ["/var/lib/k3a/agent/etc/crictl.yaml", "/srv/k3a/agent/etc/crictl.yaml"])
    def test_our_own_is_not_kept(self, tmp_path, link, target):
        (tmp_path / "crictl.yaml").symlink_to(target)
        assert files.former_change(link) is None

    def test_nothing_is_kept_of_nothing(self, tmp_path, link):
        files.keep_former(link)
        assert names(tmp_path) == []


def test_a_file_that_a_killed_run_left_half_written_is_taken_over(tmp_path):
    (tmp_path / ".server-ca.key.new").write_bytes(b"half a ke")
    files.write_file(files.owned_by_me(str(tmp_path / "server-ca.key"), b"a key\n"))
    assert names(tmp_path) == ["server-ca.key"]


def test_a_link_that_a_killed_run_left_half_made_is_no_obstacle(tmp_path):
    (tmp_path / ".l.new").symlink_to("rest")
    files.make_link(files.Link(str(tmp_path / "l"), "one"))
    assert names(tmp_path) == ["l"]


def test_what_is_not_there_needs_no_removal(tmp_path):
    assert files.absent_change(str(tmp_path / "a")) is None
    assert files.absent_change(str(tmp_path / "no/directory/a")) is None
    files.remove_file(str(tmp_path / "a"))
    (tmp_path / "a").write_bytes(b"old\n")
    assert files.absent_change(str(tmp_path / "a")).before == "old\n"
    files.remove_file(str(tmp_path / "a"))
    assert names(tmp_path) == []


def test_a_directory_that_is_reached_by_a_link_does_not_change_for_ever(tmp_path):
    (tmp_path / "disk").mkdir(0o700)
    (tmp_path / "k3a").symlink_to(tmp_path / "disk")
    wanted = files.Directory(str(tmp_path / "k3a"), 0o755, *MINE)
    assert files.directory_change(wanted)
    files.make_directory(wanted)
    assert files.directory_change(wanted) is None


def test_a_dangling_link_is_there_to_be_removed(tmp_path):
    (tmp_path / "a").symlink_to("nowhere")
    assert files.absent_change(str(tmp_path / "a")) is not None


def test_a_disk_that_fails_is_named_by_the_path():
    """What the kernel refuses once the file is open names no path by itself."""
    with pytest.raises(OSError) as told:
        files.read_bytes("/proc/self/mem")
    assert (told.value.errno, told.value.filename) == (errno.EIO, "/proc/self/mem")


def test_reading_what_is_not_there_is_nothing_and_what_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert files.read_bytes(str(tmp_path / "no")) is None
    assert files.read_bytes(str(tmp_path / "file/below")) is None
    assert files.ownership(str(tmp_path / "file/below")) is None
    with pytest.raises(IsADirectoryError):
        files.read_bytes(str(tmp_path))


def test_a_file_of_mine_belongs_to_whoever_runs_this(tmp_path):
    file = files.owned_by_me(str(tmp_path / "a"), b"x")
    files.write_file(file)
    assert files.ownership(file.path) == (0o600, *MINE)


def test_a_disk_that_is_full_is_told_with_the_files_own_name(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as told:
        files.write_file(files.File(str(tmp_path / "config"), b"a", 0o600, *files.ownership(str(tmp_path))[1:]))
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(tmp_path / "config"))
    assert os.listdir(tmp_path) == []


def test_a_new_directory_is_durable_and_so_are_its_parents(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "sync_directory", synced.append)
    files.make_directory(files.Directory(str(tmp_path / "a/b/c"), 0o700, *files.ownership(str(tmp_path))[1:]))
    assert synced == [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a/b")]


def system(**about):
    """What a file system says of itself."""
    known = {"f_flag": 0, "f_blocks": 100, "f_bfree": 10, "f_frsize": 1, "f_files": 100, "f_ffree": 10}
    return lambda _path: types.SimpleNamespace(**{**known, **about})


@pytest.mark.parametrize(
    ("about", "number"),
    [
        ({"f_flag": os.ST_RDONLY}, errno.EROFS),
        ({"f_bfree": 3}, errno.ENOSPC),
        ({"f_ffree": 0}, errno.ENOSPC),
    ],
)
def test_what_cannot_be_written_is_no_change_but_refused_before(tmp_path, monkeypatch, about, number):
    monkeypatch.setattr(files.os, "statvfs", system(**about))
    with pytest.raises(OSError) as refused:
        files.file_change(own(tmp_path / "deep/er/a"))
    assert (refused.value.errno, refused.value.filename) == (number, f"{tmp_path}/deep/er/a")


def test_what_is_right_needs_no_room(tmp_path, monkeypatch):
    files.write_file(own(tmp_path / "a"))
    monkeypatch.setattr(files.os, "statvfs", system(f_flag=os.ST_RDONLY))
    assert files.file_change(own(tmp_path / "a")) is None


def test_a_file_system_without_a_size_of_its_own_is_not_full(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "statvfs", system(f_blocks=0, f_bfree=0, f_files=0, f_ffree=0))
    assert files.file_change(own(tmp_path / "a")) is not None


def test_what_stands_in_the_way_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "file").write_text("of somebody")
    (tmp_path / "directory").mkdir()
    for refuse, name, number in (
        (lambda path: files.directory_change(files.Directory(path)), "file", errno.ENOTDIR),
        (lambda path: files.file_change(own(f"{path}/deep/a")), "file", errno.ENOTDIR),
        (lambda path: files.link_change(files.Link(path, "/x")), "directory", errno.EISDIR),
    ):
        with pytest.raises(OSError) as refused:
            refuse(str(tmp_path / name))
        assert (refused.value.errno, refused.value.filename) == (number, str(tmp_path / name))


def test_a_group_is_there_or_not_and_none_is_asked_for():
    assert files.has_group("") and files.has_group("root")
    assert not files.has_group("nobody-has-it")


def test_what_another_user_puts_in_its_directory_is_neither_waited_for_nor_held(tmp_path):
    own, pipe, large, link = (str(tmp_path / name) for name in ("own", "pipe", "large", "link"))
    (tmp_path / "own").write_bytes(b"{}")
    (tmp_path / "large").write_bytes(b"x" * 9)
    os.mkfifo(pipe)
    os.symlink("/dev/zero", link)
    assert [files.read_of_another(path, 8) for path in (own, pipe, large, link)] == [b"{}", b"", b"", b""]
    assert files.read_of_another(str(tmp_path / "absent"), 8) is None


def test_nothing_is_where_nothing_can_be(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in ("none", "file/below", "loop", "loop/below", "a" * 300, "/".join(["a"] * 3000)):
        assert files.read_bytes(f"{tmp_path}/{path}") is None
        assert files.text_of(f"{tmp_path}/{path}") == ""
    with pytest.raises(IsADirectoryError):
        files.read_bytes(str(tmp_path))


def test_a_name_that_is_too_long_is_refused_before_anything_is_written(tmp_path):
    for path in (f"{tmp_path}/{'a' * 300}", f"{tmp_path}/{'a' * 300}/b"):
        with pytest.raises(OSError, match="File name too long"):
            files.file_change(own(path))
    files.refuse_place(f"{tmp_path}/{'a' * 255}")


def test_a_place_that_is_told_from_here_is_looked_at_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.refuse_place("below/file")


def test_no_group_has_a_byte_of_zero_in_its_name():
    assert not files.has_group("a\0b")
