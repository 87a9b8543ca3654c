# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import subprocess

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import systemd

UNIT = systemd.unit_text(
    "etcd (k3a)",
    (("After", "network-online.target"),),
    (("ExecStart", systemd.command_line("/b/etcd", ["--name=a", "--x=b c"])), ("Environment", "GOGC=50")),
)


def test_a_unit_starts_with_the_system():
    assert UNIT == (
        "[Unit]\nDescription=etcd (k3a)\nAfter=network-online.target\n\n"
        '[Service]\nExecStart=/b/etcd \\\n  --name=a \\\n  "--x=b c"\nEnvironment=GOGC=50\n\n'
        "[Install]\nWantedBy=multi-user.target\n"
    )


def test_the_digest_comes_in_and_goes_out_again():
    marked = systemd.with_digest(UNIT, "ab12")
    assert marked.count("Environment=K3A_DIGEST=ab12\n") == 1
    assert marked.index("[Service]") < marked.index("K3A_DIGEST") < marked.index("ExecStart")
    assert systemd.without_digest(marked) == UNIT
    assert systemd.without_digest(UNIT) == UNIT


def unquoted(word):
    """A word of ExecStart as systemd.service(5) and systemd.syntax(7) read it."""
    if word.startswith('"'):
        word = word[1:-1]
    plain, rest = "", word
    while rest:
        if rest[0] == "\\":
            plain, rest = plain + {"n": "\n", "\\": "\\", '"': '"', "t": "\t"}[rest[1]], rest[2:]
        elif rest[0] in "%$":
            assert rest[0] == rest[1], f"{word} has a specifier or a variable"
            plain, rest = plain + rest[0], rest[2:]
        else:
            plain, rest = plain + rest[0], rest[1:]
    return plain


@pytest.mark.parametrize(
    "word",
    [
        *(
            "--name=a",
            "--feature-gates=A=true,B=false",
            "--controllers=*,bootstrapsigner",
            "",
            " ",
            "a b",
            "a\tb",
            "a\nb",
        ),
        *(
            "100%",
            "%n",
            "%%",
            "$HOME",
            "${HOME}",
            "$$",
            "back\\slash",
            "\\n",
            'quo"te',
            "it's",
            ";",
            "a;b",
            "#",
            "größe",
        ),
        *("--taint=key=value:NoSchedule", "[::1]:2379", "~", "`id`", "$(id)", "a&b|c>d", '"', "\\", "trailing\\"),
    ],
    ids=repr,
)
def test_systemd_reads_a_quoted_word_back_unchanged(word):
    quoted = systemd.quoted(word)
    assert unquoted(quoted) == word
    assert "\n" not in quoted
    bare = not quoted.startswith('"')
    assert not (bare and (set(word) & set(" \t\n'\";") or not word))


SHOWN = """\
MainPID=4242
NRestarts=3
LoadState=loaded
ActiveState=activating
SubState=auto-restart
UnitFileState=enabled
NeedDaemonReload=yes
"""


def test_properties_become_a_state():
    assert systemd.parse_state(SHOWN) == systemd.UnitState(
        loaded=True, active="activating", sub="auto-restart", main_pid=4242, enabled=True, restarts=3, stale=True
    )


def test_a_unit_that_systemd_does_not_know():
    shown = "MainPID=0\nNRestarts=0\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n"
    assert systemd.parse_state(shown) == systemd.UnitState(False, "inactive", "dead", 0, False, 0, False)
    assert systemd.parse_state("").active == "unknown"
    assert systemd.parse_state("MainPID=\nNRestarts=\n").main_pid == 0


def test_several_units_are_asked_about_at_once(monkeypatch):
    asked = []
    answer = f"{SHOWN}\nLoadState=not-found\nActiveState=inactive\n"
    monkeypatch.setattr(systemd, "_systemctl", lambda *arguments: asked.append(arguments) or answer)
    states = systemd.unit_states(("a.service", "a.timer"))
    assert {name: (state.loaded, state.active) for name, state in states.items()} == {
        "a.service": (True, "activating"),
        "a.timer": (False, "inactive"),
    }
    assert [arguments[2:] for arguments in asked] == [("a.service", "a.timer")]


def test_a_unit_that_is_enabled_until_the_reboot_only_is_not_enabled():
    assert not systemd.parse_state("UnitFileState=enabled-runtime\n").enabled


@contextlib.contextmanager
def running(variables):
    environment = {"PATH": os.environ["PATH"], **variables}
    process = subprocess.Popen(
        ["sh", "-c", "echo up; read x"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"up\n"
    try:
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def test_the_digest_of_a_process_is_read_from_the_process_itself():
    with running({"XK3A_DIGEST": "no", "K3A_DIGEST": "abc123"}) as pid:
        assert systemd.running_digest(pid) == "abc123"
    assert systemd.running_digest(pid) is None


def test_a_process_without_digest_and_no_process_have_none():
    with running({}) as pid:
        assert systemd.running_digest(pid) is None
    assert systemd.running_digest(0) is None


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """A command systemctl that notes what it is told, and ends as the test wants it."""

    def install(status):
        command = tmp_path / "systemctl"
        command.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\necho "Access denied" >&2\nexit {status}\n')
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return tmp_path / "told"

    return install


def test_a_refusal_of_systemctl_is_told_in_its_own_words(systemctl):
    systemctl(1)
    with pytest.raises(systemd.SystemdError, match=r"systemctl daemon-reload failed: Access denied"):
        systemd.daemon_reload()


def test_a_restart_forgets_earlier_failures_and_does_not_wait(systemctl):
    told = systemctl(0)
    systemd.restart("k3a-etcd.service")
    assert told.read_text() == "reset-failed k3a-etcd.service\nrestart --no-block k3a-etcd.service\n"


def test_a_pause_leaves_it_to_start_with_the_system_and_waits_for_its_end(systemctl):
    told = systemctl(0)
    systemd.pause("k3a-apiserver.service")
    assert told.read_text() == "stop k3a-apiserver.service\n"


def test_stopping_what_is_not_there_is_no_error(systemctl):
    told = systemctl(5)
    systemd.stop("k3a-etcd.service")
    assert told.read_text() == "disable --now --quiet k3a-etcd.service\n"


def test_a_unit_says_since_when_it_is_active():
    assert systemd.parse_state("ActiveEnterTimestampMonotonic=61250000\n").since == 61.25
    assert systemd.parse_state("ActiveEnterTimestampMonotonic=0\n").since == 0


def test_an_environment_is_what_systemd_reads_back():
    given = {"B": 'a "b" 100% $HOME \\', "A": 1}
    assert systemd.environment(given) == (
        ("Environment", '"A=1"'),
        ("Environment", '"B=a \\"b\\" 100%% $HOME \\\\"'),
    )
    assert systemd.environment({}) == ()
