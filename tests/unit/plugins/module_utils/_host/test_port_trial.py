# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host import port_trial
from ansible_collections.k3a.cluster.plugins.module_utils._host.port_trial import (
    CLOSED,
    CONNECTED,
    REACHED,
    REFUSED,
    SILENT,
    UNANSWERED,
    UNKNOWN,
    UNREACHABLE,
    Failure,
    Listener,
    Target,
    Visitor,
)

ONE, TWO = "127.0.0.31", "127.0.0.32"
ASK, ANSWER = "ask-of-one", "answer-of-two"


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(port_trial, "PATIENCE", 0.8)
    monkeypatch.setattr(port_trial, "LIMIT", 1.2)


@pytest.fixture
def ports():
    """Two numbers that are free for both protocols."""
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.bind((TWO, 0))
        return one.getsockname()[1], two.getsockname()[1]


def target(port, protocol="tcp", ask=ASK):
    return Target("two", TWO, protocol, port, ask, ANSWER if ask else "")


def of_two(*ports):
    """What the other host does: it listens, and one host comes to it."""
    listeners = [Listener(TWO, protocol, port) for protocol, port in ports]
    return listeners, [Visitor("one", ASK, ANSWER, tuple(f"{protocol}/{port}" for protocol, port in ports))]


def both(first, second):
    """Two hosts at the same time."""
    with ThreadPoolExecutor() as pool:
        return [each.result() for each in [pool.submit(port_trial.run, *first), pool.submit(port_trial.run, *second)]]


class TestRun:
    def test_hosts_that_meet_reach_each_other(self, ports):
        listeners, visitors = of_two(("tcp", ports[0]), ("udp", ports[1]))
        seen, other = both(([], [], [target(ports[0]), target(ports[1], "udp")]), (listeners, visitors, []))
        assert seen.outcomes == (REACHED, REACHED)
        assert other.heard == (("one", f"tcp/{ports[0]}", TWO), ("one", f"udp/{ports[1]}", TWO))
        assert other.opened == (f"tcp/{ports[0]}", f"udp/{ports[1]}")

    def test_one_that_comes_later_is_waited_for(self, ports):
        listeners, visitors = of_two(("tcp", ports[0]))
        other = threading.Timer(0.3, port_trial.run, (listeners, visitors, []))
        other.start()
        assert port_trial.run([], [], [target(ports[0])]).outcomes == (REACHED,)
        other.join()

    def test_of_a_host_that_does_not_come_nothing_is_known(self, ports):
        targets = [target(ports[0]), target(ports[1], "udp")]
        assert port_trial.run([], [], targets).outcomes == (UNKNOWN, UNKNOWN)
        assert port_trial.run([], [], targets, meets=False).outcomes == (UNKNOWN, UNKNOWN)

    def test_a_port_that_refuses_while_another_answers_is_closed_by_somebody(self, ports):
        """Here nobody listens on it, which is what a firewall that rejects looks like."""
        listeners, visitors = of_two(("tcp", ports[0]))
        awaiting = [*visitors, Visitor("three", "another", "answer", visitors[0].ports)]
        open_for_long = (*listeners, Listener(TWO, "tcp", ports[1]))
        with socket.socket() as holder:
            holder.bind((TWO, ports[1]))  # and does not listen
            seen, other = both(([], [], [target(ports[0]), target(ports[1])]), (open_for_long, awaiting, []))
        assert seen.outcomes == (REACHED, REFUSED)
        assert other.opened == (f"tcp/{ports[0]}",)

    def test_a_port_that_somebody_else_has_is_not_one_that_cannot_be_reached(self, ports, monkeypatch):
        """The check of the host tells that already."""
        monkeypatch.setattr(port_trial, "WAIT", {"tcp": 0.1, "udp": 0.1})
        with socket.create_server((TWO, ports[0])):
            assert port_trial.run([], [], [target(ports[0])]).outcomes == (UNKNOWN,)

    def test_what_answers_in_its_place_is_not_the_host(self, ports):
        with socket.create_server((TWO, ports[0])) as stranger:

            def echo():
                while True:
                    try:
                        connection, _peer = stranger.accept()
                    except OSError:
                        return
                    with connection:
                        connection.send(connection.recv(64))

            threading.Thread(target=echo, daemon=True).start()
            assert port_trial.run([], [], [target(ports[0])]).outcomes == (UNKNOWN,)
            # A component that listens there already says none of our words.
            assert port_trial.run([], [], [target(ports[0], ask="")]).outcomes == (REACHED,)
            stranger.shutdown(socket.SHUT_RDWR)

    def test_a_port_of_somebody_else_is_left_to_him(self, ports):
        with socket.create_server((TWO, ports[0])):
            result = port_trial.run(*of_two(("tcp", ports[0])), [])
        assert result.opened == result.heard == ()

    def test_a_port_that_is_open_at_one_of_its_addresses_is_not_taken_for_open(self, ports):
        listeners, visitors = of_two(("udp", ports[0]))
        nowhere = Listener("192.0.2.1", "udp", ports[0])
        seen, other = both(([], [], [target(ports[0], "udp")]), ([*listeners, nowhere], visitors, []))
        assert seen.outcomes == (REACHED,) and other.opened == ()

    def test_a_visitor_is_waited_for_at_each_address(self, ports, monkeypatch):
        """One address may answer later than the other."""
        monkeypatch.setattr(port_trial, "PATIENCE", 5.0)
        listeners = [Listener(ip, "udp", ports[0]) for ip in (ONE, TWO)]
        visitors = [Visitor("one", ASK, ANSWER, (f"udp/{ports[0]}",))]
        late = threading.Timer(0.4, port_trial.run, ([], [], [target(ports[0], "udp")]))
        late.start()
        first = Target("two", ONE, "udp", ports[0], ASK, ANSWER)
        seen, other = both(([], [], [first]), (listeners, visitors, []))
        late.join()
        assert seen.outcomes == (REACHED,)
        assert other.heard == (("one", f"udp/{ports[0]}", ONE), ("one", f"udp/{ports[0]}", TWO))

    def test_nobody_is_waited_for_where_not_all_are_there_at_once(self, ports):
        assert port_trial.run(*of_two(("tcp", ports[0])), [], meets=False).opened == ()

    def test_the_port_is_free_afterwards(self, ports):
        listeners, visitors = of_two(("tcp", ports[0]))
        both(([], [], [target(ports[0])]), (listeners, visitors, []))
        socket.create_server((TWO, ports[0])).close()


