# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import mmap
import os
import pty
import subprocess
import termios
import time

import pytest
from ansible.errors import AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.utils.display import Display
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import prompt
from ansible_collections.k3a.cluster.tests.unit import recording

SECRET = "swordfish-of-the-terminal"
QUESTION = "Type k3a_new_token, which is not shown, and press Enter:"
# Three hosts evaluate the variable at once, each in a worker; later tasks do so again, in others.
PLAYBOOK = """
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - k3a.cluster.options: {playbook: rotate_token}
      register: asked
    - ansible.builtin.assert:
        that: [asked.new_token == wanted, "lookup('k3a.cluster.variable', 'k3a_new_token') == wanted"]
        quiet: true
      vars: {wanted: "{{ lookup('env', 'WANTED') }}"}
      no_log: true
"""


@pytest.fixture
def asked(monkeypatch):
    """What a terminal answers, in its order; an exception is raised."""
    monkeypatch.setattr(prompt, "_answers", mmap.mmap(-1, prompt.ROOM))
    answers, questions = [], []

    def ask(self, text, private):
        questions.append((text, private))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Display, "prompt_until", ask)
    return answers, questions


def test_a_secret_is_asked_for_once_and_not_shown(asked):
    answers, questions = asked
    answers += [b" swordfish \n", "grüß".encode()]
    assert [prompt.answer(name) for name in ("k3a_new_token", "k3a_token", "k3a_new_token")] == ["swordfish", "grüß", "swordfish"]
    assert [private for _text, private in questions] == [True, True]
    assert questions[0][0] == QUESTION


@pytest.mark.parametrize("nothing", [b"", b"  ", AnsiblePromptInterrupt("user interrupt")])
def test_whoever_types_nothing_is_not_asked_for_each_host(asked, nothing):
    answers, questions = asked
    answers.append(nothing)
    for _host in range(2):
        with pytest.raises(prompt.Unanswered, match="nothing was typed"):
            prompt.answer("k3a_token")
    assert len(questions) == 1


def test_without_a_terminal_it_says_so(asked):
    asked[0].append(AnsiblePromptNoninteractive("stdin is not interactive"))
    with pytest.raises(prompt.Unanswered, match="there is no terminal") as error:
        prompt.answer("k3a_token")
    assert error.value.remedy == "run the command in the foreground of a terminal, or name a file"


def test_what_is_too_long_to_be_kept_is_refused(asked):
    asked[0].append(b"x" * prompt.ROOM)
    with pytest.raises(prompt.Unanswered, match="too long"):
        prompt.answer("k3a_token")


@pytest.fixture
def command(tmp_path):
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    return [*recording.PLAYBOOK, "-vvv", "-i", "a,b,c,", "-e", "k3a_new_token_file=-", "play.yml"]


def at_terminal(command, directory, typed):
    """What is seen at a terminal where a question is answered, and how the command ended."""
    process, terminal = pty.fork()
    if not process:
        os.chdir(directory)
        os.execvpe(command[0], command, recording.environment(directory) | {"WANTED": typed})
    seen, answered = b"", 0
    while True:
        try:
            seen += os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if seen.count(QUESTION.encode()) > answered:
            answered += 1
            # What is typed before the terminal is set up is thrown away, which is done twice.
            while termios.tcgetattr(terminal)[3] & termios.ICANON:
                time.sleep(0.05)
            time.sleep(0.5)
            os.write(terminal, f"{typed}\n".encode())
    os.close(terminal)
    return seen.decode(), os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_a_run_asks_once_for_all_hosts_and_shows_it_nowhere(command, tmp_path):
    seen, ended = at_terminal(command, tmp_path, SECRET)
    assert ended == 0, seen
    assert seen.count(QUESTION) == 1
    assert SECRET not in seen
    assert {host: counts["ok"] for host, counts in recording.recap(seen.replace("\r", "")).items()} == dict.fromkeys("abc", 2)
    kept = subprocess.run(["grep", "-rl", SECRET, "."], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert kept.stdout == ""


def test_an_empty_answer_ends_the_run_in_a_sentence(command, tmp_path):
    seen, ended = at_terminal(command, tmp_path, "")
    assert ended != 0
    assert seen.count(QUESTION) == 1
    told = "Nothing has been changed: k3a_new_token_file is -, so k3a_new_token is asked for, but nothing was typed"
    assert told in seen.replace("\r\n", "\n"), seen


def test_a_run_without_a_terminal_ends_in_a_sentence(command, tmp_path):
    given = recording.environment(tmp_path)
    done = subprocess.run(
        command, cwd=tmp_path, env=given, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "k3a_new_token_file is -, so k3a_new_token is asked for, but there is no terminal" in done.stdout + done.stderr
