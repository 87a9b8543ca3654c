# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import registries

# As K3s's documentation has it.
DOCUMENTED = """
mirrors:
  "*":
    endpoint: [https://registry.example.com:5000]
  docker.io:
    endpoint:
      - "https://mycustomreg.com:5000"
  registry.k8s.io:
configs:
  "registry.example.com:5000":
    auth:
      username: xxxxxx
      password: xxxxxx
    tls:
      cert_file: /etc/ssl/client.crt
      key_file: /etc/ssl/client.key
      ca_file: /etc/ssl/ca.crt
  "[fd00::1]:5000":
    auth: {identity_token: xyz}
    tls: {insecure_skip_verify: true, ca_file: ""}
  docker.io:
"""


def told(text: str) -> list[str]:
    return [f"{message}; {remedy}" for message, remedy in registries.problems("r", yaml.safe_load(text))]


@pytest.mark.parametrize("text", [DOCUMENTED, "{}", "mirrors:\nconfigs:"])
def test_what_is_documented_is_right(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("mirror: {}", "r has no section 'mirror'; did you mean mirrors?"),
        ("mirrors: [a]", "r.mirrors must be a mapping; name each registry in it"),
        ("mirrors: {a: b}", "r.mirrors[a] must be a mapping; use endpoint"),
        ("mirrors: {../../etc: {}}", "r.mirrors: '../../etc' is no registry; write it as in docker.io or registry"),
        ("mirrors: {https://a.example: {}}", "r.mirrors: 'https://a.example' is no registry; write it as in"),
        ("mirrors: {a: {endpoints: []}}", "r.mirrors[a] has no setting 'endpoints'; did you mean endpoint?"),
        ("mirrors: {a: {endpoint: b}}", "r.mirrors[a].endpoint must be a list; write each endpoint as an item"),
        ("mirrors: {a: {endpoint: ['https://b:x']}}", "r.mirrors[a].endpoint: 'https://b:x' is no URL; write it as in"),
        ("mirrors: {a: {endpoint: [5000]}}", "r.mirrors[a].endpoint: 5000 is no URL; write it as in"),
        ("mirrors: {a: {rewrite: {b: c}}}", "r.mirrors[a].rewrite is what K3s's containerd does, and the bundle's asks"),
        ("configs: {a: b}", "r.configs[a] must be a mapping; use auth and tls"),
        ("configs: {a: {login: {}}}", "r.configs[a] has no setting 'login'; use auth and tls"),
        ("configs: {a: {auth: b}}", "r.configs[a].auth must be a mapping; use username and password and"),
        ("configs: {a: {auth: {user: b}}}", "r.configs[a].auth has no setting 'user'; use auth and identity_token and"),
        ("configs: {a: {auth: {passwd: b}}}", "r.configs[a].auth has no setting 'passwd'; did you mean password?"),
        ("configs: {a: {auth: {password: 1234}}}", "r.configs[a].auth.password must be a text; put it in quotes"),
        (
            "configs: {a: {tls: {insecureSkipVerify: true}}}",
            "r.configs[a].tls has no setting 'insecureSkipVerify'; did",
        ),
        ("configs: {a: {tls: {insecure_skip_verify: 'yes'}}}", "r.configs[a].tls.insecure_skip_verify must be true or"),
        ("configs: {a: {tls: {ca_file: ca.crt}}}", "r.configs[a].tls.ca_file must be the absolute path of a file on"),
        ("configs: {a: {tls: {cert_file: /a}}}", "r.configs[a].tls has one of cert_file and key_file; give both, or"),
    ],
)
def test_what_does_nothing_is_told(text: str, sentence: str) -> None:
    (found,) = told(text)
    assert found.startswith(sentence)


def test_a_password_is_in_no_message() -> None:
    values: list[Any] = [1234567, [1234567], {"a": 1234567}, True]
    for value in values:
        found = registries.problems("r", {"configs": {"a": {"auth": {"password": value}}}})
        assert "1234567" not in str(list(found))
