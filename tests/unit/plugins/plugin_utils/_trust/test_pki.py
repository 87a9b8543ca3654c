# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import subprocess
from functools import partial

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._trust import pem
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki
from ansible_collections.k3a.cluster.tests.unit import leaf_samples
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
SECOND = datetime.timedelta(seconds=1)
LEAF = {
    "name": "serving-kubelet",
    "authority": "server",
    "common_name": "w1",
    "organization": "",
    "usages": ["server"],
    "dns": ["w1", "localhost"],
    "ips": ["127.0.0.1", "10.0.0.2", "fd00::2"],
    "pair": False,
}
KUBELET = {
    **LEAF,
    "name": "client-kubelet",
    "authority": "client",
    "common_name": "system:node:w1",
    "organization": "system:nodes",
    "usages": ["client"],
    "dns": [],
    "ips": [],
    "pair": True,
}


@pytest.fixture(scope="module")
def authority():
    return pki.new_authority("k3a-server")


def asked_with(kind):
    """A request as openssl makes it with a key of a kind."""
    algorithm, option = kind
    made = pem._openssl("genpkey", "-algorithm", algorithm, *(("-pkeyopt", option) if option else ()))
    return pem.request_for(made)


@pytest.fixture(scope="module")
def other():
    return pki.new_authority("k3a-server")


@pytest.fixture(scope="module")
def key():
    return pki.key_pem(pki.new_key())


@pytest.fixture(scope="module")
def request_pem(key):
    return pki.request_of(key)


@pytest.fixture(scope="module")
def signed(authority, request_pem):
    return pki.sign(LEAF, request_pem, *authority)


def loaded(text):
    return x509.load_pem_x509_certificate(text.encode())


def reasons(leaf, certificate, authority, moment=None, has_key=True, by_node=False):
    return pki.renewal_reasons(leaf, certificate, has_key, authority[0], moment, by_node)


def authority_between(start, end):
    """A CA that is valid between two moments."""
    key = pki.new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "k3a-server-ca@1")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(end)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return pki.certificate_pem(builder.sign(key, pki.hashes.SHA256())), pki.key_pem(key)


