# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of which only the answers exist: each module run is answered from a file, and written down.

For tests and the bench, which name this directory in ANSIBLE_CONNECTION_PLUGINS. Everything on the controller is real,
up to the payload that would be sent; what knows the payload's form is here and nowhere else.
"""

from __future__ import annotations

import ast
import json
import re
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = r"""
name: recording
short_description: Answers each module run from a file
description:
  - The answers of a module are a file C(MODULE.json) in the directory of the host, or else in the directory above it,
    a list of pairs. A pair is some arguments and a result; the first of which all arguments were given is the answer.
  - In an answer V(@host@) is the host's name, and the text V("@now@") the time as a number.
  - Any other command than a module, such as what becoming somebody else needs, succeeds and prints nothing.
  - A host that has the answer C(unreachable.json) is unreachable.
options:
  host:
    description: The host's name in the inventory.
    vars:
      - name: inventory_hostname
  answers:
    description: The directory of the answers.
    required: true
    vars:
      - name: ansible_recording_answers
  log:
    description: A file that gets a line for each module run, a JSON object of host, module and arguments.
    vars:
      - name: ansible_recording_log
extends_documentation_fragment:
  - connection_pipelining
"""

# AnsiballZ ends in a call whose arguments stand in lines of their own, the large ones last.
MODULE = re.compile(rb"^module_fqn=('.*'),$", re.M)
PARAMS = re.compile(rb"^params=(.*),$", re.M)


class Connection(ConnectionBase):
    """The host's side of an exchange."""

    transport = "recording"
    has_pipelining = True

    def _connect(self) -> Connection:
        if self._file("unreachable"):
            raise AnsibleConnectionFailure(f"{self.get_option('host')} does not answer")
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Answer a module run, or do nothing."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        self._connect()
        if not in_data:
            return 0, b"", b""
        module, arguments = payload(in_data)
        host = self.get_option("host")
        log = self.get_option("log")
        if log:
            with open(log, "a", buffering=1) as lines:  # one write a line, so that workers do not disturb each other
                lines.write(json.dumps({"host": host, "module": module, "arguments": arguments}) + "\n")
        answers = self._file(module)
        if not answers:
            raise AnsibleError(f"no answer is recorded of the module {module} on {host}")
        text = answers.read_text().replace("@host@", host).replace('"@now@"', str(time.time()))
        answer = chosen(json.loads(text), arguments)
        # As every module does: Ansible has to read it.
        answer["invocation"] = {"module_args": arguments}
        return 1 if answer.get("failed") else 0, json.dumps(answer).encode(), b""

    def put_file(self, in_path: str, out_path: str) -> None:
        """Fail: there is no file system."""
        raise AnsibleError(f"{in_path} cannot be copied: only answers of this host exist, and pipelining is needed")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Fail: there is no file system."""
        raise AnsibleError(f"{in_path} cannot be fetched: only answers of this host exist")

    def close(self) -> None:
        """There is nothing to close."""
        self._connected = False

    def _file(self, name: str) -> Path | None:
        directory = Path(self.get_option("answers"))
        places = (directory / self.get_option("host") / f"{name}.json", directory / f"{name}.json")
        return next((place for place in places if place.exists()), None)


def payload(data: bytes) -> tuple[str, dict[str, Any]]:
    """The module, without its collection, and the arguments that reach it."""
    module, params = MODULE.search(data), PARAMS.search(data)
    if not module or not params:
        raise AnsibleError("what was sent is no module as this version of Ansible packs it")
    given = json.loads(ast.literal_eval(params[1].decode()))["ANSIBLE_MODULE_ARGS"]
    arguments = {name: value for name, value in given.items() if not name.startswith("_ansible_")}
    return ast.literal_eval(module[1].decode()).rpartition(".")[2], arguments


def chosen(answers: list[tuple[dict[str, Any], dict[str, Any]]], arguments: dict[str, Any]) -> dict[str, Any]:
    """The first answer whose arguments were given."""
    for wanted, answer in answers:
        if all(arguments.get(name) == value for name, value in wanted.items()):
            return answer
    raise AnsibleError(f"no answer is recorded for the arguments {sorted(arguments)}")
