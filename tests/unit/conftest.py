# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the unit tests share: the collection on the path, modules run for real in this process, units as processes."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible import module_utils
from ansible.module_utils import basic
from ansible.module_utils.common import warnings

# ansible-test brings the collection along; everybody else finds it in the link tree of the checkout.
if importlib.util.find_spec("ansible_collections") is None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".venv/collections"))

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api, server_api
from ansible_collections.k3a.cluster.plugins.module_utils._datastore import data
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component, health, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._engine import lock as locks
from ansible_collections.k3a.cluster.plugins.module_utils._identity import identity
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import Authority

# Nodes may have a Python that the controller's side does not support.
if sys.version_info < (3, 12):
    collect_ignore_glob = ["test_collection.py", "test_module_options.py", "test_test_all.py", "test_variables.py"]
    collect_ignore_glob += ["test_addons_role.py", "test_docs.py"]
    collect_ignore_glob += [f"plugins/{kind}/*" for kind in ("action", "filter", "lookup", "plugin_utils")]


@pytest.fixture(scope="module")
def ca_certificates(tmp_path_factory):
    """What signs for the servers and for the clients of a cluster that can be joined."""
    folder = tmp_path_factory.mktemp("ca_certificates")
    return Authority(folder, "server"), Authority(folder, "client")


@pytest.fixture
def run_module(tmp_path, monkeypatch):
    """Run a module's main() as Ansible does, in this process, and return its result."""

    def run(module, check=False, lock=None, **arguments):
        given = {"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check, "_ansible_diff": True}}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(given).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        # Tests of the controller's side share this process, where warnings would go to its display.
        monkeypatch.setattr(getattr(module_utils, "_internal", basic), "is_controller", False, raising=False)
        monkeypatch.setattr(warnings, "_global_warnings", type(warnings._global_warnings)())
        own_lock = lock or functools.partial(locks.host_lock, path=str(tmp_path / "module.lock"))
        # The module itself, the step that it calls, and what runs the components.
        for user in (module, component, *vars(module).values()):
            if hasattr(user, "host_lock"):
                monkeypatch.setattr(user, "host_lock", own_lock)
        output = io.StringIO()
        with contextlib.redirect_stdout(output), pytest.raises(SystemExit):
            module.main()
        result = json.loads(output.getvalue())
        result.pop("invocation", None)  # the arguments again, which ansible-core 2.20 returns and later ones do not
        return result

    return run


@pytest.fixture
def asked_at(monkeypatch):
    """Have modules that ask the API of their server ask a stand-in instead, by its URL."""

    def ask(url):
        monkeypatch.setattr(server_api, "own_api", lambda *_: api.NodeApi(url))

    return ask


class Init:
    """What systemd does for a unit, on real processes: it reads its file when told to, starts it, says how it is."""

    def __init__(self, directory):
        self.directory = directory
        self.loaded: dict[str, str] = {}
        self.processes: dict[str, subprocess.Popen] = {}
        self.enabled: set[str] = set()
        self.waiting: set[str] = set()
        self.told: list[str] = []

    def __call__(self, *arguments, check=True):
        verb, unit = arguments[0], arguments[-1]
        if verb == "show":
            return "\n".join(self.show(each) for each in arguments[2:])
        self.told.append(verb)
        if verb == "daemon-reload":
            self.loaded = {path.name: path.read_text(errors="replace") for path in self.directory.iterdir()}
        elif verb == "enable":
            self.enabled.add(unit)
        elif verb == "start":
            assert unit in self.loaded
            self.waiting.add(unit)
        elif verb == "restart":
            self.stop(unit)
            self.start(unit)
        elif verb == "disable":
            self.stop(unit)
            self.enabled.discard(unit)
            self.waiting.discard(unit)
        return ""

    def show(self, unit):
        process = self.processes.get(unit)
        running = process is not None and process.poll() is None
        state = "active" if running else "failed" if process else "inactive"
        if "Type=oneshot\n" in self.loaded.get(unit, ""):
            state = "activating" if running else "failed" if process and process.returncode else "inactive"
        elif unit in self.waiting:
            state = "active"
        on_disk = (self.directory / unit).read_text(errors="replace") if (self.directory / unit).exists() else None
        stale = unit in self.loaded and on_disk != self.loaded[unit]
        properties = {
            "LoadState": "loaded" if unit in self.loaded else "not-found",
            "ActiveState": state,
            "SubState": "running" if running else "waiting" if unit in self.waiting else "dead",
            "MainPID": process.pid if running else 0,
            "UnitFileState": "enabled" if unit in self.enabled else "disabled",
            "NRestarts": 0,
            "NeedDaemonReload": "yes" if stale else "no",
        }
        return "".join(f"{key}={value}\n" for key, value in properties.items())

    def start(self, unit):
        text = self.loaded[unit]
        environment = dict(line.split("=", 1) for line in re.findall(r"^Environment=(.*)$", text, re.M))
        command = shlex.split(re.search(r"^ExecStart=((?:.*\\\n)*.*)$", text, re.M).group(1).replace("\\\n", ""))
        self.processes[unit] = process = subprocess.Popen(command, env={**os.environ, **environment})
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            while process.poll() is None and not Path(f"/proc/{process.pid}/environ").read_bytes():
                time.sleep(0.001)  # it is between fork and exec

    def stop(self, unit):
        if unit in self.processes:
            process = self.processes.pop(unit)
            process.kill()
            process.wait()


@pytest.fixture
def init(tmp_path, monkeypatch):
    """A stand-in for systemd that starts real processes from the units in a directory of the test."""
    directory = tmp_path / "units"
    directory.mkdir()
    stand_in = Init(directory)
    monkeypatch.setattr(systemd, "UNIT_DIRECTORY", str(directory))
    monkeypatch.setattr(identity, "ETCD", str(tmp_path / "etc/etcd.json"))
    monkeypatch.setattr(data, "PROGRESS", str(tmp_path / "etc/etcd-progress.json"))
    monkeypatch.setattr(systemd, "_systemctl", stand_in)
    yield stand_in
    for unit in list(stand_in.processes):
        stand_in.stop(unit)


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """A bundle on a node whose programs run, and do nothing, until they are stopped.

    They have no health endpoints, so these are not asked; that they are is what test_health and real nodes check.
    """
    for condition in ("answers_ok", "listens", "exists"):
        monkeypatch.setattr(health, condition, lambda *_, **__: lambda: None)
    folder = tmp_path / "bundle"
    (folder / "bin").mkdir(parents=True)
    os.mkfifo(folder / "never")
    for name in ("containerd", "flanneld", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"):
        (folder / "bin" / name).write_text(f"#!/bin/sh\nread x < {folder}/never\n")
        (folder / "bin" / name).chmod(0o755)
    return str(folder)
