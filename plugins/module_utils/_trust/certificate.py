# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The certificates of a node: what M(k3a.cluster.certificate) does."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, options
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import AGENT, SERVER, Certificate
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves, pem

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

OPTIONS: dict[str, dict[str, Any]] = {
    "profile": {"type": "str", "choices": [SERVER, AGENT], "required": True},
    "declared": {"type": "list", "elements": "dict", "default": []},
    "ca_certificates": {"type": "dict", "required": True},
    "signed": {"type": "dict", "default": {}},
    "renewed_by_node": {"type": "bool", "default": False},
    "node_name": options.NODE_NAME,
    "node_ip": options.NODE_IP,
    "node_external_ip": {"type": "list", "elements": "str", "default": []},
    "advertise_address": options.ADVERTISE_ADDRESS,
    "tls_san": {"type": "list", "elements": "str", "default": []},
    "service_cidr": options.SERVICE_CIDR,
    "cluster_cidr": options.CLUSTER_CIDR,
    "cluster_domain": options.CLUSTER_DOMAIN,
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
}


class KeyUnreadable(K3aError):
    """A private key is there and cannot be used; nobody but the operator knows whether it can be given up."""


class Unsigned(K3aError):
    """A certificate that was asked for was not issued."""


def leaves_of(params: dict[str, Any]) -> tuple[leaves.Leaf, ...]:
    """The certificates that this host should have."""
    directory = tls_directory(params)
    declared = [Certificate(**{**each, "usages": tuple(each["usages"])}) for each in params["declared"]]
    names = names_of(params)
    return tuple(leaves.leaf_of(each, directory, names) for each in declared)


def tls_directory(params: dict[str, Any]) -> str:
    """Where the certificates are."""
    layout = Layout(params["data_dir"])
    return (layout.agent_tls if params["profile"] == AGENT else layout.tls)("").rstrip("/")


def names_of(params: dict[str, Any]) -> leaves.Names:
    """By what this host is known, in the role that the certificates are for."""
    node_name = params["node_name"] or address.host_name()
    ips = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"]))
    ips = [*ips, *params["node_external_ip"]]
    if params["profile"] == AGENT:
        return leaves.Names(node_name, (node_name,), tuple(ips))
    sans = params["tls_san"]
    names = [node_name, *(san for san in sans if not address.is_ip(san))]
    service_ips = [address.service_ip(cidr, 1) for cidr in params["service_cidr"]]
    addresses = [*ips, params["advertise_address"], *(san for san in sans if address.is_ip(san)), *service_ips]
    return leaves.Names(node_name, tuple(names), tuple(addresses), params["cluster_domain"])


def trust_files(params: dict[str, Any]) -> list[files.File]:
    """The CAs that a node verifies others with, in the first step; a server has them already."""
    if params["profile"] == SERVER or params["signed"]:
        return []
    layout = Layout(params["data_dir"])
    return [
        files.File(layout.agent_tls(f"{name}-ca.crt"), params["ca_certificates"].get(name, "").encode(), mode=0o644)
        for name in ("server", "client")
    ]


def trust_change(file: files.File) -> files.Change | None:
    """How a CA's file differs; before the first server is installed its content cannot be known."""
    return files.file_change(file) if file.content else files.Change(file.path, "", "the cluster's CA\n")


def key_of(leaf: leaves.Leaf) -> tuple[bytes | None, str]:
    """The private key of a certificate, and the file that has it."""
    within = pem.private_key_in(files.read_bytes(leaf.certificate)) if leaf.pair else b""
    own = None if within and is_left(leaf) else files.read_bytes(leaf.key)
    return (own, leaf.key) if own or not leaf.pair else (within, leaf.certificate)


def is_left(leaf: leaves.Leaf) -> bool:
    """Whether a key is left beside a pair that is whole without it: a run was killed that had put the pair in place.

    The kubelet makes a new key for each pair, so by and by it would be taken for the key of a pair that it is not of.
    """
    return leaf.pair and os.path.lexists(leaf.key) and pem.belongs(leaf.certificate, leaf.certificate)


def former_files(leaf: leaves.Leaf) -> list[str]:
    """What k3a has made for a certificate, and what nobody reads for it any more.

    Of a machine that joined by a token that is the file of certificate and key, once a run has renewed the certificate.
    """
    if leaf.pair:
        return [leaf.key] if is_left(leaf) else []
    pair = leaves.pair_file(leaf.certificate)
    known = [files.unfinished(pair), *([] if leads_to(leaf.certificate, pair) else [pair])]
    return [path for path in known if os.path.lexists(path)]


def leads_to(path: str, file: str) -> bool:
    """Whether a path is a link to a file beside it."""
    return os.path.islink(path) and os.readlink(path) == os.path.basename(file)


