# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The control plane's clients of the API, controller manager and scheduler, differ in arguments only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import program
from ansible_collections.k3a.cluster.plugins.module_utils._components import kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._engine import (
    component,
    files,
    health,
    systemd,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import Declaration, Refused, refused
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._formats import flags
from ansible_collections.k3a.cluster.plugins.module_utils._host.readable import unusable


def kubeconfig_path(layout: layouts.Layout, name: str) -> str:
    """Where the kubeconfig of a component is; root's alone, so the component gets it as a credential (CIS 1.1.15)."""
    return layout.server_etc(f"{name}.kubeconfig")


def client_credentials(
    layout: layouts.Layout, name: str, leaf: str, *more: str, elsewhere: Mapping[str, files.File] | None = None
) -> layouts.Credentials:
    """The credentials of a client of the API, and further files of server/tls by their names, or of other places."""
    places = {file: other.path for file, other in (elsewhere or {}).items()}
    sources = [
        ("kubeconfig", kubeconfig_path(layout, name)),
        ("client.crt", layout.tls(f"{leaf}.crt")),
        ("client.key", layout.tls(f"{leaf}.key")),
        *((file, places.get(file, layout.tls(file))) for file in ("server-ca.crt", *more)),
    ]
    return layouts.Credentials(f"k3a-{name}.service", tuple(sources))


def refuse_unusable(declared: Declaration, arguments: Sequence[str]) -> None:
    """Raise which file of the operator's, that an argument names, the unit cannot work with."""
    for problem, remedy in unusable(arguments, declared.users[0].name, declared.unit, declared.configuration):
        raise K3aError(f"{problem}; {remedy}")


def refused_of_client(port: int) -> tuple[Refused, ...]:
    """What neither of the two may be told otherwise, given its port."""
    at_loopback = "its health is asked for at loopback, at its usual port"
    return (
        *refused(at_loopback, "remove it", "bind-address", harmless=("0.0.0.0", "127.0.0.1", "::")),
        *refused(at_loopback, "remove it", "secure-port", harmless=(str(port),)),
    )


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
