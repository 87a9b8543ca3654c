# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_id
short_description: The id of a cluster, also of one that has begun in this run
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - That of a new cluster is read from its API as soon as that answers. All others are known to the verdict.
positional: verdict
options:
  _input:
    description: The variables of the server that acts for the cluster.
    type: dict
    required: true
  verdict:
    description: The result of M(k3a.cluster.check_cluster).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Record who the host is
  k3a.cluster.identity:
    cluster_id: "{{ hostvars[_k3a_verdict.server] | k3a.cluster.cluster_id(_k3a_verdict) }}"
"""

RETURN = r"""
_value:
  description: The UID of the namespace C(kube-system); empty before the cluster has begun, and while its API is away.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any


def cluster_id(server: Mapping[str, Any], verdict: Mapping[str, Any]) -> str:
    return server.get("_k3a_begun", {}).get("cluster_id") or verdict["cluster_id"]


class FilterModule:
    """What a run knows of its cluster."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cluster_id": cluster_id}
