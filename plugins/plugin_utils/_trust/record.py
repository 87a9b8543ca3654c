# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The bootstrap record as K3s writes it: what servers share, encrypted with the server token."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._trust.record import ITERATIONS, record_key

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
except ImportError:
    # check_cluster tells the user, before any step needs a record.
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

NONCE_SIZE = 12


class OtherToken(K3aError):
    """The records in the datastore are of other tokens than this one."""


class Damaged(K3aError):
    """The record is this token's and cannot be read any more."""


def encrypt(password: str, content: bytes, salt: str = "", nonce: bytes = b"") -> bytes:
    """Encrypt with a token's password; salt and nonce are random unless a test gives them."""
    # The salt is used as the text that it is stored as.
    salt = salt or os.urandom(8).hex()
    nonce = nonce or os.urandom(NONCE_SIZE)
    sealed = nonce + AESGCM(_key(password, salt)).encrypt(nonce, content, None)
    return f"{salt}:{base64.b64encode(sealed).decode()}".encode()


def decrypt(password: str, record: bytes) -> bytes:
    """The content of a record that is this token's."""
    salt, separator, text = record.decode(errors="replace").partition(":")
    if not separator:
        raise Damaged("it has no colon between salt and content")
    try:
        sealed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Damaged("what follows the salt is not base64") from None
    try:
        return AESGCM(_key(password, salt)).decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], None)
    except (InvalidTag, ValueError):
        raise Damaged("its content was changed or cut off") from None


def _key(password: str, salt: str) -> bytes:
    # SHA-1 is K3s's choice; as a key derivation's inner hash it is not weak.
    return PBKDF2HMAC(SHA1(), 32, salt.encode(), ITERATIONS).derive(password.encode())


def encode(files: Mapping[str, Mapping[str, str]]) -> bytes:
    """The content of a record: by K3s's name of a file its time and, in base64, what it holds."""
    ordered = {name: {key: files[name][key] for key in ("Timestamp", "Content")} for name in sorted(files)}
    return json.dumps(ordered, separators=(",", ":")).encode() + b"\n"


def decode(content: bytes) -> dict[str, bytes]:
    """The contents of the files by their names; K3s has some that k3a has not."""
    try:
        document: Any = json.loads(content)
        return {name: base64.b64decode(entry["Content"], validate=True) for name, entry in document.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Damaged("what it holds is not the files that K3s and k3a keep") from None


def find(password: str, records: Mapping[str, bytes]) -> dict[str, bytes] | None:
    """The files in the record of a token among all that the datastore has under /bootstrap/; None when it has none.

    The key of a record depends on the token, so a wrong token does not meet a record that it cannot decrypt.
    """
    if not records:
        return None
    key = record_key(password)
    if key not in records:
        raise OtherToken(
            f"the datastore has a bootstrap record, but of another token ({', '.join(sorted(records))} and not {key});"
            " give the server token that this record was encrypted with"
        )
    try:
        return decode(decrypt(password, records[key]))
    except Damaged as error:
        raise Damaged(
            f"the token is right, but its bootstrap record {key} is damaged: {error}; take the keys and CAs from a"
            " server's disk"
        ) from None
