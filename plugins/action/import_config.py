# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translates a configuration of K3s into variables; no host is touched."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import k3s_config

OPTIONS: dict[str, Any] = {
    "path": {"type": "path", "default": ""},
    "environment_file": {"type": "path", "default": ""},
}


class ActionModule(ActionBase):
    """Shows the variables as YAML, and returns them."""

    _requires_connection = False

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the files, which may be encrypted as Ansible does it."""
        result = super().run(tmp, task_vars)
        _validation, asked = self.validate_argument_spec(OPTIONS)
        if not asked["path"] and not asked["environment_file"]:
            what = "there is no configuration to translate"
            raise AnsibleActionFail(f"{what}; name a copy of K3s's config.yaml, as in -e k3a_import_config=config.yaml")
        files = k3s_config.files_of(asked["path"]) if asked["path"] else []
        environment = self._content(asked["environment_file"]) if asked["environment_file"] else ""
        found = k3s_config.settings([(file, self._content(file)) for file in files], environment)
        imported = k3s_config.imported(found)
        self._display.display(imported.text)
        return {**result, "changed": False, "variables": imported.variables, "notes": imported.notes}

    def _content(self, path: str) -> str:
        try:
            with open(path, "rb") as stream:  # whose other errors name the file and the reason in one sentence
                content = stream.read()
        except IsADirectoryError:
            raise k3s_config.ConfigError(f"{path} is a folder; name the file that is meant") from None
        try:
            content.decode()
        except UnicodeError:
            raise k3s_config.ConfigError(f"{path} is no text in UTF-8") from None
        return str(self._loader.get_text_file_contents(path))
