# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Tries whether the ports of other hosts can be reached, and is there for those who try the ports of this one.

For so long as that takes, and never longer than some seconds, something listens on the ports that our components will
have. Who comes says a word that only one host was told, and is answered with another: so a proxy in between, or another
machine of the same address, is not taken for the host. Nothing is kept, and all ends with the process.
"""

from __future__ import annotations

import errno
import functools
import hmac
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._host.check_proc import PORT_CHECK

# What became of a port: it answered; nothing of it came back, or word that it cannot be reached; it answered nothing,
# or was refused, while its host answered on another port; nobody knows.
REACHED, CLOSED, REFUSED, UNANSWERED, UNKNOWN = "reached", "closed", "refused", "unanswered", "unknown"
# How a single attempt ends, besides: one that was connected has passed all firewalls, whoever it came to.
SILENT, UNREACHABLE, CONNECTED = "silent", "unreachable", "connected"

# Seconds: how long all hosts wait for each other, all of it, one attempt, between two of them, and between two words
# with a host that has ports left to try.
PATIENCE, LIMIT, PAUSE, INTERVAL = 3.0, 4.0, 0.1, 0.2
WAIT = {"tcp": 0.6, "udp": 0.3}
# So many attempts without an answer are no accident. What is known of the host makes the fewer certain, but packets are
# lost, too, and a few are in hundreds of trials.
SILENT_ATTEMPTS, UNREACHABLE_ATTEMPTS = 4, 2
SILENT_BETWEEN, REFUSED_BETWEEN = 3, 2
LONGEST_WORD = 64
MOST_VISITORS = 64

_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM}


def name_process() -> None:
    """Call this process by the name by which a check knows it that comes when a run was killed a moment ago."""
    with suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as stream:
        stream.write(PORT_CHECK)


@dataclass(frozen=True)
class Listener:
    """A port of this host that others try."""

    ip: str
    protocol: str
    port: int

    @property
    def name(self) -> str:
        """As protocol/number."""
        return f"{self.protocol}/{self.port}"


@dataclass(frozen=True)
class Visitor:
    """A host that tries ports of this one: by what it is known, and what it is answered."""

    host: str
    ask: str
    answer: str
    # As protocol/number.
    ports: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A port of another host; on one without words a component listens already."""

    host: str
    ip: str
    protocol: str
    port: int
    ask: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Failure:
    """An attempt that ended without an answer: from when to when, and how."""

    began: float
    ended: float
    kind: str


# A host, protocol/number, and the address to which it came.
Visit = tuple[str, str, str]


@dataclass(frozen=True)
class Result:
    """What became of each target, and which of our ports were open, at all of their addresses.

    C(heard) is who came to which of our ports (host, protocol/number, and address).
    """

    outcomes: tuple[str, ...]
    heard: tuple[Visit, ...]
    opened: tuple[str, ...]


def judge(protocol: str, failures: Sequence[Failure], answers: Sequence[float]) -> str:
    """What failed attempts say of a port, given when its host answered on another one; nothing when it is too early."""
    silent = [each for each in failures if each.kind == SILENT]
    unreachable = [each for each in failures if each.kind == UNREACHABLE]
    # A host that was reached a moment ago says at once that nobody listens, so nothing is on the way or at the host.
    if len(unreachable) >= UNREACHABLE_ATTEMPTS or (protocol == "tcp" and len(silent) >= SILENT_ATTEMPTS):
        return CLOSED
    failed = [each for each in failures if each.kind != CONNECTED]
    between = [each for each in failed if answers and answers[0] <= each.began and each.ended <= answers[-1]]
    refused = [each for each in between if each.kind != SILENT]
    return REFUSED if len(refused) >= REFUSED_BETWEEN or len(between) >= SILENT_BETWEEN else ""


def conclude(protocol: str, failures: Sequence[Failure]) -> str:
    """The same when the time is over; a datagram may be unanswered since hosts say so sparingly."""
    silent = protocol == "udp" and len(failures) >= SILENT_ATTEMPTS
    return UNANSWERED if silent and all(each.kind == SILENT for each in failures) else UNKNOWN


def attempt(target: Target) -> str:
    """Try a port once."""
    wait = WAIT[target.protocol]
    kind = socket.SOCK_STREAM if target.protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(_family(target.ip), kind) as connection:
        connection.settimeout(wait)
        connected = False
        try:
            connection.connect((target.ip, target.port))
            connected = target.protocol == "tcp"
            if connected and not target.ask:
                return REACHED
            connection.send(target.ask.encode())
            answer = connection.recv(LONGEST_WORD)
        except (socket.timeout, TimeoutError):
            return CONNECTED if connected else SILENT
        except OSError as error:
            refused = UNREACHABLE if error.errno in _UNREACHABLE else REFUSED
            return CONNECTED if connected else refused
        if hmac.compare_digest(answer, target.answer.encode()):
            return REACHED
        return CONNECTED if connected else REFUSED


@dataclass
class _Host:
    """Another host while its ports are tried: when it answered, and how many of its ports are still open questions."""

    answers: list[float] = field(default_factory=list)
    unsettled: set[Target] = field(default_factory=set)


