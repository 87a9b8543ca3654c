# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._trust import certificate_check as command
from ansible_collections.k3a.cluster.tests.unit import authority_samples
from ansible_collections.k3a.cluster.tests.unit.object_server import keeping

# When the certificates of the samples, which are made in a moment, are valid for sure.
NOW = datetime.now(timezone.utc) + timedelta(hours=1)
DAY = timedelta(days=1)
NODE = "/O=system:nodes/CN=system:node:w1"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """An agent's certificates: a CA, a leaf, and the pair that the kubelet renews."""
    own = tmp_path / "kubelet-client-current.pem"
    monkeypatch.setattr(command, "KUBELET_CLIENT", str(own))
    tls = tmp_path / "agent/tls"
    tls.mkdir(parents=True)
    (tls / "client-ca.crt").write_text(authority_samples.authority()[0])
    (tls / "client-kube-proxy.crt").write_text(authority_samples.leaf("/CN=system:kube-proxy")[0])
    own.write_text("".join(authority_samples.leaf(NODE)))
    return tmp_path


def renamed(host, found):
    return [each.file[len(str(host)) + 1 :] for each in found]


def statuses(host, moment):
    found = command.certificates(str(host))
    return {name: each.status(moment) for name, each in zip(renamed(host, found), found)}


