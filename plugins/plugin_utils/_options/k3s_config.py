# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""A configuration of K3s as variables: its files and its environment, read as K3s reads them, and translated.

K3s makes an argument of its command line of every key, and so every value is a text first. Files win over the
environment, and a later file over an earlier one, key by key; a key that ends in + adds to what is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._formats import yaml
from ansible_collections.k3a.cluster.plugins.plugin_utils._addon.manifest import loader, parse
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import k3s_flags, spec, variables
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.k3s_flags import LIST, TRUTH, Flag
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.values import FALSE, TRUE, WITH_COMMAS
from yaml import compose

BY_ALIAS = {flag.alias: flag.name for flag in k3s_flags.FLAGS.values() if flag.alias}
BY_ENVIRONMENT = {flag.environment: flag.name for flag in k3s_flags.FLAGS.values() if flag.environment}
# With this before its name, a variable of the environment is containerd's alone.
CONTAINERD = "CONTAINERD_"
KNOWN = {
    **k3s_flags.FLAGS,
    **k3s_flags.PROXIES,
    **{CONTAINERD + name: flag for name, flag in k3s_flags.PROXIES.items()},
}
# What one host has and others have otherwise.
OF_A_HOST = re.compile(r"k3a_(node_\w+|advertise_address|flannel_iface|disable_agent)")

# The texts that a flag is given.
Settings = dict[str, list[str]]


class ConfigError(K3aError):
    """K3s's configuration cannot be read; the message has all that is wrong."""


@dataclass
class Imported:
    """What a configuration comes to: variables, and a sentence for each flag that is not simply one."""

    variables: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it as YAML; what is no variable stands in comments."""
        of_host = {name: value for name, value in self.variables.items() if OF_A_HOST.fullmatch(name)}
        of_all = {name: value for name, value in self.variables.items() if name not in of_host}
        parts = [yaml.dump(of_all)] if of_all else []
        if of_host:
            parts += ["# Of this host alone, for its host_vars:\n", yaml.dump(of_host)]
        if self.notes:
            parts += ["# What there is to know besides:\n", *(f"# - {' '.join(note.split())}\n" for note in self.notes)]
        return "".join(["---\n", *parts]).rstrip("\n")


def files_of(path: str) -> list[str]:
    """The files of a configuration in the order in which K3s reads them: its own, if there is one, and its drop-ins."""
    folder = f"{path}.d"
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    drop_ins = [os.path.join(folder, name) for name in names if name.lower().endswith((".yaml", ".yml"))]
    found = [file for file in drop_ins if not os.path.isdir(file)]
    return [path, *found] if os.path.exists(path) or not found else found


def settings(files: Iterable[tuple[str, str]], environment: str = "") -> Settings:
    """What files of a configuration, each with its content, and a file of the environment give."""
    found: Settings = {}
    forms: dict[str, str] = {}
    problems: list[str] = []
    for path, text in files:
        for key, value in _mapping(path, text, problems).items():
            form, adds = key.removesuffix("+"), key.endswith("+")
            name = BY_ALIAS.get(form, form)
            if forms.setdefault(name, form) != form:
                problems.append(
                    f"{path}: {form} and {forms[name]} are one flag, and K3s does not start with both; leave one"
                )
            if isinstance(value, Mapping) or any(isinstance(item, (Mapping, list)) for item in _listed(value)):
                problems.append(f"{path}: {key} has more inside it than a text or a list of texts")
                continue
            found[name] = [*(found.get(name, []) if adds else []), *map(_text, _listed(value))]
    assigned = _assignments(environment, problems)
    if problems:
        raise ConfigError("; ".join(problems))
    for variable, value in assigned.items():
        name = BY_ENVIRONMENT.get(variable, variable if variable.startswith("K3S_") else "")
        if name and name not in found and value:
            found[name] = [value]
    for name in k3s_flags.PROXIES:
        of_kubelet, of_containerd = _proxies(name, assigned)
        if of_kubelet:
            found[name] = [of_kubelet]
        if of_containerd != of_kubelet:
            found[CONTAINERD + name] = [of_containerd]
    return found


def _proxies(name: str, assigned: Mapping[str, str]) -> tuple[str, str]:
    """What the kubelet and what containerd heed as a variable of the environment of K3s, to which that is one of both.

    containerd's own takes the place of the one that is spelled the same. Programs in Go then look for capital letters,
    and for small ones where that has no value; but a server of K3s puts both of NO_PROXY together.
    """
    plain = {each: assigned.get(each, "") for each in (name, name.lower())}
    if name == "NO_PROXY":
        items = [item for text in plain.values() for item in text.split(",") if item.strip()]
        plain = {name: ",".join(dict.fromkeys(items))}
    own = {each: assigned[CONTAINERD + each] for each in (name, name.lower()) if CONTAINERD + each in assigned}
    of_containerd = {**plain, **own}
    return _first(name, plain), _first(name, of_containerd)


def _first(name: str, values: Mapping[str, str]) -> str:
    return values.get(name) or values.get(name.lower(), "")


def _mapping(path: str, text: str, problems: list[str]) -> dict[str, Any]:
    """The keys of one file, which are texts."""
    documents = parse(path, text, problems)
    if len(documents) > 1:
        problems.append(f"{path} has several documents, of which K3s reads the first")
    content = documents[0][1] if documents else None
    if content is not None and not isinstance(content, Mapping):
        problems.append(f"{path} is not a mapping of flags to their values")
        return {}
    if content and len(documents) == 1:
        problems += _other_numbers(path, text, content)
    return {_text(key): value for key, value in (content or {}).items()}


def _other_numbers(path: str, text: str, content: Mapping[Any, Any]) -> Iterable[str]:
    """Flags whose number is not what is written: of the mode 0644 without quotes YAML makes 420, and K3s then 0420."""
    root = compose(str(text), loader())
    written = {key.value: node.value for key, node in root.value} if root else {}
    for key, value in content.items():
        name = _text(key).removesuffix("+")
        known = BY_ALIAS.get(name, name) in KNOWN
        if known and isinstance(value, (int, float)) and not isinstance(value, bool) and written[key] != str(value):
            read = f"{name} is {written[key]} without quotes, which K3s reads as the number {value}"
            yield f"{path}: {read}; put in quotes what is meant"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    """A value as K3s writes it into an argument."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


