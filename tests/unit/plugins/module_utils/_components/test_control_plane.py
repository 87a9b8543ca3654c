# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import grp
import os
import tempfile

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._components import control_plane, scheduler
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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
class TestFilesOfTheOperator:
    """A file that was made for the one user of before would end the unit, once it has its own."""

    @pytest.fixture
    def file(self):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            os.chmod(folder, 0o755)
            path = f"{folder}/policy.yaml"
            with open(path, "w", encoding="utf-8"):
                pass
            os.chown(path, 0, grp.getgrnam("daemon").gr_gid)
            yield path

    @pytest.mark.parametrize("mode, reads", [(0o644, True), (0o640, True), (0o604, False), (0o600, False)])
    def test_the_user_may_read_it_or_it_is_refused(self, file, mode, reads):
        os.chmod(file, mode)
        if reads:
            control_plane.refuse_unreadable([f"config={file}", "v=3"], "daemon")
            return
        with pytest.raises(K3aError, match=f"{file}, which the argument config={file} names, cannot be read by daemon"):
            control_plane.refuse_unreadable([f"config={file}"], "daemon")

    def test_so_is_the_way_to_it(self, file):
        os.chmod(os.path.dirname(file), 0o700)
        assert not control_plane.readable_for(file, "daemon")

    def test_a_user_that_is_still_to_be_made_is_one_of_all(self, file):
        os.chmod(file, 0o644)
        assert control_plane.readable_for(file, "k3a-nobody")
        os.chmod(file, 0o640)
        assert not control_plane.readable_for(file, "k3a-nobody")

    def test_its_group_can_be_made_before_it(self, file):
        """A host that is taken over has neither, and is refused before it gets them."""
        os.chmod(file, 0o640)
        os.chown(file, 0, grp.getgrnam("audio").gr_gid)
        with pytest.raises(K3aError, match="; make that group with groupadd --system k3a-nobody, and give the file, and "):
            control_plane.refuse_unreadable([f"config={file}"], "k3a-nobody")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(control_plane.pwd, "getpwnam", {}.__getitem__)
            control_plane.refuse_unreadable([f"config={file}"], "audio")

    def test_what_is_no_file_is_no_matter_of_ours(self):
        control_plane.refuse_unreadable(["feature-gates=A=true", "x=/k3a/nothing", "v"], "daemon")


def test_it_runs_without_root(thing):
    lines = directives(thing.unit)
    assert (lines["User"], lines["CapabilityBoundingSet"], lines["NoNewPrivileges"]) == (
        *(["kube-scheduler"], [""]),
        ["yes"],
    )
    assert lines["Restart"] == ["always"]
    assert lines["StartLimitIntervalSec"] == ["0"]
