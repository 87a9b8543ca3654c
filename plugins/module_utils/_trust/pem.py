# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Keys, requests and PEM files on a node, by openssl: a key is made where it is used and never leaves."""

from __future__ import annotations

import contextlib
import re
import ssl
import tempfile
from collections.abc import Iterator, Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, process
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\r?\n?", re.S)
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:EC )?PRIVATE KEY-----.*?-----END (?:EC )?PRIVATE KEY-----\r?\n?", re.S)


# X.509 ends a common name at 64 characters, openssl by default too. A node's name may have 63, its kubelet's has more.
COMMON_NAME_LENGTH = 64
_LONGER_NAMES = """\
openssl_conf = modules
[modules]
stbl_section = strings
[strings]
CN = min:1,max:128
[req]
distinguished_name = req
"""


class OpensslError(K3aError):
    """openssl refused; the message says what was asked of it and its own words."""


def certificates_in(content: bytes | None) -> str:
    """The certificates of a PEM text, and nothing else of it."""
    # What is damaged between the lines is for who reads it to find unreadable.
    return b"".join(_CERTIFICATE.findall(content or b"")).decode(errors="replace")


def each_certificate(content: bytes | None) -> list[str]:
    """The certificates of a PEM text one by one, each with its last line's end."""
    return [found.decode(errors="replace").rstrip("\n") + "\n" for found in _CERTIFICATE.findall(content or b"")]


def without_certificates(content: bytes | None) -> bytes:
    """What of a PEM text is no certificate: a key, of whatever kind."""
    return _CERTIFICATE.sub(b"", content or b"")


def private_key_in(content: bytes | None) -> bytes:
    """The private key of a PEM text, or nothing."""
    found = _PRIVATE_KEY.search(content or b"")
    return found.group(0) if found else b""


def new_key() -> bytes:
    """A new private key on the curve P-256, as K3s makes them."""
    return _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def request_for(
    key: bytes,
    common_name: str = "k3a",
    organization: str = "",
    dns: Sequence[str] = (),
    ips: Sequence[str] = (),
) -> str | None:
    """A certificate signing request that proves the possession of a key; None when the key is unreadable.

    Without more it names a placeholder: a signer that knows the node decides whom a certificate names. The API's
    signers take the names from the request.
    """
    subject = (f"/O={_escaped(organization)}" if organization else "") + f"/CN={_escaped(common_name)}"
    names = ",".join([*(f"DNS:{name}" for name in dns), *(f"IP:{ip}" for ip in ips)])
    extension = ["-addext", f"subjectAltName={names}"] if names else []
    command = ("req", "-new", "-key", "/dev/stdin", "-passin", "pass:", "-subj", subject, *extension)
    try:
        if len(common_name) <= COMMON_NAME_LENGTH:
            return _openssl(*command, given=key).decode()
        with in_file(_LONGER_NAMES) as longer:
            return _openssl(*command, "-config", longer, given=key).decode()
    except OpensslError:
        return None


@contextlib.contextmanager
def in_file(content: str) -> Iterator[str]:
    """The path of a file with a content that is no secret, for what reads files only."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(content)
        file.flush()
        yield file.name


def belongs(key_path: str, certificate_path: str) -> bool:
    """Whether a file has the private key of the certificate in another, or in the same one.

    In this process, since a look at a server would run openssl once for each of its certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # Without a password one that is encrypted would ask for it on a terminal.
        context.load_cert_chain(certificate_path, key_path, password=lambda: b"")
    except (OSError, ValueError):
        return False
    return True


def is_readable(path: str) -> bool:
    """Whether a file has certificates, and nothing between their lines is damaged."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError):
        return False
    return True


def issued_by(certificate: str, authority: str, usage: str = "client") -> bool:
    """Whether a CA (PEM, of one certificate or several) signed a client's or server's certificate that is valid now."""
    with in_file(authority) as authority_path:
        trust = ("-no-CApath", "-partial_chain", "-CAfile", authority_path)
        try:
            _openssl("verify", *trust, "-purpose", f"ssl{usage}", "/dev/stdin", given=certificate.encode())
        except OpensslError:
            return False
    return True


def common_name(certificate: str) -> str:
    """The common name of a certificate's subject (PEM), or nothing."""
    if not certificate:
        return ""
    try:
        shown = _openssl("x509", "-noout", "-subject", "-nameopt", "sep_multiline,utf8", given=certificate.encode())
    except OpensslError:
        return ""
    lines = (line.strip() for line in shown.decode(errors="replace").splitlines())
    return next((line[len("CN=") :] for line in lines if line.startswith("CN=")), "")


def write_new_key(path: str) -> bytes:
    """Make a key, keep it where it is used, and return it."""
    key = new_key()
    files.write_file(files.File(path, key, mode=0o600, secret=True))
    return key


def _escaped(value: str) -> str:
    return re.sub(r"([\\/+])", r"\\\1", value)


def _openssl(*arguments: str, given: bytes = b"") -> bytes:
    try:
        done = process.run(["openssl", *arguments], given)
    except FileNotFoundError:
        raise OpensslError("openssl is not installed on this host; install it") from None
    if done.code != 0:
        raise OpensslError(f"openssl {arguments[0]} failed: {done.complaint}")
    return done.output
