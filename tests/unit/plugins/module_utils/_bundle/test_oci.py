# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import io
import json
import tarfile

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.oci import image_archive

NAME = "registry.k8s.io/coredns/coredns:v1.15.0"


def read(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def blob(files: dict[str, bytes], descriptor: dict) -> bytes:
    content = files["blobs/" + descriptor["digest"].replace(":", "/")]
    assert len(content) == descriptor["size"]
    assert hashlib.sha256(content).hexdigest() == descriptor["digest"].partition(":")[2]
    return content


def test_the_archive_holds_one_named_image_around_the_program():
    files = read(image_archive(NAME, "coredns", b"program", "65532:65532", "amd64"))
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"] == {
        "io.containerd.image.name": NAME,
        "org.opencontainers.image.ref.name": "v1.15.0",
    }
    manifest = json.loads(blob(files, entry))
    config = json.loads(blob(files, manifest["config"]))
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == ["/coredns"]
    layer = blob(files, manifest["layers"][0])
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest()]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        (member,) = tar.getmembers()
        assert (member.name, member.mode, member.mtime, member.uid) == ("coredns", 0o755, 0, 0)
        assert tar.extractfile(member).read() == b"program"


def test_the_same_program_makes_the_same_bytes():
    first, second = (image_archive(NAME, "coredns", b"program", "1:1", "amd64") for _time in range(2))
    assert first == second
