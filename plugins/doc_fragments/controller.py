# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """What modules need that run on the controller and ask the API."""

    DOCUMENTATION = r"""
requirements:
  - The Python libraries C(kubernetes) and C(PyYAML) where the module runs, which is the controller.
options:
  kubeconfig:
    description: Kubeconfig of the cluster, on the controller.
    type: path
    required: true
"""

    SERVER = r"""
options:
  server_url:
    description: URL of the API, when it is to be reached at another server than the one that O(kubeconfig) names.
    type: str
    default: ""
"""
