# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.debian import NodesError
from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes.host import Host


class Module:
    check_mode = False
    warn = print

    def run_command(self, argv, data=None, handle_exceptions=True):
        return (0, data or "", "") if argv[0] == "cat" else (3, "", "no such thing\n")


def test_what_fails_says_which_command_and_why():
    host = Host(Module())
    assert host.run(["cat"], data="text") == "text"
    with pytest.raises(NodesError, match="'podman network rm' failed with status 3: no such thing"):
        host.run(["podman", "network", "rm", "n"])


def test_what_stays_as_it_is_is_not_announced():
    host = Host(Module())
    host.announce("network", "present", "present")
    host.announce("image", "absent", "new")
    assert (host.before, host.after) == (["image: absent\n"], ["image: new\n"])
