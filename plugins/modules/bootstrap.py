#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bootstrap
short_description: What all servers of a cluster share
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Keeps on a server what K3s calls the bootstrap data. These are the certificate authorities (server, client, request
    header, etcd server, etcd peer), the key that signs service account tokens, the configuration of encryption at rest,
    and the server token.
  - What is missing is made on the first server of a cluster (O(found)), and brought to a further one from there
    (O(shared)); what exists is never replaced.
  - Authorities are made on the controller's memory and kept on the server only, in files that only root reads.
  - Fails when an authority has a certificate but no key, and when O(token) belongs to another cluster.
extends_documentation_fragment: [k3a.cluster.attributes, k3a.cluster.attributes.node]
options:
  data_dir:
    description: Where k3a keeps its files on the node.
    type: path
    default: /var/lib/k3a
  timeout:
    description: How many seconds to wait for another run on this host to end.
    type: int
    default: 300
  token:
    description:
      - The server token, short (a password) or in K3s's secure form. Empty makes one.
      - Kept in C(<data_dir>/server/token) in the secure form,
        C(K10<SHA-256 of the server authority>::server:<password>).
    type: str
    default: ""
  secrets_encryption:
    description: Whether Secrets are encrypted in the datastore. A configuration that exists is always kept.
    type: bool
    default: true
  secrets_encryption_provider:
    description: How Secrets are encrypted.
    type: str
    choices: [secretbox, aescbc, aesgcm]
    default: secretbox
  found:
    description:
      - Whether what is missing may be made here. On a server that joins a cluster it must not, and the module then says
        only what is missing, unless O(shared) brings it.
    type: bool
    default: true
  shared:
    description: RV(material) of another server of the cluster.
    type: dict
    default: {}
  export:
    description: Whether to return what this server keeps, for another server. Set C(no_log) on such a task.
    type: bool
    default: false
  material:
    description: Contents for the missing files by their path; set by the action plugin, of no use elsewhere.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Keep the cluster's authorities, keys and token
  k3a.cluster.bootstrap:
    secrets_encryption: true

- name: Read them for a further server
  k3a.cluster.bootstrap:
    export: true
  delegate_to: server-1
  no_log: true
  register: kept

- name: Bring them to a further server
  k3a.cluster.bootstrap:
    found: false
    shared: "{{ kept.material }}"
"""

RETURN = r"""
authorities:
  description: The certificates of the authorities by their name, PEM; an authority that does not exist yet is left out.
  returned: success
  type: dict
  sample:
    server: "-----BEGIN CERTIFICATE-----..."
missing:
  description: Paths that did not exist before this run; a key whose certificate did not counts as missing, too.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/k3a/server/tls/server-ca.crt]
material:
  description: What this server keeps, by the path below its O(data_dir); secret.
  returned: with O(export)
  type: dict
"""

import base64
import os
import secrets

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils import _bootstrap as bootstrap
from ansible_collections.k3a.cluster.plugins.module_utils import _files as files
from ansible_collections.k3a.cluster.plugins.module_utils._layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._lock import Busy, host_lock

OPTIONS = {
    "data_dir": {"type": "path", "default": "/var/lib/k3a"},
    "timeout": {"type": "int", "default": 300},
    "token": {"type": "str", "default": "", "no_log": True},
    "secrets_encryption": {"type": "bool", "default": True},
    "secrets_encryption_provider": {
        "type": "str",
        "choices": ["secretbox", "aescbc", "aesgcm"],
        "default": "secretbox",
    },
    "found": {"type": "bool", "default": True},
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


def wanted_paths(layout: Layout, encryption: bool) -> list[str]:
    """Every file that a server must have, keys before what depends on them."""
    paths = [path for name in bootstrap.CN_PREFIXES for path in reversed(bootstrap.authority_paths(layout, name))]
    paths += [layout.tls("service.key"), *([layout.cred("encryption-config.json")] if encryption else []), layout.token]
    return paths


def missing_paths(layout: Layout, encryption: bool) -> list[str]:
    """What has to be made. A key without its certificate has signed nothing, so both are made anew, as one pair."""
    pairs = [bootstrap.authority_paths(layout, name) for name in bootstrap.CN_PREFIXES]
    useless = {key for certificate, key in pairs if not os.path.exists(certificate)}
    return [path for path in wanted_paths(layout, encryption) if path in useless or not os.path.exists(path)]


def kept(layout: Layout) -> dict[str, str]:
    """What this server has of all that, by the path below its data directory."""
    found = {path: files.read_bytes(path) for path in wanted_paths(layout, encryption=True)}
    return {os.path.relpath(path, layout.data_dir): text.decode() for path, text in found.items() if text is not None}


def orphaned(layout: Layout) -> str | None:
    """An authority that cannot sign: its certificate is there and its key is not."""
    for name in bootstrap.CN_PREFIXES:
        certificate, key = bootstrap.authority_paths(layout, name)
        if os.path.exists(certificate) and not os.path.exists(key):
            return f"{certificate} exists but {key} does not: put the key back from a backup of this server"
    return None


def content_of(path: str, layout: Layout, params: dict) -> str:
    """The content of a missing file: the controller's material, or a secret made here."""
    if path in params["material"]:
        return params["material"][path]
    if path == layout.token:
        server = bootstrap.read_authorities(layout)["server"]
        password = bootstrap.password_of(params["token"], server) if params["token"] else secrets.token_hex(16)
        return bootstrap.secure_token(server, password) + "\n"
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return bootstrap.encryption_configuration(params["secrets_encryption_provider"], key)


def check_token(layout: Layout, given: str) -> None:
    """Refuse a token that is not the one this server already keeps."""
    kept = files.read_bytes(layout.token)
    server = bootstrap.read_authorities(layout).get("server")
    if not given or not kept or not server:
        return
    if bootstrap.password_of(given, server) != bootstrap.password_of(kept.decode().strip(), server):
        raise bootstrap.TokenError(
            f"k3a_token differs from the server token in {layout.token}; remove k3a_token or give the same one"
        )


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    layout = Layout(module.params["data_dir"])
    problem = orphaned(layout)
    if problem:
        module.fail_json(msg=problem)
    if module.params["export"]:
        authorities = bootstrap.read_authorities(layout)
        module.exit_json(changed=False, missing=[], authorities=authorities, material=kept(layout))
    missing = missing_paths(layout, module.params["secrets_encryption"])
    if missing and not (module.params["found"] or module.params["shared"] or module.params["material"]):
        module.exit_json(changed=False, missing=missing, authorities=bootstrap.read_authorities(layout), diff=[])
    incomplete = [change for change in map(files.directory_change, directories(layout)) if change]
    changes = [*incomplete, *(files.Change(path, "", files.SECRET.replace("not shown", "made")) for path in missing)]
    try:
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
    except (bootstrap.TokenError, Busy) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(changes),
        missing=missing,
        authorities=bootstrap.read_authorities(layout),
        diff=[change.as_diff() for change in changes],
    )


if __name__ == "__main__":
    main()
