# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._formats import der


def test_elements_one_after_the_other():
    assert list(der.elements(bytes.fromhex("0101ff 020105"))) == [
        der.Element(der.BOOLEAN, b"\xff"),
        der.Element(der.INTEGER, b"\x05"),
    ]


def test_a_long_one():
    assert der.only(bytes([der.OCTET_STRING, 0x81, 200]) + b"x" * 200, der.OCTET_STRING) == b"x" * 200


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("02", "not DER"),
        ("0205ff", "cut off"),
        ("1f0100", "a type of more than one byte"),
        ("048105" + "00" * 5, "not DER"),
        ("0480", "not DER"),
    ],
)
def test_what_is_no_der_is_refused(data, told):
    with pytest.raises(der.DerError, match=told):
        list(der.elements(bytes.fromhex(data)))


def test_what_is_of_another_form_is_refused():
    with pytest.raises(der.DerError, match="type 2 where 48 has to be"):
        der.only(bytes.fromhex("020105"), der.SEQUENCE)
    with pytest.raises(der.DerError, match="1 elements where 2 have to be"):
        der.children(bytes.fromhex("020105"), 2)
