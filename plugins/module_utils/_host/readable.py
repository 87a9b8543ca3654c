# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Files of the operator's that further arguments name, and whether a component can work with them, given its user."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable, Iterator, Sequence

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, layout, process
from ansible_collections.k3a.cluster.plugins.module_utils._formats import flags

NOBODY = 65534
# In YAML or JSON: nothing else in such a file has a key of this name. Nodes have no library that reads YAML.
_KUBECONFIG = re.compile(r"""(?:^|[\s{,])["']?kubeconfig["']?\s*:[ \t]*["']?(?P<path>[^\s"'#,}]+)""")
_COMMENT = re.compile(r"(^|\s)#.*", re.MULTILINE)
_NOTHING = ("null", "Null", "NULL", "~")


def unusable(arguments: Sequence[str], user: str, unit: str, configuration: str) -> list[tuple[str, str]]:
    """With which files that arguments name a unit cannot work, each with what to do."""
    problem, remedy = unreadable(arguments, user)
    return [(problem, remedy)] if problem else [*lacking(arguments, user, unit, configuration)]


def lacking(arguments: Iterable[str], user: str, unit: str, configuration: str) -> Iterator[tuple[str, str]]:
    """What a file lacks that alone tells a component how to reach the API; the flag C(configuration) names one."""
    handed = layout.credential_path(unit, "kubeconfig")
    for argument in arguments:
        flag, _operation, path = flags.split_argument(argument)
        if not configuration or flag != configuration:
            continue
        given = kubeconfig_in(files.text_of(path))
        what = f"{path}, which the argument {argument} names"
        if not os.path.isfile(path):
            yield f"{what}, is no file there", "name a file of the host, by its absolute path"
        elif not given:
            missing = "has no clientConnection.kubeconfig, beside which no argument says how to reach the API"
            yield f"{what}, {missing}", f"give it clientConnection.kubeconfig: {handed}"
        elif given != handed and not (os.path.isfile(given) and readable_for(given, user)):
            other = f"has the clientConnection.kubeconfig {given}, which {user}, as whom it runs, cannot read"
            yield f"{what}, {other}", f"make that {handed}"


def kubeconfig_in(text: str) -> str:
    """The kubeconfig that a component's file of configuration names, or nothing."""
    found = (match["path"] for match in _KUBECONFIG.finditer(_COMMENT.sub("", text)))
    return next((path for path in found if path not in _NOTHING), "")


def unreadable(arguments: Iterable[str], user: str) -> tuple[str, str]:
    """Which file that an argument names the user of a unit may not read, and what to do; empty when there is none."""
    for argument in arguments:
        path = flags.split_argument(argument)[2]
        if path.startswith("/") and os.path.isfile(path) and not readable_for(path, user):
            first = "" if files.has_group(user) else f"make that group with groupadd --system {user}, and "
            return (
                f"{path}, which the argument {argument} names, cannot be read by {user}, as whom it runs",
                f"{first}give the file, and the directories that lead to it, to the group {user}",
            )
    return "", ""


def readable_for(path: str, user: str) -> bool:
    """Whether a user may read a file; one that the step C(host) has still to make is in its group, if that is there."""
    try:
        who = [f"--reuid={user}", f"--regid={user}", "--init-groups"] if pwd.getpwnam(user) else []
    except KeyError:
        group = user if files.has_group(user) else NOBODY
        who = [f"--reuid={NOBODY}", f"--regid={group}", "--clear-groups"]
    try:
        return process.run(["setpriv", *who, "test", "-r", path]).code == 0
    except FileNotFoundError:  # then the unit itself says so
        return True
