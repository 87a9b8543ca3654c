# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""A server's way into etcd, carried out around the start of its process; C(membership.py) decides what it is."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._datastore import broken, data, held, membership
from ansible_collections.k3a.cluster.plugins.module_utils._datastore.client import (
    Etcd,
    EtcdError,
    EtcdUnavailable,
    Heard,
    Member,
    client_url,
    peer_url,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, health, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._identity import identity, record_file
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity

UNIT = broken.UNIT
# An election takes some seconds, and so does a member that has just been started until it is heard.
ELECTION = 15.0
# Where the other members are asked whether they are well, one that has just been restarted has some seconds.
PATIENCE = 10.0


class Join:
    """This server's way into etcd, around the start of its process.

    C(api) is the API server that it pauses, C(ready) whether its own etcd says that it has a majority.
    """

    def __init__(
        self,
        params: dict[str, Any],
        node_name: str,
        node_ip: str,
        api: component.Component,
        ready: health.Condition,
    ) -> None:
        self.layout = Layout(params["data_dir"])
        self.others = [url for url in params["endpoints"] if url != client_url(address.in_url(node_ip))]
        self.etcd = Etcd(self.layout, [client_url("127.0.0.1"), *self.others])
        self.etcd.before_change = lambda: held.refuse_other(self.etcd, params["lock_id"])
        self.deadline = time.monotonic() + params["timeout"]
        self.api = api
        self.leaving: Member | None = None
        self.pauses_api = False
        self.resume_api = False
        kept = data.kept_identity(self.layout.etcd)
        begins = kept is None and params["first_server"] == node_name
        self.seen = membership.Situation(
            name=node_name,
            peer_url=peer_url(address.in_url(node_ip)),
            kept=kept,
            heard=self._hear(begins, ready),
            recorded=record_file.read(identity.ETCD, EtcdIdentity),
            outdated=kept is not None and self._is_outdated(),
            # One that is well now may have had its data put back a moment ago.
            complaint=broken.complaint() if kept and ready() is not None else "",
            first_server=params["first_server"],
            replace=params["replace"],
        )

    def _hear(self, begins: bool, ready: health.Condition) -> Heard | None:
        """What a majority says, or None where there is none.

        That nobody could be asked is not that there is none: an election passes, and who was started is heard soon.
        """
        found: list[Heard] = []
        errors: list[EtcdUnavailable] = []

        def ask() -> str | None:
            try:
                found.append(self.etcd.heard())
            except EtcdUnavailable as error:
                errors.append(error)
                return str(error)
            return None

        def nobody_runs() -> str | None:
            waits = not begins and (errors[-1].answered or systemd.unit_state(UNIT).main_pid)
            return None if waits else "no member of etcd runs"

        reason = health.wait_for(ask, min(self.deadline, time.monotonic() + ELECTION), nobody_runs)
        # A certificate that has ended is mended by a restart with the next one, and by nothing else.
        can_be_asked = not begins and not (errors and errors[-1].untrusted)
        if reason and can_be_asked and systemd.unit_state(UNIT).main_pid and ready() is None:
            raise membership.MembershipError(f"etcd has a majority, and cannot be asked for its members: {reason}")
        return found[0] if found else None

    def _is_outdated(self) -> bool:
        """Whether what is on the disk is an old copy; what runs was asked when it started."""
        if systemd.unit_state(UNIT).main_pid:
            return False
        return data.is_outdated(data.kept_progress(self.layout.etcd), data.recorded_progress())

    def decide(self, check_mode: bool) -> membership.Membership:
        """What has to happen; before a new cluster has begun its other members cannot ask it."""
        begins = self.seen.first_server and not (self.seen.heard or self.seen.kept or self.seen.recorded)
        if check_mode and begins:
            return membership.Membership(starts_new_cluster=True)
        return membership.decide(self.seen)

    def foresee(self, plan: membership.Membership, component_plan: component.Plan) -> list[files.Change]:
        """What changes beside etcd itself; or, as an error, why it must not be stopped."""
        changes = []
        mine = self.seen.mine
        # A new member has nothing of what runs or stands here now.
        gives_way = plan.add and bool(systemd.unit_state(UNIT).main_pid)
        stops = component_plan.interrupts or gives_way
        if mine and (stops or mine in plan.remove):
            self._refuse_loss(plan, mine)
        if mine and stops:
            self.leaving = mine
            # Its API server would keep clients waiting for the datastore; without it they go to another server.
            self.pauses_api = bool(self.others) and systemd.unit_state(self.api.unit_name).active == "active"
        if self.pauses_api:
            after = "active (restarted: its datastore restarts)\n"
            changes.append(files.Change(self.api.unit_name, "active\n", after))
        # One that a run which was killed has left: etcd must not be told of a first start ever again.
        left = files.absent_change(self.layout.etcd_first_start)
        if left:
            changes.append(left)
        if plan.set_aside:
            changes.append(files.Change(self.layout.etcd, "data of a former member\n", "set aside as etcd-old-TIME\n"))
        if gives_way and not component_plan.restart:
            changes.append(files.Change(UNIT, "active\n", "active (restarted: it begins with new data)\n"))
        recorded = self._record_change(plan)
        if recorded:
            changes.append(recorded)
        if plan.changed:
            changes.append(files.Change(membership.MEMBERS, *membership.member_diff(self.seen, plan)))
        return changes

    def _begins(self, plan: membership.Membership) -> bool:
        """Whether etcd is started for the first time as the member that it is then."""
        return plan.add or plan.starts_new_cluster or (plan.promote and not self.seen.kept)

    def _refuse_loss(self, plan: membership.Membership, mine: Member) -> None:
        """Raise why etcd would lose its majority, for a moment or for good, when this server's member stops."""
        judge = membership.lost_without if mine in plan.remove else membership.lost_by
        if mine.learner:
            return
        deadline = min(self.deadline, time.monotonic() + PATIENCE)
        problem = health.wait_for(lambda: judge(mine, self.seen.members, self.etcd.healthy), deadline)
        if problem:
            what = "replaced" if mine in plan.remove else "restarted"
            raise membership.MembershipError(f"etcd cannot be {what} now: {problem}; put that right first")

    def _record_change(self, plan: membership.Membership) -> files.Change | None:
        """How the record of this host's member becomes another one; of one that begins only etcd knows who it is."""
        if self._begins(plan):
            before = files.content_text(files.read_bytes(identity.ETCD), secret=False)
            return files.Change(identity.ETCD, before, "the ids of this member and its cluster\n")
        # What is on the disk is who it is, where a majority knows it so.
        return files.file_change(record_file.as_file(identity.ETCD, self.seen.kept)) if self.seen.holder else None

    def prepare(self, plan: membership.Membership) -> None:
        """What has to happen before etcd starts, as it was foreseen."""
        if self.leaving:
            self._hand_over(self.leaving)
        if self.pauses_api:
            self.resume_api = True
            systemd.pause(self.api.unit_name)
        self._patiently(lambda: membership.withdraw(self.etcd, plan))
        if plan.add:
            self._clear_away()
            self._patiently(self._announce)
        if plan.update:
            self.etcd.update(plan.update.id, [self.seen.peer_url])
        if self._begins(plan):
            self._write_first_start(plan)

    def _clear_away(self) -> None:
        """Leave nothing of a former member: not its process, not its record, and its data under another name."""
        if systemd.unit_state(UNIT).active != "inactive":
            systemd.stop(UNIT)
        files.remove_file(identity.ETCD)
        data.set_aside(self.layout.etcd, int(time.time()))

    def _write_first_start(self, plan: membership.Membership) -> None:
        """Tell etcd of its peers. The ids of a cluster that begins follow from a token that no other one has."""
        members = [] if plan.starts_new_cluster else self.etcd.members()
        told = {"ETCD_INITIAL_CLUSTER": membership.initial_cluster(self.seen, members)}
        if plan.starts_new_cluster:
            told |= {"ETCD_INITIAL_CLUSTER_STATE": "new", "ETCD_INITIAL_CLUSTER_TOKEN": secrets.token_hex(16)}
        content = "".join(f"{name}={value}\n" for name, value in told.items()).encode()
        files.write_file(files.File(self.layout.etcd_first_start, content, mode=0o600))

    def _hand_over(self, mine: Member) -> None:
        """Lead no more: without a leader nothing could be written until the others have elected one."""
        others = (member for member in membership.voters(self.seen.members) if member.id != mine.id)
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
        """Do something with the members as soon as etcd does it: not within 5 s of a change, nor without a leader."""

        def done() -> str | None:
            try:
                change()
            except EtcdUnavailable as error:
                return str(error)
            return None

        reason = health.wait_for(done, self.deadline)
        if reason:
            raise membership.MembershipError(f"the members of etcd cannot be changed: {reason}")

    def promote(self) -> str | None:
        """Let this server's member vote; the reason while it cannot yet."""
        return membership.promote(self.etcd, self.seen.name, self.seen.peer_url)

    def resume(self) -> bool:
        """Have the API server run again, if it was stopped: also where etcd has not come back."""
        paused, self.resume_api = self.resume_api, False
        if paused:
            systemd.restart(self.api.unit_name)
        return paused

    def finish(self, plan: membership.Membership) -> None:
        """Once etcd has data, who it is gets recorded, and what its first start was told must never be told again.

        And before another server's etcd is restarted, this one's API server is back.
        """
        if os.path.exists(self.layout.etcd_first_start):
            begun = health.wait_for(
                lambda: None if self.layout.etcd_has_data else "etcd has not begun to keep data",
                self.deadline,
            )
            if begun is not None:
                raise component.not_well("etcd", begun)
        elif self.seen.kept and not self.seen.heard and not self.others:
            self._catch_up()
        self._write_record(plan)
        files.remove_file(self.layout.etcd_first_start)
        if self.resume():
            component.wait_until_well(self.api, self.deadline)

    def _catch_up(self) -> None:
        """The only server's etcd, which did not run, is asked now: its address may be another than it knew."""
        found: list[Heard] = []
        self._patiently(lambda: found.append(self.etcd.heard()))
        self.seen = replace(self.seen, heard=found[0])
        moved = membership.decide(self.seen).update
        if moved:
            self.etcd.update(moved.id, [self.seen.peer_url])

    def _write_record(self, plan: membership.Membership) -> None:
        """Write down which member of which cluster this host is; before what its first start was told goes."""
        kept = data.kept_identity(self.layout.etcd) if self._begins(plan) else self.seen.holder and self.seen.kept
        record = kept and record_file.as_file(identity.ETCD, kept)
        if record and files.file_change(record):
            files.write_file(record)
