# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""An OCI image archive around one static program, the same bytes for the same program."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

MEDIA = "application/vnd.oci.image."


def image_archive(name: str, program: str, content: bytes, user: str, architecture: str) -> bytes:
    """A tar that `ctr images import` takes and gives exactly this name; the program is its entry point.

    The layer is not compressed: the bundle compresses the whole archive, and so the import is quick.
    """
    layer = tar_of([(program, content, 0o755)])
    config = canonical(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"User": user, "Entrypoint": [f"/{program}"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
            "history": [{"created_by": "k3a.cluster"}],
        }
    )
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": f"{MEDIA}manifest.v1+json",
            "config": descriptor(f"{MEDIA}config.v1+json", config),
            "layers": [descriptor(f"{MEDIA}layer.v1.tar", layer)],
        }
    )
    entry = descriptor(f"{MEDIA}manifest.v1+json", manifest)
    entry["platform"] = {"architecture": architecture, "os": "linux"}
    entry["annotations"] = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
    }
    index = canonical({"schemaVersion": 2, "mediaType": f"{MEDIA}index.v1+json", "manifests": [entry]})
    members = [("oci-layout", canonical({"imageLayoutVersion": "1.0.0"}), 0o644), ("index.json", index, 0o644)]
    members += [(blob_path(blob), blob, 0o644) for blob in (config, manifest, layer)]
    return tar_of(members)


def tar_of(members: list[tuple[str, bytes, int]]) -> bytes:
    """A tar of (name, content, mode) with nothing in it that depends on who made it when."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content, mode in members:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    """How OCI refers to a blob."""
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def blob_path(content: bytes) -> str:
    """Where a blob stands in the archive."""
    return "blobs/" + digest(content).replace(":", "/")


def digest(content: bytes) -> str:
    """The digest of a blob, as OCI writes it."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def canonical(value: object) -> bytes:
    """JSON with one form only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
