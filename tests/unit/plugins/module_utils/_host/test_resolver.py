# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host import resolver


@pytest.mark.parametrize(
    "content, servers",
    [
        (b"# c\nsearch a b\nnameserver 10.0.0.1\nnameserver 2001:db8::1\n", ("10.0.0.1", "2001:db8::1")),
        (b"nameserver\t127.0.0.53\noptions edns0\n", ("127.0.0.53",)),
        (b"#nameserver 10.0.0.1\n; nameserver 10.0.0.1\n", ()),
        (b"nameserver\nsearch a\n", ()),
        (b"\xff\xfe\n", ()),
        (b"", ()),
    ],
)
def test_the_servers_that_a_resolver_configuration_names(tmp_path, content, servers):
    path = tmp_path / "resolv.conf"
    path.write_bytes(content)
    assert resolver.servers_in(str(path)) == servers


def test_a_link_into_a_resolver_that_does_not_run_leads_to_no_file(tmp_path):
    (tmp_path / "resolv.conf").symlink_to(tmp_path / "run/resolve/stub-resolv.conf")
    assert resolver.servers_in(str(tmp_path / "resolv.conf")) is None


@pytest.mark.parametrize(
    "servers, reachable",
    [
        (["10.0.0.1"], True),
        (["10.0.0.1", "2001:db8::1"], True),
        (["127.0.0.53"], False),
        (["10.0.0.1", "127.0.0.1"], False),
        (["fe80::1%eth0"], False),
        (["169.254.169.254"], True),
        (["0.0.0.0"], False),
        (["ns.example"], False),
        ([], False),
    ],
)
def test_a_pod_reaches_servers_that_are_not_the_host_and_need_no_interface(servers, reachable):
    assert resolver.are_reachable(servers) is reachable


def test_the_first_usable_resolver_configuration_is_taken(tmp_path):
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("nameserver 127.0.0.53\n")
    real.write_text("nameserver 10.0.0.1\n")
    assert resolver.usable_resolv_conf([str(stub), str(real)]) == str(real)
    assert resolver.usable_resolv_conf([str(stub), str(tmp_path / "none")]) == ""
