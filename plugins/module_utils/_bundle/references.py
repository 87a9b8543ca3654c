# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What on a node still needs a bundle, or one of its files, that is neither current nor previous any more."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import CONTAINERD_STATE, Layout


@dataclass(frozen=True)
class References:
    """The places where names of bundles and of files are looked for."""

    unit_dir: str = "/etc/systemd/system"
    processes: str = "/proc"
    runtime_dir: str = CONTAINERD_STATE

    def among(self, names: Collection[str], data_dir: str) -> set[str]:
        """Those of these directories' names, each a digest and so like no other, that something refers to."""
        if not names:
            return set()
        text = "\n".join([*self._configurations(data_dir), *self._shims(), *self._running_programs()])
        return {name for name in names if f"/{name}/" in text}

    def _configurations(self, data_dir: str) -> Iterator[str]:
        yield from _texts(f"{glob.escape(self.unit_dir)}/k3a-*.service")
        yield from _texts(glob.escape(Layout(data_dir).agent_etc("containerd/config.toml")))

    def _shims(self) -> Iterator[str]:
        """The programs that the runtime calls for a pod for as long as that lives, as it notes them."""
        for name in ("runtime", "shim-binary-path"):
            yield from _texts(f"{glob.escape(self.runtime_dir)}/io.containerd.runtime.v2.task/*/*/{name}")

    def _running_programs(self) -> Iterator[str]:
        for name in os.listdir(self.processes):
            if name.isdigit():
                # A process that ends while we look, or a kernel thread.
                with contextlib.suppress(OSError):
                    yield os.readlink(os.path.join(self.processes, name, "exe"))


def _texts(pattern: str) -> Iterator[str]:
    for path in glob.glob(pattern):
        yield (files.read_bytes(path) or b"").decode(errors="replace")
