# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""A server's way into etcd, carried out around the start of its process; _etcd_membership decides what it is."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._datastore import membership
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import (
    Etcd,
    EtcdError,
    EtcdUnavailable,
    Member,
    client_url,
    peer_url,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, health, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address


def first_start_path(layout: Layout) -> str:
    """The file that tells etcd of its peers; it is there for the first start of a member only."""
    return f"{os.path.dirname(layout.etcd)}/etcd.env"


class Join:
    """This server's way into etcd, around the start of its process; C(api) is the API server that it pauses."""

    def __init__(self, params: dict[str, Any], node_name: str, node_ip: str, api: component.Component) -> None:
        self.layout = Layout(params["data_dir"])
        self.others = [url for url in params["endpoints"] if url != client_url(address.in_url(node_ip))]
        self.etcd = Etcd(self.layout, [client_url("127.0.0.1"), *self.others])
        self.deadline = time.monotonic() + params["timeout"]
        self.api = api
        self.leaving: Member | None = None
        self.pauses_api = False
        self.resume_api = False
        try:
            members = tuple(self.etcd.members())
        except EtcdError:
            members = None
        self.seen = membership.Situation(
            name=node_name,
            peer_url=peer_url(address.in_url(node_ip)),
            has_data=self.layout.etcd_has_data,
            members=members,
            first_server=params["first_server"],
            replace=params["replace"],
        )

    def decide(self, check_mode: bool) -> membership.Membership:
        """What has to happen; before a new cluster has begun its other members cannot ask it."""
        if check_mode and self.seen.first_server and self.seen.members is None and not self.seen.has_data:
            return membership.Membership(starts_new_cluster=True)
        return membership.decide(self.seen)

    def foresee(self, plan: membership.Membership, component_plan: component.Plan) -> list[files.Change]:
        """What changes beside etcd itself; or, as an error, why it must not be restarted."""
        mine = self.seen.mine
        changes = []
        if component_plan.interrupts and mine and self.etcd.healthy(mine):
            problem = membership.lost_by(mine, self.seen.members or (), self.etcd.healthy)
            if problem:
                raise membership.MembershipError(f"etcd cannot be restarted now: {problem}; put that right first")
            self.leaving = mine
            # Its API server would keep clients waiting for the datastore; without it they go to another server.
            self.pauses_api = bool(self.others) and systemd.unit_state(self.api.unit_name).active == "active"
        if self.pauses_api:
            after = "active (restarted: its datastore restarts)\n"
            changes.append(files.Change(self.api.unit_name, "active\n", after))
        # One that a run which was killed has left: etcd must not be told of a first start ever again.
        left = files.absent_change(first_start_path(self.layout))
        if left:
            changes.append(left)
        if plan.set_aside:
            changes.append(files.Change(self.layout.etcd, "data of a former member\n", "set aside as etcd-old-TIME\n"))
            if not component_plan.restart:
                after = "active (restarted: its data is set aside)\n"
                changes.append(files.Change("k3a-etcd.service", "active\n", after))
        if plan.changed:
            changes.append(files.Change(membership.MEMBERS, *membership.member_diff(self.seen, plan)))
        return changes

    def prepare(self, plan: membership.Membership) -> None:
        """What has to happen before etcd starts, as it was foreseen."""
        if self.leaving:
            self._hand_over(self.leaving)
        if self.pauses_api:
            self.resume_api = True
            systemd.pause(self.api.unit_name)
        self._patiently(lambda: membership.withdraw(self.etcd, plan))
        if plan.set_aside:
            systemd.stop("k3a-etcd.service")
            os.rename(self.layout.etcd, f"{os.path.dirname(self.layout.etcd)}/etcd-old-{int(time.time())}")
            files.sync_directory(os.path.dirname(self.layout.etcd))
        if plan.add:
            self._patiently(self._announce)
        if plan.update:
            self.etcd.update(plan.update.id, [self.seen.peer_url])
        if plan.starts_new_cluster or (plan.promote and not self.layout.etcd_has_data):
            members = [] if plan.starts_new_cluster else self.etcd.members()
            state = "new" if plan.starts_new_cluster else "existing"
            text = f"ETCD_INITIAL_CLUSTER={membership.initial_cluster(self.seen, members)}\n"
            content = f"{text}ETCD_INITIAL_CLUSTER_STATE={state}\n".encode()
            files.write_file(files.File(first_start_path(self.layout), content, mode=0o600))

    def _hand_over(self, mine: Member) -> None:
        """Lead no more: without a leader nothing could be written until the others have elected one."""
        others = (member for member in membership.voters(self.seen.members or ()) if member.id != mine.id)
        with contextlib.suppress(EtcdError):  # then there is an election
            if self.etcd.leader() == mine.id:
                successor = next(filter(self.etcd.healthy, others), None)
                if successor:
                    self.etcd.hand_over(successor.id)

    def _announce(self) -> None:
        """Become known as a learner; an announcement whose answer was lost is not made twice."""
        if not any(self.seen.peer_url in member.peer_urls for member in self.etcd.members()):
            self.etcd.add_learner(self.seen.peer_url)

    def _patiently(self, change: Callable[[], object]) -> None:
        """Change the members as soon as etcd takes it: not within 5 s of another change, nor without a leader."""

        def done() -> str | None:
            try:
                change()
            except EtcdUnavailable as error:
                return str(error)
            return None

        reason = health.wait_for(done, self.deadline)
        if reason:
            raise membership.MembershipError(f"the members of etcd cannot be changed: {reason}")

    def resume(self) -> bool:
        """Have the API server run again, if it was stopped: also where etcd has not come back."""
        paused, self.resume_api = self.resume_api, False
        if paused:
            systemd.restart(self.api.unit_name)
        return paused

    def finish(self) -> None:
        """Once etcd has data, what it was told for its first start must never begin a cluster again.

        And before another server's etcd is restarted, this one's API server is back.
        """
        if self.resume():
            component.wait_until_well(self.api, self.deadline)
        if os.path.exists(first_start_path(self.layout)):
            begun = health.wait_for(
                lambda: None if self.layout.etcd_has_data else "etcd has not begun to keep data",
                self.deadline,
            )
            if begun is not None:
                raise component.not_well("etcd", begun)
            files.remove_file(first_start_path(self.layout))
