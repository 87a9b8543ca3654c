# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA and what servers share, made by openssl: where nodes run there is nothing else."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

NEW_CERTIFICATE = ("openssl", "req", "-x509", "-new", "-days", "3650", "-key", "/dev/stdin", "-subj")
NEW_KEY = ("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


@functools.cache
def authority(name: str = "k3a-ca") -> tuple[str, str]:
    """A self-signed certificate for ten years and its key, PEM."""
    key = subprocess.run(NEW_KEY, check=True, capture_output=True).stdout
    made = subprocess.run([*NEW_CERTIFICATE, f"/CN={name}"], check=True, capture_output=True, input=key)
    return made.stdout.decode(), key.decode()


@functools.cache
def leaf(subject: str, days: int = 365, usage: str = "clientAuth") -> tuple[str, str]:
    """A certificate of that CA for so many days, with the CA's behind it, and its key, PEM."""
    key = subprocess.run(NEW_KEY, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for file, text in zip(("ca.crt", "ca.key"), authority()):
            (place / file).write_text(text)
        (place / "extensions").write_text(f"extendedKeyUsage={usage}\n")
        asked = ("openssl", "req", "-new", "-key", "/dev/stdin", "-subj", subject)
        request = subprocess.run(asked, check=True, capture_output=True, input=key).stdout
        sign = ("openssl", "x509", "-req", "-CA", "ca.crt", "-CAkey", "ca.key", "-set_serial", "1", "-days", str(days))
        done = subprocess.run(
            [*sign, "-extfile", "extensions"], check=True, capture_output=True, input=request, cwd=place
        )
    return done.stdout.decode() + authority()[0], key.decode()


def material(paths: Iterable[str]) -> dict[str, str]:
    """What a first server would make of these files: the CAs are real, other keys are only told apart."""
    certificate, key = authority()
    contents = {"-ca.crt": certificate, "-ca.key": key}
    return {path: contents.get(path[-7:], f"content of {path}\n") for path in paths if "/tls/" in path}
