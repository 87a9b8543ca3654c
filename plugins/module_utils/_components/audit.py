# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""An operator's audit policy: what the API server, which does not start with another, accepts as one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

VERSION, KIND = "audit.k8s.io/v1", "Policy"
LEVELS = ("None", "Metadata", "Request", "RequestResponse")
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
_TEXTS = ("users", "userGroups", "verbs", "namespaces", "nonResourceURLs", "omitStages")
# As Kubernetes names a group of its API: a domain name in lower case, or the core group's empty one, or all.
_GROUP = re.compile(r"(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?")


def flaws(policy: Mapping[str, Any]) -> list[str]:
    """Why the API server would not start with a policy, each as a clause."""
    if (policy.get("apiVersion"), policy.get("kind")) != (VERSION, KIND):
        return [f"its apiVersion is not {VERSION}, or its kind not {KIND}"]
    rules = policy.get("rules")
    if not isinstance(rules, list) or not rules:
        return ["it has no list of rules, of at least one"]
    of_rules = (flaw for number, rule in enumerate(rules, 1) for flaw in _rule(number, rule))
    return [*_stages("omitStages", policy.get("omitStages")), *of_rules]


def _rule(number: int, rule: Any) -> Iterator[str]:
    where = f"rule {number}"
    if not isinstance(rule, Mapping):
        yield f"{where} is no mapping"
        return
    if rule.get("level") not in LEVELS:
        yield f"the level of {where} is none of {', '.join(LEVELS)}"
    for name in _TEXTS:
        if not _is_texts(rule.get(name)):
            yield f"{name} of {where} is no list of texts"
            return
    yield from _stages(f"omitStages of {where}", rule.get("omitStages"))
    urls = rule.get("nonResourceURLs") or []
    for url in urls:
        if url != "*" and (not url.startswith("/") or "*" in url[:-1]):
            yield f"nonResourceURLs of {where} has {url!r}, which does not begin with '/', or has a '*' before its end"
    if urls and (rule.get("resources") or rule.get("namespaces")):
        yield f"{where} has nonResourceURLs beside resources or namespaces"
    yield from _resources(where, rule.get("resources") or [])


def _resources(where: str, given: Any) -> Iterator[str]:
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        yield f"resources of {where} is no list of mappings"
        return
    for each in given:
        group, names = each.get("group") or "", ("resources", "resourceNames")
        if not isinstance(group, str) or not _GROUP.fullmatch(group):
            yield f"resources of {where} has {group!r}, which is no group of the API; leave its version out"
        if not all(_is_texts(each.get(name)) for name in names):
            yield f"resources of {where} has {' or '.join(names)} that are no list of texts"
        elif each.get("resourceNames") and not each.get("resources"):
            yield f"resources of {where} has resourceNames without resources"


def _stages(where: str, given: Any) -> Iterator[str]:
    if not _is_texts(given) or not set(given or ()) <= set(STAGES):
        yield f"{where} has others than {', '.join(STAGES)}"


def _is_texts(given: Any) -> bool:
    return given is None or (isinstance(given, list) and all(isinstance(each, str) for each in given))
