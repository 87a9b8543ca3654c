"""Move a component of the bundle to another version, everywhere that names it: bump.py COMPONENT VERSION.

That is its recipe, the lock files of its folder, the sample of flags in the unit tests, the Go release that the
documentation asks for, and a fragment. With --flags instead, after the bundle was built, the sample gets the flags that
the new programs have.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from checkout import CHECKOUT, built_bundle

BUNDLE = CHECKOUT / "bundle"
FLAGS = CHECKOUT / "tests/unit/component_flags.json"
# Where the documentation says which Go a build needs.
REQUIREMENTS = (CHECKOUT / "README.md", CHECKOUT / "docs/docsite/rst/guide_bundle.rst")


class BumpError(Exception):
    """Why a component cannot be moved, in one sentence."""


# ---- decisions


def recipe_of(components: str, name: str) -> str:
    """The text of one recipe in components.yml."""
    found = re.search(rf"^  {re.escape(name)}:\n(?:(?:    .*)?\n)*", components, re.M)
    if not found:
        known = ", ".join(re.findall(r"^  (\w+):$", components, re.M))
        raise BumpError(f"there is no component {name}; there are {known}")
    return found.group()


def value_of(recipe: str, key: str) -> str | None:
    """A value at the top of a recipe."""
    found = re.search(rf'^    {key}: "?([^"\n]+)"?$', recipe, re.M)
    return found.group(1) if found else None


def with_version(components: str, name: str, version: str) -> str:
    """components.yml with another version of a component."""
    recipe = recipe_of(components, name)
    moved = re.sub(r'^(    version: "?)[^"\n]+', rf"\g<1>{version}", recipe, count=1, flags=re.M)
    return components.replace(recipe, moved)


def staging_version(version: str) -> str:
    """The version of Kubernetes' staging modules that belong to a release of it."""
    return re.sub(r"^v1\.", "v0.", version)


def staging_modules(lock: dict[str, Any]) -> set[str]:
    """The modules that upstream keeps in its own tree; whoever uses it has to say where they are."""
    return {each["Old"]["Path"] for each in lock["Replace"] or [] if each["New"]["Path"].startswith("./staging/")}


def edits(lock: dict[str, Any], module: str, old: str, new: str, staging: Iterable[str]) -> list[str]:
    """The arguments of `go mod edit` that move a module, its siblings of the same release, and its staging modules."""
    old_staging, new_staging = staging_version(old), staging_version(new)
    wanted = set(staging)
    required = {each["Path"]: each for each in lock["Require"]}
    siblings = [path for path, each in required.items() if each["Version"] == old and not each.get("Indirect")]
    arguments = [f"-require={path}@{new}" for path in sorted({module, *siblings})]
    if not wanted:
        return arguments
    replaced = {each["Old"]["Path"] for each in lock["Replace"] or [] if each["New"].get("Version") == old_staging}
    arguments += [f"-dropreplace={path}" for path in sorted(replaced - wanted)]
    arguments += [f"-replace={path}={path}@{new_staging}" for path in sorted(wanted)]
    moved = [path for path, each in required.items() if each["Version"] == old_staging and path in wanted]
    return [*arguments, *(f"-require={path}@{new_staging}" for path in sorted(moved))]


def with_sample_version(sample: str, name: str, version: str) -> str:
    """component_flags.json with another version of a component that it has flags of."""
    versions, flags = sample.split('"flags"', 1)
    return re.sub(rf'("{re.escape(name)}": ")[^"]+', rf"\g<1>{version}", versions) + '"flags"' + flags


def sample_of(versions: dict[str, str], flags: dict[str, list[str]]) -> str:
    """component_flags.json: one line a component, so that a diff shows what came and went."""
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(sorted(flags[name]))}" for name in sorted(flags))
    return f'{{\n  "versions": {json.dumps(versions, sort_keys=True)},\n  "flags": {{\n{lines}\n  }}\n}}\n'


