# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib
import io
import subprocess
import sys
import zipfile
from types import ModuleType

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import program
from ansible_collections.k3a.cluster.plugins.module_utils._formats import flags

COMMAND = '''
from ansible_collections.k3a.cluster.plugins.module_utils._formats import flags


def main(arguments):
    print(flags.merge({"a": "b"}, arguments))
    return 3
'''


@pytest.fixture
def command(tmp_path, monkeypatch) -> ModuleType:
    """A command whose source is in an archive, as Ansible's modules have theirs."""
    with zipfile.ZipFile(tmp_path / "payload.zip", "w") as payload:
        payload.writestr("k3a_test_command.py", COMMAND)
    monkeypatch.syspath_prepend(str(tmp_path / "payload.zip"))
    yield importlib.import_module("k3a_test_command")
    del sys.modules["k3a_test_command"]


def test_the_archive_is_a_program(command, tmp_path):
    path = tmp_path / "k3a.pyz"
    path.write_bytes(program.archive({"merge": command}, [flags]))

    def run(*arguments):
        return subprocess.run([sys.executable, "-I", "-S", path, *arguments], capture_output=True, text=True, check=False)

    done = run("merge", "c=d")
    assert (done.returncode, done.stdout, done.stderr) == (3, "['--a=b', '--c=d']\n", "")
    for wrong in ((), ("other",)):
        done = run(*wrong)
        assert (done.returncode, done.stderr) == (2, "usage: k3a merge ...\n")


@pytest.mark.parametrize(
    ("running", "used"),
    [
        ("/usr/bin/python3.11", "/usr/bin/python3.11"),
        ("/usr/libexec/platform-python", "/usr/libexec/platform-python"),
        ("/root/venv/bin/python", "/usr/bin/python3"),
        ("", "/usr/bin/python3"),
    ],
)
def test_the_interpreter_is_one_that_the_sandbox_shows(running, used):
    assert program.interpreter(running) == used


def test_a_program_that_is_called_by_its_name(command, tmp_path):
    path = tmp_path / "k3a"
    path.write_bytes(program.command(sys.executable, program.archive({"merge": command}, [flags])))
    path.chmod(0o755)
    done = subprocess.run([path, "merge", "c=d"], capture_output=True, text=True, check=False, env={})
    assert (done.returncode, done.stdout, done.stderr) == (3, "['--a=b', '--c=d']\n", "")


def test_the_same_sources_make_the_same_bytes(command):
    one, two = (program.archive({"merge": command}, [flags]) for _time in range(2))
    assert one == two
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        assert {member.date_time for member in archive.infolist()} == {program.EPOCH}
        assert archive.namelist() == sorted(archive.namelist())
        assert "ansible_collections/k3a/cluster/plugins/module_utils/_formats/flags.py" in archive.namelist()


def test_a_module_without_source_is_refused():
    with pytest.raises(program.ProgramError, match="the source of itertools cannot be read"):
        program.source_of(importlib.import_module("itertools"))


def test_a_python_that_is_there_and_new_enough_is_usable():
    def run(command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    assert program.is_usable(sys.executable, run)
    assert not program.is_usable("/usr/bin/none", run)


def test_an_old_python_is_not(monkeypatch):
    monkeypatch.setattr(program, "OLDEST_PYTHON", (99, 0))
    assert not program.is_usable(sys.executable, lambda command: (subprocess.run(command, check=False).returncode, "", ""))
