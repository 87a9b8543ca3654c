"""Run the unit tests of what nodes run on the oldest Python that nodes may have, without anything a node does not have.

That is everything below plugins/modules and plugins/module_utils whose imports, followed to the end, are the standard
library and Ansible's own module_utils.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import ansible.module_utils

OLDEST = "3.9"
CHECKOUT = Path(__file__).resolve().parent.parent
COLLECTION = "ansible_collections.k3a.cluster."
ENVIRONMENT = CHECKOUT / f"build/python{OLDEST}"


def imported(path: Path) -> set[str]:
    """Every name that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def source(name: str) -> Path | None:
    path = CHECKOUT / f"{name.removeprefix(COLLECTION).replace('.', '/')}.py"
    return path if path.is_file() else None


@lru_cache
def runs_on_a_node(path: Path) -> bool:
    for name in imported(path):
        if name.startswith(COLLECTION):
            further = source(name)
            if further and not runs_on_a_node(further):
                return False
        elif name.startswith("ansible"):
            if not name.startswith("ansible.module_utils") and name != "ansible_collections":
                return False
        elif name.split(".", 1)[0] not in sys.stdlib_module_names | {"pytest"}:
            return False
    return True


def main() -> int:
    found = subprocess.run([CHECKOUT / "tools/find-python", OLDEST], check=False, capture_output=True, text=True)
    if found.returncode != 0:
        print(f"Skipped: no Python {OLDEST} here to test what nodes run.")
        return 0
    if not (ENVIRONMENT / "bin/pytest").exists():
        subprocess.run([found.stdout.strip(), "-m", "venv", "--clear", ENVIRONMENT], check=True)
        subprocess.run([ENVIRONMENT / "bin/pip", "install", "--quiet", "pytest"], check=True)
    unit = CHECKOUT / "tests/unit/plugins"
    tests = [*unit.glob("modules/test_*.py"), *unit.glob("module_utils/**/test_*.py")]
    with tempfile.TemporaryDirectory() as root:
        # As on a node: of Ansible there is module_utils and nothing else.
        (Path(root) / "ansible").mkdir()
        (Path(root) / "ansible/__init__.py").touch()
        (Path(root) / "ansible/module_utils").symlink_to(Path(ansible.module_utils.__path__[0]))
        command = [ENVIRONMENT / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += sorted(filter(runs_on_a_node, tests))
        path = f"{root}:{CHECKOUT / '.venv/collections'}"
        return subprocess.run(command, cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
