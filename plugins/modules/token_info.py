#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: token_info
version_added: 1.0.0
short_description: The bootstrap tokens of a cluster
description:
  - Lists the tokens with which machines may join, as C(k3s token list) does. It never returns the secret of one.
  - Runs on a server, any that is healthy, with its own administrator's certificate.
extends_documentation_fragment:
  - k3a.cluster.attributes
  - k3a.cluster.attributes.node
  - k3a.cluster.api
author: [k3a.cluster contributors (@k3a)]
"""

EXAMPLES = r"""
- name: List the tokens
  k3a.cluster.token_info:
  delegate_to: server-1.example.org
  register: known
"""

RETURN = r"""
tokens:
  description: The tokens, by id. A Secret that is no whole token is left out, with a warning.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The id, which is the part before the dot.
      type: str
    description:
      description: What the token is for.
      type: str
    expires:
      description: When the token expires; empty is never.
      type: str
    ttl:
      description: Seconds until then, V(0) when it has passed; nothing is never.
      type: int
    expired:
      description: Whether the token has expired; Kubernetes deletes it soon after.
      type: bool
    usages:
      description: What the token is good for.
      type: list
      elements: str
    groups:
      description: The groups that the token authenticates as, besides V(system:bootstrappers).
      type: list
      elements: str
  sample:
    - id: abcdef
      description: autoscaled agents
      expires: "2026-11-25T10:00:00Z"
      ttl: 3540
      expired: false
      usages: [signing, authentication]
      groups: ["system:bootstrappers:k3a:default-node-token"]
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._cluster import server_api
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import during, reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_secret as secrets
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import TokenError


def main() -> None:
    run(AnsibleModule(argument_spec=server_api.OPTIONS, supports_check_mode=True))


@reports_errors
def run(module: AnsibleModule) -> None:
    with during("Tokens"):
        api = server_api.connect(module)
        found = api.request("GET", secrets.path(), {"fieldSelector": f"type={secrets.TYPE}"})["items"]
    known, problems = listed(found, datetime.now(timezone.utc))
    for problem in problems:
        module.warn(problem)
    module.exit_json(changed=False, tokens=known)


def listed(found: Iterable[Mapping[str, Any]], now: datetime) -> tuple[list[dict[str, Any]], list[str]]:
    """What may be known of the tokens, and what is wrong with Secrets that are none."""
    known, problems = [], []
    for secret in found:
        try:
            token = secrets.read(secret)
        except TokenError as error:
            problems.append(str(error))
            continue
        ttl = None if token.expires is None else max(0, int((token.expires - now).total_seconds()))
        known.append({**token.public, "ttl": ttl, "expired": token.expired(now)})
    return sorted(known, key=lambda token: token["id"]), problems


if __name__ == "__main__":
    main()
