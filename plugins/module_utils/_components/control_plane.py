# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The control plane's clients of the API, controller manager and scheduler, differ in arguments only."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import program
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._engine import (
    component,
    files,
    health,
    process,
    systemd,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import Declaration
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._formats import flags

NOBODY = 65534


def kubeconfig_path(layout: layouts.Layout, name: str) -> str:
    """Where the kubeconfig of a component is; root's alone, so the component gets it as a credential (CIS 1.1.15)."""
    return layout.server_etc(f"{name}.kubeconfig")


def client_credentials(layout: layouts.Layout, name: str, leaf: str, *more: str) -> layouts.Credentials:
    """The credentials of a client of the API, and further files of server/tls by their names."""
    sources = [
        ("kubeconfig", kubeconfig_path(layout, name)),
        ("client.crt", layout.tls(f"{leaf}.crt")),
        ("client.key", layout.tls(f"{leaf}.key")),
        *((file, layout.tls(file)) for file in ("server-ca.crt", *more)),
    ]
    return layouts.Credentials(f"k3a-{name}.service", tuple(sources))


def refuse_unreadable(arguments: Iterable[str], user: str) -> None:
    """Raise which file of the operator's, that an argument names, the user of a unit may not read."""
    for argument in arguments:
        path = flags.split_argument(argument)[2]
        if path.startswith("/") and os.path.isfile(path) and not readable_for(path, user):
            first = "" if _has_group(user) else f"make that group with groupadd --system {user}, and "
            raise K3aError(
                f"{path}, which the argument {argument} names, cannot be read by {user}, as whom it runs; "
                f"{first}give the file, and the directories that lead to it, to the group {user}"
            )


def readable_for(path: str, user: str) -> bool:
    """Whether a user may read a file; one that the step C(host) has still to make is in its group, if that is there."""
    try:
        who = [f"--reuid={user}", f"--regid={user}", "--init-groups"] if pwd.getpwnam(user) else []
    except KeyError:
        group = user if _has_group(user) else NOBODY
        who = [f"--reuid={NOBODY}", f"--regid={group}", "--clear-groups"]
    try:
        return process.run(["setpriv", *who, "test", "-r", path]).code == 0
    except FileNotFoundError:  # then the unit itself says so
        return True


def _has_group(name: str) -> bool:
    return any(entry.gr_name == name for entry in grp.getgrall())


LEADER_ELECT: dict[str, Any] = {"leader_elect": {"type": "bool", "default": False}}


def client_component(
    declared: Declaration,
    params: dict[str, Any],
    credentials: layouts.Credentials,
    arguments: Mapping[str, str],
) -> component.Component:
    """A client of the API on its own server: loopback only, no root, its kubeconfig names its credentials."""
    layout = layouts.Layout(params["data_dir"])
    name = declared.name
    config = credentials.path("kubeconfig")
    content = kubeconfig.by_credentials(f"https://127.0.0.1:{params['https_listen_port']}", credentials)
    common = {
        "authentication-kubeconfig": config,
        "authorization-kubeconfig": config,
        "bind-address": "127.0.0.1",
        "kubeconfig": config,
        # One server has nobody to elect; a lease would only delay its restart.
        "leader-elect": "true" if params["leader_elect"] else "false",
        "profiling": "false",
        "tls-min-version": "VersionTLS12",
        **flags.logging(params),
    }
    command = systemd.command_line(
        program(params, declared.program), flags.merge({**common, **arguments}, params["extra_args"])
    )
    service = (
        *layouts.run_as(declared.users[0].name),
        ("ExecStart", command),
        *credentials.directives,
        *layouts.KEEP_RUNNING,
        *layouts.MEMORY,
        *systemd.environment(params["environment"]),
        ("LimitNOFILE", "1048576"),
        *layouts.SANDBOX,
        # What it is told by further arguments, such as the URL of an extender, may be anywhere.
        *(() if params["extra_args"] else layouts.LOOPBACK_ONLY),
    )
    return component.Component(
        name=name,
        unit=systemd.unit_text(
            f"Kubernetes {name.replace('-', ' ')} (k3a)",
            (("After", "k3a-apiserver.service"), *layouts.NEVER_GIVE_UP),
            service,
        ),
        files=(files.File(kubeconfig_path(layout, name), content.encode(), mode=0o600),),
        inputs=credentials.inputs,
        healthy=(health.answers_ok(declared.health),),
    )
