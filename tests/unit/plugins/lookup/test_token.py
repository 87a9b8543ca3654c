# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.k3a.cluster.plugins.lookup import token
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens


def test_each_evaluation_gives_another_token():
    lookup = token.LookupModule()
    (first,), (second,) = lookup.run([]), lookup.run([])
    assert tokens.parse(first).id and tokens.parse(second).id
    assert first != second


def test_terms_would_be_ignored_and_are_refused():
    with pytest.raises(AnsibleLookupError, match="takes no terms"):
        token.LookupModule().run(["abcdef"])
