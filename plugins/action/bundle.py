# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display
from ansible_collections.k3a.cluster.plugins.module_utils._bundle import programs, store, upgrade
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import (
    MANIFEST,
    BundleError,
    Entry,
    Manifest,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import options
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible import progress, shipping
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.edge import reports_errors
from ansible_collections.k3a.cluster.plugins.plugin_utils._ansible.host_action import HostAction
from ansible_collections.k3a.cluster.plugins.plugin_utils._bundle.archive import Bundle, open_bundle, other_architecture
from ansible_collections.k3a.cluster.plugins.plugin_utils._cluster import steps

MODULE = "k3a.cluster.bundle"
REPORTED = ("changed", "damaged_files", "removed_directories", "foreign_commands", "architecture")
STREAM = "bundle.tar"
display = Display()


class ActionModule(HostAction):
    """The controller's half: opens the bundle, and ships what the node lacks in one stream."""

    answers = {
        "complete": {"type": "bool"},
        "current": {"type": "dict", "contains": {"versions": {"type": "dict"}}},
        "free": {"type": "int"},
        "held_files": {"type": "list", "elements": "str"},
        "installed": {"type": "dict"},
    }

    @reports_errors
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        path = self._task.args.get("bundle")
        if not path:
            raise BundleError("bundle: the path of a bundle on the controller is missing")
        return {**result, **self._converge(open_bundle(path), task_vars)}

    def _converge(self, bundle: Bundle, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        manifest = bundle.manifest
        arguments = steps.completed_arguments("bundle", self._task.args)
        data_dir = self._task.args.get("data_dir") or options.DATA_DIR["default"]
        report = self._execute_module(MODULE, module_args=arguments, task_vars=task_vars)
        if report.get("failed"):
            return report
        problem = other_architecture(bundle.path, manifest, report["architecture"])
        if problem:
            raise BundleError(f"{problem}; set k3a_bundle to one for the host")
        refuse_way(manifest, report["installed"], self._task.args)
        observed = report
        missing = missing_files(manifest, report)
        if not report["complete"]:
            check_room(bundle, missing, report["free"], data_dir)
            if not self._task.check_mode:
                report = self._ship(bundle, missing, arguments, data_dir, task_vars)
                if report.get("failed"):
                    return report
        return summary(manifest, observed, report, missing, data_dir)

    def _ship(
        self,
        bundle: Bundle,
        missing: list[Entry],
        arguments: dict[str, Any],
        data_dir: str,
        task_vars: dict[str, Any] | None,
    ) -> dict[str, Any]:
        bundle.verify(missing)
        stream = bundle.packed(missing, shipping.run_directory())
        place = self._execute_module(
            MODULE, module_args={**arguments, "receiver": shipping.login_user(self)}, task_vars=task_vars
        )
        if place.get("failed"):
            return place
        # Where it goes is not for the host to say: sftp would take some paths for commands on this machine.
        remote = os.path.join(store.Store(data_dir).incoming, STREAM)
        told = f"ships {len(missing)} files, {bundle.packed_size(missing) >> 20} MiB"
        display.vv(f"{bundle.path}: {told}")
        with progress.reporting(lambda: f"{self.where(task_vars)}: {told}"):
            shipping.put(self, stream, remote)
        return self._execute_module(MODULE, module_args={**arguments, "stream": remote}, task_vars=task_vars)


def refuse_way(manifest: Manifest, before: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Raise BundleError where what runs on the host cannot become what the bundle has; shipped ahead it may be."""
    if boolean(arguments.get("link", True)):
        server = boolean(arguments.get("server", False))
        known = {name: str(version) for name, version in before.items()}
        for problem, remedy in upgrade.obstacles(known, manifest.versions, server):
            raise BundleError(f"{problem}; {remedy}")


def check_room(bundle: Bundle, missing: list[Entry], free: int, data_dir: str) -> None:
    """Raise BundleError unless the node has room for what is shipped, packed and unpacked."""
    needed = bundle.packed_size(missing) + sum(entry.size for entry in missing) + store.RESERVE
    if free < needed:
        raise BundleError(f"the bundle {bundle.path} has no room: {store.no_space(data_dir, free, needed)}")


def missing_files(manifest: Manifest, report: dict[str, Any]) -> list[Entry]:
    """What has to be shipped: all but the content that the node holds, in this bundle or another."""
    if report["complete"]:
        return []
    held = set(report["held_files"])
    return [entry for entry in manifest.files if entry.sha256 not in held]


def summary(
    manifest: Manifest, observed: dict[str, Any], report: dict[str, Any], missing: list[Entry], data_dir: str
) -> dict[str, Any]:
    """The task's result: the same for what was done and, in check mode, for what would be."""
    place = steps.bundle_result(manifest, data_dir)
    result = {key: report[key] for key in REPORTED}
    result.update(place)
    result.update(
        programs={} if report["complete"] else programs.future_programs(manifest, data_dir, changing(observed)),
        installed_files=[entry.path for entry in missing],
        damaged_files=observed["damaged_files"],
        changed=report["changed"] or not observed["complete"],
        diff=[*component_diff(manifest, observed, missing, place["path"]), *observed["diff"]],
    )
    return result


def changing(observed: dict[str, Any]) -> list[str] | None:
    """The paths of an incomplete bundle that come anew; None is all."""
    damaged = observed["damaged_files"]
    return damaged if damaged and MANIFEST not in damaged else None


def component_diff(
    manifest: Manifest, observed: dict[str, Any], missing: list[Entry], path: str
) -> list[dict[str, str]]:
    """What an incomplete bundle is going to become: versions before and after, what is wrong, and what is shipped."""
    if observed["complete"]:
        return []
    before = [f"{name} {version}" for name, version in observed["current"]["versions"].items()]
    before += [f"{name} damaged or missing" for name in observed["damaged_files"]]
    after = [f"{name} {version}" for name, version in manifest.versions.items()]
    after += [f"{entry.path} shipped, {entry.size} bytes" for entry in missing]
    texts = {side: "".join(f"{line}\n" for line in lines) for side, lines in (("before", before), ("after", after))}
    return [{"before_header": path, "after_header": path, **texts}]
