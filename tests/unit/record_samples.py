# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's files and a datastore in memory, for what is about the bootstrap record and the server token."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import EtcdUnavailable
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils._trust import record as records


class Store:
    """What the module asks of etcd; it may not answer, and be killed after a number of changes."""

    def __init__(self, **keys: bytes) -> None:
        self.keys = dict(keys)
        self.changes: list[str] = []
        self.answers = True
        self.killed_at = -1

    def __call__(self, _layout: Layout, _endpoints: list[str]) -> Store:
        return self

    def get(self, key: str) -> bytes | None:
        self._asked()
        return self.keys.get(key)

    def prefix(self, prefix: str) -> dict[str, bytes]:
        self._asked()
        return {key: value for key, value in self.keys.items() if key.startswith(prefix)}

    def put(self, key: str, value: bytes) -> None:
        self._changed(f"put {key}")
        self.keys[key] = value

    def delete(self, key: str) -> None:
        self._changed(f"delete {key}")
        self.keys.pop(key, None)

    def _asked(self) -> None:
        if not self.answers:
            raise EtcdUnavailable("no member of etcd answers")

    def _changed(self, what: str) -> None:
        self._asked()
        if len(self.changes) == self.killed_at:
            raise KeyboardInterrupt
        self.changes.append(what)


def server(folder: Path, password: str = "s3cr3t-word") -> Layout:
    """A server with all that it keeps, each file with its own content."""
    layout = Layout(str(folder))
    for path in records.paths(layout).values():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(f"content of {Path(path).relative_to(folder)}\n")
    authority = Path(bootstrap.authority_paths(layout, "server")[0]).read_text()
    Path(layout.token).write_text(bootstrap.secure_token(authority, password) + "\n")
    Path(layout.etcd).mkdir(parents=True, exist_ok=True)
    return layout
