# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""containerd as data: its configuration, its registries, and the images that it has."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import plugin_directories, program
from ansible_collections.k3a.cluster.plugins.module_utils._components import proxies, registries
from ansible_collections.k3a.cluster.plugins.module_utils._engine import (
    component,
    files,
    health,
    options,
    process,
    systemd,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import AGENT, Declaration, Port, Remains
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import (
    CONTAINERD_SOCKET,
    CONTAINERD_STATE,
    KEEP_RUNNING,
    MEMORY,
    NEVER_GIVE_UP,
    Layout,
)
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import bolt, toml, yaml

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

STREAM_PORT = 10010
# Where crictl looks for its configuration, whoever has it.
CRICTL = "/etc/crictl.yaml"
NETWORK_NAMESPACES = "/run/netns"
# Its shims and runc have these outside the directories that they are told to use, together with others of their kind.
SHIM_SOCKETS, RUNC_STATE, NRI_SOCKET = "/run/containerd/s", "/run/containerd/runc", "/run/nri/nri.sock"
DECLARATION = Declaration(
    name="containerd",
    role=AGENT,
    program="containerd",
    ports=(Port(STREAM_PORT),),
    remains=Remains(
        shared=(
            "/opt/containerd/bin",
            "/opt/containerd/lib",
            "/opt/containerd",
            f"{RUNC_STATE}/k8s.io",
            RUNC_STATE,
            SHIM_SOCKETS,
            "/run/containerd",
            NETWORK_NAMESPACES,
            os.path.dirname(NRI_SOCKET),
        )
    ),
)
# containerd's own places, to which those who bring a network write.
FOREIGN_PLUGINS, FOREIGN_NETWORKS = "/opt/cni/bin", "/etc/cni/net.d"
NAMESPACE = "k8s.io"
CRI_RUNTIME = "io.containerd.cri.v1.runtime"
CRI_IMAGES = "io.containerd.cri.v1.images"
CRI_SERVICE = "io.containerd.grpc.v1.cri"


class ContainerdError(K3aError):
    """The runtime does not do what it is asked; the message has its own words."""


def configuration(params: dict[str, Any]) -> dict[str, Any]:
    """containerd's configuration file."""
    layout = Layout(params["data_dir"])
    pause = pause_image(params)
    return {
        "version": 3,
        "root": f"{layout.data_dir}/agent/containerd",
        "state": CONTAINERD_STATE,
        "grpc": {"address": CONTAINERD_SOCKET},
        **({"debug": {"level": "debug"}} if params["debug"] else {}),
        "plugins": {
            CRI_RUNTIME: {
                "enable_unprivileged_ports": True,
                "enable_unprivileged_icmp": True,
                "restrict_oom_score_adj": params["restrict_oom_score_adj"],
                # Absent by default: what is added to a file for all restarts every runtime.
                **({"enable_selinux": True} if params["selinux"] else {}),
                **({"device_ownership_from_security_context": True} if params["nonroot_devices"] else {}),
                "cni": network(params, layout),
                "containerd": {
                    "default_runtime_name": "runc",
                    "runtimes": {
                        "runc": {
                            "runtime_type": "io.containerd.runc.v2",
                            "options": {"BinaryName": program(params, "runc"), "SystemdCgroup": True},
                        }
                    },
                },
            },
            CRI_IMAGES: {
                "snapshotter": params["snapshotter"],
                **({"pinned_images": {"sandbox": pause}} if pause else {}),
                "registry": {
                    "config_path": layout.agent_etc("containerd/certs.d"),
                    **registries.credentials(params["registries"]),
                },
            },
            CRI_SERVICE: {"stream_server_address": "127.0.0.1", "stream_server_port": str(STREAM_PORT)},
            # A layer that is only half on the disk when the power fails would stay broken through every later pull.
            "io.containerd.service.v1.diff-service": {"sync_fs": True},
        },
    }


def network(params: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """Where containerd looks for a network: flannel's is k3a's own; what others bring has the places that all use."""
    own = plugin_directories(params)
    if params["flannel_backend"] == "none":
        return {"bin_dirs": [FOREIGN_PLUGINS, *own], "conf_dir": FOREIGN_NETWORKS}
    return {"bin_dirs": own, "conf_dir": layout.agent_etc("cni/net.d")}


def pause_image(params: dict[str, Any]) -> str:
    """The image that holds a pod's namespaces: as chosen, or the bundle's; without either containerd has its own."""
    of_bundle = (image["name"] for image in params["images"] if image["component"] == "pause")
    return params["pause_image"] or next(of_bundle, "")


def crictl_configuration() -> dict[str, Any]:
    """What makes crictl work without arguments."""
    endpoint = f"unix://{CONTAINERD_SOCKET}"
    return {"runtime-endpoint": endpoint, "image-endpoint": endpoint}


def holds_secret(params: dict[str, Any], path: str) -> bool:
    """Whether somebody's password is, or still is, in the configuration."""
    _public, secrets = registries.split_secrets(params["registries"])
    return bool(secrets) or b".registry.configs." in (files.read_bytes(path) or b"")


def containerd_component(params: dict[str, Any]) -> component.Component:
    """containerd as it should run on this node."""
    layout = Layout(params["data_dir"])
    config = layout.agent_etc("containerd/config.toml")
    crictl = layout.agent_etc("crictl.yaml")
    certs_d = layout.agent_etc("containerd/certs.d")
    environment = layout.agent_etc("containerd/proxy.env")
    # containerd looks for the shim on this path.
    shim = os.path.dirname(program(params, "containerd-shim-runc-v2"))
    service = (
        ("Type", "notify"),
        ("Environment", f"PATH={shim}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        *proxies.directives(params, environment),
        # What containerd makes in there gets the label of the directory.
        *((("ExecStartPre", f"-/usr/sbin/restorecon -F {snapshots(params)}"),) if params["selinux"] else ()),
        ("ExecStart", systemd.command_line(program(params, DECLARATION.program), [f"--config={config}"])),
        *KEEP_RUNNING,
        *MEMORY,
        *systemd.environment(params["environment"]),
        # Containers have scopes of their own; stopping the runtime must leave them and their shims alone.
        ("KillMode", "process"),
        ("Delegate", "yes"),
        ("TimeoutStartSec", "infinity"),
        ("TasksMax", "infinity"),
        ("LimitNOFILE", "1048576"),
        ("LimitNPROC", "infinity"),
        ("LimitCORE", "infinity"),
    )
    # containerd reads the hosts.toml files at every pull, so they are no reason for a restart.
    hosts = registries.hosts_files(params["registries"], certs_d)
    return component.Component(
        name=DECLARATION.name,
        unit=systemd.unit_text(
            "containerd, the container runtime (k3a)",
            (("After", "network.target local-fs.target"), *NEVER_GIVE_UP),
            service,
        ),
        directories=(
            files.Directory(layout.agent_etc("containerd"), 0o700),
            *((files.Directory(snapshots(params), 0o700),) if params["selinux"] else ()),
        ),
        files=(
            files.File(
                config, toml.dump(configuration(params)).encode(), mode=0o600, secret=holds_secret(params, config)
            ),
            *proxies.environment_files(params, environment),
        ),
        reloaded=(files.File(crictl, yaml.dump(crictl_configuration()).encode(), mode=0o644), *hosts),
        absent=registries.surplus(certs_d, {host.path for host in hosts}),
        absent_secrets=proxies.surplus(params, environment),
        links=(files.Link(CRICTL, crictl),),
        healthy=(health.listens(CONTAINERD_SOCKET),),
    )


def snapshots(params: dict[str, Any]) -> str:
    """Where the layers of containers are."""
    return f"{params['data_dir']}/agent/containerd/io.containerd.snapshotter.v1.{params['snapshotter']}/snapshots"


def runs() -> bool:
    """Whether there is a runtime that can be asked."""
    return health.listens(CONTAINERD_SOCKET)() is None


def images_present(bundle: str) -> set[str]:
    """The names of the images that the runtime has."""
    command = [f"{bundle}/bin/crictl", "--runtime-endpoint", f"unix://{CONTAINERD_SOCKET}", "images", "--output=json"]
    done = process.run(command)
    if done.code != 0:
        raise ContainerdError(f"containerd does not list its images: {done.complaint}")
    listed = json.loads(done.output)
    return {tag for image in listed["images"] or [] for tag in image["repoTags"] or []}


def import_image(bundle: str, path: str) -> str | None:
    """Import and pin an image; the reason when containerd refuses it."""
    command = [
        f"{bundle}/bin/ctr",
        f"--address={CONTAINERD_SOCKET}",
        f"--namespace={NAMESPACE}",
        "images",
        "import",
        "--local",
        "--label=io.cri-containerd.image=managed",
        "--label=io.cri-containerd.pinned=pinned",
        path,
    ]
    done = process.run(command)
    return None if done.code == 0 else done.complaint


def image_diff(name: str) -> dict[str, str]:
    """An image to import, as a diff shows it."""
    return {"before_header": name, "after_header": name, "before": "", "after": "image imported from the bundle\n"}


OPTIONS = component.argument_spec(
    {
        "images": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "path": {"type": "path", "required": True},
                "component": {"type": "str", "default": ""},
            },
        },
        "pause_image": {"type": "str", "default": ""},
        "snapshotter": options.SNAPSHOTTER,
        "registries": {"type": "dict", "default": {}, "no_log": False},
        "registry_secrets": {"type": "dict", "default": {}, "no_log": True},
        "restrict_oom_score_adj": {"type": "bool", "default": False},
        "nonroot_devices": {"type": "bool", "default": False},
        "flannel_backend": options.FLANNEL_BACKEND,
        "selinux": options.SELINUX,
        "environment": options.ENVIRONMENT,
        "debug": options.DEBUG,
        **proxies.OPTIONS,
    }
)


def kept_images(data_dir: str) -> set[str]:
    """The images that a runtime which does not run finds again when it starts."""
    content = files.read_bytes(f"{data_dir}/agent/containerd/io.containerd.metadata.v1.bolt/meta.db")
    try:
        return bolt.names(content, ("v1", NAMESPACE, "images")) if content else set()
    except ValueError:  # it does not start with that either
        return set()


def present_images(params: dict[str, Any], foreseen: bool) -> set[str]:
    """The images that the runtime has; in check mode it may not run yet, and its bundle may still be the former one."""
    if foreseen and not runs():
        return kept_images(params["data_dir"])
    bundles = (params["bundle"], f"{params['data_dir']}/data/current")
    tools = next((bundle for bundle in bundles if os.path.exists(f"{bundle}/bin/crictl")), params["bundle"])
    if foreseen and not os.path.exists(f"{tools}/bin/crictl"):
        return set()
    return images_present(tools)


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    # What is secret in the registries came apart from the rest, so that it is not shown.
    joined = registries.merge_secrets(module.params["registries"], module.params["registry_secrets"])
    params = {**module.params, "registries": joined}
    result = component.converge(module, containerd_component(params), params["pending"])
    present = present_images(params, module.check_mode)
    missing = [image for image in params["images"] if image["name"] not in present]
    result["changed"] = result["changed"] or bool(missing)
    result["changes"] += [image["name"] for image in missing]
    result["diff"] += [image_diff(image["name"]) for image in missing]
    if not module.check_mode:
        for image in missing:
            problem = import_image(params["bundle"], image["path"])
            if problem:
                raise ContainerdError(f"containerd does not import {image['path']}: {problem}")
    module.exit_json(**result)
