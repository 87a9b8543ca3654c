# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._host import kept
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap


def test_the_cipher_is_read_from_what_the_step_wrote(tmp_path):
    layout = Layout(str(tmp_path))
    assert kept.provider_in(layout) == ""
    (tmp_path / "server/cred").mkdir(parents=True)
    path = tmp_path / "server/cred" / bootstrap.ENCRYPTION
    path.write_text(bootstrap.encryption_configuration("aescbc", "c2VjcmV0"))
    assert kept.provider_in(layout) == "aescbc"
    for damaged in ("", "{}", "[]", '{"resources": [{"providers": ["x"]}]}', '{"resources": [{"providers": [{}]}]}'):
        path.write_text(damaged)
        assert kept.provider_in(layout) in ("", "x")


@pytest.mark.parametrize(
    "before, wanted, provider, told",
    [
        ("", True, "secretbox", ""),
        ("", False, "secretbox", ""),
        ("secretbox", True, "secretbox", ""),
        ("kms", True, "secretbox", ""),
        ("identity", False, "secretbox", ""),
        ("secretbox", False, "secretbox", "k3a_secrets_encryption is false, and Secrets of this cluster are encrypted"),
        ("secretbox", True, "aesgcm", "k3a_secrets_encryption_provider is aesgcm, and Secrets of this cluster are"),
    ],
)
def test_encryption_that_is_wanted_otherwise(before, wanted, provider, told):
    message, remedy = kept.other_encryption(before, wanted, provider)
    assert message.startswith(told) and bool(message) == bool(told) == bool(remedy)


@pytest.mark.parametrize(
    "installed, is_node, told", [({"kubelet"}, False, True), ({"kubelet"}, True, False), ({"etcd"}, False, False)]
)
def test_a_node_that_is_to_be_none(installed, is_node, told):
    assert all(kept.lasting_node(installed, is_node)) is told