class TestAuthority:
    def test_it_is_named_as_k3s_names_it(self, authority):
        certificate = loaded(authority[0])
        (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        prefix, _separator, moment = name.value.partition("@")
        assert prefix == "k3a-server-ca"
        started = certificate.not_valid_before_utc + datetime.timedelta(hours=1)
        assert int(moment) == int(started.timestamp())
        assert certificate.issuer == certificate.subject

    def test_it_is_valid_for_ten_years_from_one_hour_back(self, authority):
        certificate = loaded(authority[0])
        assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == 3650 * DAY + datetime.timedelta(
            hours=1
        )
        assert abs(certificate.not_valid_before_utc + datetime.timedelta(hours=1) - pki.now()) < datetime.timedelta(
            minutes=5
        )

    def test_it_may_sign_certificates(self, authority):
        certificate = loaded(authority[0])
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert (constraints.value.ca, constraints.critical) == (True, True)
        assert (usage.value.key_cert_sign, usage.critical) == (True, True)

    def test_its_key_is_on_p_256_and_its_own(self, authority, other):
        assert loaded(authority[0]).public_key().curve.name == "secp256r1"
        assert authority[1].startswith("-----BEGIN EC PRIVATE KEY-----")
        assert authority[1] != other[1]


class TestSigning:
    def test_the_chain_holds_for_the_names_that_the_leaf_has(self, authority, signed):
        leaf, root = x509.load_pem_x509_certificates(signed.encode())
        assert root == loaded(authority[0])
        store = verification.Store([root])
        verifier = verification.PolicyBuilder().store(store)
        for name in (x509.DNSName("w1"), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("fd00::2"))):
            assert verifier.build_server_verifier(name).verify(leaf, [])
        with pytest.raises(verification.VerificationError):
            verifier.build_server_verifier(x509.DNSName("w2")).verify(leaf, [])

    def test_openssl_agrees(self, authority, signed, tmp_path):
        (tmp_path / "ca").write_text(authority[0])
        (tmp_path / "leaf").write_text(signed)
        command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca", "leaf"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout == "leaf: OK\n"

    def test_a_leaf_is_valid_for_a_year_from_one_hour_back(self, signed):
        leaf = loaded(signed)
        assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == 365 * DAY + datetime.timedelta(hours=1)
        assert pki.now() - leaf.not_valid_before_utc >= datetime.timedelta(hours=1) - SECOND

    def test_a_leaf_may_not_sign(self, signed):
        leaf = loaded(signed)
        assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign

    def test_two_leaves_have_two_serial_numbers(self, authority, request_pem, signed):
        assert loaded(pki.sign(LEAF, request_pem, *authority)).serial_number != loaded(signed).serial_number

    @pytest.mark.parametrize(
        "usages, oids",
        [
            (["client"], {ExtendedKeyUsageOID.CLIENT_AUTH}),
            (["server"], {ExtendedKeyUsageOID.SERVER_AUTH}),
            (["server", "client"], {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}),
        ],
    )
    def test_usages(self, authority, request_pem, usages, oids):
        leaf = loaded(pki.sign({**LEAF, "usages": usages}, request_pem, *authority))
        assert set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == oids

    def test_the_subject_is_the_descriptions_and_never_the_requests(self, authority, key):
        private = pki.serialization.load_pem_private_key(key.encode(), None)
        greedy = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters")]))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("kubernetes")]), critical=False)
            .sign(private, pki.hashes.SHA256())
        )
        text = greedy.public_bytes(pki.serialization.Encoding.PEM).decode()
        leaf = loaded(pki.sign(KUBELET, text, *authority))
        assert leaf.subject.rfc4514_string() == "CN=system:node:w1,O=system:nodes"
        assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        with pytest.raises(x509.ExtensionNotFound):
            leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)

    def test_a_key_made_by_openssl_on_a_node_is_signed_like_any_other(self, authority):
        made = pem.new_key()
        certificate = loaded(pki.sign(LEAF, pem.request_for(made), *authority))
        private = pki.serialization.load_pem_private_key(made, None)
        assert certificate.public_key() == private.public_key()
        assert reasons(LEAF, pki.certificate_pem(certificate), authority) == []

    def test_a_key_of_another_authority_is_refused(self, authority, other, request_pem):
        with pytest.raises(pki.PkiError, match="key of the server CA does not belong"):
            pki.sign(LEAF, request_pem, authority[0], other[1])

    @pytest.mark.parametrize(
        "damaged", ["", "text", "-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n"]
    )
    def test_a_damaged_request_is_refused(self, authority, damaged):
        with pytest.raises(pki.PkiError, match="request for serving-kubelet is unreadable"):
            pki.sign(LEAF, damaged, *authority)

    def test_a_request_of_a_key_of_an_unknown_kind_is_refused_as_a_bad_one_of_its_host(self, authority, tmp_path):
        """It was an error of the task that signs for all hosts."""
        key = str(tmp_path / "key")
        subprocess.run(["openssl", "ecparam", "-name", "secp112r1", "-genkey", "-noout", "-out", key], check=True)
        asked = subprocess.run(["openssl", "req", "-new", "-subj", "/CN=x", "-key", key], check=True, capture_output=True)
        with pytest.raises(pki.SigningRequestError, match="serving-kubelet is unreadable: Curve"):
            pki.sign(LEAF, asked.stdout.decode(), *authority)

    @pytest.mark.parametrize(
        "kind",
        [
            ("EC", "ec_paramgen_curve:P-256"),
            ("EC", "ec_paramgen_curve:P-384"),
            ("EC", "ec_paramgen_curve:P-521"),
            ("RSA", "rsa_keygen_bits:2048"),
            ("RSA", "rsa_keygen_bits:3072"),
            ("ED25519", ""),
        ],
    )
    def test_keys_that_every_client_and_server_knows(self, authority, kind):
        assert loaded(pki.sign(LEAF, asked_with(kind), *authority)).subject.rfc4514_string() == "CN=w1"

    @pytest.mark.parametrize(
        "kind, told",
        [
            (("RSA", "rsa_keygen_bits:1024"), "its RSA key has 1024 bits, and has to have 2048 to 8192"),
            (("RSA", "rsa_keygen_bits:2040"), "its RSA key has 2040 bits"),
            (("EC", "ec_paramgen_curve:secp256k1"), "its key is on another curve than P-256, P-384 and P-521"),
            (("ED448", ""), "its key is of another kind than EC, RSA and Ed25519"),
        ],
    )
    def test_no_other_key_gets_a_certificate(self, authority, kind, told):
        with pytest.raises(pki.SigningRequestError, match=f"request for serving-kubelet cannot be signed: {told}"):
            pki.sign(LEAF, asked_with(kind), *authority)

    def test_a_key_that_takes_hours_to_verify_is_not_verified(self):
        large = rsa.RSAPublicNumbers(65537, (1 << 65535) + 1).public_key()
        assert pki._weakness_of(large).startswith("its RSA key has 65536 bits")

    def test_a_request_that_is_no_request_is_not_read(self, authority, request_pem):
        with pytest.raises(pki.SigningRequestError, match="has more than 16384 characters"):
            pki.sign(LEAF, request_pem + " " * 16384, *authority)

    def test_a_node_may_have_the_longest_name_that_kubernetes_knows(self, authority):
        """X.509 ends a common name at 64 characters."""
        leaf = {**KUBELET, "common_name": f"system:node:{'n' * 63}"}
        signed = pki.sign(leaf, pem.request_for(pem.new_key(), leaf["common_name"], leaf["organization"]), *authority)
        assert loaded(signed).subject.rfc4514_string() == f"CN=system:node:{'n' * 63},O=system:nodes"
        assert pem.common_name(signed) == leaf["common_name"]
        assert pki.renewal_reasons(leaf, signed, True, authority[0]) == []

    def test_a_request_that_is_not_signed_by_its_own_key_is_refused(self, authority, request_pem):
        genuine = x509.load_pem_x509_csr(request_pem.encode())
        der = bytearray(genuine.public_bytes(pki.serialization.Encoding.DER))
        at = bytes(der).index(b"k3a")
        der[at : at + 3] = b"k3b"
        forged = x509.load_der_x509_csr(bytes(der)).public_bytes(pki.serialization.Encoding.PEM).decode()
        with pytest.raises(pki.PkiError, match="not signed by its own key"):
            pki.sign(LEAF, forged, *authority)

    def test_the_controllers_own_certificate_has_its_key(self, authority):
        certificate, private = pki.issue(KUBELET, *authority)
        public = pki.serialization.load_pem_private_key(private.encode(), None).public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        assert loaded(certificate).public_key() == public


