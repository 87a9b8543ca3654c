# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The administrator's kubeconfig on the controller, as data: one that is there says which cluster was meant before."""

from __future__ import annotations

import base64
import binascii
import errno
import os

import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, sentence
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster.findings import HostFinding


class ForeignFileError(K3aError):
    """What stands at the path is not this cluster's kubeconfig."""


def place(path: str) -> str:
    """Where the file is, of a path as an operator gives it."""
    return os.path.abspath(os.path.expanduser(path))


def obstacle(path: str) -> str:
    """What keeps a new file from being written at a path; nothing where it can be."""
    folder = os.path.dirname(place(path))
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    try:
        files.refuse_place(place(path))
    except OSError as error:
        return sentence(error)
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder}: {os.strerror(errno.EACCES)}"


def place_findings(path: str) -> list[HostFinding]:
    """A place at which a file that is not there yet cannot be."""
    reason = obstacle(path)
    message = f"k3a_kubeconfig {place(path)} on the controller cannot be written: {reason}"
    return [HostFinding((), Finding("kubeconfig", FAIL, message, "name a file that you can write"))] if reason else []


def parse(content: bytes) -> dict[str, str]:
    """URL, CA, certificate, key and name of a kubeconfig that admin_kubeconfig wrote."""
    try:
        document = yaml.safe_load(content)
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        return {
            "url": cluster["server"],
            "authority": _decoded(cluster["certificate-authority-data"]),
            "certificate": _decoded(user["client-certificate-data"]),
            "key": _decoded(user["client-key-data"]),
            "name": str(document.get("current-context", "")),
        }
    except (yaml.YAMLError, KeyError, IndexError, TypeError, ValueError, binascii.Error) as error:
        raise ForeignFileError("it is not a kubeconfig with an embedded certificate") from error


def _decoded(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


def kubeconfig_findings(path: str, content: bytes | None, authority: str) -> list[HostFinding]:
    """A file that would be overwritten, and is of another cluster than the one with this CA.

    C(authority) is the hash of the server CA. A cluster that has none yet is another one than that of any file.
    """
    if content is None:
        return []
    remedy = "move it away, or set k3a_kubeconfig"
    try:
        pinned = tokens.ca_hash(parse(content)["authority"])
    except ForeignFileError as error:
        message = f"{place(path)} on the controller would be overwritten, but {error}"
        return [HostFinding((), Finding("kubeconfig", FAIL, message, remedy))]
    if pinned == authority:
        return []
    if authority:
        message = f"{place(path)} on the controller is the kubeconfig of another cluster, with another CA"
    else:
        message = f"{place(path)} on the controller is the kubeconfig of a cluster, and no server has its data"
        remedy = "bring back the disks of that cluster's servers, or move the file away when it is no more"
    return [HostFinding((), Finding("kubeconfig", FAIL, message, remedy))]
