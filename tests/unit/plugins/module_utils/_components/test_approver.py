# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys

from ansible_collections.k3a.cluster.plugins.module_utils._components import approver
from ansible_collections.k3a.cluster.tests.unit.component_samples import command, directives, params_for
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping

PROCESSES = (("system:kube-proxy", ""), ("system:k3a-flannel:{node}", "system:k3a-flannel"))
PROGRAM = "/var/lib/k3a/server/lib/k3a.pyz"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/k3a-system/leases/k3a-approver"


def component_of(**given):
    return approver.approver_component(params_for(approver, **given), "/usr/bin/python3", PROCESSES)


def test_the_unit():
    unit = component_of(https_listen_port=7443).unit
    assert command(unit) == ["/usr/bin/python3", "-I", "-S", PROGRAM, "approve", "https://127.0.0.1:7443"]
    found = directives(unit)
    assert (found["DynamicUser"], found["Type"], found["Restart"], found["StartLimitIntervalSec"]) == (
        ["yes"],
        ["notify"],
        ["always"],
        ["0"],
    )
    assert found["ProtectSystem"] == ["strict"]
    # It talks to the API server of its own host, and looks at nobody's interfaces.
    assert (found["IPAddressDeny"], found["IPAddressAllow"]) == (["any"], ["localhost"])
    assert found["RestrictAddressFamilies"] == ["AF_UNIX AF_INET AF_INET6"]


def test_its_credentials_come_from_systemd_and_restart_it():
    component = component_of()
    tls = "/var/lib/k3a/server/tls"
    assert directives(component.unit)["LoadCredential"] == [
        f"server-ca.crt:{tls}/server-ca.crt",
        f"client.crt:{tls}/client-approver.crt",
        f"client.key:{tls}/client-approver.key",
    ]
    assert set(component.inputs) == {f"{tls}/{name}" for name in ("server-ca.crt", "client-approver.crt", "client-approver.key")}


def test_the_program_is_for_everybody_to_read():
    (program,) = component_of().files
    assert (program.path, program.mode, program.secret) == (PROGRAM, 0o644, False)


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def test_the_program_runs_by_itself_and_gives_its_lease_back(tmp_path):
    (program,) = component_of().files
    (tmp_path / "k3a.pyz").write_bytes(program.content)
    for name in ("server-ca", "client"):
        files = ("-keyout", f"{tmp_path}/{name}.key", "-out", f"{tmp_path}/{name}.crt")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *files, "-subj", "/CN=x")
    with keeping() as (objects, url), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"{tmp_path}/notify")
        systemd.settimeout(60)
        environment = {"CREDENTIALS_DIRECTORY": str(tmp_path), "NOTIFY_SOCKET": f"{tmp_path}/notify"}
        arguments = [sys.executable, "-I", "-S", f"{tmp_path}/k3a.pyz", "approve", url]
        with subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert systemd.recv(100) == b"READY=1"
                assert process.stderr.readline() == "working\n"
                assert objects.kept[LEASE]["spec"]["holderIdentity"]
                process.send_signal(signal.SIGTERM)
                assert (process.wait(60), process.stderr.read()) == (0, "")
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        assert objects.kept[LEASE]["spec"]["holderIdentity"] == ""
