#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: port_check
short_description: Find out whether the ports of other hosts can be reached
version_added: 1.0.0
author: [k3a.cluster contributors (@k3a)]
description:
  - Internal to the playbooks of k3a.cluster, may change in any release.
  - Tries ports of other hosts on which components will listen, or do already, and listens on those of this host while
    others try them, for some seconds at most. Firewalls are so judged by what they do, wherever they are.
  - Who tries a port says a word that it was given, and is answered with another one, so that what answers in a host's
    place is not taken for the host.
  - M(k3a.cluster.port_check_plan) says which hosts try which ports. M(k3a.cluster.check_cluster) judges the outcomes.
  - Keeps nothing and changes nothing.
extends_documentation_fragment:
  - k3a.cluster.attributes
options:
  listeners:
    description: The ports of this host that others try.
    type: list
    elements: dict
    default: []
    suboptions:
      ip:
        description: The address to listen on.
        type: str
        required: true
      protocol: &protocol
        description: V(tcp) or V(udp).
        type: str
        choices: [tcp, udp]
        required: true
      port: &port
        description: The port's number.
        type: int
        required: true
  visitors:
    description: The hosts that try them.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The host's name in the inventory.
        type: str
        required: true
      ask:
        description: The word that it says.
        type: str
        required: true
      answer:
        description: The word that it is answered.
        type: str
        required: true
      ports:
        description: The ports that it tries, as protocol and number.
        type: list
        elements: str
        required: true
  targets:
    description: The ports of other hosts to try.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The host's name in the inventory.
        type: str
        required: true
      ip:
        description: Its address.
        type: str
        required: true
      protocol: *protocol
      port: *port
      ask:
        description: The word to say there; where there is none, a component listens already.
        type: str
        default: ""
      answer:
        description: The word with which the host answers.
        type: str
        default: ""
  meets:
    description: Whether all hosts do this at the same time. Where they do not, nobody listens and nobody waits.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: "Preflight: try the ports of other hosts"
  k3a.cluster.port_check:
    listeners: "{{ own.listeners }}"
    visitors: "{{ own.visitors }}"
    targets: "{{ own.targets }}"
    meets: "{{ own.meets }}"
  vars:
    own: "{{ port_plan.hosts[inventory_hostname] }}"
  register: port_check
"""

RETURN = r"""
host:
  description: The host's name in the inventory.
  returned: success
  type: str
  sample: server-1
outcomes:
  description:
    - What became of the targets, in their order.
    - V(reached); V(closed), when nothing came back, or word that it cannot be reached; V(refused), when the host
      answered at the same time on another port; V(unanswered) of datagrams to a host that answered on no port; or
      V(unknown).
  returned: success
  type: list
  elements: dict
  sample: [{host: server-2, ip: 10.89.0.12, protocol: tcp, port: 6443, outcome: reached}]
  contains:
    host: {description: The target's host., type: str}
    ip: {description: The target's address., type: str}
    protocol: {description: The target's protocol., type: str}
    port: {description: The target's port., type: int}
    outcome: {description: What became of it., type: str}
heard:
  description: Who came to which port of this host.
  returned: success
  type: list
  elements: dict
  sample: [{host: server-2, port: tcp/6443, ip: 10.89.0.11}]
  contains:
    host: {description: The visitor., type: str}
    port: {description: Protocol and number., type: str}
    ip: {description: The address of this host to which it came., type: str}
opened:
  description: The ports of this host on which the module listened at all addresses, as protocol and number.
  returned: success
  type: list
  elements: str
  sample: [tcp/6443, udp/8472]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._host import port_trial

_PORT = {
    "ip": {"type": "str", "required": True},
    "protocol": {"type": "str", "choices": ["tcp", "udp"], "required": True},
    "port": {"type": "int", "required": True},
}
OPTIONS: dict[str, Any] = {
    "listeners": {"type": "list", "elements": "dict", "default": [], "options": _PORT},
    "visitors": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "host": {"type": "str", "required": True},
            "ask": {"type": "str", "required": True},
            "answer": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "str", "required": True},
        },
    },
    "targets": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "host": {"type": "str", "required": True},
            **_PORT,
            "ask": {"type": "str", "default": ""},
            "answer": {"type": "str", "default": ""},
        },
    },
    "meets": {"type": "bool", "default": True},
}


@reports_errors
def run(module: AnsibleModule) -> None:
    """Try, be tried, and report."""
    given = module.params
    targets = [port_trial.Target(**each) for each in given["targets"]]
    visitors = [port_trial.Visitor(**{**each, "ports": tuple(each["ports"])}) for each in given["visitors"]]
    listeners = [port_trial.Listener(**each) for each in given["listeners"]]
    result = port_trial.run(listeners, visitors, targets, given["meets"])
    module.exit_json(
        changed=False,
        outcomes=[
            {
                "host": target.host,
                "ip": target.ip,
                "protocol": target.protocol,
                "port": target.port,
                "outcome": outcome,
            }
            for target, outcome in zip(targets, result.outcomes)
        ],
        heard=[{"host": host, "port": port, "ip": ip} for host, port, ip in result.heard],
        opened=list(result.opened),
    )


def main() -> None:
    port_trial.name_process()
    run(AnsibleModule(OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
