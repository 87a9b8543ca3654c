# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import (
    control_plane,
    controller_manager,
    scheduler,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.tests.unit.component_samples import command, directives, document, params_for

LAYOUT = Layout("/var/lib/k3a")
RUN = "/run/credentials/k3a-scheduler.service"


@pytest.fixture
def thing():
    credentials = control_plane.client_credentials(LAYOUT, "scheduler", "client-thing", "service.key")
    params = params_for(scheduler, https_listen_port=7443, extra_args=["v=3", "profiling=maybe"])
    arguments = {"secure-port": "1", "tls-min-version": "VersionTLS13", "profiling": "true"}
    return control_plane.client_component(scheduler.DECLARATION, params, credentials, arguments)


def test_a_client_gets_its_files_from_systemd(thing):
    assert directives(thing.unit)["LoadCredential"] == [
        "kubeconfig:/var/lib/k3a/server/etc/scheduler.kubeconfig",
        "client.crt:/var/lib/k3a/server/tls/client-thing.crt",
        "client.key:/var/lib/k3a/server/tls/client-thing.key",
        "server-ca.crt:/var/lib/k3a/server/tls/server-ca.crt",
        "service.key:/var/lib/k3a/server/tls/service.key",
    ]
    assert thing.inputs[1:3] == ("/var/lib/k3a/server/tls/client-thing.crt", "/var/lib/k3a/server/tls/client-thing.key")


def test_its_kubeconfig_leads_to_the_api_on_this_server_and_is_roots(thing):
    (kubeconfig,) = thing.files
    written = document(thing, kubeconfig.path)
    assert written["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:7443",
        "certificate-authority": f"{RUN}/server-ca.crt",
        "tls-server-name": "kubernetes.default.svc",
    }
    assert written["users"][0]["user"] == {"client-certificate": f"{RUN}/client.crt", "client-key": f"{RUN}/client.key"}
    assert (kubeconfig.mode, kubeconfig.owner) == (0o600, "root")


def test_own_arguments_win_over_the_common_ones_and_the_operators_over_both(thing):
    words = command(thing.unit)
    assert "--tls-min-version=VersionTLS13" in words
    assert "--profiling=maybe" in words
    assert "--v=3" in words
    assert "--bind-address=127.0.0.1" in words
    assert f"--kubeconfig={RUN}/kubeconfig" in words


@pytest.mark.parametrize("elect, word", [(False, "false"), (True, "true")])
def test_several_servers_elect_one_that_is_active(elect, word):
    credentials = control_plane.client_credentials(LAYOUT, "scheduler", "client-thing")
    params = params_for(scheduler, leader_elect=elect)
    words = command(control_plane.client_component(scheduler.DECLARATION, params, credentials, {}).unit)
    assert f"--leader-elect={word}" in words


def test_it_reaches_its_own_host_and_more_only_when_it_is_told_of_more(thing):
    credentials = control_plane.client_credentials(LAYOUT, "scheduler", "client-thing")
    params = params_for(scheduler, leader_elect=True, v=4, environment={"GODEBUG": "netdns=go"})
    alone = control_plane.client_component(scheduler.DECLARATION, params, credentials, {})
    assert directives(alone.unit)["IPAddressDeny"] == ["any"]
    assert directives(alone.unit)["IPAddressAllow"] == ["localhost"]
    assert "IPAddressDeny" not in directives(thing.unit)


def test_a_file_that_it_cannot_work_with_is_refused(tmp_path):
    path = tmp_path / "scheduler.yaml"
    path.write_text("kind: KubeSchedulerConfiguration\n")
    told = "has no clientConnection.kubeconfig, .*; give it .*: /run/credentials/k3a-scheduler.service/kubeconfig$"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ansible_collections.k3a.cluster.plugins.module_utils._host.readable.readable_for", lambda *_: True)
        with pytest.raises(K3aError, match=told):
            control_plane.refuse_unusable(scheduler.DECLARATION, [f"config={path}"])
        control_plane.refuse_unusable(controller_manager.DECLARATION, [f"cloud-config={path}"])
    control_plane.refuse_unusable(scheduler.DECLARATION, ["v=2"])


def test_it_runs_without_root(thing):
    lines = directives(thing.unit)
    assert (lines["User"], lines["CapabilityBoundingSet"], lines["NoNewPrivileges"]) == (
        *(["kube-scheduler"], [""]),
        ["yes"],
    )
    assert lines["Restart"] == ["always"]
    assert lines["StartLimitIntervalSec"] == ["0"]
