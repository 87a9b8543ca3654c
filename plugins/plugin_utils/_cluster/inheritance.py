# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What the workers of a run inherit. Ansible forks one for each task and host, so what a worker loads is lost with it.

Loaded once by the process that forks them, the specifications, the roles' tasks, the bundle of this version and the
code of the actions cost a run once instead of once a host. Nothing depends on it but time.
"""

from __future__ import annotations

import contextlib
import importlib
from functools import cache

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle import archive
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import spec

ACTIONS = "ansible_collections.k3a.cluster.plugins.action"


@cache
def prepare() -> None:
    """Load what the tasks of every host need."""
    spec.specification()
    with contextlib.suppress(BundleError):  # which is a finding of the hosts that want it
        archive.shared_bundle(archive.default_bundle())
    for name in ("check_config", "drift"):
        importlib.import_module(f"{ACTIONS}.{name}").prepare()
