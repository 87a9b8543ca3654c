# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Tokens as K3s writes them: the server's password, agents' bootstrap tokens, and the CA that both pin.

The long forms are C(K10<hash>::<user>:<password>) and C(K10<hash>::<id>.<secret>), the short ones C(<password>) and
C(<id>.<secret>); a short one pins no CA.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import ssl
import string
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.k3a.cluster.plugins.module_utils._engine import process
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError

PREFIX = "K10"
HASH_LENGTH = 64
# Characters of a server token; one that k3a makes has 32.
SHORTEST = 16
ID_PATTERN = re.compile(r"[a-z0-9]{6}\Z")
_BOOTSTRAP = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})\Z")
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)
_ALPHABET = string.digits + string.ascii_lowercase


class TokenError(K3aError):
    """A token cannot be used; the message says why and never shows it."""


@dataclass(frozen=True)
class Token:
    """What a token says. It has either an id and a secret, or a password; an empty hash pins nothing."""

    ca_hash: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    id: str = ""
    secret: str = field(default="", repr=False)

    @property
    def bearer(self) -> str:
        """What a machine that joins shows to the API; empty for a password."""
        return f"{self.id}.{self.secret}" if self.id else ""


def parse(text: str) -> Token:
    """Read a token in any of its forms."""
    if not text:
        raise TokenError("the token is empty; give the one of the cluster")
    pinned = ""
    credentials = text
    if text.startswith(PREFIX):
        pinned, separator, credentials = text[len(PREFIX) :].partition("::")
        if not separator:
            raise TokenError(_malformed())
        if pinned and len(pinned) != HASH_LENGTH:
            raise TokenError(
                f"invalid token CA hash length: between K10 and :: are {len(pinned)} characters, where the"
                f" {HASH_LENGTH} hexadecimal digits of the CA's SHA-256 must be; copy the whole token again"
            )
    bootstrap = _BOOTSTRAP.match(credentials)
    if bootstrap:
        return Token(pinned, id=bootstrap.group(1), secret=bootstrap.group(2))
    if not text.startswith(PREFIX):
        return Token(password=credentials)
    user, _separator, password = credentials.partition(":")
    if not password:
        raise TokenError(_malformed())
    return Token(pinned, user, password)


def pins_another(token: Token, bundle: str) -> bool:
    """Whether it is of another cluster than the one with this CA; a short token is of any."""
    return bool(token.ca_hash) and token.ca_hash != ca_hash(bundle)


def of_another_server(given: Token, kept: Token) -> bool:
    """Whether two tokens of one cluster have different passwords."""
    return given.ca_hash in ("", kept.ca_hash) and given.password != kept.password


def _malformed() -> str:
    return (
        "invalid token format: it starts with K10 but is neither K10<hash>::<user>:<password> nor"
        " K10<hash>::<6 characters>.<16 characters>; copy the whole token again"
    )


def ca_hash(bundle: str) -> str:
    """K3s's hash of a CA: of one certificate its PEM text as it is served, of several the root's DER.

    With a root above it, the issuing CA may be renewed and the hash stays. A bundle whose first certificate
    no other one of it vouches for counts as text, too.
    """
    certificates = _CERTIFICATE.findall(bundle)
    root = _root_of(certificates[0], certificates[1:]) if len(certificates) > 1 else None
    content = ssl.PEM_cert_to_DER_cert(root) if root else bundle.encode()
    return hashlib.sha256(content).hexdigest()


def anchors(bundle: str) -> str:
    """What of a CA's text its hash stands for: all of it, but for certificates that the root does not vouch for."""
    certificates = _CERTIFICATE.findall(bundle)
    root = _root_of(certificates[0], certificates[1:]) if len(certificates) > 1 else None
    if not root:
        return bundle
    known = [each for each in certificates if each == root or _vouches(root, certificates, each)]
    return bundle if known == certificates else "".join(f"{each}\n" for each in known)


def _root_of(first: str, others: Sequence[str]) -> str | None:
    """The certificate at the end of the first one's chain, signatures verified: the hash must prove something."""
    return next((candidate for candidate in others if _vouches(candidate, others, first)), None)


def _vouches(root: str, between: Sequence[str], certificate: str) -> bool:
    """Whether a root has signed a certificate, or another of these has in its name."""
    # The directories of the host's own CAs are set aside: no other root may vouch for the chain.
    command = ["env", "SSL_CERT_FILE=/dev/null", "SSL_CERT_DIR=/dev/null", "openssl", "verify"]
    with tempfile.TemporaryDirectory() as directory:
        paths = f"{directory}/chain.pem", f"{directory}/root.pem"
        for path, texts in zip(paths, (between, (root,))):
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("\n".join(texts) + "\n")
        done = process.run([*command, "-CAfile", paths[1], "-untrusted", paths[0]], (certificate + "\n").encode())
    if done.code == 127:
        raise TokenError("openssl is not installed on this host; install it")
    return done.code == 0


def full(bundle: str, credentials: str) -> str:
    """The long form, which pins a CA, of C(<user>:<password>) or C(<id>.<secret>)."""
    return f"{PREFIX}{ca_hash(bundle)}::{credentials}"


def bootstrap_token() -> str:
    """A new random bootstrap token, in its short form."""
    return f"{_random(6)}.{_random(16)}"


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _position in range(length))


def signature(content: str, token_id: str, secret: str) -> str:
    """The signature of a text by a bootstrap token: a JSON web signature (HS256) without the text itself."""
    header = _base64url(json.dumps({"alg": "HS256", "kid": token_id}, separators=(",", ":")).encode())
    signed = f"{header}.{_base64url(content.encode())}".encode()
    return f"{header}..{_base64url(hmac.new(secret.encode(), signed, hashlib.sha256).digest())}"


def signature_ok(content: str, jws: str, token_id: str, secret: str) -> bool:
    """Whether a signature, as the controller manager keeps it beside cluster-info, is this token's of this text."""
    return hmac.compare_digest(signature(content, token_id, secret).encode(), jws.encode())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
