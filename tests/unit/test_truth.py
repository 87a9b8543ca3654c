# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the look says of a host, what a step's module says in check mode, and what it then does, are one and the same.

Of each step everything that it consists of is perturbed in every way, one at a time: what is done to each file, link,
directory and unit is derived from the component itself, so that a component that comes later is tried as well.
"""

from __future__ import annotations

import dataclasses
import errno
import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import containerd, registry
from ansible_collections.k3a.cluster.plugins.module_utils._components import etcd as etcd_step
from ansible_collections.k3a.cluster.plugins.module_utils._drift import drift
from ansible_collections.k3a.cluster.plugins.module_utils._engine import component as engine
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, program, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._host import host as host_step
from ansible_collections.k3a.cluster.plugins.module_utils._identity import identity as records
from ansible_collections.k3a.cluster.tests.unit.etcd_members import Cluster, begin_data, identity, member

if os.geteuid() != 0:
    pytest.skip("units and files of a host belong to root", allow_module_level=True)

# What each component is told beside what all are told.
GIVEN: dict[str, dict[str, Any]] = {
    "certificate_monitor": {"server_url": "https://127.0.0.1:6443"},
    "certificate_renewal": {"server_url": "https://127.0.0.1:6443", "ca_certificates": {}, "node_ip": ["10.0.0.1"]},
    "etcd": {"node_name": "s1", "node_ip": ["10.0.0.1"]},
    "apiserver": {"node_ip": ["10.0.0.1"]},
    "containerd": {"images": [{"name": "pause:1", "path": "/images/pause.tar", "component": "pause"}]},
    "flannel": {"server_url": "https://127.0.0.1:6443", "node_ip": ["10.0.0.1"]},
    "kube_proxy": {"server_url": "https://127.0.0.1:6443"},
    "kubelet": {"server_url": "https://127.0.0.1:6443", "node_ip": ["10.0.0.1"], "resolv_conf": "/etc/resolv.conf"},
    "load_balancer": {"servers": ["10.0.0.1:6443"]},
}
# Those that are components with a process; the others have their own cases.
COMPONENTS = sorted(set(registry.steps()) - {"kubeconfig"})
Perturb = Callable[[], Any]
Restore = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class State:
    """What is done, and how it is put back where no step does that."""

    name: str
    perturb: Perturb
    restore: Restore | None = None


def module_of(step: str) -> Any:
    return importlib.import_module(f"ansible_collections.k3a.cluster.plugins.modules.{step}")


def names(result: dict[str, Any]) -> set[str]:
    """What changes, as the diff names it and as the look does."""
    return {*(result.get("changes") or ()), *(each["after_header"] for each in result.get("diff", ()))}


def disagreements(step: str, options: dict[str, Any], states: Iterator[State], run_module: Any) -> list[str]:
    """In which states what is said and what is done differ, or a step neither mends nor refuses what it sees."""
    found = []
    module = module_of(step)
    for state in states:
        state.perturb()
        look = drift.check(step, options)
        reason = drift.difference(look)
        check = run_module(module, check=True, **options)
        real = run_module(module, **options)
        told = {(frozenset(names(each)), each.get("msg", "")) for each in (look, check, real)}
        if len(told) != 1:
            found.append(
                f"{state.name}: {reason!r}, {names(check)} {check.get('msg')}, {names(real)} {real.get('msg')}"
            )
        if bool(reason) != bool(real["changed"] if not real.get("failed") else real["msg"]):
            found.append(f"{state.name}: the look says {reason!r} of {real}")
        if state.restore:
            if not real.get("failed"):
                found.append(f"{state.name}: it is not refused but {names(real)}")
            state.restore()
        after = drift.difference(drift.check(step, options))
        if after:
            found.append(f"{state.name}: afterwards {after}")
            run_module(module, **options)
    return found


# ---- what can be done to what a step consists of


def states_of_file(path: str, monkeypatch: Any) -> Iterator[State]:
    kept = Path(path).read_bytes()
    there = Path(path)
    yield State(f"{path} is missing", there.unlink)
    yield State(f"{path} is edited", lambda: there.write_bytes(kept + b"#"))
    yield State(f"{path} is empty", lambda: there.write_bytes(b""))
    yield State(f"{path} is no text", lambda: there.write_bytes(b"\xff\xfe"))
    yield from states_of_mode(path)
    yield State(f"{path} is a link", lambda: (there.rename(f"{path}.real"), there.symlink_to(f"{path}.real")))
    Path(f"{path}.real").unlink(missing_ok=True)
    yield State(f"{path} is a link to nothing", lambda: (there.unlink(), there.symlink_to("/nowhere/at/all")))
    yield State(f"{path} is a directory", lambda: (there.unlink(), there.mkdir()), lambda: put_back(there, kept))
    yield from states_of_place(path, lambda: there.write_bytes(b"#"), monkeypatch)
    yield unreadable(path, monkeypatch)
    put_back(there, kept)


def put_back(path: Path, content: bytes) -> None:
    """A file as it was, whatever stands there."""
    if path.is_dir():
        path.rmdir()
        files.write_file(files.File(str(path), content, mode=wanted_modes[str(path)]))


# The modes of the files that are put back.
wanted_modes: dict[str, int] = {}


def states_of_mode(path: str) -> Iterator[State]:
    wanted_modes[path] = os.stat(path).st_mode & 0o7777
    yield State(f"{path} has another mode", lambda: os.chmod(path, wanted_modes[path] ^ 0o011))
    yield State(f"{path} has another owner", lambda: os.chown(path, 12345, -1))
    yield State(f"{path} has another group", lambda: os.chown(path, -1, 12345))


def states_of_place(path: str, perturb: Perturb, monkeypatch: Any) -> Iterator[State]:
    """A difference that cannot be mended where it is."""
    real = os.statvfs
    kept = Path(path).read_bytes()
    for name, field, value in (("is on a full disk", "f_bfree", 0), ("cannot be written", "f_flag", os.ST_RDONLY)):

        def refuse(asked: Any, other: str = field, value: int = value) -> Any:
            fields = (each for each in dir(real("/")) if each.startswith("f_"))
            return type("Status", (), {**{each: getattr(real(asked), each) for each in fields}, other: value})

        yield State(
            f"{path} {name}",
            lambda refuse=refuse: (perturb(), monkeypatch.setattr(os, "statvfs", refuse)),
            lambda: (monkeypatch.setattr(os, "statvfs", real), Path(path).write_bytes(kept)),
        )


def unreadable(path: str, monkeypatch: Any) -> State:
    """The disk does not give a file back."""
    real = files.read_bytes

    def refuse(asked: str) -> bytes | None:
        if asked == path:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(asked)

    def perturb() -> None:
        monkeypatch.setattr(files, "read_bytes", refuse)

    return State(f"{path} gives an I/O error", perturb, lambda: monkeypatch.setattr(files, "read_bytes", real))


def states_of_directory(path: str) -> Iterator[State]:
    there, kept = Path(path), Path(f"{path}.kept")
    yield from states_of_mode(path)
    yield State(
        f"{path} is a file",
        lambda: (there.rename(kept), there.write_text("in the way")),
        lambda: (there.unlink(), kept.rename(there)),
    )
    if not any(there.iterdir()):
        yield State(f"{path} is missing", there.rmdir)


def states_of_link(link: files.Link) -> Iterator[State]:
    there = Path(link.path)
    yield State(f"{link.path} is missing", there.unlink)
    yield State(f"{link.path} leads elsewhere", lambda: (there.unlink(), there.symlink_to("/elsewhere")))
    yield State(f"{link.path} is a file", lambda: (there.unlink(), there.write_text("#")))
    yield State(
        f"{link.path} is a directory",
        lambda: (there.unlink(), there.mkdir()),
        lambda: (there.rmdir(), there.symlink_to(link.target)),
    )


def states_of_unit(component: engine.Component, init: Any) -> Iterator[State]:
    name = component.unit_name
    there = Path(systemd.unit_path(name))

    def running_otherwise() -> None:
        """A process of an earlier run goes on."""
        text = there.read_text()
        there.write_text(text.replace(f"{systemd.DIGEST}=", f"{systemd.DIGEST}=0"))
        init("daemon-reload")
        init("restart", name)
        there.write_text(text)
        init("daemon-reload")

    yield State("its unit is missing", lambda: (there.unlink(), init("daemon-reload")))
    yield State("its unit is missing, and systemd has not heard", there.unlink)
    yield State("its unit is edited", lambda: there.write_text(there.read_text() + "Nice=1\n"))
    yield State(
        "its unit has another digest", lambda: there.write_text(there.read_text().replace("DIGEST=", "DIGEST=0"))
    )
    yield State("its unit is no text", lambda: there.write_bytes(b"\xff\xfe"))
    yield State("its unit is masked", lambda: (there.unlink(), there.symlink_to("/dev/null"), init("daemon-reload")))
    yield State("it does not start with the system", lambda: init.enabled.discard(name))
    yield State("it is stopped", lambda: init.stop(name))
    yield State("it is disabled and stopped", lambda: init("disable", name))
    yield State("it has failed", lambda: (init.processes[name].kill(), init.processes[name].wait()))
    yield State("it runs with other inputs", running_otherwise)


def states_of_triggers(component: engine.Component, init: Any) -> Iterator[State]:
    """A service that others start: its unit's text, and what starts it."""
    for name in (component.unit_name, *component.trigger_units):
        there = Path(systemd.unit_path(name))
        yield State(f"{name} is missing", lambda there=there: (there.unlink(), init("daemon-reload")))
        yield State(f"{name} is missing, and systemd has not heard", there.unlink)
        yield State(f"{name} is edited", lambda there=there: there.write_text(there.read_text() + "X-Mine=1\n"))
        yield State(f"{name} is no text", lambda there=there: there.write_bytes(b"\xff\xfe"))
    for name in component.trigger_units:
        yield State(f"{name} does not start with the system", lambda name=name: init.enabled.discard(name))
        yield State(f"{name} is stopped", lambda name=name: init.stop(name))
        yield State(f"{name} is disabled and stopped", lambda name=name: init("disable", name))


