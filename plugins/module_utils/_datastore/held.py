# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Whether another playbook has the cluster's lock by now: looked at before each change of the members.

A step may wait for minutes before it changes anything, and its controller may have slept. The Lease is read from the
datastore itself, which is what is changed: this server's API may be stopped meanwhile. It is there as a message of
protobuf, behind a head and in an envelope.
"""

from __future__ import annotations

import time
from typing import Protocol

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import lock
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.data import fields_of
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, excerpt

KEY = f"/registry/leases/{lock.NAMESPACE}/{lock.NAME}"
HEAD = b"k8s\0"
# Of the envelope: the object. Of a Lease: its spec. Of that: the holder, and when it was renewed. Of a time: seconds.
RAW, SPEC, HOLDER, RENEWED, SECONDS = 2, 2, 1, 4, 1


class Reader(Protocol):
    """What is asked: etcd, for a key."""

    def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""


class HeldByOther(K3aError):
    """Another playbook has the cluster by now."""


def refuse_other(etcd: Reader, identity: str) -> None:
    """Raise when the Lease is another playbook's; a module that runs without a playbook has no identity."""
    holder, renewed = holder_in(etcd.get(KEY) or b"") if identity else ("", 0)
    if holder not in ("", identity) and abs(time.time() - renewed) < lock.DURATION:
        raise HeldByOther(
            f"another playbook ({excerpt(holder, 100)}) holds the cluster's lock by now, so nothing more is changed; "
            "run this one again when that has ended"
        )


def holder_in(value: bytes) -> tuple[str, int]:
    """Who has a Lease, and when it was renewed; nobody where it does not say so."""
    try:
        spec = dict(fields_of(_part(_part(value[len(HEAD) :], RAW), SPEC)))
        holder, renewed = spec.get(HOLDER, b""), dict(fields_of(_bytes(spec.get(RENEWED, b"")))).get(SECONDS, 0)
        return _bytes(holder).decode(errors="replace"), renewed if isinstance(renewed, int) else 0
    except (ValueError, LookupError):
        return "", 0


def _part(message: bytes, number: int) -> bytes:
    return _bytes(dict(fields_of(message)).get(number, b""))


def _bytes(value: int | bytes) -> bytes:
    return value if isinstance(value, bytes) else b""