def fragment(name: str, old: str, new: str, former: str | None) -> str | None:
    """The changelog fragment, given the one there is: it says what changed since the release; None when nothing did."""
    first = re.search(r"after (\S+)\.\"$", former or "", re.M)
    released = first.group(1) if first else old
    return None if released == new else f'---\nminor_changes:\n  - "The bundle has {name} {new}, after {released}."\n'


def newest_go(locks: Iterable[str]) -> str:
    """The newest Go release that any of these go.mod asks for."""
    wanted = [found.group(1) for lock in locks if (found := re.search(r"^go (\S+)$", lock, re.M))]
    return max(wanted, key=lambda version: [int(number) for number in version.split(".")])


# ---- acting


def go(*arguments: str, directory: Path = BUNDLE) -> str:
    """Run a command of Go and return what it prints."""
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    command = ["go", *arguments]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BumpError(f"go {' '.join(arguments[:2])} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def rewrite(path: Path, text: str) -> None:
    if path.read_text() != text:
        path.write_text(text)


def move_lock(directory: Path, module: str, old: str, new: str) -> None:
    """Have go.mod and go.sum name the new version, and what it needs."""
    upstream = json.loads(go("mod", "download", "-json", f"{module}@{new}"))
    staging = staging_modules(json.loads(go("mod", "edit", "-json", upstream["GoMod"])))
    lock = json.loads(go("mod", "edit", "-json", directory=directory))
    before = {path: path.read_bytes() for path in (directory / "go.mod", directory / "go.sum")}
    try:
        go("mod", "edit", *edits(lock, module, old, new, staging), directory=directory)
        go("mod", "tidy", directory=directory)
    except BumpError:
        for path, content in before.items():
            path.write_bytes(content)
        raise


def write_fragment(name: str, old: str, new: str) -> None:
    path = CHECKOUT / f"changelogs/fragments/bump-{name}.yml"
    text = fragment(name, old, new, path.read_text() if path.exists() else None)
    if text:
        path.write_text(text)
    else:
        path.unlink(missing_ok=True)


def bump(name: str, new: str) -> str:
    components = (BUNDLE / "components.yml").read_text()
    recipe = recipe_of(components, name)
    old, module = value_of(recipe, "version"), value_of(recipe, "module")
    assert old, "every recipe has a version"
    if old == new:
        return f"{name} is {new} already."
    go_before = newest_go(path.read_text() for path in BUNDLE.glob("*/go.mod"))
    if module:
        move_lock(BUNDLE / name, module, old, new)
    rewrite(BUNDLE / "components.yml", with_version(components, name, new))
    rewrite(FLAGS, with_sample_version(FLAGS.read_text(), name, new))
    go_now = newest_go(path.read_text() for path in BUNDLE.glob("*/go.mod"))
    for path in REQUIREMENTS:
        rewrite(path, path.read_text().replace(f"Go {go_before} or newer", f"Go {go_now} or newer"))
    write_fragment(name, old, new)
    return f"{name} is {new} now, after {old}. Look at the diff, run `make bundle`, then `tools/bump --flags`."


def take_flags() -> str:
    """Have the sample say what the programs of the built bundle know."""
    bundle = built_bundle()
    if bundle is None:
        raise BumpError("the bundle of this version is not built: run make bundle first")
    manifest = json.loads((bundle / "manifest.json").read_text())
    versions = {name: manifest["components"][name]["version"] for name in json.loads(FLAGS.read_text())["versions"]}
    rewrite(FLAGS, sample_of(versions, manifest["flags"]))
    taken = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    return f"{FLAGS.relative_to(CHECKOUT)} has the flags of {taken}."


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/bump", description=__doc__)
    parser.add_argument("component", nargs="?")
    parser.add_argument("version", nargs="?")
    parser.add_argument("--flags", action="store_true", help="take the built bundle's flags into the tests' sample")
    given = parser.parse_args()
    if given.flags == bool(given.version):
        parser.error("either a component and a version, or --flags")
    try:
        print(take_flags() if given.flags else bump(given.component, given.version))
    except BumpError as error:
        print(f"tools/bump: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
