# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.k3a.cluster.plugins.plugin_utils._addon import manifest
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.vault import text_of

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ü}\n"


@pytest.fixture
def loader() -> DataLoader:
    loader = DataLoader()
    loader.set_vault_secrets([("default", VaultSecret(b"password"))])
    return loader


def test_a_plain_file_is_its_text(loader: DataLoader, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MAP)
    assert text_of(loader, str(tmp_path / "a.yaml")) == MAP
    with pytest.raises(FileNotFoundError):
        text_of(loader, str(tmp_path / "none.yaml"))


def test_an_encrypted_file_is_what_it_holds(loader: DataLoader, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(VaultLib(loader._vault.secrets).encrypt(MAP))
    assert text_of(loader, str(path)) == MAP
    (item,) = manifest.load([{"name": "x", "path": [str(path)]}], lambda path: text_of(loader, path))
    assert item.body["metadata"] == {"name": "ü"}


def test_a_file_that_cannot_be_decrypted_is_a_finding(loader: DataLoader, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(VaultLib([("default", VaultSecret(b"another"))]).encrypt(MAP))
    with pytest.raises(AnsibleError):
        text_of(loader, str(path))
    with pytest.raises(manifest.ManifestError, match="addon x: .*ecrypt"):
        manifest.load([{"name": "x", "path": [str(path)]}], lambda path: text_of(loader, path))
