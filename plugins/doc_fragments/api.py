# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options of modules that ask the API of the server they run on."""

    DOCUMENTATION = r"""
options:
  data_dir:
    description: Where k3a keeps its files on the server.
    type: path
    default: /var/lib/k3a
  https_listen_port:
    description: Port of the API on the server.
    type: int
    default: 6443
  timeout:
    description: How many seconds the whole call may take, waiting for the API included.
    type: int
    default: 300
"""
