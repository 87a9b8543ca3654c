"""Move Kubernetes to its former patch release and back, in a copy of the checkout: nothing may be left of it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import bump
from checkout import copy_checkout

COMPONENT = "kubernetes"


def versions() -> tuple[str, str, str]:
    """The component's module, its version, and the release before that (or after it, where it is a minor's first)."""
    recipe = bump.recipe_of((bump.BUNDLE / "components.yml").read_text(), COMPONENT)
    version, module = bump.value_of(recipe, "version"), bump.value_of(recipe, "module")
    parts = re.fullmatch(r"(v\d+\.\d+\.)(\d+)", version or "")
    assert parts and version and module
    start, patch = parts.groups()
    return module, version, f"{start}{int(patch) - 1 if int(patch) else 1}"


def lacking() -> str | None:
    """What Go would have to fetch first."""
    module, _version, other = versions()
    cache = subprocess.run(["go", "env", "GOMODCACHE"], check=True, capture_output=True, text=True).stdout.strip()
    fetched = Path(cache, "cache/download", module, "@v", f"{other}.zip").exists()
    return None if fetched else f"{module} {other}"


def main() -> int:
    _module, version, other = versions()
    with tempfile.TemporaryDirectory(prefix="k3a-bump-") as root:
        tree = Path(root)
        copy_checkout(tree)

        def git(*arguments: str) -> str:
            command = ["git", "-c", "user.name=k3a", "-c", "user.email=k3a", *arguments]
            return subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True).stdout

        def move(target: str) -> None:
            subprocess.run([sys.executable, "tools/bump.py", COMPONENT, target], cwd=tree, check=True)

        git("init", "--quiet")
        git("add", "--all", "--force")
        git("commit", "--quiet", "--message", "before")
        move(other)
        print(git("diff", "--stat"), end="")
        former = [f" {version}", f" {bump.staging_version(version)}"]
        kept = git("grep", "--fixed-strings", *(f"-e{each}" for each in former), "--", f"bundle/{COMPONENT}")
        move(version)
        left = git("status", "--porcelain") + git("diff")
    if kept or left:
        print(f"Not moved:\n{kept}Left after the way back:\n{left}")
        return 1
    print(f"{COMPONENT} {version}, {other}, {version}: nothing is left.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
