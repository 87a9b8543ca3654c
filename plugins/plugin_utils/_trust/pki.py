# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Certificates on the controller: make CAs, sign leaves, and decide which have to be issued again.

Lifetimes, names and the renewal window are K3s's; every certificate is valid from one hour back, so that a clock
slightly behind does not refuse it.
"""

from __future__ import annotations

import datetime
import ipaddress
import warnings
from collections.abc import Mapping
from typing import Any, cast

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._formats import der
from ansible_collections.k3a.cluster.plugins.module_utils._joining import csr
from ansible_collections.k3a.cluster.plugins.module_utils._trust.leaves import AUTHORITIES

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificatePublicKeyTypes,
    )
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    # check_cluster tells the user, before any step needs a certificate.
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True
    # What is damaged is found out when it is read, or only when a part of it is wanted. Whoever wrote it, it must be
    # no more than a reason to make it anew.
    UNREADABLE = (
        ValueError,
        TypeError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    )
    # X.509 ends a common name at 64 characters, and that of a kubelet may be longer: nobody who reads it minds.
    warnings.filterwarnings("ignore", "Attribute's length must be", UserWarning)

AUTHORITY_LIFETIME = datetime.timedelta(days=3650)
LEAF_LIFETIME = datetime.timedelta(days=365)
# Of a year. Where a node renews its own for a month, when half of that is over, as large a part of what lives shorter.
RENEWAL_WINDOW, RENEWAL_PART = datetime.timedelta(days=120), 3
BACKDATED = datetime.timedelta(hours=1)
LONGEST_REQUEST = 16 * 1024
USAGES = {"client": "CLIENT_AUTH", "server": "SERVER_AUTH"}


class PkiError(K3aError):
    """A certificate, key or request cannot be used; the message says which and why."""


class SigningRequestError(PkiError):
    """A host's signing request cannot be used; those of other hosts can."""


def now() -> datetime.datetime:
    """The controller's time."""
    return datetime.datetime.now(datetime.UTC)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A new private key on the curve P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """A private key as PEM, in the form that the API server can read a public key from, too."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def certificate_pem(certificate: x509.Certificate) -> str:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def new_authority(prefix: str, started: datetime.datetime | None = None) -> tuple[str, str]:
    """A self-signed CA as K3s names it, C(<prefix>-ca@<unix time>): its certificate and key as PEM."""
    key = new_key()
    started = started or now()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{prefix}-ca@{int(started.timestamp())}")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key.public_key(), started, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate_pem(certificate), key_pem(key)


def is_authority(pem: str, prefix: str) -> bool:
    """Whether a certificate is a CA that C(new_authority) made with this prefix."""
    try:
        subject = _load_certificate(pem).subject
    except UNREADABLE:
        return False
    return any(
        str(name.value).startswith(f"{prefix}-ca@") for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    )


def sign(leaf: Mapping[str, Any], request_pem: str, authority_pem: str, authority_key_pem: str) -> str:
    """Sign a request as the certificate that C(leaf) describes; PEM of the certificate and its CA's chain.

    Only the request's key is used: whom the certificate names is decided here, not by the host that asks.
    """
    moment = now()
    authority = valid_authority(leaf["authority"], authority_pem, moment)
    key = _authority_key(leaf["authority"], authority, authority_key_pem)
    requester = _requester(leaf, request_pem)
    # No longer than its CA, without which it is worth nothing.
    lifetime = min(LEAF_LIFETIME, authority.not_valid_after_utc - moment)
    builder = (
        _builder(_subject(leaf), authority.subject, requester, moment, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_usages(leaf)), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_identifier(authority)), critical=False
        )
    )
    names = _alternative_names(leaf)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return certificate_pem(builder.sign(key, hashes.SHA256())) + authority_pem


def issue(leaf: Mapping[str, Any], authority_pem: str, authority_key_pem: str) -> tuple[str, str]:
    """A certificate with a key made here, for the controller's own use: certificate and key as PEM."""
    key = key_pem(new_key())
    return sign(leaf, request_of(key), authority_pem, authority_key_pem), key


