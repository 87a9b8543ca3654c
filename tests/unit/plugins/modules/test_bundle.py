# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import Busy
from ansible_collections.k3a.cluster.plugins.modules import bundle
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import CONTENTS, make_archive, make_bundle


@pytest.fixture
def arguments(tmp_path):
    """What the action plugin hands over when it ships the whole bundle."""
    return {
        "bundle": str(tmp_path / "bundle"),
        "data_dir": str(tmp_path / "k3a"),
        "command_dir": str(tmp_path / "commands"),
        "id": make_bundle(tmp_path / "bundle"),
        "stream": str(make_archive(tmp_path / "bundle", tmp_path / "stream.tar")),
    }


def test_check_mode_announces_what_the_run_does_and_writes_nothing(run_module, arguments, tmp_path):
    announced = run_module(bundle, check=True, **arguments)
    assert (announced["changed"], announced["complete"]) == (True, False)
    assert sorted(os.listdir(tmp_path)) == ["bundle", "stream.tar"]
    done = run_module(bundle, **arguments)
    assert done["diff"] == announced["diff"]
    assert (done["changed"], done["complete"], done["installed_files"]) == (True, True, list(CONTENTS))
    current = f"{arguments['data_dir']}/data/current"
    assert os.readlink(f"{arguments['command_dir']}/kubectl") == f"{current}/bin/kubectl"
    with open(f"{current}/bin/etcd", "rb") as program:
        assert program.read() == CONTENTS["bin/etcd"]
    for check in (True, False):
        again = run_module(bundle, check=check, **{**arguments, "stream": None})
        assert (again["changed"], again["complete"], again["diff"]) == (False, True, [])


def test_while_another_run_has_the_host_nothing_is_written(run_module, arguments, tmp_path):
    def taken(timeout):
        raise Busy(f"another run did not end within {timeout} seconds")

    refused = run_module(bundle, lock=taken, timeout=7, **arguments)
    assert refused["failed"]
    assert refused["msg"] == (
        f"The bundle {tmp_path}/bundle cannot be brought to {arguments['data_dir']}: "
        "another run did not end within 7 seconds"
    )
    assert sorted(os.listdir(tmp_path)) == ["bundle", "stream.tar"]
