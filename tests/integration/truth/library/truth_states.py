#!/usr/bin/python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a node into one state after the other. Of each: what the look, check mode and then a real run say.

In one process, by the very functions that the modules call. What is not a step's own to mend is put back after it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.k3a.cluster.plugins.module_utils._components import cni_state, registries
from ansible_collections.k3a.cluster.plugins.module_utils._drift import drift
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import CONTAINERD_SOCKET

ROOT = Path("/var/lib/k3a")
ETC, TLS = ROOT / "agent/etc", ROOT / "server/tls"
UNITS = Path("/etc/systemd/system")
OTHER_BUNDLE = "0" * 64


@dataclass(frozen=True)
class State:
    """What is done to a node, which step is to see it, and the names that it is to change; none where it refuses."""

    name: str
    step: str
    perturb: object
    changes: tuple = ()
    restore: object = None


class RealModule(drift.CheckedModule):
    """As Ansible runs a module for real."""

    check_mode = False

    def warn(self, _text):
        pass


def run(*command, check=True):
    return subprocess.run(command, capture_output=True, text=True, check=check).stdout


def edited(path):
    return lambda: Path(path).write_bytes(Path(path).read_bytes() + b"# edited\n")


def gone(path):
    return lambda: Path(path).unlink()


def mode(path, bits):
    return lambda: os.chmod(path, bits)


def owner(path, uid):
    return lambda: os.chown(path, uid, uid)


def unit(verb, name):
    return lambda: run("systemctl", verb, f"k3a-{name}.service")


def file_of(name):
    return str(UNITS / f"k3a-{name}.service")


def edited_unit(name):
    path = Path(file_of(name))
    return lambda: path.write_text(path.read_text().replace("[Service]\n", "[Service]\nNice=1\n"))


def without_unit(name):
    return lambda: (Path(file_of(name)).unlink(), run("systemctl", "daemon-reload"))


def older_digest(name):
    """The process of an earlier run goes on: it has another digest than the one that its inputs have now."""

    def perturb():
        path = Path(file_of(name))
        kept = path.read_text()
        path.write_text(kept.replace("K3A_DIGEST=", "K3A_DIGEST=0"))
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", f"k3a-{name}.service")
        path.write_text(kept)
        run("systemctl", "daemon-reload")

    return perturb


def image_in_use():
    listed = json.loads(Path(ROOT / "data/current/manifest.json").read_text())["images"]
    return next(image["name"] for image in listed if image["component"] == "coredns")


def dropped_image():
    """No pod runs of it but CoreDNS, which keeps its snapshot."""
    run("ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "images", "rm", image_in_use())


def something_else_at(path):
    """A directory where a file belongs, or a file where a directory does; and how to put it back."""
    path = Path(path)
    kept = path.with_name(f".{path.name}.kept")

    def perturb():
        path.rename(kept)
        path.write_text("in the way\n") if kept.is_dir() else path.mkdir()

    def restore():
        path.unlink() if path.is_file() else path.rmdir()
        kept.rename(path)

    return perturb, restore


def written(path, content):
    """Another content; and how to put the former one back."""
    path = Path(path)
    kept = []

    def perturb():
        kept.append(path.read_bytes())
        path.write_bytes(content)

    return perturb, lambda: path.write_bytes(kept.pop())


def on_disk(path, trouble):
    """A small file system over a file's directory, where the file differs and nothing can be written."""
    directory = os.path.dirname(path)

    def perturb():
        run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory)
        Path(path).write_bytes(b"")
        trouble(directory)

    return perturb, lambda: run("umount", directory)


def read_only(directory):
    run("mount", "-o", "remount,ro", directory)


def filled(directory):
    with contextlib.suppress(OSError), open(f"{directory}/fill", "wb", buffering=0) as stream:
        while True:
            stream.write(b"0" * 1024)


def hung(name):
    """As after a bug: the process is there, and does nothing any more."""
    return lambda: os.kill(
        int(run("systemctl", "show", "--value", "--property=MainPID", f"k3a-{name}.service")), signal.SIGSTOP
    )


def staged():
    """A bundle that another run has brought, and nobody has come to use."""
    shutil.copytree(ROOT / "data/current", ROOT / "data" / OTHER_BUNDLE, symlinks=True)


def stray(identifier):
    """A sandbox that had an address of another subnet, and that the runtime has forgotten."""
    return made(f"{cni_state.ADDRESSES}/192.0.2.7", f"{identifier}\r\neth0")


def refused(name, step, manner):
    perturb, restore = manner
    return State(name, step, perturb, (), restore)