_QUOTED = re.compile(r"""\s*(?:'([^']*)'|"((?:[^"\\]|\\.)*)")""")


def _assignments(text: str, problems: list[str]) -> dict[str, str]:
    """The variables of a file of the environment as systemd reads it, which K3s's installer writes."""
    found = {}
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\\\n", "").split("\n")
    for line in (line.strip() for line in lines):
        name, equals, value = line.partition("=")
        if equals and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.rstrip()):
            found[name.rstrip()] = _unquoted(value)
        elif line and line[0] not in "#;":
            # What is after the sign may be a secret, and without one the whole line.
            shown = f"{name}=" if equals else "a line without ="
            problems.append(f"the environment has {shown}, which systemd skips: write it as NAME=value, or remove it")
    return found


def _unquoted(value: str) -> str:
    """A value as systemd has it: quoted parts, one after the other, and at last what has no quotes."""
    found = ""
    while quoted := _QUOTED.match(value):
        found += re.sub(r'\\(["\\`$])', r"\1", quoted[2]) if quoted[1] is None else quoted[1]
        value = value[quoted.end() :]
    return found + re.sub(r"\\(.)", r"\1", value.strip())


def imported(given: Mapping[str, Sequence[str]]) -> Imported:
    """The variables that do what a configuration says, of the right type, and what they do not do."""
    result = Imported()
    texts: dict[str, Any] = {}
    for name, said in given.items():
        flag = KNOWN.get(name)
        if flag is None:
            result.notes.append(f"{name}: K3s has no such flag, and skips it.")
        elif CONTAINERD + name in given:
            instead = f"what K3s gives to containerd, by {CONTAINERD}{name},"
            result.notes.append(f"{name}: Not taken over: {flag.variable} is {instead} and is the kubelet's, too.")
        elif any(said) or (said and flag.kind == TRUTH):
            note = _translate(flag, [value for value in said if value], texts)
            result.notes += [f"{name}: {note}"] if note else []
    # Together with the defaults, which the rules compare them with.
    values, problems = spec.evaluate(spec.specification(), texts, lambda value: value)
    result.variables = {name: values[name] for name in texts if name in values}
    result.notes += [f"{problem.sentence}; {problem.remedy}." for problem in problems]
    result.notes += [f"{found.message}; {found.remedy}." for found in variables.variable_findings(values, {})]
    return result


def _translate(flag: Flag, values: list[str], texts: dict[str, Any]) -> str:
    """Give the flag's variable its value; what there is to know of it besides."""
    if not flag.variable:
        return "" if _is_so(flag, values) else flag.sentence
    if flag.name in k3s_flags.SECRET:
        place = f"{flag.variable}{spec.FILE}"
        file = f", or name a file with it in {place}" if place in spec.specification() else ""
        return f"It is a secret, and not shown here; set {flag.variable}{file}."
    if not flag.carried:
        return f"{flag.variable} is not set here. {flag.sentence}"
    if flag.value:
        if values[-1:] == ["true"]:
            texts[flag.variable] = flag.value
        return ""
    if flag.kind != LIST:
        texts[flag.variable] = values[-1] if values else ""
        return "" if _is_so(flag, values) else flag.sentence
    wanted, left = _items(flag, values)
    if wanted:
        texts[flag.variable] = [*texts.get(flag.variable, []), *wanted]
    if left:
        return f"Not taken over: {', '.join(left)}. {flag.sentence}"
    return "" if _option(flag).get("choices") else flag.sentence


def _is_so(flag: Flag, values: list[str]) -> bool:
    """Whether a flag that is true or false asks for no more than what is done without it."""
    said = values[-1].lower() if flag.kind == TRUTH and values else ""
    done = bool(_option(flag).get("default")) if flag.variable else flag.name in k3s_flags.ALWAYS
    return said in (TRUE if done else FALSE)


def _items(flag: Flag, values: list[str]) -> tuple[list[str], list[str]]:
    """The items of a list as its variable has them, and those that it does not know."""
    if WITH_COMMAS.fullmatch(flag.variable):
        # K3s takes an argument of a component with dashes before it, and for true where it has no value.
        return [text if "=" in text else f"{text}=true" for text in (value.removeprefix("--") for value in values)], []
    items = [item.strip() for value in values for item in value.split(",") if item.strip()]
    choices = _option(flag).get("choices")
    return [i for i in items if not choices or i in choices], [i for i in items if choices and i not in choices]


def _option(flag: Flag) -> spec.Option:
    return spec.specification()[flag.variable]