class TestRenewal:
    def test_what_is_right_is_kept(self, authority, request_pem, signed):
        assert reasons(LEAF, signed, authority) == []

    def test_missing(self, authority, request_pem):
        assert reasons(LEAF, "", authority) == ["it is missing"]

    def test_unreadable(self, authority, request_pem):
        assert reasons(LEAF, "-----BEGIN CERTIFICATE-----\nMA==\n", authority) == ["it is unreadable"]

    def test_of_another_authority_even_of_the_same_name(self, other, request_pem, signed):
        assert reasons(LEAF, signed, other) == ["it is not signed by the server CA"]

    def test_of_an_authority_that_is_not_there(self, request_pem, signed):
        assert reasons(LEAF, signed, ("", "")) == ["it is not signed by the server CA"]

    def test_without_its_key(self, authority, signed):
        assert reasons(LEAF, signed, authority, has_key=False) == ["its key is missing or another one"]

    def test_a_certificate_from_the_future(self, authority, signed):
        """The clock was ahead when it was signed, and is right again."""
        moment = loaded(signed).not_valid_before_utc
        early = authority_between(moment - 2 * DAY, moment + 900 * DAY)
        leaf = pki.sign(LEAF, pki.request_of(pki.key_pem(pki.new_key())), *early)
        start = loaded(leaf).not_valid_before_utc
        told = [f"it is not valid before {start:%Y-%m-%d %H:%M} UTC"]
        assert reasons(LEAF, leaf, early, start - DAY) == told
        assert reasons({**LEAF, "pair": True}, leaf, early, start - DAY) == told

    def test_the_end_of_its_authority_is_no_reason_since_a_new_one_would_last_no_longer(self, request_pem):
        ending = authority_between(pki.now() - DAY, pki.now() + 10 * DAY)
        leaf = pki.sign(LEAF, request_pem, *ending)
        assert loaded(leaf).not_valid_after_utc <= loaded(ending[0]).not_valid_after_utc
        assert reasons(LEAF, leaf, ending) == []

    def test_the_edge_of_the_window_of_120_days(self, authority, request_pem, signed):
        end = loaded(signed).not_valid_after_utc
        assert reasons(LEAF, signed, authority, end - 120 * DAY) == []
        told = [f"it expires on {end:%Y-%m-%d}"]
        assert reasons(LEAF, signed, authority, end - 120 * DAY + SECOND) == told
        assert reasons(LEAF, signed, authority, end - SECOND) == told

    @pytest.mark.parametrize("days_left, told", [(15, False), (11, False), (9, True)])
    def test_of_a_shorter_life_its_last_third(self, authority, request_pem, monkeypatch, days_left, told):
        """A node that renews its own does so when half is over, so a run that comes then has nothing to do."""
        monkeypatch.setattr(pki, "LEAF_LIFETIME", 30 * DAY)
        short = pki.sign(LEAF, request_pem, *authority)
        moment = loaded(short).not_valid_after_utc - days_left * DAY
        assert bool(reasons(LEAF, short, authority, moment, by_node=True)) is told

    def test_what_a_node_left_that_renews_nothing_any_more_is_issued_for_a_year(self, authority, request_pem, monkeypatch):
        """A machine that had joined by a token is a host of the inventory now."""
        with monkeypatch.context() as patched:
            patched.setattr(pki, "LEAF_LIFETIME", 30 * DAY)
            short = pki.sign(LEAF, request_pem, *authority)
        assert reasons(LEAF, short, authority, by_node=True) == []
        assert reasons(LEAF, short, authority) == [f"it expires on {loaded(short).not_valid_after_utc:%Y-%m-%d}"]
        assert reasons(LEAF, pki.sign(LEAF, request_pem, *authority), authority) == []

    def test_expired(self, authority, request_pem, signed):
        end = loaded(signed).not_valid_after_utc
        assert reasons(LEAF, signed, authority, end) == [f"it expired on {end:%Y-%m-%d}"]

    @pytest.mark.parametrize(
        "change, told",
        [
            ({"common_name": "w2"}, "its subject is CN=w1, not CN=w2"),
            ({"organization": "system:nodes"}, "its subject is CN=w1, not CN=w1,O=system:nodes"),
            ({"dns": ["w1", "new.example"]}, "it lacks the names new.example"),
            ({"ips": ["10.0.0.9", "fd00::9"], "dns": ["z"]}, "it lacks the names 10.0.0.9, fd00::9, z"),
            ({"usages": ["client"]}, "its key usages are others"),
            ({"usages": ["server", "client"]}, "its key usages are others"),
        ],
    )
    def test_for_somebody_else(self, authority, request_pem, signed, change, told):
        assert reasons({**LEAF, **change}, signed, authority) == [told]

    @pytest.mark.parametrize(
        "fewer", [{"dns": ["w1"]}, {"ips": []}, {"dns": [], "ips": ["10.0.0.2"]}, {"dns": [], "ips": []}]
    )
    def test_more_names_than_are_wanted_are_no_reason_as_in_k3s(self, authority, request_pem, signed, fewer):
        assert reasons({**LEAF, **fewer}, signed, authority) == []

    def test_an_address_is_the_same_however_it_is_written(self, authority, request_pem, signed):
        assert reasons({**LEAF, "ips": ["fd00:0:0::2"]}, signed, authority) == []

    def test_all_reasons_are_told_at_once(self, authority, request_pem, signed):
        changed = {**LEAF, "common_name": "w2", "usages": ["client"], "dns": ["w2"]}
        assert len(reasons(changed, signed, authority)) == 3


