"""The checkout, and copies of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def copy_checkout(tree: Path) -> None:
    """Copy what git knows and what it would add, so that neither caches nor builds are tested."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listing.stdout.split("\0")):
        source, copy = CHECKOUT / name, tree / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)


def import_collections() -> None:
    """Put this checkout's own plugins where they are imported from."""
    collections = str(CHECKOUT / ".venv/collections")
    if collections not in sys.path:
        sys.path.insert(0, collections)


def built_disk(release: str, packages: Sequence[str] = ()) -> Path | None:
    """The disk that machines of a release with such packages begin with, if it was built."""
    import_collections()
    from ansible_collections.k3a.cluster.plugins.module_utils._test_nodes import disk  # noqa: PLC0415

    found = disk.disk_of(release, packages)
    return Path(found.directory) if found.exists() else None


def built_bundle(cache: str | None = None) -> Path | None:
    """The bundle of this checkout in a cache, if it was built."""
    import_collections()
    # Not on the path before.
    from ansible_collections.k3a.cluster.plugins.module_utils._bundle.build import cache_root  # noqa: PLC0415
    from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle import archive  # noqa: PLC0415

    try:
        return Path(archive.find(str(CHECKOUT / "bundle"), cache_root(cache)))
    except archive.BundleError:
        return None
