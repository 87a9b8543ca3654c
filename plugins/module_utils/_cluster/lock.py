# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""One playbook at a time on a cluster: a Lease of its API, and a file on the server that renews it.

Two controllers may reach different servers, and the Lease is what all of them see. The file holds where there is no API
yet, or none that answers: then it has to be on every server that can be reached. This is also the command that the
keeper of a lock runs on the server, again and again (C(plugin_utils/_ansible/lock_keeper.py)).
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import lock_file
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiError, ApiUnreachable
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lease import Holding, Lease
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lock_file import Held
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import ServerApi, own_api
from ansible_collections.k3a.cluster.plugins.module_utils._engine import own_units
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout

NAMESPACE = "kube-system"
NAME = "k3a-playbook"
# The keeper's program on the server, for as long as the lock is held.
PROGRAM = "/run/k3a-cluster-lock.pyz"
# Seconds: longer than etcd and an API server take to start again, since nothing can be renewed meanwhile.
DURATION = 180
# Seconds for which a lease that looks expired is watched: the clocks of two servers may differ.
PATIENCE = 30.0
# Seconds for all tries of a request to the API; one answer may take half of them.
TRIES, RENEWAL_TRIES = 8.0, 4.0
# What the program answers: the lock is kept, by its file only, or no longer its caller's.
KEPT, UNLEASED, LOST = 0, 4, 3


class Lock(NamedTuple):
    """What a playbook has of the lock: whether it had the file before, and why it has no lease, or nothing."""

    was_holder: bool
    unleased: str


def lease_of(identity: str, holder: str = "", tries: float = TRIES) -> Lease:
    """The lease as the API of this server has it, as the unit of that says where it is."""
    unit = own_units.installed().get("apiserver", "")
    port = own_units.argument(unit, "secure-port")
    if not port:
        raise ApiUnreachable("this host has no API server yet")
    api = ServerApi(own_api(Layout(own_units.data_dir(unit)), int(port), tries / 2), tries)
    return Lease(api, NAMESPACE, NAME, identity, DURATION, holder, PATIENCE)


def take(
    identity: str,
    holder: str,
    dead: str = "",
    tries: float = TRIES,
    sleep: Callable[[float], None] = time.sleep,
) -> Lock:
    """Take the lock or renew it, also from a holder that is known to be dead; C(Held) says who else has it."""
    was_holder = lock_file.take(identity, holder, dead, lock_file.LOCK)
    try:
        take_lease(lease_of(identity, holder, tries), dead, sleep)
    except ApiError as error:
        return Lock(was_holder, str(error))
    except Held:
        if not was_holder:
            lock_file.release(identity, lock_file.LOCK)
        raise
    return Lock(was_holder, "")


def take_lease(lease: Lease, dead: str, sleep: Callable[[float], None]) -> None:
    """Hold the lease. One that was not renewed in time is watched for a while, and then taken over."""
    watched: Holding | None = None
    if dead and lease.replace(dead):
        return
    while not lease.hold():
        other = lease.seen
        if other and (is_fresh(other) or (watched and other != watched)):
            raise Held(described(other), DURATION)
        watched = other
        sleep(1.0)


def is_fresh(holding: Holding) -> bool:
    """Whether a lease was renewed in time, by this host's clock; one from the future counts as one from the past.

    One that does not say when was not renewed by a playbook.
    """
    return bool(holding.renewed) and abs(holding.age(time.time())) < DURATION


def described(holding: Holding) -> dict[str, Any]:
    """A holding in the form of a lock file."""
    told = {"id": holding.id, "holder": holding.description, "since": re.sub(r"\.\d+", "", holding.since)}
    return lock_file.shown(told)


def other_lock(identity: str) -> tuple[dict[str, Any] | None, str]:
    """What another playbook has of the lock now, and why the lease cannot be read, or nothing."""
    found = lock_file.holder_of(lock_file.LOCK)
    other = found if found is not None and found["id"] != identity else None
    try:
        holding = lease_of(identity).other()
    except ApiError as error:
        return other, str(error)
    return other or (described(holding) if holding and is_fresh(holding) else None), ""


def renew(identity: str) -> int:
    """Keep file and lease; a lease that could not be taken at first is, once the API answers."""
    current = lock_file.renew(identity, lock_file.LOCK)
    if current is None:
        return LOST
    try:
        lease = lease_of(identity, current["holder"], RENEWAL_TRIES)
        if lease.hold():
            return KEPT
    except ApiError:
        return UNLEASED
    return LOST if lease.seen and is_fresh(lease.seen) else UNLEASED


def release(identity: str) -> int:
    """Give everything back; a lease that the API does not take expires."""
    released = lock_file.release(identity, lock_file.LOCK, PROGRAM)
    with contextlib.suppress(ApiError):
        lease_of(identity, tries=RENEWAL_TRIES).release()
    return KEPT if released else LOST


def main(arguments: list[str]) -> int:
    """Renew or release the lock of an identity."""
    verb, identity = arguments
    return {"renew": renew, "release": release}[verb](identity)
