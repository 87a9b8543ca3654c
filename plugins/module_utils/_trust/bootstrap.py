# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What all servers of a cluster share (K3s's bootstrap data): CAs, keys, encryption configuration, token."""

from __future__ import annotations

import base64
import glob
import json
import os
import secrets
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, options, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._trust import pem
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.module_utils._trust.leaves import AUTHORITIES
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import TokenError

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# Made on a server that has the others, when that is of a version which did not know them yet.
LATER = ("kubelet-serving",)
CN_PREFIXES = {
    "server": "k3a-server",
    "kubelet-serving": "k3a-kubelet-serving",
    "client": "k3a-client",
    "request-header": "k3a-request-header",
    "etcd-server": "etcd-server",
    "etcd-peer": "etcd-peer",
}


def authority_paths(layout: Layout, name: str) -> tuple[str, str]:
    """Where a CA's certificate and key are."""
    stem = AUTHORITIES[name]
    return layout.tls(f"{stem}.crt"), layout.tls(f"{stem}.key")


def read_authorities(layout: Layout) -> dict[str, str]:
    """The CAs' certificates that exist."""
    found = {name: read_text(authority_paths(layout, name)[0]) for name in CN_PREFIXES}
    return {name: pem for name, pem in found.items() if pem}


def read_text(path: str) -> str | None:
    """A file that all servers share, or None when there is none; what is no text cannot be what was kept."""
    content = files.read_bytes(path)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        raise K3aError(f"{path} is damaged; put it back from another server or from a backup of this one") from None


def secure_token(pem: str, password: str) -> str:
    """The server token in K3s's secure form, which pins the server CA."""
    return tokens.full(pem, f"server:{password}")


def password_of(token: str, pem: str, name: str = "k3a_token") -> str:
    """The password in a server token, given by the operator unless it has another name."""
    return token_of(token, pem, name).password


def token_of(token: str, pem: str, name: str = "k3a_token") -> tokens.Token:
    """A server token, short or secure; a secure one must pin this CA."""
    try:
        found = tokens.parse(token)
        pinned = tokens.pins_another(found, pem)
    except TokenError as error:
        raise TokenError(f"{name}: {error}") from None
    if found.id:
        raise TokenError(
            f"{name} is a bootstrap token, with which agents join; a server needs the server token, a password"
        )
    if pinned:
        raise TokenError(
            f"{name} pins the CA of another cluster; give this cluster's token, or its short form"
        )
    return found


def encryption_configuration(provider: str, key: str) -> str:
    """An EncryptionConfiguration that encrypts Secrets with one key, and still reads those that are not encrypted."""
    document: dict[str, Any] = {
        "kind": "EncryptionConfiguration",
        "apiVersion": "apiserver.config.k8s.io/v1",
        "resources": [
            {
                "resources": ["secrets"],
                "providers": [{provider: {"keys": [{"name": f"{provider}key", "secret": key}]}}, {"identity": {}}],
            }
        ],
    }
    return json.dumps(document) + "\n"


# In what a server encrypts Secrets, and by which of these ciphers.
ENCRYPTION = "encryption-config.json"
PROVIDER: options.Option = {"type": "str", "choices": ["secretbox", "aescbc", "aesgcm"], "default": "secretbox"}
OPTIONS = {
    "data_dir": options.DATA_DIR,
    "timeout": options.TIMEOUT,
    "token": {"type": "str", "default": "", "no_log": True},
    "secrets_encryption": {"type": "bool", "default": True},
    "secrets_encryption_provider": PROVIDER,
    "may_create": {"type": "bool", "default": True},
    "shared": {"type": "dict", "default": {}, "no_log": True},
    "export": {"type": "bool", "default": False},
    "material": {"type": "dict", "default": {}, "no_log": True},
}


def directories(layout: Layout) -> list[files.Directory]:
    """Secrets are root's alone; the datastore and the configuration have other readers, who must get through."""
    return [
        files.Directory(f"{layout.data_dir}/server", 0o711),
        files.Directory(layout.tls("etcd"), 0o700),
        files.Directory(layout.tls("").rstrip("/"), 0o700),
        files.Directory(layout.cred("").rstrip("/"), 0o700),
    ]


def lost_by(layout: Layout, given: str = "") -> str:
    """The path of what a server has lost of all that servers share, or nothing."""
    return lost(layout, missing_paths(layout, encryption=True), given) or ""


def wanted_paths(layout: Layout, encryption: bool) -> list[str]:
    """Every file that a server must have, keys before what depends on them."""
    paths = [path for name in CN_PREFIXES for path in reversed(authority_paths(layout, name))]
    paths += [layout.tls("service.key"), *([layout.cred(ENCRYPTION)] if encryption else []), layout.token]
    return paths


def missing_paths(layout: Layout, encryption: bool) -> list[str]:
    """What has to be made. A key without its certificate has signed nothing, so both are made anew, as one pair."""
    pairs = [authority_paths(layout, name) for name in CN_PREFIXES]
    useless = {key for certificate, key in pairs if not os.path.exists(certificate)}
    return [path for path in wanted_paths(layout, encryption) if path in useless or not os.path.exists(path)]