MODULES_LOAD, SYSCTL, SYSUSERS = "/etc/modules-load.d/k3a.conf", "/etc/sysctl.d/60-k3a.conf", "/etc/sysusers.d/k3a.conf"
FORWARDING = "net.ipv4.conf.default.forwarding"
KUBECTL, CRICTL = "/usr/local/bin/kubectl", "/usr/local/bin/crictl"
CURRENT, KILLED = str(ROOT / "data/current"), str(ROOT / "data/.killed.new")
ETCD, ETCD_ENV = str(ROOT / "server/db/etcd"), str(ROOT / "server/db/etcd.env")
AUDIT, ARCHIVE, ADMIN = (
    str(ROOT / "server/etc/audit-policy.yaml"),
    str(ROOT / "server/lib/k3a.pyz"),
    "/etc/k3a/k3a.yaml",
)
PROGRESS = "k3a-etcd-progress.timer"
MONITOR = str(ROOT / "agent/lib/k3a.pyz")
SCHEDULER = str(ROOT / "server/etc/scheduler.yaml")
CONTAINERD, SURPLUS = str(ETC / "containerd/config.toml"), str(ETC / "containerd/certs.d/example.org/hosts.toml")
KUBELET, PODS = str(ETC / "kubelet.yaml"), str(ROOT / "agent/pod-manifests")
FLANNEL, CNI = str(ETC / "flannel/net-conf.json"), str(ETC / "cni/net.d/10-flannel.conflist")
BALANCER = str(ETC / "load-balancer.json")


def aside(path):
    """Gone, and how to put it back."""
    kept = f"{path}.kept"
    return lambda: os.rename(path, kept), lambda: os.rename(kept, path)


def linked_elsewhere(path):
    return lambda: (Path(path).unlink(), Path(path).symlink_to("/var/lib/k3a/data/elsewhere"))


def made(path, content="left\n"):
    return lambda: (Path(path).parent.mkdir(parents=True, exist_ok=True), Path(path).write_text(content))


def service(name):
    return f"k3a-{name}.service"


def own_key():
    """A key of the first certificates that this node has."""
    return next(path for path in (TLS / "client-admin.key", ROOT / "agent/tls/client-flannel.key") if path.exists())


def states():
    """All of them; a server and an agent have some only of the steps."""
    return [
        # First what takes a process that has run for a while.
        State("a process hangs", "kube_proxy", hung("kube-proxy"), (service("kube-proxy"),)),
        State("what a process makes when it starts is gone", "flannel", gone(CNI), (service("flannel"),)),
        State("a list of kernel modules is missing", "host", gone(MODULES_LOAD), (MODULES_LOAD,)),
        State("the file of kernel settings is edited", "host", edited(SYSCTL), (SYSCTL,)),
        State("a kernel setting is another", "host", lambda: run("sysctl", f"{FORWARDING}=0"), (FORWARDING,)),
        State("a directory has another mode", "identity", mode("/etc/k3a", 0o700), ("/etc/k3a",)),
        State("a user is missing", "host", lambda: run("userdel", "--force", "kube", check=False), ("user kube",)),
        refused("the record of the host is damaged", "host", written(ROOT / "host.json", b"{")),
        refused("a directory stands where a file belongs", "host", something_else_at(SYSUSERS)),
        State("the link of a command is gone", "bundle", gone(KUBECTL), (KUBECTL,)),
        State("the link of a command leads elsewhere", "bundle", linked_elsewhere(CRICTL), (CRICTL,)),
        State("no bundle is the current one", "bundle", gone(CURRENT), (CURRENT,)),
        State("a run was killed while it unpacked", "bundle", made(f"{KILLED}/bin/etcd"), (KILLED,)),
        State("a bundle is staged beside that in use", "bundle", staged, (str(ROOT / "data" / OTHER_BUNDLE),)),
        refused("a CA is unreadable", "bootstrap", written(TLS / "server-ca.crt", b"\xff\xfe")),
        refused("the key of a CA is gone", "bootstrap", aside(TLS / "client-ca.key")),
        refused("the key of a certificate is unreadable", "certificate", written(own_key(), b"\xff")),
        State("etcd is stopped", "etcd", unit("stop", "etcd"), (service("etcd"),)),
        State("the unit of etcd is edited", "etcd", edited_unit("etcd"), (file_of("etcd"),)),
        State("etcd does not start with the system", "etcd", unit("disable", "etcd"), (service("etcd"),)),
        State("the file for the first start is left", "etcd", made(ETCD_ENV), (ETCD_ENV,)),
        State("the directory of the datastore is readable", "etcd", mode(ETCD, 0o755), (ETCD,)),
        State("the directory of the datastore is of root", "etcd", owner(ETCD, 0), (ETCD,)),
        State("a timer is stopped", "etcd_progress", lambda: run("systemctl", "stop", PROGRESS), (PROGRESS,)),
        State("a policy is edited", "apiserver", edited(AUDIT), (AUDIT,)),
        State("an older API server runs", "apiserver", older_digest("apiserver"), (service("apiserver"),)),
        State(
            "a controller is stopped",
            "controller_manager",
            unit("stop", "controller-manager"),
            (service("controller-manager"),),
        ),
        # Its process goes on, by the same arguments.
        State("a unit is missing", "scheduler", without_unit("scheduler"), (file_of("scheduler"),)),
        State("the administrator's kubeconfig is edited", "kubeconfig", edited(ADMIN), (ADMIN,)),
        State("the administrator's kubeconfig is for all", "kubeconfig", mode(ADMIN, 0o644), (ADMIN,)),
        State("the archive of the approver is damaged", "approver", edited(ARCHIVE), (ARCHIVE,)),
        State("the command k3a is damaged", "certificate_monitor", edited(MONITOR), (MONITOR,)),
        State("containerd is stopped", "containerd", unit("stop", "containerd"), (service("containerd"),)),
        State("an image is missing", "containerd", dropped_image, (image_in_use(),)),
        State("the configuration of containerd is edited", "containerd", edited(CONTAINERD), (CONTAINERD,)),
        State("a registry is left", "containerd", made(SURPLUS, registries.HEADER), (SURPLUS,)),
        refused("a directory stands where a link belongs", "containerd", something_else_at("/etc/crictl.yaml")),
        State("a configuration is missing", "kubelet", gone(KUBELET), (KUBELET,)),
        State("the unit of the kubelet is edited", "kubelet", edited_unit("kubelet"), (file_of("kubelet"),)),
        State("a directory belongs to another user", "kubelet", owner(PODS, 1), (PODS,)),
        refused("a file stands where a directory belongs", "kubelet", something_else_at(PODS)),
        State("kube-proxy is stopped", "kube_proxy", unit("stop", "kube-proxy"), (service("kube-proxy"),)),
        State("the network's configuration is edited", "flannel", edited(FLANNEL), (FLANNEL,)),
        State("an address is of another subnet", "flannel", stray("0" * 64), (f"sandbox {'0' * 13}",)),
        refused("a file system is read-only", "flannel", on_disk(FLANNEL, read_only)),
        refused("a disk is full", "flannel", on_disk(FLANNEL, filled)),
        State("the load balancer's servers are edited", "load_balancer", edited(BALANCER), (BALANCER,)),
        State(
            "the load balancer is stopped", "load_balancer", unit("stop", "load-balancer"), (service("load-balancer"),)
        ),
    ]


