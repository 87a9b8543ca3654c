# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import containerd
from ansible_collections.k3a.cluster.plugins.module_utils._components.containerd import ContainerdError
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.tests.unit.bolt_samples import database
from ansible_collections.k3a.cluster.tests.unit.component_samples import (
    BUNDLE,
    command,
    content_of,
    directives,
    document,
    params_for,
)

tomllib = pytest.importorskip("tomllib", reason="Python 3.11 brings the reader")
IMAGES = [
    {"name": "registry.k8s.io/coredns/coredns:v1.15.0", "path": "/d/images/coredns.tar", "component": "coredns"},
    {"name": "registry.k8s.io/pause:3.10", "path": "/d/images/pause.tar", "component": "pause"},
]
CONFIG = "/var/lib/k3a/agent/etc/containerd/config.toml"
LOGIN = {"configs": {"reg.example": {"auth": {"username": "me", "password": "s3cr3t"}}}}


def component_of(**given):
    given = {"images": IMAGES, **given}
    return containerd.containerd_component(params_for(containerd, **given))


def configuration_of(**given):
    return tomllib.loads(content_of(component_of(**given), CONFIG))


def test_the_configuration():
    assert configuration_of() == {
        "version": 3,
        "root": "/var/lib/k3a/agent/containerd",
        "state": "/run/k3a/containerd",
        "grpc": {"address": "/run/k3a/containerd/containerd.sock"},
        "plugins": {
            "io.containerd.cri.v1.runtime": {
                "enable_unprivileged_ports": True,
                "enable_unprivileged_icmp": True,
                "restrict_oom_score_adj": False,
                "cni": {"bin_dirs": [f"{BUNDLE}/cni"], "conf_dir": "/var/lib/k3a/agent/etc/cni/net.d"},
                "containerd": {
                    "default_runtime_name": "runc",
                    "runtimes": {
                        "runc": {
                            "runtime_type": "io.containerd.runc.v2",
                            "options": {"BinaryName": f"{BUNDLE}/bin/runc", "SystemdCgroup": True},
                        }
                    },
                },
            },
            "io.containerd.cri.v1.images": {
                "snapshotter": "overlayfs",
                "pinned_images": {"sandbox": "registry.k8s.io/pause:3.10"},
                "registry": {"config_path": "/var/lib/k3a/agent/etc/containerd/certs.d"},
            },
            "io.containerd.grpc.v1.cri": {"stream_server_address": "127.0.0.1", "stream_server_port": "10010"},
            "io.containerd.service.v1.diff-service": {"sync_fs": True},
        },
    }


@pytest.mark.parametrize("given, expected", [({}, {}), ({"nonroot_devices": True}, {"device_ownership_from_security_context": True})])
def test_devices_belong_to_who_uses_them_only_where_it_is_asked_for(given, expected):
    found = configuration_of(**given)["plugins"][containerd.CRI_RUNTIME]
    assert {key: value for key, value in found.items() if key.startswith("device_")} == expected


def test_it_logs_all_that_it_does_only_where_it_is_asked_for():
    assert configuration_of(debug=True)["debug"] == {"level": "debug"}
    assert "debug" not in configuration_of()


def test_the_pause_image_is_the_bundles_unless_one_is_chosen():
    images = [{"name": f"registry.k8s.io/{name}:1", "path": "/x", "component": name} for name in ("coredns", "pause")]
    for given, expected in ({"images": images}, "registry.k8s.io/pause:1"), (
        {"images": images, "pause_image": "reg.example/pause:2"},
        "reg.example/pause:2",
    ):
        assert configuration_of(**given)["plugins"][containerd.CRI_IMAGES]["pinned_images"] == {"sandbox": expected}


def test_a_network_that_somebody_else_brings_is_where_all_bring_it():
    runtime = configuration_of(flannel_backend="none")["plugins"][containerd.CRI_RUNTIME]
    assert runtime["cni"] == {"bin_dirs": ["/opt/cni/bin", f"{BUNDLE}/cni"], "conf_dir": "/etc/cni/net.d"}


