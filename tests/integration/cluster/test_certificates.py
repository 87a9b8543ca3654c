# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every host tells when its certificates end."""

from __future__ import annotations

import json

import pytest
from backdated import signed

LEAF = "/var/lib/k3a/agent/tls/client-kube-proxy"
KEPT = "/root/kept.crt"
REQUEST = f"openssl req -new -key {LEAF}.key -subj /CN=system:kube-proxy"


def checked(cluster, node, *options):
    """The exit code of the command for operators and monitoring, and what it shows."""
    command = " ".join(("k3a certificate check", *options, "2>&1; echo $?"))
    *shown, code = cluster.run(node, "sh -c", command).splitlines()
    return int(code), "\n".join(shown)


@pytest.fixture
def short_life(cluster):
    """A server on which a certificate ends in thirty days: the same one by the same CA, of which 335 days are over."""
    node = cluster.servers[0]
    certificate = signed(cluster, node, cluster.feed(node, "", *REQUEST.split()), over=335, left=30)
    cluster.feed(node, certificate, "sh", "-ec", f"cp -a {LEAF}.crt {KEPT} && cat > {LEAF}.crt")
    try:
        yield node
    finally:
        cluster.run(node, "sh -ec", f"mv {KEPT} {LEAF}.crt")


def test_all_is_well_on_every_host(cluster):
    for node in cluster.nodes:
        assert cluster.run(node, "systemctl is-active k3a-certificate-monitor.timer") == "active\n"
        code, shown = checked(cluster, node, "--output json")
        found = json.loads(shown)["certificates"]
        assert (code, {each["status"] for each in found}) == (0, {"OK"}), shown
        assert {each["authority"] for each in found} == {True, False}
        assert f"{LEAF}.crt" in [each["file"] for each in found]


def test_an_end_is_told_by_the_command_the_journal_and_the_node(cluster, core, short_life):
    code, shown = checked(cluster, short_life)
    told = f"{LEAF}.crt expires on "
    assert (code, told in shown, "k3a.cluster.site" in shown) == (1, True, True), shown
    cluster.run(short_life, "systemctl start k3a-certificate-monitor.service")
    journal = "journalctl --no-pager --output=cat --priority=warning --unit=k3a-certificate-monitor"
    assert told in cluster.run(short_life, journal)
    about = f"involvedObject.kind=Node,involvedObject.name={short_life},reason=CertificateExpirationWarning"
    events = core.list_namespaced_event("default", field_selector=about).items
    assert {event.type for event in events} == {"Warning"}
    assert all("k3a.cluster.site" in event.message for event in events)
    assert any(told in event.message for event in events)


def test_nobody_is_warned_afterwards(cluster):
    node = cluster.servers[0]
    assert checked(cluster, node)[0] == 0
    assert cluster.run(node, "systemctl show --property=Result k3a-certificate-monitor.service") == "Result=success\n"