def test_a_word_that_nobody_was_told_has_no_answer():
    _listeners, visitors = of_two(("tcp", 6443))
    api, other = Listener(TWO, "tcp", 6443), Listener(TWO, "tcp", 1)
    desk = port_trial._Desk(visitors, [api])
    said: list[bytes] = []
    for word, where in ((b"another", api), (b"\xff" * 64, api), (b"", api), (ASK.encode(), other)):
        desk.serve(word, where, said.append)
    assert said == [] and desk.wait(0.0) == ()
    desk.serve(ASK.encode(), api, said.append)
    assert said == [ANSWER.encode()] and desk.wait(0.0) == (("one", "tcp/6443", TWO),)


def failures(kind, *times):
    return [Failure(began, began + 0.1, kind) for began in times]


@pytest.mark.parametrize(
    ("protocol", "failed", "answers", "verdict"),
    [
        ("tcp", failures(SILENT, 0, 1, 2), (), ""),
        ("tcp", failures(SILENT, 0, 1, 2, 3), (), CLOSED),
        ("udp", failures(SILENT, 0, 1, 2, 3), (), ""),
        ("udp", failures(UNREACHABLE, 0, 1), (), CLOSED),
        ("tcp", failures(REFUSED, 0, 1, 2, 3, 4), (), ""),
        # It answered before or after them, and could have come or gone.
        ("tcp", failures(REFUSED, 0, 1), (2.0, 3.0), ""),
        ("tcp", failures(REFUSED, 4, 5), (2.0, 3.0), ""),
        ("tcp", failures(REFUSED, 4, 5), (3.0, 6.0), REFUSED),
        # Two datagrams in a row may be lost.
        ("udp", failures(SILENT, 4, 5), (3.0, 6.0), ""),
        ("udp", failures(SILENT, 3.5, 4, 5), (3.0, 6.0), REFUSED),
        ("tcp", failures(CONNECTED, 3, 4, 5, 5.5), (3.0, 6.0), ""),
    ],
)
def test_what_failed_attempts_say(protocol, failed, answers, verdict):
    assert port_trial.judge(protocol, failed, answers) == verdict


def test_what_is_said_when_the_time_is_over():
    assert port_trial.conclude("udp", failures(SILENT, 0, 1, 2, 3)) == UNANSWERED
    assert port_trial.conclude("udp", failures(SILENT, 0)) == UNKNOWN
    assert port_trial.conclude("udp", [*failures(SILENT, 0, 1, 2, 3), *failures(REFUSED, 4)]) == UNKNOWN
    assert port_trial.conclude("tcp", failures(SILENT, 0, 1)) == UNKNOWN


def test_a_process_has_the_name_by_which_a_check_knows_it():
    own = Path("/proc/self/comm")
    before = own.read_text()
    try:
        port_trial.name_process()
        assert own.read_text().strip() == port_trial.PORT_CHECK
    finally:
        own.write_text(before)