class TestWhatThereIs:
    def test_a_ca_is_told_once_and_the_kubelets_own_is_there(self, host):
        found = command.certificates(str(host))
        assert renamed(host, found) == ["agent/tls/client-ca.crt", "agent/tls/client-kube-proxy.crt", "kubelet-client-current.pem"]
        assert [each.authority for each in found] == [True, False, False]

    def test_a_server_has_those_of_etcd_too(self, host):
        for name in ("server/tls/etcd/client.crt", "server/tls/server-ca.crt"):
            (host / name).parent.mkdir(parents=True, exist_ok=True)
            (host / name).write_text(authority_samples.leaf(f"/CN={name.replace('/', ' ')}")[0])
        assert {"server/tls/etcd/client.crt", "server/tls/server-ca.crt"} < set(renamed(host, command.certificates(str(host))))

    def test_an_authority_in_no_file_of_its_own_is_told_with_what_it_signed(self, host):
        (host / "agent/tls/client-ca.crt").unlink()
        found = command.certificates(str(host))
        assert [(each.file.rpartition("/")[2], each.authority) for each in found] == [
            ("client-kube-proxy.crt", False),
            ("client-kube-proxy.crt", True),
            ("kubelet-client-current.pem", False),
        ]

    @pytest.mark.parametrize("content", ["", "text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
    def test_one_that_is_unreadable_is_among_them_and_says_why(self, host, content):
        (host / "agent/tls/client-kube-proxy.crt").write_text(content)
        assert statuses(host, NOW)["agent/tls/client-kube-proxy.crt"] == command.UNREADABLE
        (warned,) = command.warnings(command.certificates(str(host)), NOW)
        assert f"{host}/agent/tls/client-kube-proxy.crt is unreadable (it" in warned.text
        assert warned.text.endswith("which issues anew what is unreadable")

    def test_a_host_without_certificates_has_none(self, tmp_path, monkeypatch):
        monkeypatch.setattr(command, "KUBELET_CLIENT", str(tmp_path / "none"))
        assert command.certificates(str(tmp_path)) == []


class TestStatus:
    @pytest.mark.parametrize(
        ("days", "status"),
        [(-2, command.EARLY), (0.01, command.OK), (304, command.OK), (306, command.WARNING), (364, command.WARNING), (366, command.EXPIRED)],
    )
    def test_a_leaf_is_warned_of_from_60_days_before_its_end(self, host, days, status):
        assert statuses(host, NOW + days * DAY)["agent/tls/client-kube-proxy.crt"] == status

    @pytest.mark.parametrize(("days", "status"), [(306, command.OK), (327, command.OK), (330, command.WARNING), (366, command.EXPIRED)])
    def test_the_kubelets_own_only_when_the_kubelet_should_have_renewed_it(self, host, days, status):
        """It does so when 70 to 90 percent of a year are over: until day 328.5."""
        assert statuses(host, NOW + days * DAY)["kubelet-client-current.pem"] == status

    def test_one_of_short_life_is_warned_of_in_its_last_quarter(self, host):
        """The node renews it by itself when half is over, and a run when a third is left."""
        (host / "agent/tls/client-flannel.crt").write_text(authority_samples.leaf("/CN=system:k3a-flannel", 30)[0])
        assert command.warnings(command.certificates(str(host)), NOW + 22 * DAY) == []
        (warned,) = command.warnings(command.certificates(str(host)), NOW + 23 * DAY)
        assert warned.reason == "CertificateExpirationWarning"
        assert f"{host}/agent/tls/client-flannel.crt expires on " in warned.text
        assert ", in 6 days: run the playbook k3a.cluster.site" in warned.text


class TestWarnings:
    def test_none_when_all_is_well(self, host):
        assert command.warnings(command.certificates(str(host)), NOW) == []

    def test_what_to_do_is_said_once_for_all_that_it_mends(self, host):
        (host / "agent/tls/client-flannel.crt").write_text(authority_samples.leaf("/CN=system:k3a-flannel")[0])
        found = [each for each in command.certificates(str(host)) if not each.authority]
        (warned, own) = command.warnings(found, NOW + 335 * DAY)
        assert (warned.text.count(" expires on "), warned.text.count("k3a.cluster.site")) == (2, 1)
        assert own.text.endswith("restart k3a-kubelet.service, which has not renewed its own certificate, and read its journal")

    @pytest.mark.parametrize(
        ("days", "told"),
        [(-2, "set the clock of this host right"), (3600, "move to a new cluster before then"), (3651, "build the cluster anew")],
    )
    def test_a_ca_has_a_reason_of_its_own(self, host, days, told):
        (warned, *_leaves) = command.warnings(command.certificates(str(host)), NOW + days * DAY)
        assert (warned.reason, told in warned.text) == ("CACertificateExpirationWarning", True)

    def test_a_ca_of_a_server_is_not_the_playbooks_to_mend(self, host):
        for place in ("server", "agent"):
            (host / place / "tls").mkdir(parents=True, exist_ok=True)
            (host / place / "tls/server-ca.crt").write_text("damaged")
        told = [warned.text for warned in command.warnings(command.certificates(str(host)), NOW)]
        advice = {text.partition("/tls")[0][-6:]: text for text in told}
        assert advice["server"].endswith("put the CA back from another server or from a backup of this one")
        assert advice["/agent"].endswith("which issues anew what is unreadable")


class TestCheck:
    def test_a_table_and_no_words_when_all_is_well(self, host, capsys):
        assert command.main(["check"], str(host)) == 0
        shown = capsys.readouterr()
        head, *rows = shown.out.splitlines()
        assert head.split() == ["FILENAME", "SUBJECT", "USAGES", "EXPIRES", "RESIDUAL", "TIME", "STATUS"]
        assert [(row.split()[1], row.split()[-1]) for row in rows] == [
            ("CN=k3a-ca", "OK"),
            ("CN=system:kube-proxy", "OK"),
            ("CN=system:node:w1,O=system:nodes", "OK"),
        ]
        assert shown.err == ""

    def test_what_ends_soon_is_the_exit_code_and_a_sentence(self, host, capsys):
        (host / "agent/tls/client-kube-proxy.crt").write_text(authority_samples.leaf("/CN=system:kube-proxy", 365, over=335)[0])
        assert command.main(["check"], str(host)) == 1
        shown = capsys.readouterr()
        assert [line.split()[-1] for line in shown.out.splitlines()] == ["STATUS", "OK", "WARNING", "OK"]
        assert "run the playbook k3a.cluster.site" in shown.err

    def test_data_for_programs(self, host, capsys):
        assert command.main(["check", "--output", "json"], str(host)) == 0
        (_authority, leaf, _own) = json.loads(capsys.readouterr().out)["certificates"]
        assert leaf["file"] == f"{host}/agent/tls/client-kube-proxy.crt"
        assert (leaf["subject"], leaf["usages"], leaf["status"]) == ("CN=system:kube-proxy", ["client"], "OK")
        assert datetime.fromisoformat(leaf["expires"]) - datetime.fromisoformat(leaf["begins"]) == 365 * DAY
        assert 364 * DAY.total_seconds() < leaf["residual_seconds"] <= 365 * DAY.total_seconds()

    def test_where_nothing_is_nobody_can_tell(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(command, "KUBELET_CLIENT", str(tmp_path / "none"))
        assert command.main(["check"], str(tmp_path)) == 2
        assert capsys.readouterr().err == f"there are no certificates in {tmp_path}\n"

    def test_what_cannot_be_read_is_one_sentence(self, host, capsys, monkeypatch):
        def refuse(path):
            raise PermissionError(13, "Permission denied", path)

        monkeypatch.setattr(command.os, "listdir", refuse)
        assert command.main(["check"], str(host)) == 2
        assert capsys.readouterr().err == f"k3a: {host}/server/tls: Permission denied\n"

    @pytest.mark.parametrize("wrong", [[], ["other"], ["check", "--output", "yaml"], ["warn"]])
    def test_a_slip_of_the_pen_is_no_answer(self, wrong, capsys):
        with pytest.raises(SystemExit) as ended:
            command.main(wrong, "/none")
        assert ended.value.code == 2
        assert "usage: k3a certificate" in capsys.readouterr().err


class TestWarn:
    def test_nothing_is_told_and_nobody_asked_when_all_is_well(self, host, capsys):
        assert command.main(["warn", "http://127.0.0.1:1"], str(host)) == 0
        assert capsys.readouterr() == ("", "")

    def test_the_journal_and_the_node_are_told(self, host, capsys):
        (host / "agent/tls/client-kube-proxy.crt").write_text(authority_samples.leaf("/CN=system:kube-proxy", 365, over=335)[0])
        with keeping() as (objects, url):
            assert command.main(["warn", url], str(host)) == 0
        told = capsys.readouterr().err
        assert told.startswith(f"<4>{host}/agent/tls/client-kube-proxy.crt expires on ")
        (made,) = objects.under(command.EVENTS)
        assert made["involvedObject"] == {"apiVersion": "v1", "kind": "Node", "name": "w1", "uid": "w1"}
        assert (made["type"], made["reason"]) == ("Warning", "CertificateExpirationWarning")
        assert told == f"<4>{made['message']}\n"

    def test_an_api_that_does_not_answer_is_told_and_is_no_failure(self, host, capsys):
        """The timer's service must not fail for it: the API may be away because of what is warned of."""
        (host / "agent/tls/client-kube-proxy.crt").write_text("damaged")
        assert command.main(["warn", "http://127.0.0.1:1"], str(host)) == 0
        assert "the Node w1 has no event about this: the API at http://127.0.0.1:1 cannot be reached" in capsys.readouterr().err

    def test_a_server_without_a_node_tells_its_journal(self, host, capsys):
        (host / "kubelet-client-current.pem").unlink()
        (host / "agent/tls/client-kube-proxy.crt").write_text("damaged")
        assert command.main(["warn", "http://127.0.0.1:1"], str(host)) == 0
        assert len(capsys.readouterr().err.splitlines()) == 1

    def test_a_message_has_room_in_an_event(self):
        text = "a" * 900 + "b" * 900 + ": run it"
        short = command.event("w1", command.Warned("R", text), NOW)["message"]
        assert len(short) <= 1024 and short.startswith("aaa") and short.endswith(": run it")


def test_how_long_is_left():
    assert [command.left(timedelta(hours=hours)) for hours in (-1, 0, 5, 47, 48, 24 * 400)] == [
        *("-", "0 hours", "5 hours", "47 hours", "2 days", "400 days"),
    ]
