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
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lease import Lease, seconds_of
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, node_password
from ansible_collections.k3a.cluster.plugins.module_utils._joining import csr as csr_reader

NAME = "k3a-approver"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SECRETS = node_api.object_path("/api/v1", "secrets", node_password.NAMESPACE)
JOIN_SECRETS = node_api.object_path("/api/v1", "secrets", node_password.JOIN_NAMESPACE)
KIND = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
NODES = "/api/v1/nodes"
EVENTS = node_api.object_path("/api/v1", "events", "default")
CONFIG = node_api.object_path("/api/v1", "configmaps", "kube-system", "k3a-config")
ENDPOINTS = node_api.object_path("/apis/discovery.k8s.io/v1", "endpointslices", "default")
PAGE = "100"

# Seconds: how long a lease lasts, how often it is renewed or looked at, how often what is left over is looked for.
LEASE = 15
RENEWAL = 4
SWEEP = 60
# How many new Nodes are looked for at once between sweeps: the lease has to be renewed in time.
ADOPTIONS = 20
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


class Journal:
    """What the unit's journal gets; a trouble that lasts is told once."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._troubles: dict[str, str] = {}

    def say(self, text: str, warning: bool = False) -> None:
        self._write(f"<4>{text}" if warning else text)

    def trouble(self, subject: str, reason: str) -> None:
        if self._troubles.get(subject) != reason:
            self._troubles[subject] = reason
            self.say(f"{subject}: {reason}; trying again", warning=True)

    def well(self, subject: str) -> None:
        if self._troubles.pop(subject, None) is not None:
            self.say(f"{subject}: well again")


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
        # Requests that wait for something, and when a name was last given to a machine.
        self._waiting: dict[str, dict[str, Any]] = {}
        self._joined: dict[str, float] = {}
        # Names of the Secrets that wait for their Node, in the order of their turns.
        self._ownerless: dict[str, None] = {}
        self._sweep_at = 0.0

    def forget(self) -> None:
        """Begin anew with a list: another may have worked in the meantime, or the watch has a gap."""
        self._version = ""

    def work(self, seconds: float) -> None:
        """Judge what there is, then what comes within so many seconds."""
        until = self._clock() + seconds
        if not self._version:
            self._waiting = {}
            for csr in self._pages(REQUESTS):
                self._judge(csr)
        else:
            for csr in list(self._waiting.values()):
                self._judge(csr)
        if self._clock() >= self._sweep_at:
            self._sweep_at = self._clock() + SWEEP
            self._sweep()
        else:
            self._adopt_new()
        self._watch(until)

    def _watch(self, until: float) -> None:
        patience = 1 if self._waiting else max(1, round(until - self._clock()))
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
                self._judge(csr)
            elif event.get("type") == "DELETED":
                self._waiting.pop(csr["metadata"]["name"], None)
            if self._clock() >= until:
                break
        self._version = version

    def _pages(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        """The objects of a list, a page at a time; remembers the version of a list of requests."""
        asked = {**(query or {}), "limit": PAGE}
        while True:
            page = self._api.request("GET", path, asked)
            yield from page.get("items") or []
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                break
            asked["continue"] = metadata["continue"]
        if path == REQUESTS:
            self._version = metadata.get("resourceVersion") or ""

    def _judge(self, csr: dict[str, Any]) -> None:
        """Decide about a request and act; one that the API refuses to settle does not hold the others up."""
        name = csr["metadata"]["name"]
        self._waiting.pop(name, None)
        if not approver.is_undecided(csr) or not approver.kind_of(csr):
            return
        try:
            self._settle(csr)
        except node_api.ApiRefused as error:
            self._waiting[name] = csr
            self._journal.trouble(f"request {name}", error.message)
        else:
            self._journal.well(f"request {name}")

    def _settle(self, csr: dict[str, Any]) -> None:
        name = csr["metadata"]["name"]
        decision, node, password = self._decision(csr)
        if decision.action == approver.LATER or (decision.enroll and not self._enroll(node, password)):
            self._waiting[name] = csr
            return
        self._conclude(csr, decision)
        if approver.kind_of(csr) == approver.JOIN:
            if decision.action == approver.APPROVE:
                self._joined[node] = self._clock()
            self._delete(JOIN_SECRETS, name)

    def _decision(self, csr: dict[str, Any]) -> tuple[approver.Decision, str, str]:
        """What to do with a request, the node that it is for, and the password that it brings."""
        try:
            request = csr_reader.parse(base64.b64decode(csr["spec"]["request"], validate=True))
        except (csr_reader.CsrError, ValueError) as error:
            return approver.Decision(approver.DENY, f"its request cannot be read: {error}"), "", ""
        # Before anything is looked up by a name that was never valid.
        wrong = approver.wrong_form(csr, request, self._approved)
        if wrong:
            return approver.Decision(approver.DENY, wrong), "", ""
        node = approver.node_name(csr, request)
        try:
            context = self._context(csr, node)
        except ValueError as error:
            self._journal.trouble("settings", f"ConfigMap kube-system/k3a-config is malformed: {error}")
            return approver.Decision(approver.LATER), node, ""
        return approver.decide(csr, request, context, self._approved), node, context.password

    def _context(self, csr: dict[str, Any], node: str) -> approver.Context:
        kind = approver.kind_of(csr)
        if kind == approver.COMPONENT:
            return approver.Context()
        settings = self._settings()
        found = self._api.get(node_api.object_path("/api/v1", "nodes", name=node))
        if kind == approver.SERVING:
            others = (each for each in self._pages(NODES) if each["metadata"]["name"] != node)
            taken = frozenset(address for each in others for address in approver.addresses_of(each))
            return approver.Context(settings, found, others=taken)
        brought = self._api.get(f"{JOIN_SECRETS}/{quote(csr['metadata']['name'])}")
        known = self._api.get(f"{SECRETS}/{node_password.secret_name(node)}")
        return approver.Context(
            settings,
            found,
            password=node_password.value_in(brought, "password"),
            hashed=None if known is None else node_password.value_in(known, "hash"),
            age=time.time() - seconds_of(csr["metadata"].get("creationTimestamp") or ""),
        )

    def _settings(self) -> approver.Settings:
        config = ((self._api.get(CONFIG) or {}).get("data") or {}).get("config.json") or ""
        slices = self._api.request("GET", ENDPOINTS, {"labelSelector": "kubernetes.io/service-name=kubernetes"})
        endpoints = [
            address
            for each in slices.get("items") or []
            for endpoint in each.get("endpoints") or []
            for address in endpoint.get("addresses") or []
        ]
        settings = approver.settings(config, endpoints)
        self._journal.well("settings")
        return settings

    def _enroll(self, node: str, password: str) -> bool:
        """Make the password that came with a request the node's; False when another one has become it meanwhile."""
        try:
            self._api.request("POST", SECRETS, body=node_password.secret(node, node_password.hash_of(password)))
        except node_api.ApiRefused as error:
            if error.status != 409:
                raise
            return False
        self._ownerless[node_password.secret_name(node)] = None
        return True

    def _conclude(self, csr: dict[str, Any], decision: approver.Decision) -> None:
        name = csr["metadata"]["name"]
        path = f"{REQUESTS}/{quote(name)}"
        reason = "NodeCertificateApproved" if decision.action == approver.APPROVE else "NodeCertificateDenied"
        condition = {"type": decision.action, "status": "True", "reason": reason, "message": decision.text}
        for _attempt in range(3):
            status = {**(csr.get("status") or {}), "conditions": [condition]}
            try:
                self._api.request("PUT", f"{path}/approval", body={**csr, **KIND, "status": status})
                break
            except node_api.ApiRefused as error:
                if error.status not in (404, 409):
                    raise
            found = self._api.get(path)
            if found is None or not approver.is_undecided(found):
                return  # it is gone, or somebody else has judged it
            csr = found
        else:
            raise node_api.ApiRefused(409, "it changes all the time")
        denied = decision.action == approver.DENY
        verb = "denied" if denied else "approved"
        self._journal.say(f"{verb} {name} of {csr['spec']['username']}: {decision.text}", warning=denied)
        if denied:
            self._tell(csr, decision.text)

    def _tell(self, csr: dict[str, Any], text: str) -> None:
        """Leave an event; the decision stands without it."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": "node-certificate-denied.", "namespace": "default"},
            "involvedObject": {**KIND, "name": csr["metadata"]["name"], "uid": csr["metadata"].get("uid", "")},
            "type": "Warning",
            "reason": "NodeCertificateDenied",
            "message": text[:1024],
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

    def _sweep(self) -> None:
        """Tie passwords to the Nodes that have come, and delete what no machine has come back for."""
        now = time.time()
        self._joined = {node: at for node, at in self._joined.items() if self._clock() - at < approver.ORPHANED}
        try:
            ages = {
                secret["metadata"]["name"]: now - seconds_of(secret["metadata"]["creationTimestamp"])
                for secret in self._pages(SECRETS, {"fieldSelector": f"type={node_password.TYPE}"})
                if not secret["metadata"].get("ownerReferences")
            }
            # Also those that another approver made, and none that is gone.
            self._ownerless = dict.fromkeys(ages)
            for name, age in ages.items():
                self._tend(name, age)
            for secret in self._pages(JOIN_SECRETS):
                if now - seconds_of(secret["metadata"]["creationTimestamp"]) > approver.ORPHANED:
                    self._delete(JOIN_SECRETS, secret["metadata"]["name"])
            self._journal.well("passwords")
        except node_api.ApiRefused as error:
            self._journal.trouble("passwords", error.message)

    def _adopt_new(self) -> None:
        """Tie passwords to Nodes that came since the sweep, so that one deleted before the next takes its own along."""
        try:
            for name in list(self._ownerless)[:ADOPTIONS]:
                # What is remembered may be out of date, so nothing counts as old enough to be deleted.
                self._tend(name, age=0)
        except node_api.ApiRefused as error:
            self._journal.trouble("passwords", error.message)

    def _tend(self, name: str, age: float) -> None:
        """Do what is due with a Secret without an owner; while that is nothing, or is refused, its turn comes again."""
        self._ownerless.pop(name, None)
        self._ownerless[name] = None
        node = node_password.node_of(name)
        found = self._api.get(f"{NODES}/{node}") if node else None
        fate = approver.fate(found, 0 if node in self._joined else age)
        if fate == approver.LATER:
            return
        if fate == approver.DELETE:
            self._delete(SECRETS, name)
            self._journal.say(f"deleted the password of {node or name}, which has no Node")
        elif found:
            self._own(name, node_password.owner(node, found["metadata"]["uid"]))
        del self._ownerless[name]

    def _own(self, name: str, owner: dict[str, str]) -> None:
        body = {"metadata": {"ownerReferences": [owner]}}
        try:
            self._api.request("PATCH", f"{SECRETS}/{name}", body=body, content_type=node_api.MERGE_PATCH)
        except node_api.ApiRefused as error:
            if error.status != 404:  # else it was removed by name meanwhile
                raise

    def _delete(self, collection: str, name: str) -> None:
        try:
            self._api.request("DELETE", f"{collection}/{quote(name)}")
        except node_api.ApiRefused as error:
            if error.status != 404:
                raise


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
