# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_facts import Space
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_proc import Mount
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_storage import MIB
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import Identity
from ansible_collections.k3a.cluster.tests.unit.host_samples import FRESH, WANTED, found, the_only


class TestStorage:
    def test_a_disk_on_which_etcd_would_wait_is_a_warning(self):
        assert found(write_latency=0.009) == {}
        assert the_only(found(write_latency=0.025)) == (
            ("warn", "write_latency"),
            "/var/lib/k3a (on /, ext4) takes 25 ms to keep a small write, and etcd waits for each of its writes; set "
            "k3a_data_dir to a disk that takes less than 10, such as an SSD",
        )

    @pytest.mark.parametrize("place", ["wanted", "real"])
    def test_a_directory_that_others_use_is_refused(self, place):
        """By its name, or where a link of its name leads."""
        wanted = replace(WANTED, data_dir="/srv" if place == "wanted" else "/data/k3a")
        key, text = the_only(found(wanted=wanted, real_data_dir="/srv"))
        assert key == ("fail", "data_dir")
        assert text == (
            "/srv is a directory that others use, too; set k3a_data_dir to a directory of its own, such as /var/lib/k3a"
        )

    def test_so_is_one_that_holds_what_is_not_ours(self):
        key, text = the_only(found(foreign=("/var/lib/k3a/a", "/var/lib/k3a/b", "/var/lib/k3a/c", "/var/lib/k3a/d")))
        assert key == ("fail", "data_dir")
        assert text.startswith(
            "/var/lib/k3a holds /var/lib/k3a/a, /var/lib/k3a/b, /var/lib/k3a/c and more, which k3a has not made; set "
        )

    def test_a_host_that_is_installed_there_goes_on(self):
        installed = Identity(data_dir="/srv")
        assert found(wanted=replace(WANTED, data_dir="/srv"), identity=installed, foreign=("/srv/www",)) == {}

    def test_programs_run_from_there(self):
        mount = Mount("/var", "xfs", frozenset({"rw", "noexec"}))
        key, text = the_only(found(mount=mount))
        assert key == ("fail", "mount_noexec")
        assert text.startswith("/var/lib/k3a (on /var, xfs) is mounted noexec; remount it without")

    def test_a_read_only_filesystem(self):
        assert the_only(found(mount=Mount("/", "ext4", frozenset({"ro"}))))[0] == ("fail", "mount_ro")

    def test_an_overlay_cannot_carry_another(self):
        overlay = Mount("/", "overlay", frozenset({"rw"}))
        assert the_only(found(mount=overlay))[0] == ("fail", "nested_overlay")
        assert found(wanted=replace(WANTED, snapshotter="native"), mount=overlay) == {}

    def test_there_has_to_be_room_for_the_bundle_and_more(self):
        key, text = the_only(found(space=Space(300 * MIB, 1_000_000)))
        assert key == ("fail", "space")
        assert "has 300 MiB free, and the install needs 892 MiB" in text

    def test_a_host_that_has_the_bundle_needs_no_room_for_it(self):
        full = Space(300 * MIB, 10)
        assert found(space=full, bundles=frozenset({"a1b2"})) == {}
        assert ("fail", "space") in found(space=full, bundles=frozenset({"another"}))
        assert ("fail", "space") in found(wanted=replace(WANTED, bundle_id=""), space=full, bundles=frozenset({""}))

    @pytest.mark.parametrize(
        "space, told",
        [
            (
                Space(0, 1000),
                "the filesystem of /etc/k3a, where k3a keeps who the host is, is full; make room, at least 1 MiB",
            ),
            (
                Space(9 * MIB, 5),
                "the filesystem of /etc/k3a, where k3a keeps who the host is, is full; make room, at least 1 MiB",
            ),
            (
                Space(9 * MIB, None, False),
                "/etc/k3a cannot be written to, and k3a keeps there who the host is; mount it read-write",
            ),
        ],
    )
    def test_the_records_need_room_wherever_the_data_is(self, space, told):
        assert the_only(found(record_space=space)) == (("fail", "record_space"), told)
        assert found(record_space=Space(MIB, None)) == {}

    def test_of_a_place_where_no_directory_can_be_nothing_else_is_told(self):
        place = replace(WANTED, data_dir="/srv/k3a")
        told = found(wanted=place, blocked="/srv/k3a is no directory", mount=Mount("/", "overlay", frozenset({"noexec"})))
        assert list(told) == [("fail", "data_dir")]

    def test_inodes_count_where_the_filesystem_counts_them(self):
        assert the_only(found(space=Space(FRESH.space.free, 19_999)))[0] == ("fail", "inodes")
        assert found(space=Space(FRESH.space.free, None)) == {}
