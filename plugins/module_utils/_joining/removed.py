# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The names of nodes that were removed: nobody can have one while a certificate of it could be valid.

They are a ConfigMap, each with the time until which it is so. The approver refuses certificates by it, a policy of the
API what a machine does that was removed and still runs. The approver forgets a name when its time is over; an operator
who installs the host again, or says that nothing of the machine is left, sets it free.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import MERGE_PATCH, ApiError, ApiRefused
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import CONFIG_MAPS, ServerApi
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, node_password

PATH = CONFIG_MAPS.path(node_password.NAMESPACE, node_password.REMOVED)
LABEL = f"ConfigMap {node_password.NAMESPACE}/{node_password.REMOVED}"
# An object of the API has a mebibyte.
MOST = 3000


def change(before: Mapping[str, str], kept: Iterable[str], freed: Iterable[str], now: float) -> dict[str, str | None]:
    """What to change for some names to be kept from everybody, and others to be free."""
    until = node_password.timestamp(now + approver.LONGEST_LIFETIME)
    over = node_password.expired(before, now)
    added = {name: until for name in kept if name not in before or name in over}
    found: dict[str, str | None] = {name: None for name in freed if name in before}
    if added and len(before) - len(over) + len(added) > MOST:
        raise ApiError(
            f"{LABEL} has {len(before)} names of nodes that were removed, which is all that it can hold; set those"
            " free of whose machines nothing is left, with remove_node.yml -e k3a_release_names=true"
        )
    return {**dict.fromkeys(over), **found, **added} if added or found else {}


def converge(
    api: ServerApi, kept: Iterable[str], freed: Iterable[str], check_mode: bool
) -> tuple[list[str], dict[str, str]] | None:
    """Keep some names from everybody and set others free: the names that changed and the diff; None where none did."""
    before = node_password.removed_names(api.get(PATH))
    patch = change(before, kept, freed, time.time())
    if not patch:
        return None
    if not check_mode:
        _write(api, patch)
    after = {name: patch.get(name, until) for name, until in {**before, **patch}.items()}
    texts = {
        "before": "".join(f"{name}\n" for name in sorted(before)),
        "after": "".join(f"{name}\n" for name in sorted(after) if after[name] is not None),
    }
    return sorted(patch), {"before_header": LABEL, "after_header": LABEL, **texts}


def _write(api: ServerApi, patch: Mapping[str, str | None]) -> None:
    try:
        api.request("PATCH", PATH, body={"data": dict(patch)}, content_type=MERGE_PATCH)
        return
    except ApiRefused as error:
        if error.status != 404:
            raise
    metadata = {"name": node_password.REMOVED, "namespace": node_password.NAMESPACE}
    data = {name: until for name, until in patch.items() if until is not None}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    api.request("POST", CONFIG_MAPS.path(node_password.NAMESPACE), body=body)
