# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The Kubernetes scheduler on a server: what M(k3a.cluster.scheduler) does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._components import control_plane
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    SERVER,
    Certificate,
    Declaration,
    Port,
    User,
    refused,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

PORT = 10259
DECLARATION = Declaration(
    name="scheduler",
    role=SERVER,
    program="kube-scheduler",
    health=f"https://127.0.0.1:{PORT}/healthz",
    arguments="kube_scheduler_arg",
    fixed=("kubeconfig", "master"),
    refused=(
        *control_plane.refused_of_client(PORT),
        *refused("kube-scheduler then does no more than that and ends", "remove it", "write-config-to"),
    ),
    configuration="config",
    ports=(Port(PORT),),
    certificates=(Certificate("client-scheduler", "client", "system:kube-scheduler"),),
    users=(User("kube-scheduler", "Kubernetes scheduler (k3a)"),),
)
OPTIONS = component.argument_spec(
    {
        "https_listen_port": options.HTTPS_LISTEN_PORT,
        **control_plane.LEADER_ELECT,
        "environment": options.ENVIRONMENT,
        "v": options.V,
        "vmodule": options.VMODULE,
        "extra_args": options.EXTRA_ARGS,
    }
)


def scheduler_component(params: dict[str, Any]) -> component.Component:
    """The scheduler as it should run on this server."""
    credentials = control_plane.client_credentials(Layout(params["data_dir"]), DECLARATION.name, "client-scheduler")
    return control_plane.client_component(DECLARATION, params, credentials, {"secure-port": str(PORT)})


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    control_plane.refuse_unusable(DECLARATION, module.params["extra_args"])
    wanted = scheduler_component(module.params)
    module.exit_json(**component.converge(module, wanted, module.params["pending"]))
