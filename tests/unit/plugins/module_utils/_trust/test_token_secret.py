# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_secret as secrets
from ansible_collections.k3a.cluster.plugins.module_utils._trust.token import TokenError

NOW = datetime(2026, 11, 24, 10, 0, 0, tzinfo=timezone.utc)
TOKEN = secrets.BootstrapToken("abcdef", "0123456789abcdef", "for ci", NOW)


def encoded(data):
    return {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}


def secret(name="bootstrap-token-abcdef", kind=secrets.TYPE, **data):
    fields = {"token-id": "abcdef", "token-secret": "0123456789abcdef"}
    fields.update({key.replace("_", "-"): value for key, value in data.items()})
    return {"type": kind, "metadata": {"name": name}, "data": encoded(fields)}


def test_the_secret_is_the_one_that_kubernetes_reads():
    made = secrets.secret_of(TOKEN, None)
    assert (made["type"], made["metadata"]) == (
        "bootstrap.kubernetes.io/token",
        {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
    )
    assert made["data"] == encoded(
        {
            "token-id": "abcdef",
            "token-secret": "0123456789abcdef",
            "description": "for ci",
            "expiration": "2026-11-24T10:00:00Z",
            "auth-extra-groups": "system:bootstrappers:k3a:default-node-token",
            "usage-bootstrap-signing": "true",
            "usage-bootstrap-authentication": "true",
        }
    )


def test_what_was_written_is_read():
    for token in (TOKEN, secrets.BootstrapToken("abcdef", "0123456789abcdef", usages=(), groups=())):
        assert secrets.read(secrets.secret_of(token, None)) == token


def test_a_changed_secret_keeps_what_the_api_added():
    existing = {**secret(description="old"), "metadata": {"name": "bootstrap-token-abcdef", "resourceVersion": "7"}}
    changed = secrets.secret_of(TOKEN, existing)
    assert changed["metadata"]["resourceVersion"] == "7"
    assert secrets.read(changed) == TOKEN


def test_a_secret_of_another_tool_is_read():
    found = secrets.read(
        secret(
            expiration="2026-11-24T12:00:00.5+02:00",
            usage_bootstrap_signing="true",
            usage_bootstrap_authentication="false",
            auth_extra_groups="system:bootstrappers:a,system:bootstrappers:b",
        )
    )
    assert found.expires == NOW + timedelta(milliseconds=500)
    assert found.usages == ("signing",)
    assert found.groups == ("system:bootstrappers:a", "system:bootstrappers:b")
    assert found.description == ""


@pytest.mark.parametrize(
    "damaged",
    [
        secret(kind="Opaque"),
        secret(name="bootstrap-token-fedcba"),
        secret(token_id=""),
        secret(token_secret=""),
        {"type": secrets.TYPE, "metadata": {"name": "bootstrap-token-abcdef"}},
        {**secret(), "data": {"token-id": "=="}},
        {**secret(), "data": {"token-id": "/w=="}},
    ],
)
def test_what_is_no_whole_token_is_named_and_shown_by_its_id(damaged):
    with pytest.raises(TokenError, match=f"the Secret kube-system/{damaged['metadata']['name']} .*delete it"):
        secrets.read(damaged)
    assert secrets.public_fields(damaged) == {"id": damaged["metadata"]["name"].rpartition("-")[2]}


def test_nothing_that_is_shown_holds_the_secret():
    assert "0123456789abcdef" not in f"{TOKEN!r} {TOKEN.public} {secrets.public_fields(secret())}"


@pytest.mark.parametrize("text", ["soon", "", "2026-13-01T00:00:00Z", "2026-11-24T09:59:59"])
def test_a_time_that_cannot_be_read_or_has_passed_is_no_time_to_live(text):
    found = secrets.read(secret(expiration=text))
    assert found.expired(NOW) is bool(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("24h", 86400), ("10m", 600), ("1h30m", 5400), ("90s", 90), ("0", 0), ("0.2s", 1), ("1.5h", 5400)],
)
def test_durations_are_those_of_k3s(text, seconds):
    assert secrets.lifetime(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["2d", "60", "-1h", "1h ", "h", "", "1h30", "forever", "1..5h"])
