# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate signing requests made by openssl, and the objects in which the Kubernetes API keeps them."""

from __future__ import annotations

import base64
import functools
import subprocess
from typing import Any

TOKEN_USER = "system:bootstrap:abcdef"
BOOTSTRAPPERS = ["system:bootstrappers", "system:bootstrappers:k3a:default-node-token", "system:authenticated"]
LIFETIME = 30 * 24 * 3600
NODES = ["system:nodes", "system:authenticated"]


@functools.cache
def key() -> bytes:
    command = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@functools.cache
def request(subject: str = "/O=system:nodes/CN=system:node:w1", names: str = "", *more: str) -> bytes:
    """A request in PEM; names as openssl writes them, C(DNS:w1,IP:10.0.0.2)."""
    command = ["openssl", "req", "-new", "-key", "/dev/stdin", "-subj", subject, *more]
    command += ["-addext", f"subjectAltName={names}"] if names else []
    return subprocess.run(command, check=True, capture_output=True, input=key()).stdout


def csr(
    signer: str,
    pem: bytes,
    user: str = "system:node:w1",
    groups: list[str] | None = None,
    usages: tuple[str, ...] = ("digital signature", "client auth"),
    name: str = "node-abc",
    lifetime: int = 0,
    **metadata: Any,
) -> dict[str, Any]:
    """A request as the API keeps it."""
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", **metadata},
        "spec": {
            "signerName": f"kubernetes.io/{signer}",
            "request": base64.b64encode(pem).decode(),
            "username": user,
            "groups": groups or (BOOTSTRAPPERS if user.startswith("system:bootstrap:") else NODES),
            "usages": list(usages),
            **({"expirationSeconds": lifetime} if lifetime else {}),
        },
        "status": {},
    }


def joining(subject: str = "/O=system:nodes/CN=system:node:w1", names: str = "", **more: Any) -> dict[str, Any]:
    """The request of a machine with a token for its kubelet."""
    return csr("kube-apiserver-client-kubelet", request(subject, names), **{"user": TOKEN_USER, "lifetime": LIFETIME, **more})


def renewal(subject: str = "/O=system:nodes/CN=system:node:w1", names: str = "", **more: Any) -> dict[str, Any]:
    """The request of a kubelet for its next certificate as its node."""
    return csr("kube-apiserver-client-kubelet", request(subject, names), **more)


def serving(names: str = "DNS:w1,IP:10.0.0.2", subject: str = "/O=system:nodes/CN=system:node:w1", **more: Any) -> Any:
    """The request of a node for its kubelet's server."""
    usages = ("digital signature", "server auth")
    return csr("kubelet-serving", request(subject, names), **{"usages": usages, **more})


def component(subject: str = "/CN=system:kube-proxy", names: str = "", **more: Any) -> dict[str, Any]:
    """The request of a node for another process of its own."""
    return csr("kube-apiserver-client", request(subject, names), **more)


def node(name: str, *addresses: str, server: bool = False) -> dict[str, Any]:
    """A Node that has reported addresses."""
    labels = {"node-role.kubernetes.io/control-plane": "true"} if server else {}
    reported = [{"type": "InternalIP", "address": address} for address in addresses]
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels},
        "status": {"addresses": [*reported, {"type": "Hostname", "address": name}]},
    }
