"""Run ansible-test on a copy of the checkout, lying where ansible-test insists on: ansible_collections/k3a/cluster.
With --old before the arguments, what nodes import is checked on the oldest Python that they may have.

ansible-test fills the virtual environments that it makes by a get-pip.py, which it downloads from a host of its own,
not from a package index. Where that host cannot be reached, the cache file that ansible-test looks at first gets a
stand-in that does the same with the pip that Python brings along; packages come from the index, as they would anyway.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from ansible_test._internal.host_configs import NativePythonConfig
from ansible_test._internal.python_requirements import get_venv_packages
from ansible_test._util import target
from checkout import CHECKOUT, copy_checkout

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
OLDEST = "3.9"

STAND_IN = '''\
"""Stand-in for get-pip.py, which could not be downloaded: pip as Python brings it along, then what was asked for."""
import ensurepip
import runpy
import sys

ensurepip.bootstrap()
sys.argv = [sys.argv[0], "install"] + [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
'''


def provide_pip() -> None:
    requirements = Path(target.__path__[0], "setup/requirements.py").read_text()
    url_format = re.search(r"url = '(https://\S+get-pip-%s\.py)'", requirements)
    version = get_venv_packages(NativePythonConfig(version=PYTHON))["pip"]
    cached = Path(f"~/.ansible/test/cache/get_pip_{version.replace('.', '_')}.py").expanduser()
    if cached.exists() or (url_format and downloaded(url_format[1] % version, cached)):
        return
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_text(STAND_IN)


def downloaded(url: str, path: Path) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            content = answer.read()
    except OSError:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return True


def oldest_python() -> Path | None:
    """The oldest Python that nodes may have, on PATH or under pyenv."""
    found = subprocess.run([CHECKOUT / "tools/find-python", OLDEST], check=False, capture_output=True, text=True)
    return Path(found.stdout.strip()) if found.returncode == 0 else None


def main() -> int:
    arguments = [*sys.argv[1:], "--python", PYTHON]
    environment = dict(os.environ)
    if sys.argv[1] == "--old":
        python = oldest_python()
        if not python:
            print(f"Skipped: no Python {OLDEST} here to check what nodes import.")
            return 0
        arguments = [*sys.argv[2:], "--target-python", f"{OLDEST}@{python}"]
        environment["PATH"] = f"{python.parent}:{environment['PATH']}"

    provide_pip()
    # Outside the checkout: ansible-test asks the nearest git above it, and that one ignores everything in build/.
    with tempfile.TemporaryDirectory(prefix="k3a-ansible-test-") as root:
        tree = Path(root, "ansible_collections/k3a/cluster")
        copy_checkout(tree)
        command = [str(Path(sys.executable).parent / "ansible-test"), *arguments]
        return subprocess.run(command, cwd=tree, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
