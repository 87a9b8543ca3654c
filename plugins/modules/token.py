#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: token
version_added: 1.0.0
short_description: Bootstrap tokens, with which machines join a cluster
description:
  - Creates, changes or deletes bootstrap tokens, as C(k3s token create) and C(k3s token delete) do.
  - A token is the Secret C(bootstrap-token-<id>) in C(kube-system); Kubernetes itself deletes it when it has expired.
  - Runs on a server, any that is healthy, with its own administrator's certificate.
  - Whoever runs it sees the token, so give the task C(no_log), or have it written to O(path).
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.api
author: [k3a.cluster contributors (@k3a)]
options:
  state:
    description: Whether the tokens are to exist.
    type: str
    choices: [present, absent]
    default: present
  token:
    description:
      - The token, V(K10<hash>::<id>.<secret>) or V(<id>.<secret>). A hash has to be that of the cluster's CA.
      - With O(state=present) one token or none; none makes a new random one, every time.
      - With O(state=absent) any number; V(<id>) is enough.
    type: list
    elements: str
    default: []
  description:
    description: What the token is for.
    type: str
    default: ""
  ttl:
    description:
      - How long the token lasts, such as V(10m) or V(1h30m); V(0) is for ever, and V(0s) is refused.
      - A new token lasts V(24h) when this is not given. So does one that has expired and was not deleted yet.
      - The time at which an existing token expires is never moved. It is taken away with V(0), and one that never
        expires gets it with any other value. To have it last longer, delete and create it.
    type: str
  usages:
    description:
      - What the token is good for. A machine that joins needs both V(signing), to trust what the cluster says of
        itself, and V(authentication).
    type: list
    elements: str
    choices: [signing, authentication]
    default: [signing, authentication]
  groups:
    description:
      - The groups that the token authenticates as, besides V(system:bootstrappers). Each must match
        V(system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]).
      - Only members of the default one may join as agents.
    type: list
    elements: str
    default: [system:bootstrappers:k3a:default-node-token]
  path:
    description:
      - A file on the controller to write the token to, in its long form and for its owner alone; RV(token) is left out
        then.
      - A file that holds anything else than a bootstrap token is not written over.
      - Without it, or with nothing, no file is written. With O(state=absent) none is touched.
    type: path
"""

EXAMPLES = r"""
- name: Create a token that lasts an hour
  k3a.cluster.token:
    description: autoscaled agents
    ttl: 1h
    path: agents-token
  delegate_to: server-1.example.org

- name: Keep a token of one's own, for ever
  k3a.cluster.token:
    token: "{{ vault_agent_token }}"
    ttl: "0"
  delegate_to: server-1.example.org

- name: Delete two tokens
  k3a.cluster.token:
    token: [abcdef, ghijkl]
    state: absent
  delegate_to: server-1.example.org
"""

RETURN = r"""
token:
  description:
    - The token in its long form, which pins the CA of the cluster.
    - Ansible hides in it what was given as O(token); a token that the module made is whole.
    - In check mode a token that is still to be made is an empty text.
  returned: when O(state=present), without O(path)
  type: str
  sample: K10f7ed3ddc37...::abcdef.0123456789abcdef
ca_hash:
  description:
    - The hash of the CA in RV(token), to put together what Ansible hides of one that was given.
    - In check mode empty for a token that is still to be made.
  returned: when O(state=present)
  type: str
  sample: f7ed3ddc37...
id:
  description: The id of the token, which is no secret; in check mode empty for one that is still to be made.
  returned: when O(state=present)
  type: str
  sample: abcdef
expires:
  description: When the token expires; empty is never.
  returned: when O(state=present)
  type: str
  sample: "2026-11-25T10:00:00Z"
deleted_ids:
  description: Ids of the tokens that were deleted.
  returned: when O(state=absent)
  type: list
  elements: str
  sample: [abcdef]
