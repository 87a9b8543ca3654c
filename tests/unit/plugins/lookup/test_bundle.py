# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.lookup import bundle
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.build import lock_link
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import Component, bundle_key

SOURCE = Path(__file__).parents[4] / "bundle"


@pytest.fixture
def source(tmp_path):
    return Path(shutil.copytree(SOURCE, tmp_path / "source"))


def link_for(source: Path, cache: Path) -> Path:
    recipes = yaml.safe_load((source / "components.yml").read_text())["components"]
    key = bundle_key([Component(name, recipe, str(source), str(cache)) for name, recipe in recipes.items()])
    link = Path(lock_link(str(cache), key))
    link.parent.mkdir(parents=True)
    return link


def test_the_lookup_reads_the_collections_own_lock_files():
    assert Path(bundle.COLLECTION, "bundle").samefile(SOURCE)


def test_the_bundle_of_these_lock_files_is_found(source, tmp_path):
    cache = tmp_path / "cache"
    (cache / "bundles/x").mkdir(parents=True)
    link_for(source, cache).symlink_to("../bundles/x")
    assert bundle.find(str(source), str(cache)) == str(cache / "bundles/x")


def test_after_an_edit_of_a_lock_file_it_has_to_be_built(source, tmp_path):
    cache = tmp_path / "cache"
    (cache / "bundles/x").mkdir(parents=True)
    link_for(source, cache).symlink_to("../bundles/x")
    with (source / "etcd/go.sum").open("a") as stream:
        stream.write("one more line\n")
    with pytest.raises(BundleError, match=r"not in .*/cache: build it with ansible-playbook k3a\.cluster\.bundle"):
        bundle.find(str(source), str(cache))
