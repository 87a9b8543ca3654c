"""Build the bundle once more, into a cache of its own and in an environment full of choices: it has to be the same.

Go's own cache keeps compiled packages by all that decides them, so that this takes minutes and not ten.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from checkout import CHECKOUT, built_bundle

CHOICES = {
    "GOARCH": "riscv64",
    "GOOS": "windows",
    "GOAMD64": "v3",
    "GOFLAGS": "-tags=providerless",
    "CGO_ENABLED": "1",
    "CGO_CFLAGS": "-O0",
    "CC": "false",
    "CPATH": "/nowhere",
    "LIBRARY_PATH": "/nowhere",
}


def lacking() -> str | None:
    """What would have to be built first."""
    return None if built_bundle() else "the bundle"


def build(**environment: str) -> None:
    command = ["ansible-playbook", "playbooks/bundle.yml"]
    subprocess.run(command, cwd=CHECKOUT, env={**os.environ, **environment}, check=True)


def main() -> int:
    if lacking():
        build()
    with tempfile.TemporaryDirectory(prefix="k3a-rebuild-") as cache:
        build(**CHOICES, K3A_CACHE=cache)
        names = [bundle.name if bundle else None for bundle in (built_bundle(), built_bundle(cache))]
    print("Built twice:", *names, sep="\n  ")
    return int(names[0] != names[1])


if __name__ == "__main__":
    sys.exit(main())
