# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: ca_certificates
short_description: The certificates of a cluster's CAs, those too that this run has made
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, and may change in any release.
  - Those of a new cluster are made by its first server in the run. All others are known to the verdict.
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
- name: Request certificates
  k3a.cluster.certificate:
    ca_certificates: "{{ hostvars[_k3a_verdict.server] | k3a.cluster.ca_certificates(_k3a_verdict) }}"
"""

RETURN = r"""
_value:
  description: The certificates by the names of the CAs, PEM; none in check mode where the cluster is still to be made.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any


def ca_certificates(server: Mapping[str, Any], verdict: Mapping[str, Any]) -> Mapping[str, str]:
    source: Mapping[str, Any] = server.get("_k3a_bootstrap") or verdict
    return source["ca_certificates"]


class FilterModule:
    """What a run knows of the CAs."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"ca_certificates": ca_certificates}
