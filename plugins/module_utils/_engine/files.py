# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Files and directories as data: what is wanted, how it differs from what is there, and the one way to write it.

A file is written to a temporary name in its own directory, fsynced and renamed, and the directory is fsynced: whoever
reads it, whenever this process is killed, finds the old content or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SECRET = "(secret, not shown)"
UNDECODABLE = "(binary content, not shown)"


@dataclass(frozen=True)
class File:
    """A file as it should be. The content of a secret one never reaches a diff."""

    path: str
    content: bytes
    mode: int = 0o600
    owner: str = "root"
    group: str = "root"
    secret: bool = False


@dataclass(frozen=True)
class Directory:
    """A directory as it should be; its parents are made 0755 when they are missing."""

    path: str
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True)
class Link:
    """A symbolic link as it should be."""

    path: str
    target: str


@dataclass(frozen=True)
class Change:
    """One difference between what is wanted and what is there, as a diff shows it."""

    path: str
    before: str
    after: str

    def as_diff(self) -> dict[str, str]:
        """The form that Ansible prints."""
        return {"before_header": self.path, "after_header": self.path, "before": self.before, "after": self.after}


def owned_by_me(path: str, content: bytes, mode: int = 0o600) -> File:
    """A file of whoever runs this process, as on a controller."""
    return File(path, content, mode, _name_of(pwd.getpwuid, os.geteuid()), _name_of(grp.getgrgid, os.getegid()))


# By these the system says that nothing is at a path: also below a file, behind links in a circle, at one too long.
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
LONGEST_NAME = 255


def read_bytes(path: str) -> bytes | None:
    """The content of a file, or None when there is none."""
    try:
        with _naming(path), open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return None
        raise


def text_of(path: str) -> str:
    """The text of a file; empty where there is none."""
    return (read_bytes(path) or b"").decode(errors="replace")


def has_long_name(path: str) -> bool:
    """Whether a name in a path is longer than file systems take."""
    return any(len(os.fsencode(name)) > LONGEST_NAME for name in path.split("/"))


