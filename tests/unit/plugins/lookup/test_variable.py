# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.k3a.cluster.plugins.lookup import variable


def look_up(*names, **given):
    return variable.LookupModule(loader=DataLoader(), templar=Templar(DataLoader())).run(list(names), given)


def test_a_value_is_typed_in_whichever_form_it_was_given():
    mirrors = {"mirrors": {"docker.io": {"endpoint": ["https://mirror.example.org"]}}}
    for form in (mirrors, "{mirrors: {docker.io: {endpoint: ['https://mirror.example.org']}}}"):
        assert look_up("k3a_registries", k3a_registries=form) == [mirrors]


def test_what_is_not_given_is_the_default():
    assert look_up("k3a_token", "k3a_registries", "k3a_new_token") == ["", {}, ""]


def test_a_value_may_be_a_template():
    assert look_up("k3a_token", k3a_token=trust_as_template("{{ vault }}"), vault="s3cr3t") == ["s3cr3t"]


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        ("k3a_registries", "s3cr3t", "k3a_registries must be a mapping, and is a text; correct it"),
        ("k3a_token", trust_as_template("{{ nowhere }}"), "k3a_token has no value: 'nowhere' is undefined; correct it"),
        ("k3a_colour", "blue", "there is no variable k3a_colour"),
    ],
)
def test_what_cannot_be_used_is_told_and_not_shown(name, value, sentence):
    with pytest.raises(AnsibleLookupError) as raised:
        look_up(name, **{name: value})
    assert str(raised.value) == sentence
