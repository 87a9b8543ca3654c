# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides about a restart is what it was: a new version of the collection alone restarts nothing.

unit_texts.json holds what each component consists of, for several sets of options. Where a change is meant, and worth a
restart of every cluster, run this file as a program: it records what there is.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import certificate_monitor, registry
from ansible_collections.k3a.cluster.plugins.module_utils._drift import drift
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, program
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address

RECORDED = Path(__file__).parent / "unit_texts.json"
BUNDLE = "/var/lib/k3a/data/abc"
URL = "https://127.0.0.1:6444"
IPS = {"node_ip": ["10.89.0.11"]}
BOTH = {"node_ip": ["10.89.0.11", "fd00::11"], "cluster_cidr": ["10.42.0.0/16", "fd42::/56"]}
PAUSE = {"images": [{"name": "registry.k8s.io/pause:3.10", "path": "/d/images/pause.tar", "component": "pause"}]}
CAS = {name: f"the {name} CA" for name in ("client", "kubelet-serving", "server")}
SERVICES = {"service_cidr": ["10.43.0.0/16", "fd43::/112"]}
PROXY = {"https_proxy": "http://proxy.example.org:3128", "no_proxy": ["10.0.0.0/8"]}
LOGGING = {"v": 4, "vmodule": "server*=6", "environment": {"GOGC": 100, "GODEBUG": 'a="100%"'}}
PLACE = {"data_dir": "/srv/k3a", "https_listen_port": 7443}
AUDIT = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
CASES: dict[str, list[dict[str, Any]]] = {
    "apiserver": [
        {**IPS},
        {**BOTH, **SERVICES, **PLACE, "extra_args": ["v=2", "api-audiences+=mine"], "pod_security_level": "restricted"},
        {**IPS, "https_listen_port": 443, "advertise_address": "192.0.2.1", "secrets_encryption": False},
        {**IPS, "audit_policy": AUDIT, "cluster_domain": "example.org"},
        {**IPS, **LOGGING},
    ],
    "approver": [{}, PLACE],
    "certificate_monitor": [{"server_url": URL}, {"server_url": URL, "data_dir": "/srv/k3a"}],
    "certificate_renewal": [
        {**IPS, "server_url": URL, "ca_certificates": CAS, "declared": registry.certificates("agent")},
        {**BOTH, "server_url": URL, "ca_certificates": CAS, "data_dir": "/srv/k3a", "node_name": "w1", "node_external_ip": ["192.0.2.1"]},
    ],
    "containerd": [
        PAUSE,
        {"data_dir": "/srv/k3a", "snapshotter": "native", "pause_image": "example.org/pause:1"},
        {
            **PAUSE,
            "restrict_oom_score_adj": True,
            "registries": {"mirrors": {"*": {"endpoint": ["https://mirror.example.org"]}}, "configs": {}},
        },
        {"debug": True, "nonroot_devices": True, "environment": {"TMPDIR": "/srv/my tmp"}},
        PROXY,
    ],
    "controller_manager": [{}, {**PLACE, **SERVICES, "cluster_cidr": BOTH["cluster_cidr"], "leader_elect": True, "extra_args": ["v=3"]}, LOGGING],
    "etcd": [
        {**IPS, "node_name": "s1", "first_server": "s1"},
        {**IPS, "node_name": "s1", "first_server": "s1", "data_dir": "/srv/k3a", "expose_metrics": True, "extra_args": ["log-level=debug"]},
        {**BOTH, "node_ip": ["fd00::11"], "cluster_cidr": ["fd42::/56"], "node_name": "s1", "first_server": "s1"},
        {**IPS, "node_name": "s1", "first_server": "s1", "debug": True, "environment": {"GOGC": 75}},
    ],
    "etcd_progress": [{}, {"data_dir": "/srv/k3a"}],
    "flannel": [
        {**IPS, "server_url": URL},
        {**BOTH, "server_url": URL, "backend": "wireguard-native", "iface": "eth1", "node_name": "w1", "data_dir": "/srv/k3a"},
        {**IPS, "server_url": URL, "backend": "host-gw", "proxy_mode": "iptables"},
        {**IPS, "server_url": URL, "backend": "none"},
        {**IPS, "server_url": URL, "v": 4, "environment": {"GODEBUG": "netdns=go"}},
    ],
    "kube_proxy": [
        {"server_url": URL, "node_name": "s1"},
        {"server_url": URL, "node_name": "w1", "proxy_mode": "iptables", "manage_conntrack": False, "data_dir": "/srv/k3a", "extra_args": ["v=4"]},
        {"server_url": URL, **LOGGING},
    ],
    "kubelet": [
        {**IPS, "server_url": URL, "resolv_conf": "/etc/resolv.conf"},
        {
            **{**BOTH, **SERVICES, "server_url": URL, "resolv_conf": "/etc/other.conf", "node_name": "w1", "data_dir": "/srv/k3a"},
            **{"node_labels": ["a=b"], "node_taints": ["k=v:NoSchedule"], "allow_cgroup_v1": True},
            **{"protect_kernel_defaults": True, "extra_args": ["max-pods=200"], "cluster_dns": ["10.43.0.53"]},
        },
        {**IPS, **LOGGING, "server_url": URL, "resolv_conf": "/etc/resolv.conf"},
        {**IPS, **PROXY, "server_url": URL, "resolv_conf": "/etc/resolv.conf"},
    ],
    "load_balancer": [
        {"servers": ["10.89.0.11:6443"]},
        {"servers": ["10.89.0.12:6443"], "prefer": "10.89.0.11:6443", "fallback": ["lb.example.org:443"], "port": 7444},
        {"state": "absent"},
    ],
    "scheduler": [{}, {**PLACE, "leader_elect": True, "extra_args": ["v=3"]}, LOGGING],
}
# A file that operators use; nothing runs.
WITHOUT_UNIT = {"kubeconfig"}
# These programs are the collection's own code, which changes.
CODE = ("/k3a.pyz", "/etcd-guard.pyz", "/certificate-renewal.pyz")


