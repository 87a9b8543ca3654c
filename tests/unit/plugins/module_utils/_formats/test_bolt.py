# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._formats import bolt
from ansible_collections.k3a.cluster.tests.unit.bolt_samples import database

IMAGES = {f"registry.example/k8s.io/image-{number:03}:v1" for number in range(40)}


def test_the_names_in_a_bucket_on_several_pages():
    assert bolt.names(database(), ("v1", "k8s.io", "images")) == IMAGES


def test_the_names_in_a_bucket_that_stands_in_its_parents_page():
    assert bolt.names(database(), ("v1", "moby", "images")) == {"registry.example/moby/image-000:v1"}
    assert bolt.names(database(), ("v1",)) == {"version", "k8s.io", "moby"}


@pytest.mark.parametrize("path", [("v2",), ("v1", "k8s.io", "leases"), ("v1", "version")])
def test_a_bucket_that_is_not_there_has_none(path):
    assert bolt.names(database(), path) == set()


def test_a_state_that_is_damaged_is_not_the_one_that_counts():
    content = bytearray(database())
    content[16 + 60] ^= 1
    content[4096 + 16 + 60] ^= 1
    with pytest.raises(ValueError, match="both of its states are damaged"):
        bolt.names(bytes(content), ("v1",))


@pytest.mark.parametrize("content", [b"", b"text", b"\0" * 8192, database()[:5000]])
def test_what_is_no_database_is_refused(content):
    with pytest.raises(ValueError):
        bolt.names(content, ("v1", "k8s.io", "images"))
