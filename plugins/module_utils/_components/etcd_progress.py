# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The record of how far etcd has come, while it runs: what M(k3a.cluster.etcd_progress) does.

The guard writes it down when etcd starts and when it has stopped, which a power cut leaves out. A copy of its disk that
is older than the last record is known for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.k3a.cluster.plugins.module_utils._components import etcd_guard
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import SERVER, Declaration
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._identity import record_file

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

DECLARATION = Declaration(name="etcd-progress", role=SERVER)
OPTIONS = component.argument_spec({})
# Copies are made once a day, or once an hour; a look takes some tenths of a second.
TIMES = (("OnCalendar", "*:0/5"), ("RandomizedDelaySec", "1min"), ("FixedRandomDelay", "yes"))
# It reads what is etcd's and writes what is root's, and talks to nobody.
SANDBOX = (
    *layouts.TIMER_SANDBOX,
    ("CapabilityBoundingSet", "CAP_DAC_READ_SEARCH"),
    ("PrivateNetwork", "yes"),
    ("ReadWritePaths", record_file.DIRECTORY),
    # As every file of ours, the record is given its owner before it has its name.
    ("SystemCallFilter", "@chown"),
)


def progress_component(data_dir: str) -> component.Component:
    """The timer and its service as they should be on this host."""
    about = "Record how far etcd has come (k3a)"
    service = (("ExecStart", etcd_guard.command(data_dir, "progress")), *SANDBOX)
    return component.Component(
        name=DECLARATION.name,
        unit=systemd.triggered_text(about, (), service),
        triggers={"timer": systemd.trigger_text("timer", about, TIMES)},
    )


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    module.exit_json(**component.converge(module, progress_component(module.params["data_dir"])))
