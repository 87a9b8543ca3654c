# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import installation as bundle
from ansible_collections.k3a.cluster.tests.unit.bundle_samples import CONTENTS, make_archive, make_bundle


@pytest.fixture
def params(tmp_path):
    return {
        "data_dir": str(tmp_path / "k3a"),
        "command_dir": str(tmp_path / "commands"),
        "link": True,
        "id": make_bundle(tmp_path / "bundle"),
        "stream": None,
    }


@pytest.fixture
def stream(params, tmp_path):
    return str(make_archive(tmp_path / "bundle", tmp_path / "stream.tar"))


def test_the_first_run_says_what_is_missing_and_changes_nothing(params):
    result = bundle.converge(params)
    assert (result["complete"], result["installed"], result["held"]) == (False, [], [])
    assert result["free"] > 0
    assert not os.path.exists(params["data_dir"])


def test_looking_announces_the_links_that_the_real_run_makes(params, stream):
    announced = bundle.look(params, remember=False)["diff"]
    assert not os.path.exists(params["data_dir"])
    done = bundle.converge({**params, "stream": stream})
    assert done["diff"] == announced
    assert [Path(change["after_header"]).name for change in announced] == [
        "current", "crictl", "ctr", "etcdctl", "kubectl",
    ]  # fmt: skip


def test_a_stream_makes_it_complete_and_the_next_run_changes_nothing(params, stream):
    first = bundle.converge({**params, "stream": stream})
    assert (first["changed"], first["complete"], first["installed"]) == (True, True, list(CONTENTS))
    assert not os.path.exists(stream)
    second = bundle.converge(params)
    assert (second["changed"], second["complete"], second["diff"], second["removed"]) == (False, True, [], [])


def test_a_staged_bundle_is_linked_without_shipping(params, stream):
    bundle.converge({**params, "stream": stream, "link": False})
    assert bundle.converge({**params, "link": False})["changed"] is False
    linked = bundle.converge(params)
    assert (linked["changed"], linked["complete"], linked["installed"]) == (True, True, [])
    assert os.readlink(f"{params['data_dir']}/data/current") == params["id"]


def test_a_killed_run_before_the_links_is_finished_by_the_next(params, stream):
    bundle.converge({**params, "stream": stream})
    os.unlink(f"{params['data_dir']}/data/current")
    os.unlink(f"{params['command_dir']}/kubectl")
    assert bundle.converge(params)["changed"] is True
    assert bundle.converge(params)["changed"] is False
