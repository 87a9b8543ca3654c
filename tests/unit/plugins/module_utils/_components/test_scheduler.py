# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.k3a.cluster.plugins.module_utils._components import scheduler
from ansible_collections.k3a.cluster.tests.unit.component_samples import BUNDLE, command, params_for, unknown_flags

RUN = "/run/credentials/k3a-scheduler.service"


def test_the_arguments():
    unit = scheduler.scheduler_component(params_for(scheduler)).unit
    assert command(unit) == [
        f"{BUNDLE}/bin/kube-scheduler",
        f"--authentication-kubeconfig={RUN}/kubeconfig",
        f"--authorization-kubeconfig={RUN}/kubeconfig",
        "--bind-address=127.0.0.1",
        f"--kubeconfig={RUN}/kubeconfig",
        "--leader-elect=false",
        "--profiling=false",
        "--secure-port=10259",
        "--tls-min-version=VersionTLS12",
    ]
    assert unknown_flags(unit) == []


def test_several_servers_elect_one_that_is_active():
    words = command(scheduler.scheduler_component(params_for(scheduler, leader_elect=True)).unit)
    assert "--leader-elect=true" in words


def test_it_has_no_secret_but_its_own():
    component = scheduler.scheduler_component(params_for(scheduler))
    assert [path for path in component.inputs if path.endswith(".key")] == [
        "/var/lib/k3a/server/tls/client-scheduler.key"
    ]
