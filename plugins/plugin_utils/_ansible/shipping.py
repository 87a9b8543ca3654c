# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Files for nodes: where they are kept during a run, and how they get there; and commands that are no modules."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


def run_directory() -> str:
    """A directory that all processes of this run share, and that Ansible removes when it ends."""
    return C.DEFAULT_LOCAL_TMP


def login_user(action: ActionBase) -> int:
    """The number of the user that the connection logs in as, whoever tasks then become."""
    done = action._low_level_execute_command("id -u", sudoable=False)
    if done["rc"] != 0 or not done["stdout"].strip().isdigit():
        raise AnsibleActionFail(f"the host does not say who Ansible logs in as: {done['stderr'] or done['stdout']}")
    return int(done["stdout"])


def command(action: ActionBase, words: Sequence[str]) -> int:
    """The exit status of a command on the host; works in a process that the task has left behind, too."""
    return int(action._low_level_execute_command(shlex.join(words))["rc"])


def put(action: ActionBase, local: str, remote: str) -> None:
    """Bring a file to a node, as the user that the connection logs in as."""
    action._connection.put_file(local, remote)
