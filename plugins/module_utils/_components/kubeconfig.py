# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Kubeconfig files: one cluster, one user, one context."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import API_NAME
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    SERVER,
    Certificate,
    Declaration,
    Grant,
    Remains,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Credentials, Layout
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import yaml

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

NAME = "default"
# What kubectl remembers for root, by the server's address as its kubeconfig on a server has it.
KUBECTL_CACHE = "/root/.kube/cache"
# Whom the kubeconfigs of administrators are for: what they may is a binding, which can be taken from them.
ADMINISTRATORS = "k3a:administrators"
ADMINISTRATOR = Certificate("client-administrator", "client", "k3a:administrator", organization=ADMINISTRATORS)
# Who may do everything, whatever is bound to whom: for modules on a server, and for when nothing else is left. No file
# of ours takes it off the server's disk.
BREAK_GLASS = Certificate("client-admin", "client", "system:admin", organization="system:masters")
# Their kubeconfig is no process, but it needs a certificate, and its users leave something behind.
DECLARATION = Declaration(
    name="kubeconfig",
    role=SERVER,
    certificates=(BREAK_GLASS, ADMINISTRATOR),
    grants=(Grant(ADMINISTRATORS, (("Group", ADMINISTRATORS),), role="cluster-admin"),),
    remains=Remains(shared=(f"{KUBECTL_CACHE}/discovery", KUBECTL_CACHE, "/root/.kube")),
)


def by_path(server: str, authority: str, certificate: str, key: str) -> str:
    """A component's kubeconfig: it names its certificate and key, so they stay where they are and can be renewed.

    Whatever it dials, the load balancer of its node for one, has to be the API by its own name.
    """
    return yaml.dump(
        _document(
            {"server": server, "certificate-authority": authority, "tls-server-name": API_NAME},
            {"client-certificate": certificate, "client-key": key},
        )
    )


def by_credentials(server: str, credentials: Credentials) -> str:
    """The kubeconfig of a component that systemd hands its certificate and key."""
    return by_path(server, *(credentials.path(name) for name in ("server-ca.crt", "client.crt", "client.key")))


def embedded(server: str, authority: bytes, certificate: bytes, key: bytes, name: str = NAME) -> str:
    """A person's kubeconfig: one file that holds all it needs."""
    return yaml.dump(
        _document(
            {"server": server, "certificate-authority-data": _base64(authority)},
            {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)},
            name,
        )
    )


def _document(cluster: dict[str, str], user: dict[str, str], name: str = NAME) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


OPTIONS = {
    "path": options.WRITE_KUBECONFIG,
    "mode": {"type": "str", "default": "0600"},
    "group": {"type": "str", "default": ""},
    "name": {"type": "str", "default": NAME},
    "https_listen_port": options.HTTPS_LISTEN_PORT,
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
    "pending": options.PENDING,
}


def valid_mode(text: str) -> bool:
    """Whether it is the mode of a file, in octal digits."""
    return re.fullmatch("0?[0-7]{3}", text) is not None


def sources(layout: Layout) -> tuple[str, str, str]:
    """The CA, certificate and key that the kubeconfig holds."""
    certificate, key = (layout.tls(f"{ADMINISTRATOR.name}.{suffix}") for suffix in ("crt", "key"))
    return layout.tls("server-ca.crt"), certificate, key


def wanted_file(params: dict[str, Any], contents: list[bytes]) -> files.File:
    """The kubeconfig as it should be."""
    authority, certificate, key = contents
    url = f"https://127.0.0.1:{params['https_listen_port']}"
    text = embedded(url, authority, certificate, key, params["name"])
    group = params["group"] or "root"
    return files.File(params["path"], text.encode(), mode=int(params["mode"], 8), group=group, secret=True)


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    if not valid_mode(params["mode"]):
        raise K3aError(f"mode is {params['mode']!r}; write it as quoted octal digits, such as '0600'")
    if not files.has_group(params["group"]):
        raise K3aError(f"the host has no group {params['group']}; make it, or name another one")
    paths = sources(Layout(params["data_dir"]))
    contents = [files.read_bytes(path) for path in paths]
    missing = [path for path, content in zip(paths, contents) if content is None]
    foreseen = set(paths) & set(params["pending"])
    if missing and not (module.check_mode and foreseen):
        raise K3aError(f"{missing[0]} is not there; run the server role, which makes it")
    if module.check_mode and foreseen:
        module.exit_json(
            changed=True, path=params["path"], diff=[files.Change(params["path"], "", files.SECRET).as_diff()]
        )
    file = wanted_file(params, [content or b"" for content in contents])
    change = files.file_change(file)
    if change and not module.check_mode:
        with host_lock(params["timeout"]):
            files.write_file(file)
    module.exit_json(changed=bool(change), path=params["path"], diff=[change.as_diff()] if change else [])
