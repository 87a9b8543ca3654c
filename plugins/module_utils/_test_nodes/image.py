# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.
"""The image of the containers: kept by podman under a tag that follows its recipe."""

from __future__ import annotations

import json
import os

from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import debian
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.debian import Recipe, Run

# systemd 252 is the newest that still boots on a cgroup v1 host.
SUITE = "bookworm"
INIT = "/sbin/k3a-node-init"
REPOSITORY = "localhost/k3a-node"
LOCK = f"{debian.WORK}/k3a-node-image.lock"

FILES = {
    **debian.FILES,
    INIT: (
        0o755,
        """\
#!/bin/sh
# The image holds no SSH host key, so that no two nodes share one.
key=/etc/ssh/ssh_host_ed25519_key
[ -e $key ] || ssh-keygen -q -t ed25519 -N '' -C "$(hostname)" -f $key

# On a cgroup v1 host all containers see one systemd hierarchy: this node's systemd needs its own, or the slices of two
# nodes get mixed and the kubelet finds none of its own.
if [ -d /sys/fs/cgroup/systemd ]; then
  umount /sys/fs/cgroup/systemd/release_agent 2>/dev/null
  while umount /sys/fs/cgroup/systemd 2>/dev/null; do :; done
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi

# The kubelet's mounts must reach containers that are already running.
mount --make-rshared /
exec /sbin/init
""",
    ),
}


def recipe() -> Recipe:
    """A container has no devices of its own to look after."""
    return Recipe(SUITE, debian.PACKAGES, FILES, (*debian.MASKED, "systemd-udevd.service"), ("ssh.service",))


def image_name() -> str:
    """The image under a tag that changes with anything that goes into it."""
    return f"{REPOSITORY}:{recipe().key()}"


def ensure_image(run: Run, mirror: str | None) -> bool:
    """Build the image unless podman has it; ``run(argv)`` returns standard output or raises NodesError."""
    with debian.exclusive(LOCK):
        if image_exists(run):
            return False
        source = debian.find_mirror(run, SUITE, mirror)
        with debian.workdir(run, debian.WORK) as workdir:
            build(run, workdir, source)
        remove_older(run)
        return True


def image_exists(run: Run) -> bool:
    return bool(run(["podman", "images", "--quiet", "--filter", f"reference={image_name()}"]).strip())


def build(run: Run, workdir: str, mirror: str) -> None:
    root = os.path.join(workdir, "root")
    archive = os.path.join(workdir, "image.tar")
    debian.make_tree(run, recipe(), root, mirror)
    run(["tar", "--directory", root, "--create", "--file", archive, "--numeric-owner", "."])
    run(["podman", "import", "--quiet", "--change", f"CMD {json.dumps([INIT])}", archive, image_name()])


def remove_older(run: Run) -> None:
    """Remove images of earlier recipes, except those that nodes are still made of."""
    names = run(["podman", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={REPOSITORY}"])
    used = run(["podman", "ps", "--all", "--format", "{{.Image}}"]).split()
    older = [name for name in names.split() if name != image_name() and name not in used]
    if older:
        run(["podman", "rmi", *older])