def consists_of(name: str, options: dict[str, Any], patch: Any) -> dict[str, Any]:
    """What a component's step would have on a host, as far as it counts for a restart."""
    seen: list[component.Component] = []

    def act(_module: Any, wanted: component.Component, *_more: Any, **_further: Any) -> dict[str, Any]:
        seen.append(wanted)
        return {"changed": False, "restarted": False, "changes": [], "diff": []}

    patch.setattr(component, "converge", act)
    patch.setattr(component, "withdraw", act)
    patch.setattr(address, "host_name", lambda: "this-host")
    patch.setattr(program, "interpreter", lambda _running: "/usr/bin/python3")
    patch.setattr(certificate_monitor, "may_link", lambda _path: True)
    drift.check(name, {"bundle": BUNDLE, **options})
    (wanted,) = seen
    return {
        "name": wanted.unit_name,
        "unit": wanted.unit,
        "files": {
            file.path: hashlib.sha256(file.content).hexdigest()
            for file in (*wanted.files, *wanted.reloaded)
            if not file.path.endswith(CODE)
        },
        "inputs": list(wanted.inputs),
    }


@pytest.mark.parametrize("name, case", [(name, case) for name, cases in CASES.items() for case in range(len(cases))])
def test_a_component_consists_of_what_it_did(name: str, case: int, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = json.loads(RECORDED.read_text())
    assert consists_of(name, CASES[name][case], monkeypatch) == recorded[name][case]


def test_every_component_is_recorded() -> None:
    missing = sorted(set(registry.steps()) - WITHOUT_UNIT - set(CASES))
    assert not missing, f"test_unit_texts.py: give CASES options of {', '.join(missing)}, then run the file"
    assert set(CASES) == set(json.loads(RECORDED.read_text()))


if __name__ == "__main__":
    found = {}
    for component_name, sets in CASES.items():
        with pytest.MonkeyPatch.context() as context:
            found[component_name] = [consists_of(component_name, options, context) for options in sets]
    RECORDED.write_text(json.dumps(found, indent=1) + "\n")