def states_of_input(path: str, monkeypatch: Any) -> Iterator[State]:
    """What another step makes, which is for this one to notice only."""
    there = Path(path)
    yield State(f"{path} is another", lambda: there.write_text("another"))
    yield State(f"{path} is gone", there.unlink)
    yield State(f"{path} is there again", lambda: there.write_text("again"))
    yield State(f"{path} is no text", lambda: there.write_bytes(b"\xff\xfe"))
    yield unreadable(path, monkeypatch)


# ---- components


@pytest.fixture
def node(init, bundle, tmp_path, monkeypatch):
    """A node on which every component can run, in a directory of the test; as its owner there is root alone."""
    for name in ("etcd", "kube-apiserver", "k3a-load-balancer"):
        shutil.copy(f"{bundle}/bin/kubelet", f"{bundle}/bin/{name}")
    tools = Path(bundle, "bin")
    (tools / "imported").write_text("")
    (tools / "ctr").write_text(f"#!/bin/sh\necho '\"pause:1\"' > {tools}/imported\n")
    (tools / "crictl").write_text(
        f'#!/bin/sh\necho "{{\\"images\\": [{{\\"repoTags\\": [$(cat {tools}/imported)]}}]}}"\n'
    )
    for name in ("ctr", "crictl"):
        (tools / name).chmod(0o755)
    monkeypatch.setattr(etcd_step.joining, "Etcd", Cluster(member(1)))
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nread x < {bundle}/never\n")
    python.chmod(0o755)
    api = Path(systemd.unit_path("k3a-apiserver.service"))
    api.write_text(f"[Service]\nExecStart={bundle}/bin/kube-apiserver\n")
    init("daemon-reload")
    init("restart", api.name)
    monkeypatch.setattr(program, "interpreter", lambda _running: str(python))
    real, seen = engine.converge, []

    def of_root(module: Any, component: engine.Component, *given: Any, **more: Any) -> dict[str, Any]:
        seen[:] = [
            dataclasses.replace(
                component,
                healthy=(),
                outdated=(),
                directories=tuple(
                    dataclasses.replace(each, owner="root", group="root") for each in component.directories
                ),
                files=tuple(dataclasses.replace(each, group="root") for each in component.files),
                links=tuple(files.Link(f"{tmp_path}{each.path}", each.target) for each in component.links),
            )
        ]
        return real(module, seen[0], *given, **more)

    monkeypatch.setattr(engine, "converge", of_root)
    return {"bundle": bundle, "data_dir": str(tmp_path / "k3a"), "wait": False, "timeout": 10}, seen