def test_programs_are_called_by_the_places_that_their_contents_name():
    """Each program has a directory of its own, so the configuration names several."""
    files = "/var/lib/k3a/data/files"
    paths = ("bin/containerd", "bin/containerd-shim-runc-v2", "bin/runc", "cni/bridge", "cni/portmap")
    given = {path: f"{files}/{number}/{path.rpartition('/')[2]}" for number, path in enumerate(paths)}
    runtime = configuration_of(programs=given)["plugins"][containerd.CRI_RUNTIME]
    assert runtime["cni"]["bin_dirs"] == [f"{files}/3", f"{files}/4"]
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["BinaryName"] == f"{files}/2/runc"
    unit = component_of(programs=given).unit
    assert command(unit)[0] == f"{files}/0/containerd"
    assert directives(unit)["Environment"][0].startswith(f"PATH={files}/1:")


def test_choices_reach_the_configuration():
    given = configuration_of(snapshotter="native", pause_image="reg.example/pause:1", restrict_oom_score_adj=True)
    images = given["plugins"][containerd.CRI_IMAGES]
    assert (images["snapshotter"], images["pinned_images"]) == ("native", {"sandbox": "reg.example/pause:1"})
    assert given["plugins"][containerd.CRI_RUNTIME]["restrict_oom_score_adj"] is True


def test_without_the_bundles_image_the_runtime_takes_its_own():
    assert "pinned_images" not in configuration_of(images=IMAGES[:1])["plugins"][containerd.CRI_IMAGES]


def test_containers_outlive_their_runtime():
    unit = component_of().unit
    assert command(unit) == [f"{BUNDLE}/bin/containerd", f"--config={CONFIG}"]
    lines = directives(unit)
    assert (lines["KillMode"], lines["Delegate"], lines["Type"]) == (["process"], ["yes"], ["notify"])
    assert f"PATH={BUNDLE}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" in lines["Environment"]


def test_crictl_works_without_arguments():
    component = component_of()
    endpoint = "unix:///run/k3a/containerd/containerd.sock"
    crictl = document(component, "/var/lib/k3a/agent/etc/crictl.yaml")
    assert crictl == {"runtime-endpoint": endpoint, "image-endpoint": endpoint}
    assert component.links == (files.Link("/etc/crictl.yaml", "/var/lib/k3a/agent/etc/crictl.yaml"),)


def test_a_new_mirror_restarts_nothing_and_a_new_login_does():
    plain = component_of()
    mirrored = component_of(registries={"mirrors": {"docker.io": {"endpoint": ["https://mirror.example"]}}})
    assert [file.content for file in mirrored.files] == [file.content for file in plain.files]
    assert mirrored.unit == plain.unit
    assert len(mirrored.reloaded) == len(plain.reloaded) + 1
    assert component_of(registries=LOGIN).files[0].content != plain.files[0].content


