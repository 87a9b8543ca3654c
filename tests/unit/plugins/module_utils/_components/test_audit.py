# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import apiserver, audit


def flaws(*rules, **more):
    return audit.flaws({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more})


def test_k3a_s_own_is_one():
    assert audit.flaws(apiserver.audit_policy()) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"level": "None"},
        {"level": "Request", "omitStages": ["Panic"], "users": ["a"], "unknown": 1},
        {"level": "Metadata", "nonResourceURLs": ["*", "/healthz*", "/metrics"]},
        {"level": "Metadata", "resources": [{"group": "rbac.authorization.k8s.io"}, {"resources": ["pods"], "resourceNames": ["a"]}]},
        {"level": "Metadata", "resources": [{"group": "*"}], "namespaces": ["", "kube-system"], "verbs": None},
    ],
)
def test_what_the_api_server_starts_with(rule):
    assert flaws(rule) == []


@pytest.mark.parametrize(
    "rule, why",
    [
        ("Metadata", "rule 1 is no mapping"),
        ({}, "the level of rule 1 is none of None, Metadata, Request, RequestResponse"),
        ({"level": "metadata"}, "the level of rule 1 is none of"),
        ({"level": "Metadata", "verbs": "get"}, "verbs of rule 1 is no list of texts"),
        ({"level": "Metadata", "omitStages": ["Received"]}, "omitStages of rule 1 has others than RequestReceived,"),
        ({"level": "Metadata", "nonResourceURLs": ["healthz"]}, "nonResourceURLs of rule 1 has 'healthz', which does not"),
        ({"level": "Metadata", "nonResourceURLs": ["/a*/b"]}, "nonResourceURLs of rule 1 has '/a*/b', which"),
        ({"level": "Metadata", "nonResourceURLs": ["/a"], "namespaces": ["b"]}, "rule 1 has nonResourceURLs beside"),
        ({"level": "Metadata", "resources": [{"group": "apps/v1"}]}, "resources of rule 1 has 'apps/v1', which is no"),
        ({"level": "Metadata", "resources": [{"resourceNames": ["a"]}]}, "resources of rule 1 has resourceNames without"),
        ({"level": "Metadata", "resources": [{"resources": "pods"}]}, "resources of rule 1 has resources or resourceNames"),
        ({"level": "Metadata", "resources": ["pods"]}, "resources of rule 1 is no list of mappings"),
    ],
)
def test_what_it_does_not_start_with(rule, why):
    (flaw,) = flaws(rule)
    assert flaw.startswith(why)


@pytest.mark.parametrize("more", [{"rules": []}, {"rules": None}, {"rules": {}}])
def test_no_policy_is_without_rules(more):
    assert flaws(**more) == ["it has no list of rules, of at least one"]


@pytest.mark.parametrize("more", [{"apiVersion": "audit.k8s.io/v1beta1"}, {"apiVersion": None}, {"kind": "Event"}])
def test_a_policy_says_what_it_is(more):
    assert flaws({"level": "None"}, **more) == ["its apiVersion is not audit.k8s.io/v1, or its kind not Policy"]


def test_stages_are_left_out_of_all_rules():
    assert flaws({"level": "None"}, omitStages=["RequestReceived"]) == []
    assert flaws({"level": "None"}, omitStages=["Received"]) != []
