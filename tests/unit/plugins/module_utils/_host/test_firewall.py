# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.process import Done
from ansible_collections.k3a.cluster.plugins.module_utils._host import firewall
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_firewall import Opened
from ansible_collections.k3a.cluster.plugins.module_utils._host.firewall import Opening

if os.geteuid() != 0:
    pytest.skip("the files of a host belong to root", allow_module_level=True)

WANTED = Opening(("6443/tcp", "8472/udp"), ("10.42.0.0/16",))


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """What was run on a host with a firewall, whose record is in a directory of the test."""
    monkeypatch.setattr(firewall, "RECORD", str(tmp_path / "firewall.json"))
    commands = []

    def run(command):
        commands.append(" ".join(command))
        return Done(0, b"", "")

    monkeypatch.setattr(firewall.process, "run", run)
    return commands


def with_active(monkeypatch, **active):
    monkeypatch.setattr(firewall, "active", lambda: active)


def test_only_what_is_missing_is_opened(monkeypatch):
    with_active(monkeypatch, ufw=Opened(ports=(("tcp", 6443, 6443),)), firewalld=Opened(is_open=True))
    assert firewall.missing(WANTED) == {"ufw": Opening(("8472/udp",), ("10.42.0.0/16",))}
    with_active(monkeypatch)
    assert firewall.missing(WANTED) == {}


def test_a_network_that_is_trusted_is_as_good_as_the_ports_where_all_nodes_are_in_it(monkeypatch):
    """To all the world they would be open then."""
    with_active(monkeypatch, firewalld=Opened(sources=("10.0.0.0/24",)))
    assert firewall.missing(WANTED, ["10.0.0.7"]) == {"firewalld": Opening((), ("10.42.0.0/16",))}
    assert firewall.missing(WANTED, ["10.0.9.7"]) == {"firewalld": WANTED}


def test_where_nobody_asks_for_it_no_firewall_is_looked_at(monkeypatch):
    monkeypatch.setattr(firewall, "active", lambda: pytest.fail("it was looked at"))
    assert firewall.missing(Opening()) == {}


def test_a_diff_shows_each():
    assert [change.path for change in firewall.changes({"firewalld": WANTED})] == [
        "firewalld port 6443/tcp",
        "firewalld port 8472/udp",
        "firewalld network 10.42.0.0/16",
    ]


def test_firewalld_is_opened_now_and_for_good(ran):
    firewall.open_for({"firewalld": WANTED})
    rules = ("--zone=trusted --add-source=10.42.0.0/16", "--add-port=6443/tcp", "--add-port=8472/udp")
    assert ran == [*(f"firewall-cmd {rule}" for rule in rules), *(f"firewall-cmd --permanent {rule}" for rule in rules)]