def test_a_login_is_shown_neither_when_it_comes_nor_when_it_goes(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("the configuration belongs to root")
    for given in (LOGIN, {}):
        (config,) = component_of(data_dir=str(tmp_path), registries=given).files
        assert "s3cr3t" not in str(files.file_change(config).as_diff())
        files.write_file(config)
    (config,) = component_of(data_dir=str(tmp_path), snapshotter="native").files
    assert 'snapshotter = "native"' in files.file_change(config).after


def program(tmp_path, name, text):
    path = tmp_path / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


@pytest.mark.parametrize(
    "listed, names",
    [
        ('{"images": []}', set()),
        ('{"images": null}', set()),
        ('{"images": [{"repoTags": ["a:1", "b:2"]}, {"repoTags": []}, {"repoTags": null}]}', {"a:1", "b:2"}),
    ],
)
def test_the_runtimes_images_are_known_by_their_names(tmp_path, listed, names):
    program(tmp_path, "crictl", f"echo '{listed}'\n")
    assert containerd.images_present(str(tmp_path)) == names


def test_an_image_is_imported_pinned_into_the_namespace_of_kubernetes(tmp_path):
    program(tmp_path, "ctr", f'echo "$@" > {tmp_path}/told\n')
    assert containerd.import_image(str(tmp_path), "/images/pause.tar") is None
    told = (tmp_path / "told").read_text().split()
    assert {"--namespace=k8s.io", "--label=io.cri-containerd.pinned=pinned"} <= set(told)
    assert told[-1] == "/images/pause.tar"


def test_why_an_image_is_refused_is_told(tmp_path):
    program(tmp_path, "ctr", "echo ctr: unrecognized image format >&2; exit 1\n")
    assert containerd.import_image(str(tmp_path), "/x.tar") == "ctr: unrecognized image format"


def test_an_import_is_announced_by_the_images_name():
    announced = containerd.image_diff("registry.k8s.io/pause:3.10")
    assert announced["after_header"] == "registry.k8s.io/pause:3.10"
    assert announced["before"] == ""


@pytest.fixture
def params(tmp_path):
    return {"bundle": str(tmp_path / "new"), "data_dir": str(tmp_path / "k3a")}


def crictl(bundle, text):
    path = bundle / "bin/crictl"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def listing(name):
    images = json.dumps({"images": [{"repoTags": [name]}]})
    return f"echo '{images}'"


@pytest.mark.parametrize(
    "bundles, images",
    [
        (["k3a/data/current"], {"k3a/data/current:1"}),
        (["k3a/data/current", "new"], {"new:1"}),
        ([], set()),
    ],
)
def test_check_mode_asks_with_the_tools_that_the_host_has(tmp_path, monkeypatch, params, bundles, images):
    monkeypatch.setattr(containerd, "runs", lambda: True)
    for bundle in bundles:
        crictl(tmp_path / bundle, listing(f"{bundle}:1"))
    assert containerd.present_images(params, foreseen=True) == images


def test_a_runtime_that_is_down_has_no_images_in_check_mode_and_is_asked_in_a_run(tmp_path, monkeypatch, params):
    monkeypatch.setattr(containerd, "runs", lambda: False)
    crictl(tmp_path / "new", "echo connection refused >&2; exit 1")
    assert containerd.present_images(params, foreseen=True) == set()
    with pytest.raises(ContainerdError, match="connection refused"):
        containerd.present_images(params, foreseen=False)


def test_the_images_of_a_runtime_that_is_stopped_are_known_in_check_mode(tmp_path, monkeypatch):
    monkeypatch.setattr(containerd, "runs", lambda: False)
    params = {"bundle": "/nowhere", "data_dir": str(tmp_path)}
    assert containerd.present_images(params, foreseen=True) == set()
    store = tmp_path / "agent/containerd/io.containerd.metadata.v1.bolt"
    store.mkdir(parents=True)
    (store / "meta.db").write_bytes(database())
    assert "registry.example/k8s.io/image-039:v1" in containerd.present_images(params, foreseen=True)
    (store / "meta.db").write_bytes(b"damaged")
    assert containerd.present_images(params, foreseen=True) == set()


def test_layers_have_the_label_of_containers_where_selinux_is_wanted():
    assert "restorecon" not in component_of().unit
    assert "enable_selinux" not in configuration_of()["plugins"]["io.containerd.cri.v1.runtime"]
    labelled = component_of(selinux=True)
    snapshots = "/var/lib/k3a/agent/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots"
    assert f"ExecStartPre=-/usr/sbin/restorecon -F {snapshots}\n" in labelled.unit
    assert snapshots in [directory.path for directory in labelled.directories]
    assert configuration_of(selinux=True)["plugins"]["io.containerd.cri.v1.runtime"]["enable_selinux"] is True
