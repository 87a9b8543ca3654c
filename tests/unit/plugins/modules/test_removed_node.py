# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._joining import removed
from ansible_collections.k3a.cluster.plugins.modules import removed_node
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping


@pytest.fixture
def objects(asked_at):
    with keeping() as (objects, url):
        asked_at(url)
        yield objects


@pytest.fixture
def names(run_module, objects):
    return lambda *names, **more: run_module(removed_node, names=list(names), **{"timeout": 20, **more})


def test_names_are_kept_and_set_free(objects, names):
    announced = names("n1", "n2", check=True)
    assert objects.kept == {}
    assert names("n1", "n2") == announced
    assert (announced["changed"], announced["names"]) == (True, ["n1", "n2"])
    assert not names("n1")["changed"]
    result = names("n1", "n3", state="absent")
    assert (result["changed"], result["names"]) == (True, ["n1"])
    assert (result["diff"][0]["before"], result["diff"][0]["after"]) == ("n1\nn2\n", "n2\n")
    assert objects.kept[removed.PATH]["data"].keys() == {"n2"}


def test_a_name_that_nobody_had_is_free(objects, names):
    assert not names("n1", state="absent")["changed"]
    assert objects.kept == {}


def test_what_the_api_refuses_is_told(objects, names):
    objects.refusals[("PATCH", removed.PATH)] = [(403, "not allowed")]
    assert names("n1")["msg"] == "Names of removed nodes: not allowed"
