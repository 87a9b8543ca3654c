# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA and what servers share, made by openssl: where nodes run there is nothing else."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path

NEW_CERTIFICATE = ("openssl", "req", "-x509", "-new", "-days", "3650", "-key", "/dev/stdin", "-subj")
# What openssl has to know to sign for a time that has begun.
ISSUER = """
[ca]
default_ca = this
[this]
database = issued
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
preserve = yes
[any]
organizationName = optional
commonName = optional
"""
NEW_KEY = ("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


@functools.cache
def authority(name: str = "k3a-ca") -> tuple[str, str]:
    """A self-signed certificate for ten years and its key, PEM."""
    key = subprocess.run(NEW_KEY, check=True, capture_output=True).stdout
    made = subprocess.run([*NEW_CERTIFICATE, f"/CN={name}"], check=True, capture_output=True, input=key)
    return made.stdout.decode(), key.decode()


@functools.cache
def leaf(subject: str, days: int = 365, usage: str = "clientAuth", over: int = 0) -> tuple[str, str]:
    """A certificate of that CA for so many days, with the CA's behind it, and its key, PEM; some days are over."""
    key = subprocess.run(NEW_KEY, check=True, capture_output=True).stdout
    now = datetime.now(timezone.utc)
    times = [f"{now + timedelta(days=each):%Y%m%d%H%M%SZ}" for each in (-over, days - over)]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for file, text in zip(("ca.crt", "ca.key", "ca.cnf"), (*authority(), ISSUER)):
            (place / file).write_text(text)
        (place / "extensions").write_text(f"extendedKeyUsage={usage}\n")
        (place / "issued").touch()
        (place / "serial").write_text("01")
        asked = ("openssl", "req", "-new", "-key", "/dev/stdin", "-subj", subject)
        (place / "request").write_bytes(subprocess.run(asked, check=True, capture_output=True, input=key).stdout)
        sign = ("openssl", "ca", "-batch", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", "-in", "request")
        validity = ("-startdate", times[0], "-enddate", times[1], "-notext", "-extfile", "extensions")
        done = subprocess.run([*sign, *validity], check=True, capture_output=True, cwd=place)
    return done.stdout.decode() + authority()[0], key.decode()


def material(paths: Iterable[str]) -> dict[str, str]:
    """What a first server would make of these files: the CAs are real, other keys are only told apart."""
    certificate, key = authority()
    contents = {"-ca.crt": certificate, "-ca.key": key}
    return {path: contents.get(path[-7:], f"content of {path}\n") for path in paths if "/tls/" in path}
