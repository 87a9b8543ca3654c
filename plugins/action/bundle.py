# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import BundleError, Entry, Manifest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle.archive import Bundle, open_bundle
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import steps

MODULE = "k3a.cluster.bundle"
REPORTED = ("changed", "damaged", "removed", "foreign_commands", "architecture")
STREAM = "bundle.tar"
display = Display()


class ActionModule(HostAction):
    """The controller's half: opens the bundle, and ships what the node lacks in one stream."""

    answers = frozenset({"complete", "current", "held"})
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        path = self._task.args.get("bundle")
        if not path:
            raise AnsibleActionFail("bundle: the path of a bundle on the controller is missing")
        try:
            bundle = open_bundle(path)
            result.update(self._converge(bundle, task_vars))
        except BundleError as error:
            raise AnsibleActionFail(str(error)) from None
        return result

    def _converge(self, bundle: Bundle, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        manifest = bundle.manifest
        arguments = steps.completed("bundle", self._task.args)
        report = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        if report.get("failed"):
            return report
        if report["architecture"] != manifest.architecture:
            raise BundleError(
                f"the bundle {bundle.path} is for {manifest.architecture}, this host is {report['architecture']}: "
                "build or choose a bundle for it (k3a_bundle)"
            )
        observed = report
        missing = missing_files(manifest, report)
        if not report["complete"] and not self._task.check_mode:
            report = self._ship(bundle, missing, arguments, task_vars)
            if report.get("failed"):
                return report
        data_dir = self._task.args.get("data_dir") or options.DATA_DIR["default"]
        return summary(manifest, observed, report, missing, data_dir)

    def _ship(
        self, bundle: Bundle, missing: list[Entry], arguments: dict[str, Any], task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        bundle.verify(missing)
        descriptor, local = tempfile.mkstemp(prefix="k3a-bundle-", dir=C.DEFAULT_LOCAL_TMP)
        directory = self._make_tmp_path()
        try:
            with os.fdopen(descriptor, "wb") as stream:
                bundle.write_stream(stream, missing)
            remote = self._connection._shell.join_path(directory, STREAM)
            display.vv(f"{bundle.path}: ships {len(missing)} files, {os.path.getsize(local) >> 20} MiB")
            self._transfer_file(local, remote)
            return self._execute_module(
                module_name=MODULE, module_args={**arguments, "stream": remote}, task_vars=task_vars
            )
        finally:
            os.unlink(local)
            self._remove_tmp_path(directory, force=True)


def missing_files(manifest: Manifest, report: dict[str, Any]) -> list[Entry]:
    """What has to be shipped: all but the content that the node holds, in this bundle or another."""
    if report["complete"]:
        return []
    held = set(report["held"])
    return [entry for entry in manifest.files if entry.sha256 not in held]


def summary(
    manifest: Manifest, observed: dict[str, Any], report: dict[str, Any], missing: list[Entry], data_dir: str
) -> dict[str, Any]:
    """The task's result: the same for what was done and, in check mode, for what would be."""
    place = steps.placed(manifest, data_dir)
    result = {key: report[key] for key in REPORTED}
    result.update(
        **place,
        installed=[entry.path for entry in missing],
        damaged=observed["damaged"],
        changed=report["changed"] or not observed["complete"],
        diff=[*component_diff(manifest, observed, missing, place["path"]), *observed["diff"]],
    )
    return result


def component_diff(
    manifest: Manifest, observed: dict[str, Any], missing: list[Entry], path: str
) -> list[dict[str, str]]:
    """What an incomplete bundle is going to become: versions before and after, what is wrong, and what is shipped."""
    if observed["complete"]:
        return []
    before = [f"{name} {version}" for name, version in observed["current"]["versions"].items()]
    before += [f"{name} damaged or missing" for name in observed["damaged"]]
    after = [f"{name} {version}" for name, version in manifest.versions.items()]
    after += [f"{entry.path} shipped, {entry.size} bytes" for entry in missing]
    texts = {side: "".join(f"{line}\n" for line in lines) for side, lines in (("before", before), ("after", after))}
    return [{"before_header": path, "after_header": path, **texts}]
