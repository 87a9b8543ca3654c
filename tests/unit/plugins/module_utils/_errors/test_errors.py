# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import importlib
import pkgutil

import pytest
from ansible_collections.k3a.cluster.plugins import module_utils
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import (
    K3aError,
    during,
    excerpt,
    reports_errors,
    sentence,
)


class Failed(Exception):
    pass


class Module:
    def fail_json(self, **result):
        raise Failed(result)


def result_of(error):
    @reports_errors
    def run(_module):
        raise error

    with pytest.raises(Failed) as failed:
        run(Module())
    return failed.value.args[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("web-1", "web-1"),
        ("a\n<6>approved b\x1b[2J", "a <6>approved b\N{REPLACEMENT CHARACTER}[2J"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "x" * 64 + "..."),
    ],
)
def test_what_somebody_else_wrote_is_one_line_and_cut(text, told):
    assert excerpt(text) == told


def test_an_error_for_the_operator_is_the_result_with_all_it_carries():
    assert result_of(K3aError("etcd is not healthy", unit="k3a-etcd.service")) == {
        "msg": "etcd is not healthy",
        "unit": "k3a-etcd.service",
    }


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/var/lib/k3a/x"), "/var/lib/k3a/x: No space left on device"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError(errno.EBADF, "Bad file descriptor", 7), "Bad file descriptor"),
        (OSError("it belongs to etcd, who is not there"), "it belongs to etcd, who is not there"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(error, message):
    assert sentence(error) == message
    assert result_of(error) == {"msg": message}


def test_a_mistake_of_ours_keeps_its_traceback():
    @reports_errors
    def run(_module):
        raise KeyError("name")

    with pytest.raises(KeyError):
        run(Module())


def test_an_error_says_what_was_to_be_done():
    with pytest.raises(K3aError) as told, during("the bundle cannot be used"):
        raise K3aError("it is damaged", missing=["bin/etcd"])
    assert str(told.value) == "the bundle cannot be used: it is damaged"
    assert told.value.extra == {"missing": ["bin/etcd"]}
    with pytest.raises(K3aError, match="^the bundle cannot be used: /data: Read-only file system$"):
        with during("the bundle cannot be used"):
            raise OSError(errno.EROFS, "Read-only file system", "/data")


def errors_of(package):
    """Every exception class that the package's files define."""
    for _finder, name, is_package in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if is_package:
            continue
        module = importlib.import_module(name)
        for each in vars(module).values():
            if isinstance(each, type) and issubclass(each, Exception) and each.__module__ == name:
                yield each


def test_every_error_has_the_one_base_and_a_name_of_its_own():
    names = [each.__name__ for each in errors_of(module_utils) if not each.__name__.startswith("_")]
    assert sorted(names) == sorted(set(names))
    others = {each.__name__ for each in errors_of(module_utils) if not issubclass(each, K3aError)}
    assert {name for name in others if not name.startswith("_")} == set()