def test_what_is_no_duration_is_refused_with_what_is_one(text):
    with pytest.raises(TokenError, match=r"no duration such as 24h, 1h30m or 90s, nor 0 for ever"):
        secrets.lifetime(text)


@pytest.mark.parametrize("text", ["0s", "0m", "0h0m0s", "0.0h"])
def test_no_time_at_all_is_not_for_ever(text):
    with pytest.raises(TokenError, match="which is no time at all; 0 is for ever"):
        secrets.lifetime(text)


@pytest.mark.parametrize("text", ["999999h", "9" * 400 + "s"])
def test_a_time_that_nobody_lives_to_see(text):
    with pytest.raises(TokenError, match="more than a hundred years"):
        secrets.lifetime(text)


def test_the_groups_are_those_that_the_api_gives():
    secrets.check_groups([secrets.DEFAULT_GROUP, "system:bootstrappers:a", "system:bootstrappers:" + "a" * 256])
    for wrong in (
        "system:masters",
        "system:bootstrappers:",
        "system:bootstrappers",
        "system:bootstrappers:A",
        "system:bootstrappers:a-",
        "system:bootstrappers:a,system:masters",
        "system:bootstrappers:a\n",
        "system:bootstrappers:" + "a" * 257,
    ):
        with pytest.raises(TokenError, match="begins with system:bootstrappers:"):
            secrets.check_groups([wrong])


LATER = NOW + timedelta(hours=1)
FOREVER = secrets.BootstrapToken("abcdef", "0123456789abcdef")
LASTING = secrets.BootstrapToken("abcdef", "0123456789abcdef", expires=LATER)


@pytest.mark.parametrize(
    ("current", "ttl", "expected"),
    [
        (None, None, NOW + timedelta(hours=24)),
        (None, "10m", NOW + timedelta(minutes=10)),
        (None, "0", None),
        (LASTING, None, LATER),
        (LASTING, "10m", LATER),
        (LASTING, "0", None),
        (FOREVER, None, None),
        (FOREVER, "0", None),
        (FOREVER, "10m", NOW + timedelta(minutes=10)),
        (TOKEN, None, NOW + timedelta(hours=24)),
        (TOKEN, "10m", NOW + timedelta(minutes=10)),
        (TOKEN, "0", None),
    ],
)
def test_a_time_that_is_set_is_not_moved(current, ttl, expected):
    assert secrets.expiry(current, ttl, NOW) == expected


def test_times_are_written_as_kubernetes_writes_them():
    assert secrets.timestamp(NOW.astimezone(timezone(timedelta(hours=2)))) == "2026-11-24T10:00:00Z"
    assert secrets.expiry(None, "1s", NOW.replace(microsecond=7)) == NOW + timedelta(seconds=1)


def test_a_token_to_delete_may_be_given_in_any_form():
    for text in ("abcdef", "abcdef.0123456789abcdef", f"K10{'a' * 64}::abcdef.0123456789abcdef"):
        assert secrets.id_of(text) == "abcdef"
    for text in ("abcdeF", "password", f"K10{'a' * 64}::server:abc"):
        with pytest.raises(TokenError, match="neither a bootstrap token nor an id"):
            secrets.id_of(text)


PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "data",
    [
        {"kubeconfig": f"clusters:\n- cluster:\n    certificate-authority-data: {encoded({'a': PEM})['a']}\n    server: x\n"},
        {"kubeconfig": f'{{"cluster": {{"certificate-authority-data": "{encoded({"a": PEM})["a"]}"}}}}'},
        {"ca.crt": PEM},
    ],
)
def test_the_authority_is_the_published_one_byte_by_byte(data):
    assert secrets.authority_in({"data": data}) == PEM


def test_no_config_map_no_authority():
    assert secrets.authority_in(None) == secrets.authority_in({}) == secrets.authority_in({"data": {"a": "b"}}) == ""