class TestTheKubeletsOwn:
    """It renews its certificate itself, so only what it cannot mend is a reason."""

    @pytest.fixture
    def own(self, authority, request_pem):
        return pki.sign(KUBELET, request_pem, *authority)

    def test_it_is_not_renewed_before_its_end(self, authority, request_pem, own):
        end = loaded(own).not_valid_after_utc
        assert reasons(KUBELET, own, authority, end - SECOND) == []

    def test_it_is_renewed_when_missing_expired_or_of_another_authority(self, authority, other, request_pem, own):
        end = loaded(own).not_valid_after_utc
        assert reasons(KUBELET, "", authority) == ["it is missing"]
        assert reasons(KUBELET, own, authority, end) == [f"it expired on {end:%Y-%m-%d}"]
        assert reasons(KUBELET, own, other) == ["it is not signed by the client CA"]

    def test_it_is_renewed_when_it_is_another_nodes(self, authority, own):
        told = "its subject is CN=system:node:w1,O=system:nodes, not CN=system:node:w2,O=system:nodes"
        assert reasons({**KUBELET, "common_name": "system:node:w2"}, own, authority) == [told]

    def test_the_order_of_a_subjects_parts_is_the_signers(self, authority, request_pem, monkeypatch):
        """What it renewed by itself was signed by the cluster, which keeps the kubelet's order."""
        parts = list(pki._subject(KUBELET))
        monkeypatch.setattr(pki, "_subject", lambda _leaf: x509.Name(parts[::-1]))
        renewed = pki.sign(KUBELET, request_pem, *authority)
        monkeypatch.undo()
        assert reasons(KUBELET, renewed, authority) == []

    def test_it_is_renewed_when_its_key_is_gone(self, authority, own):
        assert reasons(KUBELET, own, authority, has_key=False) == ["its key is missing or another one"]


