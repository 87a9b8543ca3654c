# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The load balancer as data: the servers that it brings the node's connections to, and its unit."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import program
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, files, health, options, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import AGENT, Declaration, Port
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import flags
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import is_port

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

HEALTH_PORT = 6445
DECLARATION = Declaration(
    name="load-balancer",
    role=AGENT,
    program="k3a-load-balancer",
    health=f"http://127.0.0.1:{HEALTH_PORT}/healthz",
    awaited_by="flannel",
    when="load_balanced",
    ports=(Port(options.LB_SERVER_PORT["default"], option="lb_server_port"), Port(HEALTH_PORT)),
)
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s\[\]:/@]+):([0-9]{1,5})")


class LoadBalancerError(K3aError, ValueError):
    """Addresses that no load balancer can use; the text is for the user."""


def configuration(params: dict[str, Any]) -> dict[str, Any]:
    """The file that names the servers. Their order says nothing, that of the fallbacks does."""
    prefer = params["prefer"]
    servers = sorted({*params["servers"], *([prefer] if prefer else [])})
    fallback = [address for address in dict.fromkeys(params["fallback"]) if address not in servers]
    for address in (*servers, *fallback):
        port = _ADDRESS.fullmatch(address)
        if not port or not is_port(int(port.group(1))):
            raise LoadBalancerError(f"{address!r} is no address of a server: give HOST:PORT, as in 192.0.2.10:6443")
    if not servers and not fallback:
        raise LoadBalancerError("the load balancer needs at least one address in servers or fallback")
    return {"servers": servers, "prefer": prefer, "fallback": fallback}


def listen_address(port: int) -> str:
    """Where it takes connections."""
    if not is_port(port):
        raise LoadBalancerError(f"{port} is no port: choose one from 1 to 65535")
    if port == HEALTH_PORT:
        raise LoadBalancerError(f"port {port} is that of the load balancer's own health endpoint: choose another")
    return f"127.0.0.1:{port}"


def load_balancer_component(params: dict[str, Any], config: dict[str, Any]) -> component.Component:
    """The load balancer as it should run on this node. Other servers restart nothing: it reads their file again."""
    layout = layouts.Layout(params["data_dir"])
    credentials = layouts.Credentials(DECLARATION.unit, (("server-ca.crt", layout.agent_tls("server-ca.crt")),))
    path = layout.agent_etc(f"{DECLARATION.name}.json")
    arguments = {
        "ca-file": credentials.path("server-ca.crt"),
        "config": path,
        "health": f"127.0.0.1:{HEALTH_PORT}",
        "listen": listen_address(params["port"]),
    }
    command = systemd.command_line(program(params, DECLARATION.program), flags.merge(arguments, ()))
    service = (
        ("Type", "notify"),
        ("DynamicUser", "yes"),
        ("ExecStart", command),
        *credentials.directives,
        *layouts.KEEP_RUNNING,
        *layouts.MEMORY,
        ("LimitNOFILE", "1048576"),
        *layouts.SANDBOX,
    )
    return component.Component(
        name=DECLARATION.name,
        unit=systemd.unit_text(
            "Load balancer of the API (k3a)", (*layouts.AFTER_NETWORK, *layouts.NEVER_GIVE_UP), service
        ),
        # It is not root, and has to read this at any time.
        reloaded=(files.File(path, (json.dumps(config, indent=2) + "\n").encode(), mode=0o644),),
        inputs=credentials.inputs,
        healthy=(health.answers_ok(DECLARATION.health),),
    )


OPTIONS = component.argument_spec(
    {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "servers": {"type": "list", "elements": "str", "default": []},
        "prefer": {"type": "str", "default": ""},
        "fallback": {"type": "list", "elements": "str", "default": []},
        "port": options.LB_SERVER_PORT,
    }
)


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    absent = params["state"] == "absent"
    config = {} if absent else configuration(params)
    wanted = load_balancer_component(params, config)
    act = component.withdraw if absent else component.converge
    module.exit_json(**act(module, wanted, params["pending"]))
