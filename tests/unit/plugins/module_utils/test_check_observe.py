# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils import _check_observe as look
from ansible_collections.k3a.cluster.plugins.module_utils._check import Wanted, judge

WANTED = Wanted(
    "/var/lib/k3a",
    True,
    True,
    "",
    (),
    ("10.42.0.0/16",),
    ("10.43.0.0/16",),
    6443,
    "vxlan",
    "",
    "nftables",
    "overlayfs",
    "",
    False,
    "warn",
    "",
    0,
)

SHOWN = """\
Id=k3s.service
ActiveState=inactive

Id=firewalld.service
ActiveState=active

Id=kubelet.service
ActiveState=activating
"""


def test_active_units_are_those_that_run_or_try_to():
    assert look.parse_units(SHOWN) == {"firewalld.service", "kubelet.service"}
    assert look.parse_units("") == frozenset()


@pytest.mark.parametrize(
    "shown, version", [("Version=252.39-1~deb12u2\n", 252), ("Version=v255.4\n", 255), ("Version=250\n", 250), ("", 0)]
)
def test_systemd_version(shown, version):
    assert look.parse_version(shown) == version


def test_this_machine_is_observed_and_judged():
    seen = look.observe(WANTED, lambda command: (0, "Version=252\n", ""))
    assert seen.hostname == os.uname().nodename
    assert seen.memory > 0
    assert seen.mount.point.startswith("/")
    assert seen.space.free > 0
    assert isinstance(judge(seen, WANTED), list)
