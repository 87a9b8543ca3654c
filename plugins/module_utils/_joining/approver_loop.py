# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The approver at work: one of the servers' approvers holds a lease, watches requests, and carries decisions out.

Whatever the API does not do is tried again, and said once. Nothing here has to be done once only: a request that two
approvers judge at the same time is settled by the first, and what one that was killed left behind the next clears away.
"""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lease import Lease
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.pages import pages
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import excerpt
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._joining import csr as csr_reader
from ansible_collections.k3a.cluster.plugins.module_utils._joining.names import (
    Journal,
    Names,
    delete,
)

NAME = "k3a-approver"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
KIND = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
EVENTS = node_api.object_path("/api/v1", "events", "default")
CONFIG = node_api.object_path("/api/v1", "configmaps", "kube-system", "k3a-config")
ENDPOINTS = node_api.object_path("/apis/discovery.k8s.io/v1", "endpointslices", "default")

# Seconds: how long a lease lasts, how often it is renewed or looked at, how often what is left over is looked for.
LEASE = 15
RENEWAL = 4
SWEEP = 60
# So many requests of one asker are judged between two renewals of the lease, and so many of a token are kept in
# mind. Of a node fewer are: its requests are larger, and somebody with a token may be many nodes.
TURNS = 20
HELD, HELD_OF_NODE = 200, 20
# So many names of what a token asks beyond that are kept, and for so long of a round they are deleted.
EXCESS, CLEARING = 10000, 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 2.0


class Stopped(BaseException):
    """The process was told to end."""


class Stop:
    """Whether the process was told to end: at once where it waits, else when it comes to wait the next time.

    Raised by a signal anywhere else it would cut a request or the end of a connection off, and Python swallow it there.
    """

    def __init__(self) -> None:
        self._told = False
        self._waiting = False

    def tell(self, *_: object) -> None:
        """End: what a signal calls."""
        self._told = True
        if self._waiting:
            self._waiting = False
            raise Stopped

    def __enter__(self) -> None:
        self._waiting = True
        if self._told:
            self._waiting = False
            raise Stopped

    def __exit__(self, *_: object) -> None:
        self._waiting = False


class Approver:
    """The work of the one approver that holds the lease."""

    def __init__(
        self,
        api: node_api.NodeApi,
        journal: Journal,
        approved: Sequence[Sequence[str]],
        clock: Callable[[], float] = time.monotonic,
        stop: Stop | None = None,
    ) -> None:
        self._api = api
        self._journal = journal
        self._approved = approved
        self._clock = clock
        self._stop = stop or Stop()
        self._version = ""
        # Requests that wait for something, what was told of them, and whether there are more of somebody's.
        self._waiting: dict[str, dict[str, Any]] = {}
        self._told: dict[str, str] = {}
        self._more = False
        # What is to be deleted, by the token that it came by.
        self._excess: dict[str, str] = {}
        # What was judged since the lease was renewed, by who asked; and the settings as of then.
        self._turns: Counter[str] = Counter()
        self._known: approver.Settings | None = None
        self._names = Names(api, journal)
        self._sweep_at = 0.0

    def forget(self) -> None:
        """Begin anew with a list: another may have worked in the meantime, or the watch has a gap."""
        self._version = ""
        self._sweep_at = 0.0

    def work(self, seconds: float) -> None:
        """Judge what there is, then what comes within so many seconds; what is too much for that waits its turn."""
        until = self._clock() + seconds
        self._turns, self._known = Counter(), None
        if self._clock() >= self._sweep_at:
            self._sweep_at = self._clock() + SWEEP
            self._names.sweep()
            if self._more:
                self._version = ""
        if not self._version:
            self._list()
        for csr in approver.in_turn(list(self._waiting.values()), TURNS):
            if self._clock() >= until:
                break
            self._judge(csr)
        self._clear(min(until, self._clock() + CLEARING))
        self._watch(until)

    def _list(self) -> None:
        self._waiting, self._excess, self._more = {}, {}, False
        for csr in self._requests():
            self._hold(csr)
        for name in self._told.keys() - self._waiting.keys():
            self._drop(name)

    def _requests(self) -> Iterator[dict[str, Any]]:
        self._version = yield from pages(self._api, REQUESTS)

    def _hold(self, csr: dict[str, Any]) -> bool:
        """Keep a request in mind that is ours to judge; of one asker no more than so many."""
        name = csr["metadata"]["name"]
        if not approver.is_undecided(csr) or not approver.kind_of(csr):
            self._drop(name)
            return False
        of_asker = (known for known in self._waiting.values() if approver.asker(known) == approver.asker(csr))
        most = HELD if approver.token_of(csr) else HELD_OF_NODE
        if name not in self._waiting and sum(1 for _known in of_asker) >= most:
            self._refuse(csr)
            return False
        self._waiting[name] = csr
        return True

    def _refuse(self, csr: Mapping[str, Any]) -> None:
        """A node's request comes to its turn later; those of a token are too many for the datastore to keep."""
        token = approver.token_of(csr)
        if token and len(self._excess) < EXCESS:
            self._excess[csr["metadata"]["name"]] = token
        else:
            self._more = True

    def _clear(self, until: float) -> None:
        """Delete what is too much, as long as nobody has to wait for it."""
        while self._excess and self._clock() <= until:
            name, token = self._excess.popitem()
            try:
                delete(self._api, REQUESTS, name)
            except node_api.ApiRefused as error:
                self._more = True
                self._journal.trouble(f"token {token}", error.message)
                return
            self._journal.trouble(f"token {token}", f"has more than {HELD} requests that wait, others are deleted", "")

    def _drop(self, name: str) -> None:
        self._waiting.pop(name, None)
        self._excess.pop(name, None)
        self._told.pop(name, None)
        self._journal.forget(_subject(name))

    def _watch(self, until: float) -> None:
        patience = 1 if self._waiting or self._excess else max(1, round(until - self._clock()))
        query = {
            "resourceVersion": self._version,
            "timeoutSeconds": str(patience),
            "allowWatchBookmarks": "true",
        }
        version, self._version = self._version, ""
        for event in self._api.watch(REQUESTS, query, waiting=self._stop):
            csr = event.get("object") or {}
            version = (csr.get("metadata") or {}).get("resourceVersion") or version
            if event.get("type") in ("ADDED", "MODIFIED"):
                if self._hold(csr) and self._turns[approver.asker(csr)] < TURNS:
                    self._judge(csr)
            elif event.get("type") == "DELETED":
                self._drop(csr["metadata"]["name"])
            if self._clock() >= until:
                break
        self._version = version

    def _judge(self, csr: Mapping[str, Any]) -> None:
        """Decide about a request and act; one that the API refuses to settle does not hold the others up."""
        name = csr["metadata"]["name"]
        self._turns[approver.asker(csr)] += 1
        # It is the last of its asker's from now on, if it has to wait.
        self._waiting.pop(name, None)
        self._waiting[name] = dict(csr)
        try:
            settled = self._settle(csr)
        except node_api.ApiRefused as error:
            self._journal.trouble(_subject(name), excerpt(error.message, approver.LONGEST_TEXT))
            return
        if settled:
            self._journal.well(_subject(name))
            self._drop(name)

    def _settle(self, csr: Mapping[str, Any]) -> bool:
        """Whether there is no more to do about a request."""
        name = csr["metadata"]["name"]
        decision, node, context = self._decision(csr)
        if decision.action == approver.LATER:
            if decision.told and self._told.get(name) != decision.text:
                self._told[name] = decision.text
                self._journal.say(
                    f"{_subject(name)} of {excerpt(approver.asker(csr))} waits: {decision.text}", True
                )
                self._tell(csr, "NodeCertificateWaits", decision.text)
            return False
        joins = approver.kind_of(csr) == approver.JOIN
        if joins and decision.action == approver.APPROVE and not self._names.admit(node, decision, context, csr):
            return False
        if approver.kind_of(csr) == approver.SERVING and decision.action == approver.APPROVE:
            self._names.note_addresses(node, csr_reader.parse(base64.b64decode(csr["spec"]["request"])).ips)
        self._conclude(csr, decision)
        if joins:
            self._names.release(csr)
        return True

    def _decision(self, csr: Mapping[str, Any]) -> tuple[approver.Decision, str, approver.Context]:
        """What to do with a request, the node that it is for, and what was known of that."""
        nothing = approver.Context()
        large = approver.oversize(csr)
        if large:
            return approver.Decision(approver.DENY, large), "", nothing
        try:
            request = csr_reader.parse(base64.b64decode(csr["spec"]["request"], validate=True))
        except (csr_reader.CsrError, ValueError) as error:
            return approver.Decision(approver.DENY, f"its request cannot be read: {error}"), "", nothing
        # Before anything is looked up by a name that was never valid.
        wrong = approver.wrong_form(csr, request, self._approved)
        if wrong:
            return approver.Decision(approver.DENY, wrong), "", nothing
        node = approver.node_name(csr, request)
        settings = self._settings()
        context = self._names.context(csr, node, settings) if settings else None
        if context is None:
            return approver.Decision(approver.LATER), node, nothing
        return approver.decide(csr, request, context, self._approved), node, context

    def _settings(self) -> approver.Settings | None:
        """What the operator wrote, as of this round; without it nothing is approved."""
        if self._known is None:
            config = ((self._api.get(CONFIG) or {}).get("data") or {}).get("config.json") or ""
            slices = self._api.request("GET", ENDPOINTS, {"labelSelector": "kubernetes.io/service-name=kubernetes"})
            endpoints = [
                address
                for each in slices.get("items") or []
                for endpoint in each.get("endpoints") or []
                for address in endpoint.get("addresses") or []
            ]
            try:
                self._known = approver.settings(config, endpoints)
                self._journal.well("settings")
            except ValueError as error:
                reason = excerpt(str(error), approver.LONGEST_TEXT)
                told = f"ConfigMap kube-system/k3a-config cannot be used: {reason}; run k3a.cluster.site"
                self._journal.trouble("settings", f"nothing is approved, since {told}", "")
        return self._known

    def _conclude(self, csr: Mapping[str, Any], decision: approver.Decision) -> None:
        name, uid = csr["metadata"]["name"], csr["metadata"].get("uid")
        path = f"{REQUESTS}/{quote(name)}"
        text = excerpt(decision.text, approver.LONGEST_TEXT)
        reason = "NodeCertificateApproved" if decision.action == approver.APPROVE else "NodeCertificateDenied"
        condition = {"type": decision.action, "status": "True", "reason": reason, "message": text}
        for _attempt in range(3):
            status = {**(csr.get("status") or {}), "conditions": [condition]}
            try:
                self._api.request("PUT", f"{path}/approval", body={**csr, **KIND, "status": status})
                break
            except node_api.ApiRefused as error:
                if error.status not in (404, 409):
                    raise
            found = self._api.get(path)
            if found is None or found["metadata"].get("uid") != uid or not approver.is_undecided(found):
                return  # it is gone, another has its name, or somebody else has judged it
            csr = found
        else:
            raise node_api.ApiRefused(409, "it changes all the time")
        denied = decision.action == approver.DENY
        verb = "denied" if denied else "approved"
        who = excerpt(approver.asker(csr))
        self._journal.say(f"{verb} {excerpt(name)} of {who}: {text}", warning=denied)
        if denied:
            self._tell(csr, "NodeCertificateDenied", text)

    def _tell(self, csr: Mapping[str, Any], reason: str, text: str) -> None:
        """Leave an event; the decision stands without it."""
        now = node_password.timestamp(time.time())
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": "node-certificate.", "namespace": "default"},
            "involvedObject": {**KIND, "name": csr["metadata"]["name"], "uid": csr["metadata"].get("uid", "")},
            "type": "Warning",
            "reason": reason,
            "message": text,
            "source": {"component": NAME},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self._api.request("POST", EVENTS, body=body)
            self._journal.well("events")
        except node_api.ApiRefused as error:
            self._journal.trouble("events", error.message)


