# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.tests.unit.checkout_tools import load

summary = load("summary")

LOG = """\
ruff check
All checks passed!
============================== 14 passed in 0.74s ==============================
\x1b[31m==== \x1b[31m\x1b[1m3 failed\x1b[0m, \x1b[32m313 passed\x1b[0m\x1b[31m in 5.74s\x1b[0m\x1b[31m ====\x1b[0m
9 passed, 1 skipped in 8.12s
1 error in 0.09s
2 errors in 61.00s (0:01:01)
localhost                  : ok=1    changed=1    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
PASS: 5 passed on the way
Left out: bump: k8s.io/kubernetes v1.37.1 is not in the cache
"""


def test_all_runs_of_pytest_are_counted_and_nothing_else():
    assert summary.total(LOG) == {"passed": 336, "failed": 3, "skipped": 1, "error": 3}


def test_a_log_without_tests_counts_nothing():
    assert not summary.total("make: *** [Makefile:52: lint] Error 1\n")


def test_what_was_left_out_is_named():
    assert summary.left_out(LOG) == ["Left out: bump: k8s.io/kubernetes v1.37.1 is not in the cache"]
