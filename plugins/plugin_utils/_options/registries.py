# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What is wrong with k3a_registries: a setting that nobody reads is found when images cannot be pulled, long after."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._components.registries import endpoint_host

Problem = tuple[str, str]

TEXT, FILE, TRUTH = "a text", "the absolute path of a file on the host", "true or false"
CONFIG = {
    "auth": {"username": TEXT, "password": TEXT, "auth": TEXT, "identity_token": TEXT},
    "tls": {"ca_file": FILE, "cert_file": FILE, "key_file": FILE, "insecure_skip_verify": TRUTH},
}
# Registries by the name in an image, or *; of a configuration, whom containerd asks.
_REGISTRY = re.compile(r"\*|([A-Za-z0-9]([\w.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


def problems(name: str, value: Mapping[str, Any]) -> Iterable[Problem]:
    """Every key and value that does nothing, or something else than what it says."""
    for section, registries in value.items():
        where = f"{name}.{section}"
        if section not in ("mirrors", "configs"):
            yield _stranger(name, section, "section", ("configs", "mirrors"))
            continue
        if not isinstance(registries or {}, Mapping):
            yield f"{where} must be a mapping", "name each registry in it"
            continue
        for registry, settings in (registries or {}).items():
            inside = f"{where}[{registry}]"
            if not isinstance(registry, str) or not _REGISTRY.fullmatch(registry):
                yield f"{where}: {registry!r} is no registry", "write it as in docker.io or registry.example.org:5000"
            elif not isinstance(settings or {}, Mapping):
                known = "endpoint" if section == "mirrors" else "auth and tls"
                yield f"{inside} must be a mapping", f"use {known}"
            else:
                yield from (_mirror if section == "mirrors" else _config)(inside, settings or {})


def _mirror(where: str, settings: Mapping[str, Any]) -> Iterable[Problem]:
    for key in settings:
        if key == "rewrite":
            message = f"{where}.rewrite is what K3s's containerd does, and the bundle's asks for images by their names"
            yield message, "have the mirror serve them by these, or name its path in the endpoint"
        elif key != "endpoint":
            yield _stranger(where, key, "setting", ("endpoint",))
    endpoints = settings.get("endpoint") or []
    if not isinstance(endpoints, list):
        yield f"{where}.endpoint must be a list", "write each endpoint as an item"
        return
    for endpoint in endpoints:
        if not isinstance(endpoint, str) or not endpoint_host(endpoint):
            yield f"{where}.endpoint: {endpoint!r} is no URL", "write it as in https://mirror.example.org:5000"


def _config(where: str, settings: Mapping[str, Any]) -> Iterable[Problem]:
    for part, values in settings.items():
        inside = f"{where}.{part}"
        if part not in CONFIG:
            yield _stranger(where, part, "setting", CONFIG)
        elif not isinstance(values or {}, Mapping):
            yield f"{inside} must be a mapping", f"use {' and '.join(CONFIG[part])}"
        else:
            yield from _values(inside, values or {}, CONFIG[part])


def _values(where: str, values: Mapping[str, Any], known: Mapping[str, str]) -> Iterable[Problem]:
    for key, value in values.items():
        wanted = known.get(key)
        if wanted is None:
            yield _stranger(where, key, "setting", known)
        elif not _fits(value, wanted):
            # Not shown: it may be a password.
            yield f"{where}.{key} must be {wanted}", "put it in quotes" if wanted == TEXT else "correct it"
    if bool(values.get("cert_file")) != bool(values.get("key_file")) and "cert_file" in known:
        yield f"{where} has one of cert_file and key_file", "give both, or neither"


def _fits(value: Any, wanted: str) -> bool:
    if wanted == TRUTH:
        return isinstance(value, bool)
    return isinstance(value, str) and (wanted == TEXT or value == "" or value.startswith("/"))


def _stranger(where: str, key: Any, what: str, known: Collection[str]) -> Problem:
    """A key that is none, with what was probably meant. K3s's documentation has them in snake case."""
    written = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(key)).replace("-", "_").lower()
    near = get_close_matches(written, known, 1, 0.75)
    remedy = f"did you mean {near[0]}?" if near else f"use {' and '.join(sorted(known))}"
    return f"{where} has no {what} {key!r}", remedy
