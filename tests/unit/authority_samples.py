# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA and what servers share, made by openssl: where nodes run there is nothing else."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterable

NEW_CERTIFICATE = ("openssl", "req", "-x509", "-new", "-key", "/dev/stdin", "-subj")
NEW_KEY = ("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


@functools.cache
def authority(name: str = "k3a-ca") -> tuple[str, str]:
    """A self-signed certificate and its key, PEM."""
    key = subprocess.run(NEW_KEY, check=True, capture_output=True).stdout
    made = subprocess.run([*NEW_CERTIFICATE, f"/CN={name}"], check=True, capture_output=True, input=key)
    return made.stdout.decode(), key.decode()


def material(paths: Iterable[str]) -> dict[str, str]:
    """What a first server would make of these files: the CAs are real, other keys are only told apart."""
    certificate, key = authority()
    contents = {"-ca.crt": certificate, "-ca.key": key}
    return {path: contents.get(path[-7:], f"content of {path}\n") for path in paths if "/tls/" in path}
