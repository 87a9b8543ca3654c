# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import handed, layout

UNIT = "k3a-example.service"


@pytest.fixture
def given(tmp_path, monkeypatch):
    """What a unit is handed: its files, and a directory in the place of that of its running process."""
    paths = {name: tmp_path / f"source.{name}" for name in ("client.crt", "client.key")}
    for name, path in paths.items():
        path.write_text(f"first {name}")
    credentials = layout.Credentials(UNIT, tuple((name, str(path)) for name, path in paths.items()))
    monkeypatch.setattr(handed, "SIGHT_OF_SYSTEMD", str(tmp_path))
    monkeypatch.setattr(layout.Credentials, "path", lambda self, name: f"/run/{self.unit}/{name}")
    return credentials


def start(credentials, tmp_path):
    place = tmp_path / "run" / credentials.unit
    place.mkdir(parents=True, exist_ok=True)
    for name, source in credentials.sources:
        with open(source, encoding="ascii") as stream:
            (place / name).write_text(stream.read())


def test_what_does_not_run_was_handed_nothing(given):
    assert handed.former(given) == []
    assert handed.outdated(given)() is None


def test_what_runs_keeps_what_it_was_started_with(given, tmp_path):
    start(given, tmp_path)
    assert handed.outdated(given)() is None
    renewed = tmp_path / "source.client.crt"
    renewed.write_text("second")
    assert handed.former(given) == [str(renewed)]
    assert handed.outdated(given)() == f"it was handed another {renewed}"
    start(given, tmp_path)
    assert handed.outdated(given)() is None


def test_where_nobody_may_look_with_systemd_s_eyes_one_s_own_have_to_do(given, tmp_path, monkeypatch):
    def forbidden(path):
        if path.startswith("/proc/1/"):
            raise PermissionError(13, "Permission denied", path)
        return b"second" if path == given.inputs[0] else b"first"

    monkeypatch.setattr(handed, "SIGHT_OF_SYSTEMD", "/proc/1/root")
    monkeypatch.setattr(handed.files, "read_bytes", forbidden)
    assert handed.former(given) == [given.inputs[0]]


def test_a_file_that_is_gone_is_no_reason_to_start_anew_what_could_not_start_without_it(given, tmp_path):
    start(given, tmp_path)
    (tmp_path / "source.client.key").unlink()
    assert handed.former(given) == []


def test_what_another_step_is_about_to_replace_counts_as_replaced(given, tmp_path):
    start(given, tmp_path)
    path = str(tmp_path / "source.client.crt")
    assert handed.outdated(given, ["/elsewhere", path])() == f"it was handed another {path}"
    assert handed.outdated(given, ["/elsewhere"])() is None
