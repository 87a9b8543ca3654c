# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import handed, layout, own_units, systemd
from ansible_collections.k3a.cluster.plugins.module_utils._joining import hand_over
from ansible_collections.k3a.cluster.tests.unit import authority_samples

UNIT = "k3a-example.service"
TEXT = """\
[Unit]
Description=Example (k3a)

[Service]
ExecStart=/bin/example
LoadCredential=config:/a/config
LoadCredential=client.crt:{0}
LoadCredential=client.key:{1}
LoadCredential=server-ca.crt:{2}
"""


def pair(subject="/CN=example"):
    certificate, key = authority_samples.leaf(subject)
    return {"client.crt": certificate, "client.key": key}


@pytest.fixture
def given(tmp_path, monkeypatch):
    """What a running unit was handed: a pair and a CA; and a directory in the place of that of its process."""
    monkeypatch.setattr(handed, "SIGHT_OF_SYSTEMD", str(tmp_path))
    monkeypatch.setattr(layout.Credentials, "path", lambda self, name: f"/run/{self.unit}/{name}")
    (tmp_path / "run" / UNIT).mkdir(parents=True)
    contents = {**pair(), "server-ca.crt": authority_samples.authority()[0]}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        (tmp_path / "run" / UNIT / name).write_text(content)
    paths = [str(tmp_path / name) for name in contents]
    monkeypatch.setattr(own_units, "installed", lambda: {"example": TEXT.format(*paths)})
    return paths


@pytest.fixture
def told(monkeypatch):
    """What systemd is told."""
    found = []
    monkeypatch.setattr(systemd, "_systemctl", lambda *words, **_options: found.append(words))
    return found


def renew(tmp_path):
    for name, content in pair("/CN=another").items():
        (tmp_path / name).write_text(content)


def test_units_say_which_certificates_they_hand_over():
    units = {"example": TEXT.format("/a/b.crt", "/a/b:c.key", "/a/ca"), "another": "[Service]\nExecStart=/bin/true\n"}
    (credentials,) = hand_over.credentials_of(units)
    handed_over = (("client.crt", "/a/b.crt"), ("client.key", "/a/b:c.key"), ("server-ca.crt", "/a/ca"))
    assert credentials == layout.Credentials(UNIT, handed_over)


def test_those_that_were_handed_something_former_are_started_anew_and_no_others(given, told, tmp_path, capsys):
    assert (hand_over.main([]), told) == (0, [])
    renew(tmp_path)
    assert hand_over.main([]) == 0
    assert told == [("try-restart", "--no-block", UNIT)]
    assert capsys.readouterr().err == f"<5>started {UNIT} anew, for {given[0]}, {given[1]}\n"


def test_one_file_that_has_both_is_a_pair(given, told, tmp_path):
    both = pair("/CN=another")
    (tmp_path / "client.pem").write_text(both["client.key"] + both["client.crt"])
    for name in both:
        (tmp_path / name).unlink()
        (tmp_path / name).symlink_to("client.pem")
    assert hand_over.main([]) == 0
    assert told == [("try-restart", "--no-block", UNIT)]


@pytest.mark.parametrize(
    "name, content",
    [("client.crt", "damaged"), ("client.key", "damaged"), ("client.key", pair("/CN=third")["client.key"])],
)
def test_what_runs_is_left_alone_while_the_new_pair_is_none(given, told, tmp_path, capsys, name, content):
    renew(tmp_path)
    (tmp_path / name).write_text(content)
    assert (hand_over.main([]), told) == (0, [])
    wrong = f"{given[0]} and {given[1]} cannot be read, or do not belong together"
    assert capsys.readouterr().err == f"<4>{UNIT} keeps running with its former certificate: {wrong}\n"


def test_what_runs_is_left_alone_while_its_ca_is_damaged(given, told, tmp_path, capsys):
    (tmp_path / "server-ca.crt").write_text(authority_samples.authority()[0].replace("M", "!", 1))
    assert (hand_over.main([]), told) == (0, [])
    assert f"{given[2]} holds no certificate that can be read" in capsys.readouterr().err


def test_one_that_cannot_be_started_anew_is_told(given, tmp_path, monkeypatch, capsys):
    def refuse(*_words, **_options):
        raise systemd.SystemdError("systemctl try-restart failed: no")

    monkeypatch.setattr(systemd, "_systemctl", refuse)
    renew(tmp_path)
    assert hand_over.main([]) == 0
    assert capsys.readouterr().err == f"<4>{UNIT} has a former certificate: systemctl try-restart failed: no\n"
