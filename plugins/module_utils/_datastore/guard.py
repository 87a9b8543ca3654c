# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What systemd asks before it starts etcd or the API server: is that the datastore that this host belongs to?

etcd starts with the data that the host recorded, or with what its first start was told. The API server starts before
an etcd of the cluster that the host recorded: load balancers believe its C(/readyz), and an empty world would be ready.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._datastore import data
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, sentence
from ansible_collections.k3a.cluster.plugins.module_utils._identity import identity, record_file
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity

POLL = 0.2


class Refused(K3aError):
    """Why a process must not start; the text says what was found, and what to do."""


def refusal(directory: str, kept: EtcdIdentity | None, recorded: EtcdIdentity | None, told: bool) -> str | None:
    """Why etcd must not start, or None; C(told) says that there is something that its first start is told."""
    if kept is None and not told:
        return (
            f"the data of etcd is gone from {directory}, and etcd begins no cluster by itself; mount its disk or put "
            "its data back, and site.yml says what else can be done"
        )
    if kept and recorded and kept != recorded:
        return (
            f"the data in {directory} is of the member {kept.member_id} of the cluster {kept.cluster_id} of etcd, and "
            f"by {identity.ETCD} this host is the member {recorded.member_id} of the cluster {recorded.cluster_id}; "
            "put its own data back, and site.yml says what else can be done"
        )
    return None


def check_data(layout: Layout, say: Callable[[str], object]) -> None:
    """Raise why etcd must not start; right data starts also where, as on a full disk, nothing can be recorded."""
    kept = data.kept_identity(layout.etcd)
    recorded = record_file.read(identity.ETCD, EtcdIdentity)
    problem = refusal(layout.etcd, kept, recorded, told=os.path.exists(layout.etcd_first_start))
    if problem:
        raise Refused(problem)
    progress = data.kept_progress(layout.etcd)
    if data.is_outdated(progress, data.recorded_progress()):
        raise Refused(
            f"the data in {layout.etcd} is an old copy: what was written since is not in it; put the newest data back, "
            f"and site.yml says what else can be done (where the copy is all that is left, remove {data.PROGRESS})"
        )
    try:
        data.record_progress(progress)
    except OSError as error:
        say(f"how far the data of etcd is cannot be recorded: {sentence(error)}")


def foreign(answering: EtcdIdentity, ours: EtcdIdentity | None) -> str | None:
    """Why the API server must not start before an etcd that answers, or None."""
    if ours and answering.cluster_id == ours.cluster_id:
        return None
    known = f"this host belongs to {ours.cluster_id}" if ours else f"this host has neither its data nor {identity.ETCD}"
    return f"an etcd answers whose cluster is {answering.cluster_id}, and {known}"


def await_datastore(layout: Layout, say: Callable[[str], object]) -> None:
    """Wait for the etcd of this host; raise when it is another one. What is waited for is said once."""
    # To be able to ask takes most of the time of a start, and etcd's own start asks nobody.
    from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import (  # noqa: PLC0415
        Etcd,
        EtcdError,
        client_url,
    )

    etcd, told = Etcd(layout, [client_url("127.0.0.1")]), False
    while True:
        try:
            answering = etcd.identity()
            break
        except EtcdError as error:
            if not told:
                say(f"the API server waits for its datastore: {error}")
            told = True
        time.sleep(POLL)
    # A host that has recorded nothing yet knows from its disk to which cluster it belongs.
    ours = record_file.read(identity.ETCD, EtcdIdentity) or data.kept_identity(layout.etcd)
    problem = foreign(answering, ours)
    if problem:
        raise Refused(f"{problem}; put the data of etcd back, and site.yml says what else can be done")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(arguments: Sequence[str]) -> str | None:
    """Ask for one of the two, or record how far etcd has come; what is returned is told: it must not start."""
    what, data_dir = arguments
    try:
        if what == "etcd":
            check_data(Layout(data_dir), _say)
        elif what == "progress":
            data.record_progress(data.kept_progress(Layout(data_dir).etcd))
        else:
            await_datastore(Layout(data_dir), _say)
    except (K3aError, OSError) as error:
        return sentence(error)
    return None
