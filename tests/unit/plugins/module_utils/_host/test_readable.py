# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import grp
import os
import tempfile

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._host import readable


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
class TestFilesOfTheOperator:
    """A file that was made for the one user of before would end the unit, once it has its own."""

    @pytest.fixture
    def file(self):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            os.chmod(folder, 0o755)
            path = f"{folder}/policy.yaml"
            with open(path, "w", encoding="utf-8"):
                pass
            os.chown(path, 0, grp.getgrnam("daemon").gr_gid)
            yield path

    @pytest.mark.parametrize("mode, reads", [(0o644, True), (0o640, True), (0o604, False), (0o600, False)])
    def test_the_user_may_read_it_or_it_is_refused(self, file, mode, reads):
        os.chmod(file, mode)
        if reads:
            assert readable.unreadable([f"config={file}", "v=3"], "daemon") == ("", "")
            return
        told = f"{file}, which the argument config={file} names, cannot be read by daemon, as whom it runs"
        assert readable.unreadable([f"config={file}"], "daemon")[0] == told

    def test_so_is_the_way_to_it(self, file):
        os.chmod(os.path.dirname(file), 0o700)
        assert not readable.readable_for(file, "daemon")

    def test_a_user_that_is_still_to_be_made_is_one_of_all(self, file):
        os.chmod(file, 0o644)
        assert readable.readable_for(file, "k3a-nobody")
        os.chmod(file, 0o640)
        assert not readable.readable_for(file, "k3a-nobody")

    def test_its_group_can_be_made_before_it(self, file):
        """A host that is taken over has neither, and is refused before it gets them."""
        os.chmod(file, 0o640)
        os.chown(file, 0, grp.getgrnam("audio").gr_gid)
        remedy = readable.unreadable([f"config={file}"], "k3a-nobody")[1]
        assert remedy.startswith("make that group with groupadd --system k3a-nobody, and give the file, and ")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(readable.pwd, "getpwnam", {}.__getitem__)
            assert readable.unreadable([f"config={file}"], "audio") == ("", "")

    @pytest.mark.parametrize(
        "text, told",
        [
            ("clientConnection:\n  kubeconfig: {handed}\nkind: KubeSchedulerConfiguration\n", ""),
            ('{{"clientConnection": {{"kubeconfig": "{handed}"}}}}', ""),
            ("clientConnection: {{qps: 5, kubeconfig: '{handed}'}}\n", ""),
            ("clientConnection:\n  kubeconfig: {file}\n", ""),
            ("kind: KubeSchedulerConfiguration\n", "has no clientConnection.kubeconfig, beside which no argument says"),
            ("clientConnection: # kubeconfig: /etc/one\n  kubeconfig:\n  qps: 5\n", "has no clientConnection.kubeconfig"),
            ("clientConnection: {{kubeconfig: null}}\n", "has no clientConnection.kubeconfig, "),
            ("clientConnection: {{kubeconfig: ''}}\n", "has no clientConnection.kubeconfig, "),
            ("clientConnection:\n  kubeconfig: /k3a/none # mine\n", "has the clientConnection.kubeconfig /k3a/none, which"),
        ],
    )
    def test_a_file_that_alone_says_how_to_reach_the_api_has_to_say_it(self, file, text, told):
        os.chmod(file, 0o644)
        handed = "/run/credentials/k3a-scheduler.service/kubeconfig"
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(text.format(handed=handed, file=file))
        given = (["v=2", f"config={file}"], "daemon", "k3a-scheduler.service")
        found = readable.unusable(*given, "config")
        assert readable.unusable(*given, "") == []
        assert len(found) == bool(told)
        for message, remedy in found:
            assert message.startswith(f"{file}, which the argument config={file} names, {told}")
            assert remedy in (f"give it clientConnection.kubeconfig: {handed}", f"make that {handed}")

    def test_a_file_of_configuration_that_is_not_there_is_told(self):
        (told,) = readable.unusable(["config=/k3a/none"], "daemon", "k3a-scheduler.service", "config")
        assert told[0] == "/k3a/none, which the argument config=/k3a/none names, is no file there"

    def test_what_is_no_file_is_no_matter_of_ours(self):
        assert readable.unreadable(["feature-gates=A=true", "x=/k3a/nothing", "v"], "daemon") == ("", "")
