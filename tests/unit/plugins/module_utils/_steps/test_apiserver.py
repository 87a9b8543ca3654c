# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._steps import apiserver


class TestTurns:
    """One server after the other: what breaks the first must not break them all."""

    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch):
        monkeypatch.setattr(apiserver, "PATIENCE", 0.2)

    @pytest.fixture
    def answers(self, monkeypatch):
        """What each server says of itself, by its address."""
        said = {}
        monkeypatch.setattr(apiserver.health, "answers_ok", lambda url, _cafile: lambda: said[url.split("/")[2]])
        return said

    def test_the_first_waits_for_nobody(self, answers):
        assert apiserver.not_ready([], "") is None

    def test_all_before_have_to_be_ready(self, answers):
        answers |= {"10.0.0.1:6443": None, "10.0.0.2:6443": "[-]etcd failed"}
        assert apiserver.not_ready(["10.0.0.1:6443"], "") is None
        assert apiserver.not_ready(["10.0.0.1:6443", "10.0.0.2:6443"], "") == "[-]etcd failed"

    def test_one_that_is_coming_back_is_waited_for(self, monkeypatch):
        coming = iter(["it starts", "it starts", None])
        monkeypatch.setattr(apiserver.health, "answers_ok", lambda *_: lambda: next(coming))
        monkeypatch.setattr(apiserver, "PATIENCE", 10.0)
        assert apiserver.not_ready(["10.0.0.1:6443"], "") is None
