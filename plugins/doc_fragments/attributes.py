# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """What every module of the collection promises."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Announces the changes that a real run would make, and makes none.
  diff_mode:
    support: full
    description: Shows what differs, with secrets described and never shown.
  idempotent:
    support: full
    description: A second run changes nothing.
  platform:
    platforms: posix
    support: full
    description: Where the module runs.
"""

    NODE = r"""
options: {}
requirements:
  - Linux with systemd 247 or newer and Python 3.9 or newer; nothing else needs to be installed.
attributes:
  action_group:
    version_added: 1.0.0
    description: Takes its shared options from C(module_defaults) of this group.
    support: full
    membership:
      - k3a.cluster.k3a
"""