def clear(leaf: leaves.Leaf) -> None:
    """Remove the former files of a certificate. A key that is in one of them gets a file of its own first."""
    for path in former_files(leaf):
        if leads_to(leaf.key, path):
            key = pem.without_certificates(files.read_bytes(path))
            files.write_file(files.File(leaf.key, key, mode=0o600, secret=True))
        files.remove_file(path)


def observe(leaf: leaves.Leaf, make_keys: bool) -> dict:
    """A certificate as it is, and whether its key is there; a key is made, and a request of it, if that is wanted."""
    certificate = pem.certificates_in(files.read_bytes(leaf.certificate))
    key, path = key_of(leaf)
    has_key = bool(key and certificate) and pem.belongs(path, leaf.certificate)
    if not key and make_keys:
        key = pem.write_new_key(leaf.key)
    # A look that finds all well needs no request: it would run openssl once for each certificate.
    request = pem.request_for(key) if key and (make_keys or not has_key) else None
    if key and not has_key and request is None:
        raise KeyUnreadable(
            f"the private key in {path}, of the certificate {leaf.name}, is unreadable; put it back from a backup, or"
            " remove that file and run again, which makes a new key and certificate"
        )
    return {
        **leaf.as_dict(),
        "current": certificate,
        "has_key": has_key,
        "request": request if make_keys else None,
    }


def install(leaf: leaves.Leaf, signed: str) -> None:
    """Put a signed certificate where its process reads it."""
    if not leaf.pair:
        files.write_file(files.File(leaf.certificate, signed.encode(), mode=0o644))
        clear(leaf)
        return
    # The kubelet renews this one: it wants a link to a dated file of certificate and key, and replaces the link.
    key = files.read_bytes(leaf.key) or pem.private_key_in(files.read_bytes(leaf.certificate))
    directory = os.path.dirname(leaf.certificate)
    files.make_directory(files.Directory(directory, 0o700))
    dated = f"{directory}/kubelet-client-{time.strftime('%Y-%m-%d-%H-%M-%S', time.gmtime())}.pem"
    files.write_file(files.File(dated, signed.encode() + key, mode=0o600))
    files.make_link(files.Link(leaf.certificate, dated))
    files.remove_file(leaf.key)


def refuse_other_key(leaf: leaves.Leaf, signed: str) -> None:
    """Raise where a certificate was made for another key than the one that is there now.

    A machine that joined by a token makes a new one when it renews the certificate by itself.
    """
    if leaf.pair:
        return  # its process makes no key before it has this one
    with pem.in_file(signed) as path:
        if not pem.belongs(leaf.key, path):
            raise Unsigned(f"{leaf.key} is not the key that {leaf.name} was signed for; run again, which asks anew")


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    wanted = leaves_of(params)
    directory = files.Directory(tls_directory(params), 0o700)
    trust = [(file, trust_change(file)) for file in trust_files(params)]
    # A server's comes with its CAs; and what is installed comes after what was requested, which made it.
    makes_place = params["profile"] == AGENT and not params["signed"]
    place = files.directory_change(directory) if makes_place else None
    left = [] if params["signed"] else [path for leaf in wanted for path in former_files(leaf)]
    changes = [change for _file, change in trust if change]
    changes += [change for change in (files.absent_change(path, secret=True) for path in left) if change]
    if module.check_mode:
        found = [observe(leaf, make_keys=False) for leaf in wanted]
        module.exit_json(**result(params, wanted, found, changes, place))
    unsigned = [name for name, certificate in params["signed"].items() if not certificate]
    if unsigned:
        raise Unsigned(f"{', '.join(unsigned)}: not signed; the task that signs has the reason")
    with host_lock(params["timeout"]):
        files.make_directory(directory)
        for file, change in trust:
            if change:
                files.write_file(file)
        for leaf in wanted if left else ():
            clear(leaf)
        signed = [(leaf, params["signed"][leaf.name]) for leaf in wanted if leaf.name in params["signed"]]
        for leaf, certificate in signed:
            refuse_other_key(leaf, certificate)
        for leaf, certificate in signed:
            install(leaf, certificate)
        found = [] if params["signed"] else [observe(leaf, make_keys=True) for leaf in wanted]
    module.exit_json(**result(params, wanted, found, changes, place))


def result(
    params: dict[str, Any], wanted: tuple, found: list, changes: list[files.Change], place: files.Change | None
) -> dict:
    """What the action plugin decides with, and what has been installed."""
    installed = [leaf.certificate for leaf in wanted if leaf.name in params["signed"]]
    return {
        "changed": bool(changes or place or installed),
        "certificates": found,
        "paths": [*(change.path for change in changes), *installed],
        "diff": [change.as_diff() for change in (*([place] if place else []), *changes)],
    }
