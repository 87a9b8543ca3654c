# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles that differ from a given one in what a test chooses, and in nothing else."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path

# Neither a tar archive nor a program minds what comes after its end.
PADDING = b"\0" * 10240


def derive(bundle: Path, target: Path, *paths: str) -> Path:
    """Write a bundle beside another one's, with other bytes for these paths; all else is the same, and linked."""
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    (target / "files").mkdir(parents=True)
    for entry in manifest["files"]:
        packed = bundle / "files" / f"{entry['sha256']}.gz"
        if entry["path"] in paths:
            content = gzip.decompress(packed.read_bytes()) + PADDING
            entry |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            (target / "files" / f"{entry['sha256']}.gz").write_bytes(gzip.compress(content, compresslevel=1))
        else:
            os.symlink(packed, target / "files" / packed.name)
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target