@pytest.mark.parametrize("step", COMPONENTS)
def test_components(step, run_module, node, init, monkeypatch):
    shared, seen = node
    options = {**shared, **GIVEN.get(step, {})}
    if step == "etcd":
        begin_data(Path(shared["data_dir"], "server/db/etcd"), identity(1))
    assert drift.difference(drift.check(step, options))
    component = seen[0]
    for path in component.inputs:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(f"{path}\n")
    first = run_module(module_of(step), **options)
    assert first.get("changed"), first["msg"]
    assert drift.difference(drift.check(step, options)) == ""

    def states() -> Iterator[State]:
        for file in (*component.files, *component.reloaded):
            yield from states_of_file(file.path, monkeypatch)
        for directory in component.directories:
            yield from states_of_directory(directory.path)
        for link in component.links:
            yield from states_of_link(link)
        for path in component.inputs:
            yield from states_of_input(path, monkeypatch)
        yield from (states_of_triggers if component.triggers else states_of_unit)(component, init)
        yield from OWN.get(step, lambda *_: iter(()))(shared, init)

    assert disagreements(step, options, states(), run_module) == []


def states_of_etcd(shared: dict[str, Any], _init: Any) -> Iterator[State]:
    left = Path(shared["data_dir"], "server/db/etcd.env")
    yield State("the file of the first start is left", lambda: left.write_text("ETCD_INITIAL_CLUSTER=\n"))
    record = Path(records.ETCD)
    yield State("its record is missing", record.unlink)
    kept = record.read_text()
    yield State("its record is damaged", lambda: record.write_text("{"), lambda: record.write_text(kept))


