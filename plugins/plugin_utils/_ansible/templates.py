# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Templates, evaluated as Ansible would for a task, with variables that the task itself does not have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.vault import text_of


class Templates:
    """What a plugin's templates mean with these variables."""

    def __init__(self, plugin: Any, variables: Mapping[str, Any]) -> None:
        self._plugin = plugin
        self._templar = plugin._templar.copy_with_new_env(available_variables=variables)

    def value(self, template: Any) -> Any:
        """What a template, or a structure of them, comes to."""
        return self._templar.template(template)

    def text(self, path: str) -> str:
        """The content of a file on the controller, which may be encrypted as Ansible does it."""
        return text_of(self._plugin._loader, path, errors="strict")

    def hold(self, conditions: Iterable[Any]) -> bool:
        """Whether all conditions are met."""
        return all(self._templar.evaluate_conditional(condition) for condition in conditions)