def request_of(key: str) -> str:
    """A signing request for a private key that is here, PEM; its subject is a placeholder."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "k3a")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(_load_key(key), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def valid_authority(name: str, pem: str, moment: datetime.datetime) -> x509.Certificate:
    """A CA that can sign now; an error names it, since no leaf that it signs would be trusted."""
    try:
        authority = _load_certificate(pem)
    except UNREADABLE as error:
        raise PkiError(f"the {name} CA is unreadable ({error}); {_put_back(name, 'crt')}") from error
    if authority.not_valid_after_utc <= moment:
        raise PkiError(
            f"the {name} CA expired on {authority.not_valid_after_utc:%Y-%m-%d}, and nothing that it signed is"
            " trusted any more; k3a cannot replace it, so build the cluster anew"
        )
    if authority.not_valid_before_utc > moment:
        raise PkiError(
            f"the {name} CA is not valid before {authority.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; set the"
            " clock of the controller right, or of the machine where the CA was made"
        )
    return authority


def _put_back(name: str, kind: str) -> str:
    return (
        f"put server/tls/{AUTHORITIES[name]}.{kind} back in the data directory of the server from another server or a"
        " backup"
    )


def ending_authorities(ca_certificates: Mapping[str, str], moment: datetime.datetime | None = None) -> list[str]:
    """What to say of CAs that are near their end: what they sign ends with them."""
    moment = moment or now()
    ends = {name: valid_authority(name, pem, moment).not_valid_after_utc for name, pem in ca_certificates.items()}
    return [
        f"the {name} CA expires on {end:%Y-%m-%d}, and the cluster with it; k3a cannot replace it yet"
        for name, end in ends.items()
        if end - (moment or now()) < LEAF_LIFETIME
    ]


def belongs(key: str, certificate: str) -> bool:
    """Whether a private key that is here is that of a certificate."""
    try:
        return _load_key(key).public_key() == _load_certificate(certificate).public_key()
    except (PkiError, *UNREADABLE):
        return False


def renewal_reasons(
    leaf: Mapping[str, Any],
    certificate: str,
    has_key: bool,
    authority_pem: str,
    moment: datetime.datetime | None = None,
    renewed_by_node: bool = False,
) -> list[str]:
    """Why a certificate has to be issued (again), when its private key is there or not; empty when it is right.

    One that its process renews by itself is replaced only when that process could not use it. To one that its node
    renews is left the time for that.
    """
    moment = moment or now()
    authority = valid_authority(leaf["authority"], authority_pem, moment) if authority_pem else None
    if not certificate:
        return ["it is missing"]
    try:
        current = _load_certificate(certificate)
    except UNREADABLE:
        return ["it is unreadable"]
    reasons = []
    if authority is None or not _signed_by(current, authority):
        reasons.append(f"it is not signed by the {leaf['authority']} CA")
    if current.not_valid_after_utc <= moment:
        reasons.append(f"it expired on {current.not_valid_after_utc:%Y-%m-%d}")
    if current.not_valid_before_utc > moment:
        reasons.append(f"it is not valid before {current.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
    if not has_key:
        reasons.append("its key is missing or another one")
    subject = []
    if _attributes(current.subject) != _attributes(_subject(leaf)):
        subject = [f"its subject is {current.subject.rfc4514_string()}, not {_subject(leaf).rfc4514_string()}"]
    if leaf["pair"]:
        return [*reasons, *subject]
    if authority is None or reasons:
        return reasons
    life = current.not_valid_after_utc - current.not_valid_before_utc
    window = min(RENEWAL_WINDOW, life / RENEWAL_PART) if renewed_by_node else RENEWAL_WINDOW
    # Near the end of its CA a new one would last no longer.
    if current.not_valid_after_utc < min(moment + window, authority.not_valid_after_utc):
        reasons.append(f"it expires on {current.not_valid_after_utc:%Y-%m-%d}")
    reasons += subject
    missing = {_shown(name) for name in _alternative_names(leaf)} - {_shown(name) for name in _names_of(current)}
    if missing:
        reasons.append(f"it lacks the names {', '.join(sorted(missing))}")
    if _usages_of(current) != set(_usages(leaf)):
        reasons.append("its key usages are others")
    return reasons


def describe(leaf: Mapping[str, Any]) -> str:
    """A certificate as a diff announces it."""
    names = ", ".join([*leaf["dns"], *leaf["ips"]])
    return (
        f"subject: {_subject(leaf).rfc4514_string()}\nauthority: {leaf['authority']}\n"
        f"usages: {', '.join(leaf['usages'])}\n" + (f"names: {names}\n" if names else "")
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Any, started: datetime.datetime, lifetime: datetime.timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(started - BACKDATED)
        .not_valid_after(started + lifetime)
    )


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=authority,
        crl_sign=False,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load_certificate(pem: str) -> x509.Certificate:
    """A certificate of which every part that is asked for later can be read."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    # Each is read when it is asked for, and then raises what it is that is damaged.
    for part in ("subject", "not_valid_before_utc", "not_valid_after_utc", "extensions"):
        getattr(certificate, part)
    certificate.public_key()
    return certificate


