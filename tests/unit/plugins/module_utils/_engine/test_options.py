# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options

NAMED = {name: option for name, option in vars(options).items() if name.isupper()}


@pytest.mark.parametrize("name", NAMED)
def test_an_option_is_one_as_ansible_takes_it_and_stays_so(name):
    before = copy.deepcopy(NAMED[name])
    given = {"one": "https://192.0.2.10:6443"} if before.get("required") else {}
    validated = ArgumentSpecValidator({"one": NAMED[name]}).validate(given)
    assert validated.error_messages == []
    assert validated.validated_parameters["one"] == before.get("default", given.get("one"))
    assert NAMED[name] == before
