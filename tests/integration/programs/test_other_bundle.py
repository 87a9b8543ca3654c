# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new bundle restarts the units whose programs differ, and nothing else: no other unit, and no pod."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
_SPEC = importlib.util.spec_from_file_location("other_bundle", Path(__file__).with_name("other_bundle.py"))
other_bundle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(other_bundle)


@pytest.fixture
def derived(cluster, tmp_path):
    """Makes a bundle out of the installed one, which is in the cache that it was built into."""
    identity = cluster.run(cluster.servers[0], "readlink /var/lib/k3a/data/current").strip()
    installed = Path(os.environ.get("K3A_CACHE") or "~/.cache/k3a").expanduser() / "bundles" / identity
    return lambda *paths: other_bundle.derive(installed, tmp_path / "bundle", *paths)


def site(cluster, *options: str) -> set[tuple[str, str]]:
    """The changed tasks, each with its host, of a run that did well."""
    command = ["ansible-playbook", str(CHECKOUT / "playbooks/site.yml"), "-i", str(cluster.inventory), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    found, task = set(), ""
    for line in done.stdout.splitlines():
        if matched := re.match(r"TASK \[(?:\S+ : )?(.*?)\] \*", line):
            task = matched.group(1)
        elif matched := re.match(r"changed: \[([^\] ]+)", line):
            found.add((task, matched.group(1)))
    return found


def processes(cluster) -> dict[tuple[str, str], str]:
    """The main process of every unit of every node."""
    return {(node, unit): pid for node in cluster.nodes for unit, pid in cluster.main_pids(node).items()}


def containers(core) -> dict[str, list[tuple[str, int]]]:
    """The containers of every pod, by the pod's uid, and how often each was started again."""
    pods = core.list_pod_for_all_namespaces().items
    return {p.metadata.uid: [(s.container_id, s.restart_count) for s in p.status.container_statuses] for p in pods}


def test_only_what_differs_is_restarted(cluster, core, derived):
    """An image and a program that no unit runs differ, and flannel's program."""
    bundle = derived("images/coredns.tar", "bin/crictl", "bin/flanneld")
    before, pods = processes(cluster), containers(core)
    options = ["-e", f"k3a_bundle={bundle}"]
    announced = site(cluster, "--check", *options)
    assert processes(cluster) == before
    wanted = {(task, node) for task in ("Install the bundle", "Run flannel") for node in cluster.nodes}
    assert announced == site(cluster, *options) == wanted
    after = processes(cluster)
    assert {key for key in after if after[key] != before[key]} == {(n, "k3a-flannel.service") for n in cluster.nodes}
    assert containers(core) == pods
    assert site(cluster, *options) == set()


def test_back_to_a_bundle_that_the_nodes_have(cluster, core):
    """Nothing is shipped; flannel is the one that differs again."""
    before, pods = processes(cluster), containers(core)
    site(cluster)
    after = processes(cluster)
    assert {key for key in after if after[key] != before[key]} == {(n, "k3a-flannel.service") for n in cluster.nodes}
    assert containers(core) == pods