def run(
    listeners: Sequence[Listener], visitors: Sequence[Visitor], targets: Sequence[Target], meets: bool = True
) -> Result:
    """Try all targets at once, and be there for the visitors; C(meets) says that all hosts do it at the same time."""
    began = time.monotonic()
    doors = [door for door in map(_Door.open, listeners) if door] if meets else []
    desk = _Desk(visitors, [door.where for door in doors])
    for door in doors:
        _start(door.serve, desk)
    hosts: dict[str, _Host] = {}
    for target in targets:
        hosts.setdefault(target.host, _Host()).unsettled.add(target)
    outcomes = [UNKNOWN] * len(targets)

    def settle(number: int, target: Target) -> None:
        outcomes[number] = _tried(target, hosts[target.host], began, meets)

    threads = [_start(settle, number, target) for number, target in enumerate(targets)]
    for thread in threads:
        thread.join(max(0.0, began + LIMIT + max(WAIT.values()) - time.monotonic()))
    heard = desk.wait(began + PATIENCE)
    for door in doors:
        door.close()
    missed = {*listeners} - {door.where for door in doors}
    opened = {each.name for each in listeners} - {each.name for each in missed}
    return Result(tuple(outcomes), heard, tuple(sorted(opened)))


def _tried(target: Target, host: _Host, began: float, meets: bool) -> str:
    """Try a port until it is known what becomes of it, or the time is over."""
    failures: list[Failure] = []
    reached = False
    while time.monotonic() < began + LIMIT:
        started = time.monotonic()
        kind = attempt(target)
        if kind == REACHED:
            reached = True
            host.unsettled.discard(target)
            if not target.ask or not host.unsettled:
                return REACHED
            # Its other ports are judged by that it answers here.
            host.answers.append(time.monotonic())
        elif reached:
            return REACHED
        else:
            failures.append(Failure(started, time.monotonic(), kind))
            outcome = judge(target.protocol, failures, tuple(host.answers))
            # Where a component has to listen already there is nobody to wait for.
            waits = meets and target.ask and time.monotonic() < began + PATIENCE
            given_up = kind in (REFUSED, CONNECTED) and not waits
            if outcome or given_up:
                host.unsettled.discard(target)
                return outcome or UNKNOWN
        time.sleep(INTERVAL if reached else PAUSE)
    host.unsettled.discard(target)
    return REACHED if reached else conclude(target.protocol, failures)


class _Desk:
    """Who may come, and who has come."""

    def __init__(self, visitors: Iterable[Visitor], opened: Sequence[Listener]) -> None:
        self._by_ask = {visitor.ask: visitor for visitor in visitors}
        self._awaited = {
            (visitor.host, where.name, where.ip)
            for visitor in self._by_ask.values()
            for where in opened
            if where.name in visitor.ports
        }
        self._heard: set[Visit] = set()
        self._changed = threading.Condition()

    def serve(self, word: bytes, where: Listener, send: Callable[[bytes], object]) -> None:
        """Answer a word that came in by a port, unless nobody was told to say it there."""
        visitor = self._by_ask.get(word.decode("ascii", "replace"))
        if not visitor or where.name not in visitor.ports:
            return
        with suppress(OSError):
            send(visitor.answer.encode())
        # Whoever waits for the visitors goes when all have come: not before the last of them has its answer.
        with self._changed:
            self._heard.add((visitor.host, where.name, where.ip))
            self._changed.notify()

    def wait(self, until: float) -> tuple[Visit, ...]:
        """Wait until all have come, or the time is over; who has."""
        with self._changed:
            self._changed.wait_for(lambda: self._awaited <= self._heard, max(0.0, until - time.monotonic()))
            return tuple(sorted(self._heard))


class _Door:
    """A port of ours while somebody listens on it."""

    def __init__(self, where: Listener, listening: socket.socket) -> None:
        self.where = where
        self._socket = listening
        self._room = threading.BoundedSemaphore(MOST_VISITORS)

    @classmethod
    def open(cls, where: Listener) -> _Door | None:
        """Listen; nothing where that is not possible, for instance since somebody else does."""
        kind = socket.SOCK_STREAM if where.protocol == "tcp" else socket.SOCK_DGRAM
        listening = socket.socket(_family(where.ip), kind)
        try:
            if where.protocol == "tcp":
                # As every component does: what is left of a connection keeps nobody from listening.
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((where.ip, where.port))
            if where.protocol == "tcp":
                listening.listen(MOST_VISITORS)
        except OSError:
            listening.close()
            return None
        return cls(where, listening)

    def serve(self, desk: _Desk) -> None:
        """Answer those who come, until the port is closed."""
        with suppress(OSError):
            while True:
                if self._socket.type == socket.SOCK_DGRAM:
                    word, visitor = self._socket.recvfrom(LONGEST_WORD)
                    desk.serve(word, self.where, functools.partial(self._send_to, visitor))
                else:
                    connection, _visitor = self._socket.accept()
                    if self._room.acquire(blocking=False):
                        _start(self._receive, connection, desk)
                    else:
                        connection.close()

    def _receive(self, connection: socket.socket, desk: _Desk) -> None:
        with connection, suppress(OSError):
            connection.settimeout(WAIT["tcp"])
            desk.serve(connection.recv(LONGEST_WORD), self.where, connection.send)
            connection.recv(1)
            # Leave nothing behind that stands in the way of who listens here next.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._room.release()

    def _send_to(self, visitor: Any, answer: bytes) -> None:
        self._socket.sendto(answer, visitor)

    def close(self) -> None:
        """End it, also for the thread that waits in it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _family(ip: str) -> int:
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def _start(act: Callable[..., None], *given: object) -> threading.Thread:
    thread = threading.Thread(target=act, args=given, daemon=True)
    thread.start()
    return thread