def _load_key(pem: str) -> CertificateIssuerPrivateKeyTypes:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except UNREADABLE as error:
        raise PkiError(f"a private key is unreadable: {error}") from error
    # What is no signing key fails where it is used to sign.
    return cast("CertificateIssuerPrivateKeyTypes", key)


def _authority_key(name: str, authority: x509.Certificate, pem: str) -> CertificateIssuerPrivateKeyTypes:
    """The key of a CA, which must be its own."""
    try:
        key = _load_key(pem)
    except PkiError as error:
        raise PkiError(f"the key of the {name} CA cannot be used ({error}); {_put_back(name, 'key')}") from error
    if key.public_key() != authority.public_key():
        raise PkiError(f"the key of the {name} CA does not belong to its certificate; {_put_back(name, 'key')}")
    return key


def _identifier(authority: x509.Certificate) -> x509.SubjectKeyIdentifier:
    """How a CA is told from others of its name; not every one says so itself."""
    try:
        return authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(authority.public_key())


def _requester(leaf: Mapping[str, Any], request_pem: str) -> Any:
    """The public key of a request that proves to have the private one, of a kind that all clients and servers know."""
    if len(request_pem) > LONGEST_REQUEST:
        raise SigningRequestError(f"the signing request for {leaf['name']} has more than {LONGEST_REQUEST} characters")
    try:
        request = x509.load_pem_x509_csr(request_pem.encode())
        key = request.public_key()
        weakness = _weakness_of(key)
        # Not of one that is too large: to verify that may take for ever.
        proven = not weakness and request.is_signature_valid
    except UNREADABLE as error:
        raise SigningRequestError(f"the signing request for {leaf['name']} is unreadable: {error}") from error
    if weakness:
        raise SigningRequestError(f"the signing request for {leaf['name']} cannot be signed: {weakness}")
    if not proven:
        raise SigningRequestError(f"the signing request for {leaf['name']} is not signed by its own key")
    return key


def _weakness_of(key: CertificatePublicKeyTypes) -> str:
    """Why no certificate is made for a public key, or nothing; the approver judges by the same rule."""
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return csr.weakness_of(der.only(key.public_bytes(*form), der.SEQUENCE))


def _subject(leaf: Mapping[str, Any]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, leaf["common_name"], _validate=False)]
    if leaf["organization"]:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, leaf["organization"]))
    return x509.Name(attributes)


def _alternative_names(leaf: Mapping[str, Any]) -> list[x509.GeneralName]:
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in leaf["ips"]]
    return [*(x509.DNSName(name) for name in leaf["dns"]), *addresses]


def _names_of(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _shown(name: x509.GeneralName) -> str:
    return str(name.value)


def _usages(leaf: Mapping[str, Any]) -> list[x509.ObjectIdentifier]:
    return [getattr(ExtendedKeyUsageOID, USAGES[usage]) for usage in leaf["usages"]]


def _usages_of(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return set()


def _attributes(name: x509.Name) -> set[tuple[str, Any]]:
    return {(attribute.oid.dotted_string, attribute.value) for attribute in name}


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True