"""

import time
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._addon.diff import as_yaml
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import server_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.api import ApiError, ApiRefused, ApiUnreachable
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.server_api import ServerApi
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_secret as secrets

CONFLICT = 409
OPTIONS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "token": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "description": {"type": "str", "default": ""},
    "ttl": {"type": "str"},
    "usages": {"type": "list", "elements": "str", "choices": list(secrets.USAGES), "default": list(secrets.USAGES)},
    "path": {"type": "path"},  # the action plugin's
    "groups": {"type": "list", "elements": "str", "default": [secrets.DEFAULT_GROUP]},
    **server_api.OPTIONS,
}


def main() -> None:
    run(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True))


@reports_errors
def run(module: AnsibleModule) -> None:
    result: dict[str, Any] = {"changed": False, "diff": []}
    with during("Token", result):
        if module.params["state"] == "present":
            present(module, result)
        else:
            absent(module, result)
    module.exit_json(**result)


def present(module: AnsibleModule, result: dict[str, Any]) -> None:
    params = module.params
    if len(params["token"]) > 1:
        raise tokens.TokenError("state present takes one token, or none to make a new one")
    given = tokens.parse(params["token"][0]) if params["token"] else None
    if given is not None and not given.id:
        raise tokens.TokenError(
            "a bootstrap token is 6 and 16 lower case letters and digits with a dot between them, which what was given"
            " is not; leave it out to make a new one"
        )
    secrets.check_groups(params["groups"])
    secrets.lifetime(params["ttl"] or secrets.DEFAULT_TTL)
    token = given or tokens.parse(tokens.bootstrap_token())
    try:
        api = server_api.connect(module)
        authority = secrets.published_authority(api)
        if token.ca_hash and token.ca_hash != tokens.ca_hash(authority):
            raise tokens.TokenError("the hash in the token is of another cluster's CA; give the short form")
        wanted = converge(module, api, token, result)
    except ApiUnreachable:
        if not module.check_mode:
            raise
        authority = ""
        wanted = desired(module, None, token)
        note(token.id, {}, wanted.public, result)
    result["expires"] = wanted.public["expires"]
    known = bool(given) or not module.check_mode
    result["id"] = token.id if known else ""
    result["ca_hash"] = tokens.ca_hash(authority) if known and authority else ""
    result["token"] = tokens.full(authority, token.bearer) if known and authority else ""


def converge(
    module: AnsibleModule, api: ServerApi, token: tokens.Token, result: dict[str, Any]
) -> secrets.BootstrapToken:
    """Create or change the token until it is as wanted; who changes it at the same time makes it be looked at again."""
    path = secrets.path(token.id)
    while True:
        existing = api.get(path)
        current = secrets.read(existing) if existing else None
        if current is not None and current.secret != token.secret:
            raise tokens.TokenError(f"a token with the id {token.id} exists already, with another secret; delete it")
        wanted = desired(module, current, token)
        if current == wanted:
            return wanted
        if not result["changed"]:
            note(token.id, current.public if current else {}, wanted.public, result)
        if module.check_mode:
            return wanted
        body = secrets.secret_of(wanted, existing)
        try:
            if existing:
                api.request("PUT", path, None, body)
            else:
                api.request("POST", secrets.path(), None, body)
        except ApiRefused as error:
            if error.status not in (404, CONFLICT) or api.left < 0.1:
                raise ApiError("; ".join(error.reasons)) from None
            time.sleep(0.1)
        else:
            return wanted


def desired(
    module: AnsibleModule, current: secrets.BootstrapToken | None, token: tokens.Token
) -> secrets.BootstrapToken:
    params = module.params
    return secrets.BootstrapToken(
        id=token.id,
        secret=token.secret,
        description=params["description"],
        expires=secrets.expiry(current, params["ttl"], datetime.now(timezone.utc)),
        usages=tuple(usage for usage in secrets.USAGES if usage in params["usages"]),
        groups=tuple(params["groups"]),
    )


def absent(module: AnsibleModule, result: dict[str, Any]) -> None:
    if not module.params["token"]:
        raise tokens.TokenError("state absent needs the token, or its id")
    ids = dict.fromkeys(secrets.id_of(text) for text in module.params["token"])
    # What came in as a token would be hidden in the result; an id alone is no secret.
    module.no_log_values.difference_update(ids)
    result["deleted_ids"] = []
    try:
        api = server_api.connect(module)
        for token_id in ids:
            path = secrets.path(token_id)
            existing = api.get(path)
            if existing is None:
                continue
            note(token_id, secrets.public_fields(existing), {}, result)
            if not module.check_mode:
                secrets.delete(api, path)
            result["deleted_ids"].append(token_id)
    except ApiUnreachable:
        if not module.check_mode:
            raise


def note(token_id: str, before: dict[str, Any], after: dict[str, Any], result: dict[str, Any]) -> None:
    """What changes, without the secret."""
    title = f"Token {token_id}"
    texts = {"before": as_yaml(before) if before else "", "after": as_yaml(after) if after else ""}
    result["diff"].append({"before_header": title, "after_header": title, **texts})
    result["changed"] = True


if __name__ == "__main__":
    main()