def states_of_containerd(shared: dict[str, Any], _init: Any) -> Iterator[State]:
    yield State("an image is missing", lambda: Path(shared["bundle"], "bin/imported").write_text(""))
    surplus = Path(shared["data_dir"], "agent/etc/containerd/certs.d/example.org/hosts.toml")
    header = containerd.registries.HEADER
    yield State("a registry is left", lambda: (surplus.parent.mkdir(parents=True), surplus.write_text(header)))


OWN: dict[str, Callable[[dict[str, Any], Any], Iterator[State]]] = {
    "etcd": states_of_etcd,
    "containerd": states_of_containerd,
}


# ---- what has no process


def test_the_administrators_kubeconfig(run_module, tmp_path, monkeypatch):
    data = tmp_path / "k3a"
    sources = [data / "server/tls" / name for name in ("server-ca.crt", "client-administrator.crt", "client-administrator.key")]
    for path in sources:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{path}\n")
    options = {"path": str(tmp_path / "etc/k3a.yaml"), "data_dir": str(data)}
    assert run_module(module_of("kubeconfig"), **options)["changed"]

    def states() -> Iterator[State]:
        yield from states_of_file(options["path"], monkeypatch)
        for path in sources:
            kept = path.read_text()
            yield State(f"{path} is gone", path.unlink, lambda path=path, kept=kept: path.write_text(kept))
            yield State(f"{path} is another", lambda path=path: path.write_bytes(b"\xff\xfe"))
            yield State(f"{path} is as it was", lambda path=path: path.touch() or path.write_text("renewed"))
            yield unreadable(str(path), monkeypatch)

    assert disagreements("kubeconfig", options, states(), run_module) == []


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A host in a directory, with users and kernel settings of its own."""
    monkeypatch.setattr(host_step, "setting_path", lambda key: str(tmp_path / "sys" / key.replace(".", "/")))
    for name in ("SYSUSERS", "MODULES_LOAD", "SYSCTL"):
        monkeypatch.setattr(host_step, name, str(tmp_path / name))
    for key in host_step.SETTINGS:
        path = Path(host_step.setting_path(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("7\n")
    there = {"etcd"}
    monkeypatch.setattr(host_step, "missing_users", lambda users: tuple(user for user in users if user not in there))
    monkeypatch.setattr(host_step, "_run", lambda command: there.update(("etcd", "kube")))
    monkeypatch.setattr(host_step, "loadable", lambda _names: ())
    return there


def below(folder: Path) -> Callable[..., host_step.Host]:
    """What is wanted of a host, with all of its directories below a folder."""
    real = host_step.wanted_host

    def wanted(*given: Any) -> host_step.Host:
        host = real(*given)
        paths = (
            path if path.startswith(str(folder)) else f"{folder}{path}" for path in (d.path for d in host.directories)
        )
        return dataclasses.replace(host, directories=tuple(files.Directory(path) for path in paths))

    return wanted


def test_the_host(run_module, machine, tmp_path, monkeypatch):
    options = {"data_dir": str(tmp_path / "k3a"), "users": {"etcd": "datastore", "kube": "the rest"}}
    monkeypatch.setattr(host_step, "wanted_host", below(tmp_path))
    assert run_module(module_of("host"), **options)["changed"]
    record = tmp_path / "k3a/host.json"

    def states() -> Iterator[State]:
        for name in ("SYSUSERS", "MODULES_LOAD", "SYSCTL"):
            yield from states_of_file(str(tmp_path / name), monkeypatch)
        yield from states_of_directory(str(tmp_path / "k3a"))
        yield State("a user is missing", lambda: machine.discard("kube"))
        for key in host_step.SETTINGS:
            setting = Path(host_step.setting_path(key))
            yield State(f"{key} is another", lambda setting=setting: setting.write_text("8\n"))
        kept = record.read_bytes()
        for name, content in (("no JSON", b"{"), ("no text", b"\xff\xfe"), ("a list", b"[]"), ("a number", b"5")):
            yield State(
                f"the record is {name}",
                lambda content=content: record.write_bytes(content),
                lambda: record.write_bytes(kept),
            )
        yield unreadable(str(record), monkeypatch)

    assert disagreements("host", options, states(), run_module) == []