def read_material(layout: Layout) -> dict[str, str]:
    """What this server has of all that, by the path below its data directory."""
    found = {path: read_text(path) for path in wanted_paths(layout, encryption=True)}
    return {os.path.relpath(path, layout.data_dir): text for path, text in found.items() if text is not None}


def damaged(layout: Layout) -> str | None:
    """What of this server's CAs and keys is there and cannot be used, or cannot sign since its key is not there."""
    for name in CN_PREFIXES:
        certificate, key = authority_paths(layout, name)
        if not os.path.exists(certificate):
            continue
        if not os.path.exists(key):
            return f"{certificate} exists but {key} does not: put the key back from a backup of this server"
        if not pem.belongs(key, certificate):
            return (
                f"{certificate} or its key, {key}, is damaged, or they do not belong together; put both back from"
                " another server or from a backup of this one"
            )
    return None


def lost(layout: Layout, missing: list[str], given: str) -> str | None:
    """The path of what a server that had all of it has no more, and what made anew would be another cluster's.

    The token is made last, and etcd starts later still. Before that a run was killed, and nothing depends on this yet.
    """
    if layout.token in missing and not layout.etcd_has_data:
        return None
    units = map(files.read_bytes, glob.glob(systemd.unit_path("k3a-*.service")))
    used = b"".join(unit or b"" for unit in units)
    encrypts = b"--encryption-provider-config=" in used
    made = {layout.cred(ENCRYPTION): not encrypts, layout.token: bool(given)}
    for name in LATER:
        made.update({path: path.encode() not in used for path in authority_paths(layout, name)})
    gone = [path for path in missing if not (made.get(path) or os.path.exists(path))]
    return next(iter(gone), None)


def lacks_later(layout: Layout) -> bool:
    """Whether a server has the cluster's CA, and none of those that an earlier version did not make."""
    has = {name: os.path.exists(authority_paths(layout, name)[0]) for name in ("server", *LATER)}
    return has["server"] and not all(has.values())


def told_of_lost(path: str) -> tuple[str, str]:
    """What is said of something that a server has lost: what it is, and what to do."""
    remedy = "put it back from another server or from a backup of this one"
    return f"{path} is gone", f"{remedy}, or give k3a_token" if path.endswith("/server/token") else remedy


def content_of(path: str, layout: Layout, params: dict) -> str:
    """The content of a missing file: the controller's material, or a secret made here."""
    if path in params["material"]:
        return params["material"][path]
    if path == layout.token:
        server = read_authorities(layout)["server"]
        password = password_of(params["token"], server) if params["token"] else secrets.token_hex(16)
        return secure_token(server, password) + "\n"
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return encryption_configuration(params["secrets_encryption_provider"], key)


def check_token(layout: Layout, given: str) -> None:
    """Refuse a token that is not the one this server already keeps."""
    kept = read_text(layout.token)
    server = read_authorities(layout).get("server")
    if not given or not kept or not server:
        return
    if tokens.of_another_server(token_of(given, server), token_of(kept.strip(), server, layout.token)):
        raise TokenError(
            f"k3a_token differs from the server token in {layout.token}; remove k3a_token or give the same one"
        )


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    layout = Layout(module.params["data_dir"])
    problem = damaged(layout)
    if problem:
        raise K3aError(problem)
    if module.params["export"]:
        known, material = read_authorities(layout), read_material(layout)
        module.exit_json(changed=False, missing_paths=[], ca_certificates=known, material=material)
    missing = missing_paths(layout, module.params["secrets_encryption"])
    if missing and not (module.params["may_create"] or module.params["shared"] or module.params["material"]):
        module.exit_json(changed=False, missing_paths=missing, ca_certificates=read_authorities(layout), diff=[])
    founds = module.params["may_create"] and not module.params["shared"]
    gone = lost(layout, missing, module.params["token"]) if founds else None
    if gone:
        raise K3aError("; ".join(told_of_lost(gone)))
    incomplete = [change for change in map(files.directory_change, directories(layout)) if change]
    changes = [*incomplete, *(files.Change(path, "", files.SECRET.replace("not shown", "made")) for path in missing)]
    check_token(layout, module.params["token"])
    if module.params["material"] and not module.check_mode:
        with host_lock(module.params["timeout"]):
            for directory in directories(layout):
                files.make_directory(directory)
            # Looked at again: another run may have made them while this one waited.
            for path in missing_paths(layout, module.params["secrets_encryption"]):
                mode = 0o644 if path.endswith(".crt") else 0o600
                content = content_of(path, layout, module.params)
                files.write_file(files.File(path, content.encode(), mode))
    module.exit_json(
        changed=bool(changes),
        missing_paths=missing,
        ca_certificates=read_authorities(layout),
        diff=[change.as_diff() for change in changes],
    )
