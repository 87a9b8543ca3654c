# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import grp
import os

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import Busy
from ansible_collections.k3a.cluster.plugins.modules import kubeconfig

if os.geteuid() != 0:
    pytest.skip("the kubeconfig belongs to root", allow_module_level=True)


@pytest.fixture
def arguments(tmp_path):
    tls = tmp_path / "k3a/server/tls"
    tls.mkdir(parents=True)
    for name in ("server-ca.crt", "client-administrator.crt", "client-administrator.key"):
        (tls / name).write_text(f"content of {name}\n")
    return {"path": str(tmp_path / "etc/k3a.yaml"), "data_dir": str(tmp_path / "k3a")}


def test_it_is_written_once_for_root_and_leads_to_this_server(run_module, arguments):
    announced = run_module(kubeconfig, check=True, **arguments)
    assert not os.path.exists(arguments["path"])
    done = run_module(kubeconfig, **arguments)
    assert {key: done[key] for key in announced} == announced
    assert done["changed"]
    assert os.stat(arguments["path"]).st_mode & 0o777 == 0o600
    with open(arguments["path"], encoding="utf-8") as stream:
        document = yaml.safe_load(stream)
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    user = document["users"][0]["user"]
    assert base64.b64decode(user["client-key-data"]) == b"content of client-administrator.key\n"
    assert run_module(kubeconfig, **arguments)["changed"] is False


def test_no_diff_shows_it(run_module, arguments):
    first = run_module(kubeconfig, **arguments)
    second = run_module(kubeconfig, https_listen_port=7443, **arguments)
    assert second["changed"]
    for result in (first, second):
        assert "client-key-data" not in str(result)
        assert base64.b64encode(b"content of client-administrator.key\n").decode() not in str(result)


def test_a_mode_that_was_asked_for_is_kept(run_module, arguments):
    run_module(kubeconfig, **arguments)
    assert run_module(kubeconfig, mode="0640", **arguments)["changed"]
    assert os.stat(arguments["path"]).st_mode & 0o777 == 0o640
    assert not run_module(kubeconfig, mode="0640", **arguments)["changed"]


def test_a_renewed_certificate_is_taken_over(run_module, arguments, tmp_path):
    run_module(kubeconfig, **arguments)
    pending = [f"{tmp_path}/k3a/server/tls/client-administrator.crt"]
    assert run_module(kubeconfig, check=True, pending=pending, **arguments)["changed"]
    (tmp_path / "k3a/server/tls/client-administrator.crt").write_text("renewed\n")
    assert run_module(kubeconfig, pending=pending, **arguments)["changed"]
    assert not run_module(kubeconfig, **arguments)["changed"]


def test_before_the_certificate_exists_check_mode_announces_it_and_a_run_fails(run_module, arguments, tmp_path):
    certificate = tmp_path / "k3a/server/tls/client-administrator.crt"
    certificate.unlink()
    assert run_module(kubeconfig, check=True, pending=[str(certificate)], **arguments)["changed"]
    failed = run_module(kubeconfig, **arguments)
    assert failed["failed"]
    assert failed["msg"] == f"{certificate} is not there; run the server role, which makes it"


@pytest.mark.parametrize("mode", ["rw", "", "384", "u=rw", "00600", "600 "])
def test_a_mode_that_is_none_is_refused_in_one_sentence(run_module, arguments, mode):
    pending = [f"{arguments['data_dir']}/server/tls/client-administrator.crt"]
    assert run_module(kubeconfig, check=True, mode=mode, pending=pending, **arguments)["failed"]
    failed = run_module(kubeconfig, mode=mode, **arguments)
    assert failed["failed"]
    assert failed["msg"] == f"mode is {mode!r}; write it as quoted octal digits, such as '0600'"


def test_it_waits_for_another_run_on_the_host(run_module, arguments):
    def taken(timeout):
        raise Busy(f"another k3a run has held it for {timeout} s")

    refused = run_module(kubeconfig, lock=taken, timeout=7, **arguments)
    assert refused["failed"] and refused["msg"] == "another k3a run has held it for 7 s"
    assert not os.path.exists(arguments["path"])
    assert run_module(kubeconfig, check=True, lock=taken, **arguments)["changed"]


def test_a_group_that_was_asked_for_is_kept(run_module, arguments):
    run_module(kubeconfig, **arguments)
    assert run_module(kubeconfig, group="adm", **arguments)["changed"]
    assert grp.getgrgid(os.stat(arguments["path"]).st_gid).gr_name == "adm"
    assert not run_module(kubeconfig, group="adm", **arguments)["changed"]


def test_a_group_that_is_not_there_is_refused_before_anything_is_written(run_module, arguments):
    failed = run_module(kubeconfig, group="nobody-has-it", **arguments)
    assert failed["msg"] == "the host has no group nobody-has-it; make it, or name another one"
    assert not os.path.exists(arguments["path"])
