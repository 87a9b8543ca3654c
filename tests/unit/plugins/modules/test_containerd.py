# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import containerd as containerd_utils
from ansible_collections.k3a.cluster.plugins.module_utils._engine.files import Link
from ansible_collections.k3a.cluster.plugins.modules import containerd

PAUSE = {"name": "registry.k8s.io/pause:3.10", "path": "/images/pause.tar"}
COREDNS = {"name": "registry.k8s.io/coredns/coredns:v1.15.0", "path": "/images/coredns.tar"}


@pytest.fixture
def arguments(bundle, tmp_path, monkeypatch):
    """A bundle whose crictl lists what its ctr has imported."""
    if os.geteuid() != 0:
        pytest.skip("units belong to root")
    monkeypatch.setattr(
        containerd_utils.files,
        "Link",
        lambda path, target: Link(path.replace("/etc/crictl", f"{tmp_path}/crictl"), target),
    )
    tools = Path(bundle, "bin")
    names = json.dumps({image["path"]: image["name"] for image in (PAUSE, COREDNS)})
    (tools / "names").write_text(names + "\n")
    (tools / "ctr").write_text(
        "#!/bin/sh\nfor last; do :; done\n[ -e $last.bad ] && { echo corrupt >&2; exit 1; }\n"
        f'sed -E \'s#.*"\'$last\'": ("[^"]*").*#\\1#\' {tools}/names >> {tools}/imported\n'
    )
    (tools / "crictl").write_text(
        f"#!/bin/sh\ntouch {tools}/imported\n"
        f'echo "{{\\"images\\": [{{\\"repoTags\\": [$(paste -sd, {tools}/imported)]}}]}}"\n'
    )
    for name in ("ctr", "crictl"):
        (tools / name).chmod(0o755)
    return {"bundle": bundle, "data_dir": str(tmp_path / "k3a"), "wait": False}


def test_images_that_the_runtime_lacks_are_imported_once(run_module, init, arguments):
    announced = run_module(containerd, check=True, images=[PAUSE, COREDNS], **arguments)
    assert announced["changes"][-2:] == [PAUSE["name"], COREDNS["name"]]
    first = run_module(containerd, images=[PAUSE], **arguments)
    assert first["changes"][-1] == PAUSE["name"]
    assert first["restarted"]
    second = run_module(containerd, images=[PAUSE, COREDNS], **arguments)
    assert (second["changed"], second["changes"], second["restarted"]) == (True, [COREDNS["name"]], False)
    third = run_module(containerd, images=[PAUSE, COREDNS], **arguments)
    assert (third["changed"], third["changes"], third["diff"]) == (False, [], [])


def test_an_image_that_is_refused_fails_with_the_runtimes_words(run_module, init, arguments, tmp_path):
    bad = tmp_path / "bad.tar"
    Path(f"{bad}.bad").touch()
    result = run_module(containerd, images=[{"name": "bad:1", "path": str(bad)}], **arguments)
    assert result["failed"]
    assert result["msg"] == f"containerd does not import {bad}: corrupt"


def test_an_upgrade_does_not_announce_images_that_are_there(run_module, init, arguments, tmp_path, monkeypatch):
    run_module(containerd, images=[PAUSE], **arguments)
    (tmp_path / "k3a/data").mkdir()
    (tmp_path / "k3a/data/current").symlink_to(arguments["bundle"])
    monkeypatch.setattr(containerd_utils, "CONTAINERD_SOCKET", str(tmp_path / "sock"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "sock"))
        server.listen()
        newer = {**arguments, "bundle": str(tmp_path / "newer")}
        announced = run_module(containerd, check=True, images=[PAUSE, COREDNS], **newer)
    assert announced["restarted"]
    assert [change for change in announced["changes"] if "k8s.io" in change] == [COREDNS["name"]]


def test_a_runtime_that_does_not_answer_is_one_sentence(run_module, init, arguments):
    (Path(arguments["bundle"]) / "bin/crictl").write_text("#!/bin/sh\necho connection refused >&2; exit 1\n")
    result = run_module(containerd, images=[PAUSE], **arguments)
    assert (result["failed"], result["msg"]) == (True, "containerd does not list its images: connection refused")


def test_a_password_is_in_no_output_at_any_time(run_module, init, arguments, tmp_path):
    given = {
        "registries": {"configs": {"reg.example": {"auth": {"username": "me"}}}},
        "registry_secrets": {"reg.example": {"password": "s3cr3t-word"}},
    }
    config = tmp_path / "k3a/agent/etc/containerd/config.toml"
    assert "s3cr3t-word" not in json.dumps(run_module(containerd, **given, **arguments))
    assert "s3cr3t-word" in config.read_text()
    gone = run_module(containerd, **arguments)
    assert str(config) in gone["changes"]
    assert "s3cr3t-word" not in json.dumps(gone)
    assert "s3cr3t-word" not in config.read_text()


def test_a_mirror_comes_and_goes_without_a_restart(run_module, init, arguments, tmp_path):
    run_module(containerd, **arguments)
    hosts = tmp_path / "k3a/agent/etc/containerd/certs.d/docker.io/hosts.toml"
    mirrors = {"mirrors": {"docker.io": {"endpoint": ["https://mirror.example"]}}}
    added = run_module(containerd, registries=mirrors, **arguments)
    assert (added["changes"], added["restarted"]) == ([str(hosts)], False)
    assert "mirror.example" in hosts.read_text()
    removed = run_module(containerd, **arguments)
    assert (removed["changes"], removed["restarted"], hosts.exists()) == ([str(hosts)], False, False)