def called(step, real):
    """What a step answers, or the traceback that the module would die with."""
    try:
        if not real:
            return drift.check(step["name"], step["options"])
        module = drift.STEPS[step["name"]]
        options = drift.ArgumentSpecValidator(module.OPTIONS).validate(step["options"]).validated_parameters
        module.run(RealModule(options), *drift.HANDED.get(module, ()))
    except drift._Ended as ended:
        return ended.result
    except Exception:
        return {"traceback": traceback.format_exc()}
    return {"traceback": "it has no result"}


def told(result):
    """What of an answer has to be the same: what changes, or why it is refused."""
    changes = {*(result.get("changes") or ()), *(each["after_header"] for each in result.get("diff", ()))}
    return {
        "changes": sorted(changes),
        "refusal": result.get("msg", ""),
        "traceback": result.get("traceback", ""),
    }


def looked(step):
    try:
        return drift.first_difference([step])[0]
    except Exception:
        return traceback.format_exc()


def settled(step, seconds=60):
    """What is still not well after a while."""
    end = time.monotonic() + seconds
    while True:
        reason = looked(step)
        if not reason or time.monotonic() > end:
            return reason
        time.sleep(0.2)


def brought_into(state, step):
    """The node in a state, and out of it."""
    began = time.monotonic()
    state.perturb()
    try:
        seen = {
            "drift": looked(step),
            "check": told(called(step, real=False)),
            "real": told(called(step, real=True)),
        }
    finally:
        if state.restore:
            state.restore()
    after = settled(step)
    about = {"state": state.name, "step": state.step, "expected": list(state.changes), "refuses": bool(state.restore)}
    return {**about, **seen, "after": after, "seconds": round(time.monotonic() - began, 1)}


def main():
    module = AnsibleModule(
        argument_spec={
            "steps": {"type": "list", "elements": "dict", "required": True},
            "only": {"type": "str", "default": ""},
        }
    )
    # A process that hangs is told from one that comes up by time, which is what this test has least of.
    component.SETTLED, component.PATIENCE = 5.0, 2.0
    steps = {}
    for step in module.params["steps"]:
        steps.setdefault(step["name"], {**step, "options": {**step["options"], "timeout": 60}})
    found = [state for state in states() if state.step in steps and module.params["only"] in state.name]
    module.exit_json(changed=True, states=[brought_into(state, steps[state.step]) for state in found])


if __name__ == "__main__":
    main()