def read_of_another(path: str, most: int) -> bytes | None:
    """The content of a file in a directory of another user, who may have put anything there, or None without one.

    Nothing of a link, of what is no file, and of more than so many bytes: none of these is waited for, or held.
    """
    try:
        with _naming(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return b""
        raise
    with open(descriptor, "rb") as stream:
        content = stream.read(most + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    return content if len(content) <= most else b""


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Have what the system refuses, such as to read a disk that fails, say at which path."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.strerror:
            error.filename = path
        raise


def content_text(content: bytes | None, secret: bool) -> str:
    """The text of a content for a diff: nothing when it is absent, a description when it must not be shown."""
    if content is None:
        return ""
    if secret:
        return SECRET + "\n"
    try:
        return content.decode()
    except UnicodeDecodeError:
        return UNDECODABLE + "\n"


def ownership(path: str) -> tuple[int, str, str] | None:
    """Mode, owner and group of what stands at a path (a link counts itself), or None."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat.S_IMODE(status.st_mode), _name_of(pwd.getpwuid, status.st_uid), _name_of(grp.getgrgid, status.st_gid)


def _name_of(lookup: Callable[[int], tuple], number: int) -> str:
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


def has_group(name: str) -> bool:
    """Whether a file can belong to a group; to none in particular it always can."""
    try:
        return not name or bool(grp.getgrnam(name))
    except (KeyError, ValueError):  # one with a byte of zero in it is none
        return False


def describe_mode(mode: int, owner: str, group: str) -> str:
    """A mode with its owner, as a diff shows it."""
    return f"mode: {mode:04o}\nowner: {owner}\ngroup: {group}\n"


def refuse_place(path: str, size: int = 0) -> None:
    """Raise, as an OSError, what would keep so much from being written at a path: in check mode, too.

    What nobody can foresee, such as a disk that fails, the write itself says.
    """
    if has_long_name(path):
        raise _refusal(errno.ENAMETOOLONG, path)
    parent = os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent):
        raise _refusal(errno.ENOTDIR, parent)
    system = os.statvfs(parent)
    if system.f_flag & os.ST_RDONLY:
        raise _refusal(errno.EROFS, path)
    # A file system without a size of its own has neither blocks nor inodes.
    if (system.f_blocks and size > system.f_bfree * system.f_frsize) or (system.f_files and not system.f_ffree):
        raise _refusal(errno.ENOSPC, path)


def _refusal(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


def file_change(file: File) -> Change | None:
    """How a file differs from what is there: its content or, where that is right, its mode and owner."""
    change = _file_change(file)
    if change:
        refuse_place(file.path, len(file.content))
    return change


def _file_change(file: File) -> Change | None:
    current = read_bytes(file.path)
    if current != file.content or os.path.islink(file.path):
        before = content_text(current, file.secret)
        after = content_text(file.content, file.secret)
        if file.secret and current is not None:
            after = SECRET.replace("not shown", "changed") + "\n"
        return Change(file.path, before, after)
    return _mode_change(file, file.path)


def directory_change(directory: Directory) -> Change | None:
    """How a directory differs from what is there."""
    if os.path.isdir(directory.path):
        # Of one that is reached by a link it is the directory whose mode is set.
        change = _mode_change(directory, os.path.realpath(directory.path))
    elif os.path.lexists(directory.path):
        raise _refusal(errno.ENOTDIR, directory.path)
    else:
        wanted = describe_mode(directory.mode, directory.owner, directory.group)
        change = Change(directory.path, "", "directory\n" + wanted)
    if change:
        refuse_place(directory.path)
    return change


def link_change(link: Link) -> Change | None:
    """How a link differs from what is there."""
    current = os.readlink(link.path) if os.path.islink(link.path) else None
    if current == link.target:
        return None
    if current is None and os.path.isdir(link.path):
        raise _refusal(errno.EISDIR, link.path)
    refuse_place(link.path)
    before = f"link to {current}\n" if current else content_text(read_bytes(link.path), secret=False)
    return Change(link.path, before, f"link to {link.target}\n")


def former_of(path: str) -> str:
    """Where what stood at a path before k3a is kept, until a reset puts it back."""
    return f"{path}.before-k3a"


def former_change(link: Link) -> Change | None:
    """What is kept of somebody else's file, or link, before one of ours takes its place."""
    if not os.path.lexists(link.path) or os.path.lexists(former_of(link.path)):
        return None
    if os.path.islink(link.path):
        current = os.readlink(link.path)
        # With another data directory ours led elsewhere.
        ours = current.split("/")[-3:] == link.target.split("/")[-3:]
        return None if ours else Change(former_of(link.path), "", f"link to {current}\n")
    return Change(former_of(link.path), "", content_text(read_bytes(link.path), secret=False))


def absent_change(path: str, secret: bool = False) -> Change | None:
    """What removing a file would take away."""
    if not os.path.lexists(path):
        return None
    refuse_place(path)
    return Change(path, content_text(read_bytes(path), secret), "")


def _mode_change(wanted: File | Directory, place: str) -> Change | None:
    current = ownership(place)
    target = (wanted.mode, wanted.owner, wanted.group)
    if current is None or current == target:
        return None
    return Change(wanted.path, describe_mode(*current), describe_mode(*target))


def make_directory(directory: Directory) -> None:
    """Make a directory with its mode and owner, or correct an existing one."""
    make_parents(directory.path)
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory.path, 0o700)
        sync_directory(os.path.dirname(directory.path))
    _own(directory.path, directory)


def make_parents(path: str) -> None:
    """Make the missing directories above a path, 0755 whatever the umask is."""
    parent = os.path.dirname(path)
    if parent and not os.path.isdir(parent):
        make_parents(parent)
        os.mkdir(parent)
        os.chmod(parent, 0o755)
        sync_directory(os.path.dirname(parent))


def write_file(file: File) -> None:
    """Replace a file's content, mode and owner in one step."""
    parent = os.path.dirname(file.path)
    make_parents(file.path)
    temporary = temporary_of(file.path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(file.content)
            _own(temporary, file)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, file.path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.strerror and error.filename in (None, temporary):
            error.filename = file.path  # what the operator knows, also of a disk that is full
        raise
    sync_directory(parent)


def unfinished(path: str) -> str:
    """The name beside a path under which its next content is made."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")


def temporary_of(path: str) -> str:
    """That name (C(unfinished)) when it is free: what a killed run left there goes."""
    temporary = unfinished(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    return temporary


def keep_former(link: Link) -> None:
    """Keep what somebody else has where a link of ours comes, by a second name: the first is never without it."""
    if former_change(link):
        os.link(link.path, former_of(link.path), follow_symlinks=False)
        sync_directory(os.path.dirname(link.path))


def make_link(link: Link) -> None:
    """Point a link to its target in one step."""
    parent = os.path.dirname(link.path)
    make_parents(link.path)
    temporary = temporary_of(link.path)
    os.symlink(link.target, temporary)
    os.rename(temporary, link.path)
    sync_directory(parent)


def remove_file(path: str) -> None:
    """Remove a file for good."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync_directory(os.path.dirname(path))


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _own(path: str, wanted: File | Directory) -> None:
    if os.geteuid() == 0:
        try:
            owner = (pwd.getpwnam(wanted.owner).pw_uid, grp.getgrnam(wanted.group).gr_gid)
            status = os.stat(path)
            # Not every sandbox lets its process change owners, which is not always needed.
            if (status.st_uid, status.st_gid) != owner:
                os.chown(path, *owner)
        except KeyError as error:
            missing = f"{wanted.path} belongs to {wanted.owner}:{wanted.group}, but {error.args[0]}"
            raise OSError(f"{missing}; k3a.cluster.host makes the users of k3a") from None
    os.chmod(path, wanted.mode)
