# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._trust import kubelet_authorities
from ansible_collections.k3a.cluster.plugins.plugin_utils._trust import pki

MADE = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@pytest.fixture
def layout(tmp_path):
    return Layout(str(tmp_path))


def keep(layout, name, made):
    path = Path(layout.tls(f"{name}-ca.crt"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pki.new_authority(name, made)[0])
    return path.read_text()


def test_cas_that_were_made_together_need_only_that_of_kubelets(layout):
    keep(layout, "server", MADE)
    own = keep(layout, "kubelet-serving", MADE)
    assert kubelet_authorities.read(layout) == own


def test_where_it_came_later_the_server_ca_counts_too(layout):
    now = datetime.now(timezone.utc)
    server, own = keep(layout, "server", now - 60 * SECOND), keep(layout, "kubelet-serving", now)
    assert kubelet_authorities.read(layout) == own + server


@pytest.mark.parametrize(
    "server, moment, both",
    [
        (MADE, MADE, False),
        (MADE - SECOND, MADE, True),
        (MADE - SECOND, MADE + 365 * DAY, True),
        (MADE - SECOND, MADE + 366 * DAY, False),
        (MADE - 3000 * DAY, MADE + 4000 * DAY, False),
    ],
)
def test_for_as_long_as_a_certificate_of_it_may_live(server, moment, both):
    assert kubelet_authorities.trusted("own", MADE, "+server", server, moment) == ("own+server" if both else "own")


@pytest.mark.parametrize("missing", ["server", "kubelet-serving"])
def test_a_server_without_cas_has_none(layout, missing):
    for name in {"server", "kubelet-serving"} - {missing}:
        keep(layout, name, MADE)
    assert kubelet_authorities.read(layout) == ""


def test_a_damaged_one_is_named(layout):
    keep(layout, "server", MADE)
    path = Path(layout.tls("kubelet-serving-ca.crt"))
    path.write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    with pytest.raises(K3aError, match=f"{path} cannot be used, since .*; put it back from another server"):
        kubelet_authorities.read(layout)


@pytest.mark.parametrize(
    "server, own, moment, may",
    [
        (MADE, MADE, MADE, False),
        (MADE - SECOND, MADE, MADE + 365 * DAY, True),
        (MADE - SECOND, MADE, MADE + 366 * DAY, False),
    ],
)
def test_until_when_certificates_of_earlier_versions_may_live(server, own, moment, may):
    made = {"server": server, "kubelet-serving": own}
    certificates = {name: pki.new_authority(name, begin)[0] for name, begin in made.items()}
    assert kubelet_authorities.may_be_earlier(certificates, moment) is may


def test_a_cluster_that_gets_its_ca_for_kubelets_in_this_run_is_of_an_earlier_version():
    certificates = {"server": pki.new_authority("server", MADE)[0]}
    assert kubelet_authorities.may_be_earlier(certificates, MADE)
    assert not kubelet_authorities.may_be_earlier({}, MADE)
