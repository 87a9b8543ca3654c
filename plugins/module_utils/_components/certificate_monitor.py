# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The monitor of certificates on a host, and the command C(k3a): what M(k3a.cluster.certificate_monitor) does."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._engine import (
    component,
    declaration,
    files,
    options,
    program,
    systemd,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._errors import errors
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import der, x509
from ansible_collections.k3a.cluster.plugins.module_utils._trust import certificate_check, leaves

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

DECLARATION = declaration.Declaration(name="certificate-monitor", role=declaration.AGENT)
OPTIONS = component.argument_spec({"server_url": options.SERVER_URL})
COMMAND = "/usr/local/bin/k3a"
PROGRAM = "agent/lib/k3a.pyz"
LIBRARY = (declaration, der, errors, files, layouts, leaves, node_api, x509)
# An event is kept for an hour, so one an hour is always there. All hosts at once would be many for the API.
TIMES = (("OnCalendar", "hourly"), ("RandomizedDelaySec", "1h"), ("FixedRandomDelay", "yes"))


def monitor_component(params: dict[str, Any], python: str) -> component.Component:
    """The monitor as it should be on this host."""
    path = f"{params['data_dir']}/{PROGRAM}"
    data = {"certificate": {"data_dir": params["data_dir"]}}
    archive = program.archive({"certificate": certificate_check}, LIBRARY, data)
    command = systemd.command_line(python, ("-I", "-S", path, "certificate", "warn", params["server_url"]))
    about = "Warn of certificates that end (k3a)"
    service = (("ExecStart", command), ("SyslogIdentifier", "k3a"), *layouts.TIMER_SANDBOX)
    return component.Component(
        name=DECLARATION.name,
        unit=systemd.triggered_text(about, (), service),
        triggers={"timer": systemd.trigger_text("timer", about, TIMES)},
        files=(files.File(path, program.command(python, archive), mode=0o755),),
        links=(files.Link(COMMAND, path),) if may_link(COMMAND) else (),
    )


def may_link(path: str) -> bool:
    """Whether the command may be linked here: nothing stands there, or a link of ours."""
    return os.readlink(path).endswith(f"/{PROGRAM}") if os.path.islink(path) else not os.path.lexists(path)


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    wanted = monitor_component(module.params, program.interpreter(sys.executable))
    module.exit_json(**component.converge(module, wanted))
