# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drift asks about is what the roles' tasks then do: each module gets the arguments that the drift computed.

site.yml runs for real, with variables at every level of precedence, on hosts that only answer. All of them say that they
differ, so that every task of the roles runs on them; the answers are those of hosts on which nothing has to be done.
"""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.k3a.cluster.tests.unit import recording
from ansible_collections.k3a.cluster.tests.unit.recorded_cluster import RecordedCluster, write_answers

HOSTS = ("server-1", "server-2", "agent-1")
# Modules that run once, for the cluster, and modules that look before the drift does.
OF_THE_CLUSTER = {"addon", "node"}
REGISTRIES = {"configs": {"reg.example": {"auth": {"username": "me", "password": "canary"}}}}

# From the weakest level to the strongest. What a stronger level sets, a weaker one sets, too, to be overruled.
GROUP_VARS = {
    "all": {
        "k3a_kubelet_arg": ["max-pods=101"],
        "k3a_kube_proxy_arg": ["v=1"],
        "k3a_resolv_conf": "/etc/all.conf",
        "k3a_wait_timeout": 101,
        # Templates: of a registered result, of other variables, and of a variable that only some hosts set.
        "k3a_pause_image": "registry.example/{{ pinged.ping }}:1",
        "k3a_snapshotter": "{{ 'native' if inventory_hostname in groups.server[1:] else 'overlayfs' }}",
        "k3a_node_taint": "{{ taints | default([]) }}",
        "k3a_registries": REGISTRIES,
        "k3a_node_ip": "{{ ansible_host }}",
    },
    "agent": {"k3a_lb_server_port": 7444, "k3a_wait_timeout": 102},
    "server": {
        "k3a_kubelet_arg": ["max-pods=102"],
        "k3a_tls_san": ["api.example", "10.9.9.9"],
        "k3a_token": "a-token-of-servers",
        "k3a_wait_timeout": 103,
    },
}
HOST_VARS = {
    "agent-1": {
        "k3a_kube_proxy_arg": ["v=4"],
        "k3a_node_label": ["disk=ssd", "n=1"],
        "k3a_wait_timeout": 104,
        "taints": ["only={{ inventory_hostname }}:NoSchedule"],
    },
    "server-2": {
        "k3a_etcd_arg": "heartbeat-interval=200",
        "k3a_etcd_expose_metrics": "yes",
        "k3a_kubelet_arg": ["max-pods=105"],
    },
}
PLAY_VARS = {"k3a_kube_proxy_arg": ["v=5"], "k3a_manage_conntrack": False, "k3a_resolv_conf": "/etc/play.conf"}
FACTS = {"k3a_resolv_conf": "/etc/fact.conf", "k3a_service_node_port_range": "30000-31000", "k3a_data_dir": "/srv/fact"}
EXTRA_VARS = {"k3a_data_dir": "/srv/k3a", "k3a_wait_timeout": 107}

PLAYBOOK = [
    {
        "name": "Find out something, and remember it",
        "hosts": "server:agent",
        "gather_facts": False,
        "vars": {"ansible_pipelining": True},
        "tasks": [
            {"name": "Ping", "ansible.builtin.ping": {}, "register": "pinged"},
            {"name": "Remember", "ansible.builtin.set_fact": FACTS},
        ],
    },
    {"name": "Install", "import_playbook": "k3a.cluster.site", "vars": PLAY_VARS},
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The module runs of site.yml where every host differs."""
    directory = tmp_path_factory.mktemp("recorded")
    cluster = RecordedCluster(servers=2, agents=1)
    inventory = cluster.write(directory, log=directory / "log")
    # It had joined by a token.
    facts = {**cluster.facts(cluster.hosts[-1]), "installed": ["certificate-renewal", "kubelet"]}
    seen = {"changed": False, "findings": [], "facts": facts}
    write_answers(directory / "answers/agent-1/check_config.json", [({}, seen)])
    for host in HOSTS:
        answer = {"changed": False, "reason": "it was told to differ", "certificates": []}
        write_answers(directory / "answers" / host / "drift.json", [({}, answer)])
    for kind, variables in (("group_vars", GROUP_VARS), ("host_vars", HOST_VARS)):
        (directory / kind).mkdir()
        for name, values in variables.items():
            (directory / kind / f"{name}.yml").write_text(yaml.safe_dump(values))
    (directory / "playbook.yml").write_text(yaml.safe_dump(PLAYBOOK, sort_keys=False))
    recording.play(directory, "playbook.yml", "--inventory", inventory, "--extra-vars", json.dumps(EXTRA_VARS))
    return recording.runs(directory / "log")


