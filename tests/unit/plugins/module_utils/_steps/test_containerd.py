# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._containerd import ContainerdError
from ansible_collections.k3a.cluster.plugins.module_utils._steps import containerd


@pytest.fixture
def params(tmp_path):
    return {"bundle": str(tmp_path / "new"), "data_dir": str(tmp_path / "k3a")}


def crictl(bundle, text):
    path = bundle / "bin/crictl"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def listing(name):
    images = json.dumps({"images": [{"repoTags": [name]}]})
    return f"echo '{images}'"


@pytest.mark.parametrize(
    "bundles, images",
    [
        (["k3a/data/current"], {"k3a/data/current:1"}),
        (["k3a/data/current", "new"], {"new:1"}),
        ([], set()),
    ],
)
def test_check_mode_asks_with_the_tools_that_the_host_has(tmp_path, monkeypatch, params, bundles, images):
    monkeypatch.setattr(containerd.containerd, "runs", lambda: True)
    for bundle in bundles:
        crictl(tmp_path / bundle, listing(f"{bundle}:1"))
    assert containerd.present_images(params, foreseen=True) == images


def test_a_runtime_that_is_down_has_no_images_in_check_mode_and_is_asked_in_a_run(tmp_path, monkeypatch, params):
    monkeypatch.setattr(containerd.containerd, "runs", lambda: False)
    crictl(tmp_path / "new", "echo connection refused >&2; exit 1")
    assert containerd.present_images(params, foreseen=True) == set()
    with pytest.raises(ContainerdError, match="connection refused"):
        containerd.present_images(params, foreseen=False)
