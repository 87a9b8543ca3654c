# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Where a host keeps what it has: whether the data directory and the records can be there, and have room."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.module_utils._host import data_directory
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_facts import Observed, Space, Wanted
from ansible_collections.k3a.cluster.plugins.module_utils._host.finding import FAIL, WARN, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._identity.record_file import DIRECTORY

MIB = 1024 * 1024
# Besides the bundle: images once more in containerd's own store, the datastore, logs.
HEADROOM = 512 * MIB
FEWEST_INODES = 20_000
# etcd's own advice is less for 99 of 100 writes: where half of them take longer its members lose sight of each other.
SLOWEST_WRITE = 0.010
# What k3a writes to /etc is small, and a run cannot do without any of it.
RECORD_SPACE, RECORD_INODES = MIB, 100


def findings(seen: Observed, wanted: Wanted) -> Iterable[Finding]:
    """What is wrong with where a host is to keep what it has."""
    own = f"set k3a_data_dir to a directory of its own, such as {options.DATA_DIR['default']}"
    yield from _record_space(seen.record_space)
    if seen.blocked:
        yield Finding("data_dir", FAIL, seen.blocked, own)
        return
    place = f"{wanted.data_dir} (on {seen.mount.point}, {seen.mount.kind})"
    move = "remount it without, or set k3a_data_dir to another filesystem"
    for option in ("ro", "noexec"):
        if option in seen.mount.options:
            yield Finding(f"mount_{option}", FAIL, f"{place} is mounted {option}", move)
    # Where a host is installed already it is as it is; the record of another place has a finding of its own.
    if not seen.identity.data_dir:
        unfit = data_directory.unfit(wanted.data_dir) or data_directory.unfit(seen.real_data_dir)
        if unfit:
            yield Finding("data_dir", FAIL, unfit, own)
        elif seen.foreign:
            named = ", ".join(seen.foreign[:3]) + (" and more" if len(seen.foreign) > 3 else "")
            message = f"{wanted.data_dir} holds {named}, which k3a has not made"
            yield Finding("data_dir", FAIL, message, f"{own}, or move that away")
    if seen.mount.kind == "overlay" and wanted.agent and wanted.snapshotter == "overlayfs":
        message = f"{place} is on an overlay itself, on which k3a_snapshotter overlayfs cannot work"
        remedy = "put it on a volume, or set k3a_snapshotter to native"
        yield Finding("nested_overlay", FAIL, message, remedy)
    if seen.write_latency > SLOWEST_WRITE:
        taken = f"{seen.write_latency * 1000:.0f} ms"
        message = f"{place} takes {taken} to keep a small write, and etcd waits for each of its writes"
        remedy = f"set k3a_data_dir to a disk that takes less than {SLOWEST_WRITE * 1000:.0f}, such as an SSD"
        yield Finding("write_latency", WARN, message, remedy)
    # A host that has the bundle already is running: that its disk fills up is for the kubelet to say.
    if wanted.bundle_id not in seen.bundles or not wanted.bundle_id:
        needed = wanted.bundle_size + HEADROOM
        if seen.space.free < needed:
            message = f"{place} has {seen.space.free // MIB} MiB free, and the install needs {needed // MIB} MiB"
            yield Finding("space", FAIL, message, "make room, or set k3a_data_dir to another filesystem")
        if seen.space.free_inodes is not None and seen.space.free_inodes < FEWEST_INODES:
            message = f"{place} has {seen.space.free_inodes} inodes free, and images need {FEWEST_INODES}"
            yield Finding("inodes", FAIL, message, "remove files, or set k3a_data_dir to another filesystem")


def _record_space(space: Space) -> Iterable[Finding]:
    if not space.writable:
        message = f"{DIRECTORY} cannot be written to, and k3a keeps there who the host is"
        yield Finding("record_space", FAIL, message, "mount it read-write")
    elif space.free < RECORD_SPACE or (space.free_inodes is not None and space.free_inodes < RECORD_INODES):
        message = f"the filesystem of {DIRECTORY}, where k3a keeps who the host is, is full"
        yield Finding("record_space", FAIL, message, f"make room, at least {RECORD_SPACE // MIB} MiB")
