# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host import arguments
from ansible_collections.k3a.cluster.plugins.module_utils._host import check_observe as look
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_facts import Component

# As the programs of v1.37.2 and etcd v3.7.3 said it.
NO_NUMBER = 'strconv.ParseInt: parsing "lots": invalid syntax'
API_SERVER = f'Error: invalid argument "lots" for "--max-requests-inflight" flag: {NO_NUMBER}'
KUBELET = (
    'E1127 04:32:04.425589    7136 run.go:72] "command failed" err="failed to parse kubelet flag: invalid argument '
    r'\"cpu\" for \"--system-reserved\" flag: malformed pair, expect string=string"'
)
ETCD = 'invalid value "x" for flag -quota-backend-bytes: parse error\nUsage:\n'


@pytest.mark.parametrize(
    "said, why",
    [
        (API_SERVER, NO_NUMBER),
        (f"Usage:\n  kube-proxy [flags]\n{API_SERVER}\n", NO_NUMBER),
        (KUBELET, "malformed pair, expect string=string"),
        (ETCD, "parse error"),
        ("Error: unknown flag: --none", ""),
        ("", ""),
    ],
)
def test_the_reason_is_the_programs_own(said, why):
    assert arguments.parse_complaint(said) == why


@pytest.fixture
def program(tmp_path):
    """A program that has two flags, as the kubelet reads them: numbers, and all of them before it says anything."""
    path = tmp_path / "data/current/bin/kubelet"
    path.parent.mkdir(parents=True)
    path.write_text(
        "#!/bin/sh\n"
        "for each; do case $each in\n"
        '--max-pods=*[!0-9]*) echo \'Error: invalid argument "x" for "--max-pods" flag: no number\' >&2; exit 1;;\n'
        "--max-pods=*|--help) ;;\n"
        "*) echo 'Error: unknown flag' >&2; exit 1;;\n"
        "esac; done\n"
    )
    path.chmod(0o755)
    return str(path)


def test_each_argument_that_is_not_read_is_told(program):
    """Also beside one that an earlier version does not have, which is no mistake."""
    told = arguments.illegible(program, ["other=1", "max-pods=250", "max-pods=many", "--max-pods+=more"])
    assert [message for message, _remedy in told] == [
        "kubelet cannot read the argument max-pods=many: no number",
        "kubelet cannot read the argument --max-pods+=more: no number",
    ]
    assert arguments.illegible(program, ["max-pods=250"]) == []


def test_a_host_without_the_program_is_not_judged(tmp_path):
    assert arguments.illegible(f"{tmp_path}/kubelet", ["max-pods=many"]) == []


def test_the_check_finds_it(program, tmp_path):
    kubelet = Component(
        "kubelet", "k3a-kubelet.service", False, (), arguments=("max-pods=many",), program="kubelet"
    )
    assert look._illegible([kubelet, replace(kubelet, program="")], str(tmp_path)) == (
        ("kubelet cannot read the argument max-pods=many: no number", "correct or remove it"),
    )