def body(pem_text):
    return base64.b64decode("".join(line for line in pem_text.splitlines() if not line.startswith("-")))


def with_one_byte_changed(pem_text, kind):
    """Each byte of the first part of a PEM text changed in turn, in several ways, as a failing disk would."""
    sound = body(pem_text.partition("-----END")[0])
    for position, byte in enumerate(sound):
        for bits in (0x01, 0x80, 0xFF):
            damaged = sound[:position] + bytes([byte ^ bits]) + sound[position + 1 :]
            text = base64.encodebytes(damaged).decode()
            yield f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n"


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
class TestOneDamagedByte:
    """Wherever it is: a reason to make the certificate anew, or one sentence, and never a traceback for all hosts."""

    def test_in_a_certificate(self, authority, signed):
        found = [reasons(LEAF, text, authority) for text in with_one_byte_changed(signed, "CERTIFICATE")]
        assert ["it is unreadable"] in found

    def test_in_a_request(self, authority, request_pem):
        for text in with_one_byte_changed(request_pem, "CERTIFICATE REQUEST"):
            # Few of its bytes say nothing, and then it is as good as before.
            with contextlib.suppress(pki.SigningRequestError):
                assert reasons(LEAF, pki.sign(LEAF, text, *authority), authority) == []

    def test_in_an_authority(self, authority, request_pem, signed):
        """Its signature is its own, and nobody verifies it; whoever has it changed is another one."""
        for text in with_one_byte_changed(authority[0], "CERTIFICATE"):
            for use in (
                partial(pki.sign, LEAF, request_pem, text, authority[1]),
                partial(reasons, LEAF, signed, (text, authority[1])),
                partial(pki.ending_authorities, {"server": text}),
            ):
                try:
                    use()
                except pki.PkiError as error:
                    assert str(error).startswith(("the server CA", "the key of the server CA"))