def _subject(name: str) -> str:
    return f"request {excerpt(name)}"


def run(lease: Lease, approver_: Approver, journal: Journal, sleep: Callable[[float], None] = time.sleep) -> None:
    """Work while the lease is held and wait while it is not, until Stopped is raised."""
    pause, active = FIRST_PAUSE, False
    while True:
        try:
            held = lease.hold()
            if held != active:
                journal.say("working" if held else "another server's approver works")
                approver_.forget()
            active = held
            if held:
                approver_.work(RENEWAL)
            journal.well("API")
            pause = FIRST_PAUSE
            if not held:
                sleep(RENEWAL)
        except node_api.ApiError as error:
            approver_.forget()
            journal.trouble("API", str(error))
            sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def holder() -> str:
    """This host, the same after a restart, which then need not wait for its own lease to expire."""
    try:
        with open("/etc/machine-id", encoding="ascii") as stream:
            return f"{socket.gethostname()}_{stream.read(8)}"
    except OSError:
        return f"{socket.gethostname()}_{os.getpid()}"


def notify(state: str) -> None:
    """Tell systemd, when it wants to know."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(state.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main(arguments: list[str], approved: Sequence[Sequence[str]]) -> int:
    """Run until told to stop: the API's URL is the one argument, the credentials come from systemd.

    C(approved) are the subjects, common name and organization, of the processes whose certificates a node may have.
    """
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if len(arguments) != 1 or not directory:
        _tell("usage: approve <URL of the API>, run by systemd with credentials")
        return 2

    journal = Journal(_tell)
    files = (f"{directory}/{name}" for name in ("server-ca.crt", "client.crt", "client.key"))
    try:
        authority, certificate, key = files
        api = node_api.NodeApi(arguments[0], ca_file=authority, certificate=certificate, key=key)
    except node_api.ApiError as error:
        journal.say(str(error), warning=True)
        return 1
    lease = Lease(api, node_password.NAMESPACE, NAME, holder(), LEASE)
    stop = Stop()

    def sleep(seconds: float) -> None:
        with stop:
            time.sleep(seconds)

    try:
        signal.signal(signal.SIGTERM, stop.tell)
        notify("READY=1")
        run(lease, Approver(api, journal, approved, stop=stop), journal, sleep)
    except Stopped:
        api.close()
        with contextlib.suppress(node_api.ApiError):  # it expires, then
            lease.release()
    return 0
