# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import process


def test_output_errors_and_code_are_kept_apart():
    done = process.run(["sh", "-c", "cat; echo wrong >&2; exit 3"], b"\xff given")
    assert (done.code, done.output, done.errors) == (3, b"\xff given", "wrong\n")
    assert done.text == "\ufffd given"


@pytest.mark.parametrize(
    ("script", "complaint"), [("echo on stderr >&2; exit 1", "on stderr"), ("echo on stdout; exit 1", "on stdout")]
)
def test_a_complaint_is_what_the_program_said(script, complaint):
    assert process.run(["sh", "-c", script]).complaint == complaint


def test_messages_are_in_the_c_locale(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert process.run(["sh", "-c", "echo $LC_ALL"]).text == "C\n"


def test_a_program_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        process.run(["/nonexistent/program"])


def ended(file):
    """Whether a process is gone, or would be had its new parent asked for it."""
    path = Path(f"/proc/{file.read_text().strip()}/stat")
    try:
        return path.read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def soon_ended(file):
    """The kernel ends what was killed, but only the program itself is waited for, not what that had started."""
    until = time.monotonic() + 5
    while not ended(file) and time.monotonic() < until:
        time.sleep(0.01)
    return ended(file)


def test_a_program_that_does_not_end_is_stopped_with_all_it_started_and_named(tmp_path):
    started = time.monotonic()
    with pytest.raises(process.TimedOut, match=r"^sh -c .*sleep 60.* has not ended within 0.5 s and was stopped; "):
        process.run(["sh", "-c", f"sleep 60 & echo $! >{tmp_path}/pid; wait"], timeout=0.5)
    assert time.monotonic() - started < 10
    assert soon_ended(tmp_path / "pid")


def test_a_program_is_stopped_with_the_run_that_waits_for_it(tmp_path, monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(process.subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.run(["sh", "-c", f"sleep 60 & echo $! >{tmp_path}/pid; wait"])
    assert not (tmp_path / "pid").exists() or soon_ended(tmp_path / "pid")
