# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options that all component modules share."""

    DOCUMENTATION = r"""
options:
  bundle:
    description:
      - The directory of the unpacked bundle on the node, RV(k3a.cluster.bundle#module:path),
        or the link to it, C(data/current).
    type: path
    required: true
  programs:
    description:
      - Where its programs will be, while check mode has not brought it, RV(k3a.cluster.bundle#module:programs).
    type: dict
    default: {}
  data_dir:
    description: Where k3a keeps its files on the node.
    type: path
    default: /var/lib/k3a
  timeout:
    description:
      - How many seconds the component may take to become healthy, and another run on this host to end.
      - When it does not come, the module fails with the condition that does not hold and the last lines of the journal.
    type: int
    default: 300
  wait:
    description:
      - Whether to wait until the component is healthy. When it does not, a later step has to name it in O(wait_for).
      - A component that ran before and is restarted is always waited for.
    type: bool
    default: true
  wait_for:
    description:
      - Components of this host that earlier steps started with O(wait=false), and that have to be healthy too, by name,
        each with the URL of its health endpoint.
    type: dict
    default: {}
  pending:
    description:
      - Paths that another step of this run replaces, such as RV(k3a.cluster.certificate#module:paths).
      - Check mode counts them as changed, so that it announces the restart that the real run does.
    type: list
    elements: path
    default: []
"""