def computed(runs, host):
    """The arguments of each step, as the drift sent them to a host."""
    (asked,) = [run.arguments for run in runs if (run.host, run.module) == (host, "drift")]
    secrets = asked["secrets"]
    return keyed((step["name"], {**step["options"], **secrets.get(step["name"], {})}) for step in asked["steps"])


def received(runs, host):
    """The arguments that the modules of the roles' tasks got on a host after that."""
    own = [run for run in runs if run.host == host and run.module not in OF_THE_CLUSTER]
    modules = [run.module for run in own]
    # Whose the lock is only a run knows, and nothing of what is compared.
    without = [{name: value for name, value in run.arguments.items() if name != "lock_id"} for run in own]
    return keyed(list(zip(modules, without, strict=True))[modules.index("drift") + 1 :])


def keyed(steps):
    """Steps by their names; certificates are looked at twice on a server, each time for another profile."""
    found = {}
    for name, arguments in steps:
        key = " ".join(filter(None, (name, arguments.get("profile"))))
        assert key not in found, f"{key} ran twice"
        found[key] = arguments
    return found


def test_what_changes_members_is_told_whose_the_lock_is(runs):
    """The controller, ansible-playbook by its number and start, and the pipe that its workers have in common with it."""
    (told,) = {run.arguments["lock_id"] for run in runs if run.module == "etcd"}
    assert [part.isdigit() for part in told.split("/")] == [False, True, True, True]


def test_each_module_gets_the_arguments_that_the_drift_computed(runs):
    for host in HOSTS:
        asked, got = computed(runs, host), received(runs, host)
        assert asked.keys() == got.keys() != set(), host
        for name in asked:
            assert asked[name] == got[name], f"{name} on {host}"
    see_that_the_levels_count({host: received(runs, host) for host in HOSTS})


def see_that_the_levels_count(got):
    """Both could be wrong alike. In the same test, since it is the run that takes the time."""
    assert {host: steps["kubelet"]["extra_args"] for host, steps in got.items()} == {
        "server-1": ["max-pods=102"],
        "server-2": ["max-pods=105"],
        "agent-1": ["max-pods=101"],
    }
    for steps in got.values():
        assert steps["kube_proxy"]["extra_args"] == ["v=5"]
        assert steps["kube_proxy"]["manage_conntrack"] is False
        assert steps["kubelet"]["resolv_conf"] == "/etc/fact.conf"
        assert {arguments["data_dir"] for arguments in steps.values()} == {"/srv/k3a"}
        assert {arguments["timeout"] for arguments in steps.values()} == {107}
        assert steps["containerd"]["pause_image"] == "registry.example/pong:1"
        assert steps["containerd"]["registry_secrets"] == {"reg.example": {"password": "canary"}}
        assert steps["kubelet"]["cluster_domain"] == "cluster.local"  # nobody's but the role's
    assert got["server-2"]["etcd"]["extra_args"] == ["heartbeat-interval=200"]
    assert got["server-1"]["apiserver"]["service_node_port_range"] == "30000-31000"
    assert got["server-1"]["bootstrap"]["token"] == "a-token-of-servers"
    assert [got[host]["kubelet"]["node_taints"] for host in HOSTS] == [[], [], ["only=agent-1:NoSchedule"]]
    assert [got[host]["containerd"]["snapshotter"] for host in HOSTS] == ["overlayfs", "native", "overlayfs"]
    assert [host for host in HOSTS if "certificate_renewal" in got[host]] == ["agent-1"]
    assert [got[host]["load_balancer"]["port"] for host in HOSTS] == [6444, 6444, 7444]