class TestZones:
    """firewalld writes a zone anew, whole, when it is told something of it, and keeps what was there beside it."""

    DEFAULT = '<zone>\n  <short>Public</short>\n  <service name="ssh"/>\n  <forward/>\n</zone>\n'
    WRITTEN = DEFAULT.replace("  <forward/>", '  <port port="6443" protocol="tcp"/>\n  <forward/>')

    @pytest.fixture
    def zones(self, ran, tmp_path, monkeypatch):
        monkeypatch.setattr(firewall, "BUILT_IN", str(tmp_path / "lib"))
        monkeypatch.setattr(firewall, "ZONES", str(tmp_path / "etc"))
        for name in ("lib", "etc"):
            (tmp_path / name).mkdir()
        (tmp_path / "lib/public.xml").write_text(self.DEFAULT)
        path = tmp_path / "etc/public.xml"

        def run(command):
            if "--permanent" in command:
                if path.exists():
                    path.with_suffix(".xml.old").write_text(path.read_text())
                path.write_text(self.WRITTEN if "--add-port=6443/tcp" in command else self.DEFAULT.replace("\n", ""))
            return Done(0, b"", "")

        monkeypatch.setattr(firewall.process, "run", run)
        return path.parent

    def files(self, zones):
        return {path.name: path.read_text() for path in zones.iterdir()}

    def test_files_that_were_not_there_go(self, zones):
        firewall.open_for({"firewalld": Opening(("6443/tcp",))})
        firewall.open_for({"firewalld": Opening(("6443/tcp",))})
        assert set(self.files(zones)) == {"public.xml", "public.xml.old"}
        firewall.close()
        assert self.files(zones) == {}

    def test_files_that_were_there_come_back(self, zones):
        former = {"public.xml": f"<!-- ours -->{self.DEFAULT}", "public.xml.old": "<zone/>"}
        for name, text in former.items():
            (zones / name).write_text(text)
        firewall.open_for({"firewalld": Opening(("6443/tcp",))})
        firewall.close()
        assert self.files(zones) == former

    def test_zones_that_somebody_has_made_since_stay(self, zones):
        """A new zone says as little as none, and so does what cannot be read."""
        firewall.open_for({"firewalld": Opening(("6443/tcp",))})
        made = {"mine.xml": '<?xml version="1.0" encoding="utf-8"?>\n<zone>\n</zone>\n', "public.xml.bak": "<zone"}
        for name, text in made.items():
            (zones / name).write_text(text)
        firewall.close()
        assert self.files(zones) == made

    def test_files_that_are_as_they_were_are_not_touched(self, zones):
        """What is no UTF-8 could not be written as it was."""
        (zones / "mine.xml").write_bytes(b'<?xml version="1.0" encoding="iso-8859-1"?><zone><short>B\xfcro</short></zone>')
        (zones / "mine.xml").chmod(0o600)
        before = (zones / "mine.xml").read_bytes(), (zones / "mine.xml").stat()
        firewall.open_for({"firewalld": Opening(("6443/tcp",))})
        firewall.close()
        assert ((zones / "mine.xml").read_bytes(), (zones / "mine.xml").stat()) == before

    def test_what_somebody_has_changed_since_stays(self, zones, monkeypatch):
        firewall.open_for({"firewalld": Opening(("6443/tcp",))})
        changed = self.DEFAULT.replace('"ssh"', '"http"')
        (zones / "public.xml").write_text(changed)
        monkeypatch.setattr(firewall.process, "run", lambda _command: Done(0, b"", ""))
        firewall.close()
        assert self.files(zones)["public.xml"] == changed


def test_ufw_is_opened(ran):
    firewall.open_for({"ufw": WANTED})
    assert ran == ["ufw allow from 10.42.0.0/16", "ufw allow 6443/tcp", "ufw allow 8472/udp"]


def test_what_was_opened_is_closed_again_and_nothing_else(ran):
    firewall.open_for({"ufw": Opening(("6443/tcp",))})
    firewall.open_for({"ufw": Opening((), ("10.42.0.0/16",))})
    ran.clear()
    firewall.close()
    assert ran == ["ufw delete allow from 10.42.0.0/16", "ufw delete allow 6443/tcp"]
    assert not Path(firewall.RECORD).exists()
    ran.clear()
    firewall.close()
    assert ran == []


def test_a_firewall_that_refuses_is_one_sentence_and_remembered(ran, monkeypatch):
    monkeypatch.setattr(firewall.process, "run", lambda _command: Done(252, b"", "FirewallD is not running\n"))
    with pytest.raises(
        firewall.FirewallError, match=r"^firewall-cmd --add-port=6443/tcp failed: FirewallD is not running$"
    ):
        firewall.open_for({"firewalld": Opening(("6443/tcp",))})
    assert firewall.recorded() == {"firewalld": Opening(("6443/tcp",))}


def test_a_firewall_that_is_gone_does_not_keep_a_reset_from_its_end(ran, monkeypatch):
    firewall.open_for({"firewalld": WANTED})

    def missing(_command):
        raise FileNotFoundError

    monkeypatch.setattr(firewall.process, "run", missing)
    firewall.close()
    assert not Path(firewall.RECORD).exists()


def test_a_damaged_record_is_told(ran):
    Path(firewall.RECORD).write_text("[]")
    with pytest.raises(firewall.FirewallError, match="is damaged; remove it"):
        firewall.recorded()
