# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The collection's variables: what the specifications of its roles and playbooks say of them, and their values.

Type, default and meaning of a variable stand in one place: roles/common for what roles share, the role for its own,
playbooks/meta for what only playbooks know. A value becomes what its specification says here, once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.template import trust_as_template
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.prompt import Unanswered
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import k3s_flags
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.values import ASK, Mistyped, typed

PREFIX = "k3a_"
COLLECTION = Path(__file__).parents[3]
ROLES = COLLECTION / "roles"
PLAYBOOKS = COLLECTION / "playbooks"

# What is added to the name of a secret for the file that holds it: what is in a command line is seen by all.
FILE = "_file"

Option = Mapping[str, Any]
Options = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Problem:
    """Why a variable cannot be used, as a clause, and what to do about it."""

    variable: str
    message: str
    remedy: str = "correct it"

    @property
    def sentence(self) -> str:
        """The message, with the variable that it is about."""
        return self.message


class NoValue(Problem):
    """The problem of a template that fails; the message is what Ansible says of it."""

    @property
    def reason(self) -> str:
        """The message without Ansible's words for whose it is."""
        told = re.sub(r"^The lookup plugin \S+ failed: ", "", " ".join(self.message.split()))
        return re.sub(r"\. Use -v+ to see paths searched\.?$", "", told).rstrip(".")

    @property
    def sentence(self) -> str:
        """The message, with the variable that it is about."""
        return f"{self.variable} has no value: {self.reason}"


@cache
def entry_points(path: Path) -> dict[str, dict[str, Any]]:
    """The entry points that a file of specifications describes: of a role one, of the playbooks one each."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = path.read_text(encoding="utf-8")
    return yaml.load(text, Loader=loader)["argument_specs"]  # noqa: S506 (both are safe loaders)


def of_role(role: str) -> Options:
    """The variables that a role specifies itself."""
    return entry_points(ROLES / role / "meta/argument_specs.yml")["main"]["options"]


def of_playbook(playbook: str) -> Options:
    """The variables that a playbook knows and no role."""
    described = entry_points(PLAYBOOKS / "meta/argument_specs.yml")
    return described[playbook]["options"] if playbook in described else {}


@cache
def specification() -> Options:
    """Every variable of every role."""
    roles = sorted(path.parents[1].name for path in ROLES.glob("*/meta/argument_specs.yml"))
    return {name: option for role in roles for name, option in of_role(role).items()}


@cache
def of_playbooks() -> Options:
    """Every variable that some playbook knows and no role."""
    described = entry_points(PLAYBOOKS / "meta/argument_specs.yml").values()
    return {name: option for entry_point in described for name, option in entry_point["options"].items()}


def defaults(options: Mapping[str, Option] | None = None) -> dict[str, Any]:
    """The default of each variable as the specification has it, templates as their text."""
    return {name: option["default"] for name, option in (specification() if options is None else options).items()}


def templates(options: Mapping[str, Option] | None = None) -> dict[str, Any]:
    """The defaults, which are the collection's own text, ready to be templated."""
    return {n: trust_as_template(v) if isinstance(v, str) else v for n, v in defaults(options).items()}


def usable(names: Iterable[str], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Typed values of another host's variables, as hostvars has them, by their names without the prefix.

    One that cannot be used is left out: it is a finding of its own as soon as that host is looked at.
    """
    options = {PREFIX + name: specification()[PREFIX + name] for name in names}
    values, _problems = evaluate(options, variables, lambda value: value)
    return {name.removeprefix(PREFIX): value for name, value in values.items()}


def plain_text(path: str) -> str:
    """The content of a file; one that is encrypted has none without Ansible's own loader."""
    content = Path(path).read_text(encoding="utf-8")
    return "" if content.startswith("$ANSIBLE_VAULT") else content


def unattended(name: str) -> str:
    """Where values are only compared nobody is asked for a secret."""
    raise Unanswered("nobody is asked here", "name a file")


def evaluate(
    options: Mapping[str, Option],
    variables: Mapping[str, Any],
    template: Callable[[Any], Any],
    read: Callable[[str], str] = plain_text,
    ask: Callable[[str], str] = unattended,
) -> tuple[dict[str, Any], list[Problem]]:
    """The typed value of each variable, given or default; those that have none are problems instead.

    A secret that is not given is what C(read) finds in the file that the variable of its name and C(_file) names, or
    what C(ask) is answered where that is V(-).
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    own = templates(options)
    for name, option in options.items():
        try:
            values[name] = typed(name, template(variables.get(name, own[name])), option)
        except Mistyped as error:
            problems.append(Problem(name, str(error), error.remedy))
        except AnsibleError as error:
            problems.append(NoValue(name, str(error)))
    told = {problem.variable for problem in problems}
    for name in [name for name, value in values.items() if options[name].get("no_log") and not value]:
        place = name + FILE
        known = specification().get(place) or of_playbooks().get(place)
        if known is None or not variables.get(place) or place in told:
            continue
        path = variables[place]
        try:
            path = template(path)
            asked = path == ASK
            path = ASK if asked else typed(place, path, known)
            text = ask(name) if asked else read(path).strip()
            values[name] = typed(name, text, options[name])
        except Unanswered as error:
            message = f"{place} is {ASK}, so {name} is asked for, but {error}"
            problems.append(Problem(place, message, error.remedy))
        except Mistyped as error:
            problems.append(Problem(place, str(error), error.remedy))
        except (OSError, ValueError, AnsibleError) as error:
            reason = getattr(error, "strerror", None) or error
            problems.append(Problem(place, f"{place} is {path}, which cannot be read: {reason}"))
        else:
            if not text:
                problems.append(Problem(place, f"{place} is {path}, which is empty", "write the secret into it"))
    return values, problems


def strangers(names: Iterable[str]) -> list[Problem]:
    """Variables with our prefix that no specification names, each with what was probably meant."""
    known = specification().keys() | of_playbooks().keys()
    return [_stranger(name, known) for name in sorted(names) if name.startswith(PREFIX) and name not in known]


def _stranger(name: str, known: Collection[str]) -> Problem:
    message = f"there is no variable {name}"
    meant = name if name in k3s_flags.AS_VARIABLES else _nearest(name, {*known, *k3s_flags.AS_VARIABLES})
    flag = None if meant in known else k3s_flags.AS_VARIABLES.get(meant)
    if flag and not flag.variable:
        nor = "" if meant == name else f" and no {meant}"
        return Problem(name, f"{message}{nor}: {flag.why}", flag.instead)
    if meant:
        value = f": {flag.value}" if flag and flag.value else ""
        return Problem(name, message, f"did you mean {flag.variable if flag else meant}{value}?")
    return Problem(name, message, "remove it, or see docs/variables.md for its name")


def _nearest(name: str, known: Collection[str]) -> str:
    """The name that was probably meant, or nothing. The prefix, which all have, makes none of them likelier."""
    own = {each.removeprefix(PREFIX): each for each in sorted(known)}
    for written in (name.removeprefix(PREFIX), name.removeprefix(PREFIX).removesuffix("s")):
        for near in get_close_matches(written, own, 1, 0.75):
            return own[near]
    return ""
