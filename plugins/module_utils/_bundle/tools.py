# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The tools that build a bundle's components, and the environment they run in.

A build's key names its sources, the architecture and the tools. Nothing else may decide what is built, or the cache
would hold one thing under the key of another. So commands run in an environment of their own: of the user's they keep
where tools, caches and sources are found.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.manifest import (
    BundleError,
    go_architecture,
    sha256_of,
)
from ansible_collections.k3a.cluster.plugins.module_utils._bundle.recipe import Component

# AnsibleModule.run_command, by which commands are run.
Tool = Callable[..., "tuple[int, str, str]"]

OUTPUT_LINES = 15

# Where things are found and kept, and how the network is reached. Go's own are asked of Go: `go env -w` sets them, too.
KEPT = (
    "PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "SSH_AUTH_SOCK", "SSL_CERT_DIR", "SSL_CERT_FILE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
KEPT_BY_GO = (
    "GOAUTH", "GOCACHE", "GOINSECURE", "GOMODCACHE", "GONOPROXY", "GONOSUMDB", "GOPATH", "GOPRIVATE", "GOPROXY",
    "GOSUMDB", "GOTMPDIR", "GOVCS",
)  # fmt: skip

# What provides a tool or a library: on Debian and its relatives, on Fedora and its relatives.
PACKAGES = {
    "gcc": ("gcc", "gcc"),
    "pkg-config": ("pkg-config", "pkgconf-pkg-config"),
    "libc.a": ("libc6-dev", "glibc-static"),
    "libseccomp.a": ("libseccomp-dev", "libseccomp-static"),
}


def run(tool: Tool, command: list[str], directory: str, environment: dict[str, str] | None = None) -> str:
    """Run a command with what is kept of the environment and these variables, and return what it prints.

    Raises BundleError with the command's last lines when it fails.
    """
    if not shutil.which(command[0]):
        raise BundleError(f"{command[0]} is not installed on the controller")
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    assignments = [f"{name}={value}" for name, value in {**kept, "LC_ALL": "C", **(environment or {})}.items()]
    status, output, errors = tool(["env", "-i", *assignments, *command], cwd=directory, handle_exceptions=False)
    if status:
        lines = (errors or output).strip().splitlines()[-OUTPUT_LINES:]
        raise BundleError(f"{' '.join(command[:2])} failed with status {status}:\n" + "\n".join(lines))
    return output


def go_environment(tool: Tool, uses_c: bool) -> dict[str, str]:
    """Go's environment for a build: where the user has things, and no choice of theirs beside it."""
    _status, output, _errors = tool(["go", "env", "-json", *KEPT_BY_GO], cwd="/", handle_exceptions=False)
    return {
        **{name: value for name, value in json.loads(output).items() if value},
        "GOENV": "off",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
        "GOOS": "linux",
        "GOARCH": go_architecture(),
        "GOAMD64": "v1",
        "GOARM64": "v8.0",
        "CGO_ENABLED": "1" if uses_c else "0",
        "CC": "gcc",
    }


def uses_go(recipe: dict[str, Any]) -> bool:
    """Whether any of a component's programs is made by Go."""
    return any(not package.endswith(".c") for package in recipe["programs"].values())


def uses_c(recipe: dict[str, Any]) -> bool:
    """Whether any of a component's programs is made by the C compiler."""
    return bool(recipe.get("cgo")) or not uses_go(recipe)


def tools_of(tool: Tool, component: Component) -> str:
    """The versions of the tools that make a component, as its key names them; raises BundleError if one is missing."""
    missing = missing_tools(tool, [component])
    if missing:
        raise BundleError("; ".join(missing))
    recipe = component.recipe
    versions = []
    if uses_c(recipe):
        versions.append("gcc " + run(tool, ["gcc", "-dumpfullversion"], "/").strip())
    if uses_go(recipe):
        versions.append(_go_version(tool))
    for library in recipe.get("libraries") or []:
        versions.append(f"{library} {sha256_of(library_path(tool, library) or '')}")
    return " ".join(versions)


def missing_tools(tool: Tool, components: Iterable[Component]) -> list[str]:
    """What the controller lacks to build these components, each a sentence with its remedy."""
    if platform.system() != "Linux":
        return [
            f"a bundle is built on Linux, and the controller runs {platform.system()}: build it on a Linux machine of"
            " the nodes' architecture with k3a_bundle_archive, and set k3a_bundle to the file that this makes"
        ]
    components = list(components)
    return [*_missing_go(tool, components), *_missing_c(tool, components)]


def _missing_go(tool: Tool, components: list[Component]) -> list[str]:
    wanted = {component.name: _go_wanted(component) for component in components if uses_go(component.recipe)}
    if not wanted:
        return []
    name = max(wanted, key=lambda name: _numbers(wanted[name]))
    if not shutil.which("go"):
        return [
            f"Go is not installed on the controller: {name} needs go {wanted[name]} or newer in PATH"
            " (a distribution's package is often older; see https://go.dev/doc/install)"
        ]
    version = _go_version(tool)
    if _numbers(version) < _numbers(wanted[name]):
        return [
            f"{name} needs go {wanted[name]} or newer, the controller has {version}: put a newer one first in PATH"
            " (see https://go.dev/doc/install)"
        ]
    return []


def _missing_c(tool: Tool, components: list[Component]) -> list[str]:
    users = [component for component in components if uses_c(component.recipe)]
    bound = [component for component in users if component.recipe.get("cgo")]
    if not users:
        return []
    if not shutil.which("gcc"):
        return [f"gcc is not installed on the controller: {_names(users)} needs it{_package('gcc')}"]
    problems = []
    if bound and not shutil.which("pkg-config"):
        needs = f"pkg-config is not installed on the controller: {_names(bound)} needs it"
        problems.append(needs + _package("pkg-config"))
    libraries = {library: None for component in users for library in component.recipe.get("libraries") or []}
    for library in libraries:
        if library_path(tool, library) is None:
            needing = [component for component in users if library in (component.recipe.get("libraries") or [])]
            problems.append(f"{_names(needing)} needs the static C library {library}{_package(library)}")
    return problems


def library_path(tool: Tool, library: str) -> str | None:
    """Where the C compiler finds a library, if it does."""
    path = run(tool, ["gcc", f"-print-file-name={library}"], "/").strip()
    return None if path == library else path


def _names(components: list[Component]) -> str:
    return " and ".join(component.name for component in components)


def _package(needed: str) -> str:
    debian, fedora = PACKAGES.get(needed, (f"{needed.partition('.')[0]}-dev", f"{needed.partition('.')[0]}-static"))
    return f": install the package {debian} (Debian) or {fedora} (Fedora)"


def _go_wanted(component: Component) -> str:
    with open(os.path.join(component.directory, "go.mod"), encoding="utf-8") as stream:
        wanted = re.search(r"^go (\S+)$", stream.read(), re.MULTILINE)
    return wanted.group(1) if wanted else "1"


def _go_version(tool: Tool) -> str:
    return run(tool, ["go", "env", "GOVERSION"], "/", {"GOTOOLCHAIN": "local"}).strip()


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]
