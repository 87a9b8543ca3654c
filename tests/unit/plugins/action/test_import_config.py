# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.connection.local import Connection
from ansible.template import Templar
from ansible_collections.k3a.cluster.plugins.action import import_config as action
from ansible_collections.k3a.cluster.plugins.modules import import_config as module
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

Translate = Callable[..., tuple[dict[str, Any], str]]


@pytest.fixture
def loader() -> DataLoader:
    return DataLoader()


@pytest.fixture
def translate(loader: DataLoader, monkeypatch: pytest.MonkeyPatch) -> Translate:
    """Run the action: what it returns, and what it shows."""
    shown: list[str] = []
    monkeypatch.setattr("ansible.utils.display.Display.display", lambda _self, text, **_more: shown.append(text))

    def run(**options: str) -> tuple[dict[str, Any], str]:
        task = Task()
        task.action, task.args = "k3a.cluster.import_config", options
        context = PlayContext()
        plugin = action.ActionModule(task, Connection(context), context, loader, Templar(loader), None)
        return plugin.run(task_vars={}), "".join(shown)

    return run


def test_the_variables_are_shown_as_yaml_and_returned(translate: Translate, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("cluster-cidr: 10.52.0.0/16\ntls-san: [a.example.org]\ndocker: true\n")
    drop_ins = tmp_path / "config.yaml.d"
    drop_ins.mkdir()
    (drop_ins / "10-san.yaml").write_text("tls-san+: [b.example.org]\n")
    (tmp_path / "env").write_text("K3S_NODE_NAME=n1\n")
    result, shown = translate(path=str(tmp_path / "config.yaml"), environment_file=str(tmp_path / "env"))
    expected = {
        "k3a_cluster_cidr": ["10.52.0.0/16"],
        "k3a_tls_san": ["a.example.org", "b.example.org"],
        "k3a_node_name": "n1",
    }
    assert result["variables"] == yaml.safe_load(shown) == expected
    assert result["notes"] == ["docker: The runtime is the bundle's containerd, with runc; leave it out."]
    assert f"# - {result['notes'][0]}" in shown
    assert not result["changed"]


def test_a_secret_is_in_nothing(translate: Translate, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("token: swordfish\nagent-token: swordfish\nvpn-auth: joinKey=swordfish\n")
    (tmp_path / "env").write_text("AWS_SECRET_ACCESS_KEY=swordfish\nK3S_DATASTORE_ENDPOINT='mysql://k:swordfish@db'\n")
    result, shown = translate(path=str(tmp_path / "config.yaml"), environment_file=str(tmp_path / "env"))
    assert "swordfish" not in f"{result}{shown}"
    assert "set k3a_token, or name a file with it in k3a_token_file" in shown


def test_an_encrypted_file_is_read(translate: Translate, loader: DataLoader, tmp_path: Path) -> None:
    secrets = [("default", VaultSecret(b"open"))]
    loader.set_vault_secrets(secrets)
    path = tmp_path / "config.yaml"
    path.write_bytes(VaultLib(secrets).encrypt("node-name: n1"))
    assert translate(path=str(path))[0]["variables"] == {"k3a_node_name": "n1"}


def test_a_file_that_is_not_there_is_told(translate: Translate, tmp_path: Path) -> None:
    result, shown = translate(path=str(tmp_path / "config.yaml"))
    assert result["failed"] and not shown
    assert f"{tmp_path}/config.yaml" in result["msg"] and "No such file or directory" in result["msg"]


def test_a_file_that_is_no_text_is_told(translate: Translate, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe")
    result, shown = translate(path=str(tmp_path / "config.yaml"))
    assert (result["msg"], shown) == (f"{tmp_path}/config.yaml is no text in UTF-8", "")


def test_a_folder_in_the_place_of_a_file_is_told(translate: Translate, tmp_path: Path) -> None:
    for option in ("path", "environment_file"):
        result, shown = translate(**{option: str(tmp_path)})
        assert (result["msg"], shown) == (f"{tmp_path} is a folder; name the file that is meant", "")


def test_without_a_file_the_way_is_told(translate: Translate) -> None:
    with pytest.raises(AnsibleActionFail, match="as in -e k3a_import_config=config.yaml"):
        translate()


def test_the_playbook_hands_over_its_variables() -> None:
    (play,) = yaml.safe_load((spec.PLAYBOOKS / "import_config.yml").read_text())
    arguments = play["tasks"][-1]["k3a.cluster.import_config"]
    assert arguments.keys() == action.OPTIONS.keys()
    for value in arguments.values():
        assert f"k3a_{value.removeprefix('{{ _k3a.').removesuffix(' }}')}" in spec.of_playbook("import_config")


def test_its_options_are_those_of_the_documentation() -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    found = {name: {part: option[part] for part in ("type", "default")} for name, option in documented.items()}
    assert found == action.OPTIONS