def test_an_authority_that_does_not_say_which_it_is_signs(request_pem):
    """One that an operator brought."""
    key = pki.new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mine")])
    builder = pki._builder(name, name, key.public_key(), pki.now(), pki.AUTHORITY_LIFETIME)
    certificate = pki.certificate_pem(builder.sign(key, pki.hashes.SHA256()))
    made = pki.sign(LEAF, request_pem, certificate, pki.key_pem(key))
    assert reasons(LEAF, made, (certificate, "")) == []


def test_the_key_of_an_authority_that_is_damaged_is_named(authority, request_pem):
    with pytest.raises(pki.PkiError, match=r"the key of the server CA cannot be used .* put server/tls/server-ca.key back"):
        pki.sign(LEAF, request_pem, authority[0], "text")


class TestAnAuthorityThatCannotSign:
    """It is named, and nothing is signed that nobody would trust."""

    @pytest.mark.parametrize(
        ("start", "end", "told"),
        [
            (-20, -1, "the server CA expired on .*build the cluster anew"),
            (1, 20, "the server CA is not valid before .*clock"),
        ],
    )
    def test_at_another_time(self, signed, request_pem, start, end, told):
        authority = authority_between(pki.now() + start * DAY, pki.now() + end * DAY)
        with pytest.raises(pki.PkiError, match=told):
            reasons(LEAF, signed, authority)
        with pytest.raises(pki.PkiError, match=told):
            pki.sign(LEAF, request_pem, *authority)

    def test_unreadable(self, signed, request_pem, authority):
        told = r"the server CA is unreadable .*; put server/tls/server-ca.crt back"
        with pytest.raises(pki.PkiError, match=told):
            reasons(LEAF, signed, ("text", ""))
        with pytest.raises(pki.PkiError, match=told):
            pki.sign(LEAF, request_pem, "text", authority[1])

    def test_one_that_is_near_its_end_is_told(self, authority):
        ending = authority_between(pki.now() - DAY, pki.now() + 100 * DAY)[0]
        (told,) = pki.ending_authorities({"server": authority[0], "client": ending})
        assert told.startswith(f"the client CA expires on {pki.now() + 100 * DAY:%Y-%m-%d}")


@pytest.mark.parametrize("profile", ["server", "agent"])
def test_every_certificate_of_a_node_is_signed_and_then_right(profile, authority, request_pem):
    layout = Layout("/d")
    table = {
        "server": leaf_samples.server_leaves(layout, ["a"], ["10.0.0.1"], "cluster.local"),
        "agent": leaf_samples.agent_leaves(layout, "a", ["10.0.0.1", "fd00::1"]),
    }
    for leaf in table[profile]:
        certificate = pki.sign(leaf.as_dict(), request_pem, *authority)
        assert reasons(leaf.as_dict(), certificate, authority) == []


def test_a_certificate_is_announced_by_what_it_will_be():
    assert pki.describe(LEAF) == (
        "subject: CN=w1\nauthority: server\nusages: server\nnames: w1, localhost, 127.0.0.1, 10.0.0.2, fd00::2\n"
    )
    assert pki.describe(KUBELET) == "subject: CN=system:node:w1,O=system:nodes\nauthority: client\nusages: client\n"


@pytest.mark.parametrize(
    "damaged", ["", "text", "-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n"]
)
def test_a_damaged_private_key_is_one_sentence(damaged):
    with pytest.raises(pki.PkiError, match="a private key is unreadable"):
        pki.request_of(damaged)


def test_an_authority_of_ours_is_known_by_its_name(authority, signed):
    assert pki.is_authority(authority[0], "k3a-server")
    assert not pki.is_authority(authority[0], "k3a-client")
    assert not pki.is_authority("text", "k3a-server")
    assert not pki.is_authority(pki.certificate_pem(loaded(signed)), "k3a-server")
