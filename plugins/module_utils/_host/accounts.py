# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Accounts of the host that have the names of our units' users: whose they are, and whether somebody logs in as them.

Whoever is a unit's user reads what that unit was given, and writes what is its user's.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.k3a.cluster.plugins.module_utils._engine.files import text_of

SHADOW, LOGIN_DEFS = "/etc/shadow", "/etc/login.defs"
# Where the host does not say from which number on accounts are people's.
FIRST_PERSON = 1000
_NO_SHELLS = frozenset({"false", "nologin", "sync", "true"})
_KEYS = ("authorized_keys", "authorized_keys2")


@dataclass(frozen=True)
class Account:
    """An account of the host. C(password) is None where a directory service knows it, and not this host."""

    name: str
    uid: int
    purpose: str = ""
    shell: str = "/usr/sbin/nologin"
    password: bool | None = False
    keys: bool = False
    home: bool = False
    first_person: int = FIRST_PERSON

    @property
    def is_ours(self) -> bool:
        """Whether k3a made it, in whichever version: all of them say so in what an account is for."""
        return self.purpose.endswith(" (k3a)")

    @property
    def is_of_a_person(self) -> bool:
        """Whether it has a number that people get."""
        return self.uid >= self.first_person


def way_in(account: Account) -> str:
    """By what somebody can be this account, or nothing. A package's own, such as that of an etcd, has no way in."""
    if account.uid == 0:
        return "it is root by another name"
    if not _has_shell(account):
        return ""
    if account.password:
        return "it has a password"
    if account.keys:
        return "it has SSH keys"
    if account.password is None and account.is_of_a_person:
        return "a directory service knows it as a person"
    return ""


def may_be_used(account: Account) -> bool:
    """Whether an account looks like a person's, without a way in that the host itself knows of."""
    return _has_shell(account) and account.is_of_a_person and account.home


def _has_shell(account: Account) -> bool:
    return os.path.basename(account.shell) not in _NO_SHELLS  # none at all is /bin/sh


def find(names: Iterable[str]) -> tuple[Account, ...]:
    """Those of the names that the host has accounts of."""
    passwords, first = _passwords(text_of(SHADOW)), _first_person(text_of(LOGIN_DEFS))
    found = []
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        keys = any(_has_content(f"{entry.pw_dir}/.ssh/{file}") for file in _KEYS)
        rest = (entry.pw_gecos, entry.pw_shell, passwords.get(name), keys, os.path.isdir(entry.pw_dir), first)
        found.append(Account(name, entry.pw_uid, *rest))
    return tuple(found)


def _passwords(shadow: str) -> dict[str, bool]:
    """Whether accounts can be entered with a password; an empty one is one, too."""
    entries = (line.split(":") for line in shadow.splitlines())
    return {entry[0]: not entry[1].startswith(("!", "*")) for entry in entries if len(entry) > 1}


def _first_person(login_defs: str) -> int:
    said = re.search(r"^\s*UID_MIN\s+(\d+)\s*$", login_defs, re.M)
    return int(said[1]) if said else FIRST_PERSON


def _has_content(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False
