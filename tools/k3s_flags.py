#!/usr/bin/env python
# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/k3s-flags.md from what the collection knows of K3s's flags."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KNOWN = ROOT / "plugins/plugin_utils/_options/k3s_flags.py"
FILE = ROOT / "docs/k3s-flags.md"

PAGE = """\
# K3s's flags, and what became of them

Written by `make variables` from `plugins/plugin_utils/_options/k3s_flags.py`; edit that.

These are the flags of `k3s server` and `k3s agent` (S and A), and the keys of K3s's `config.yaml`, up to 1.37. Where
there is a variable, [variables.md](variables.md) has its type and default, and [deviations.md](deviations.md) says
which defaults differ. A variable that is called after a flag without one is refused with the sentence that stands here.

`import_config.yml` translates a configuration of K3s. Copy `/etc/rancher/k3s/config.yaml` from a host, with the folder
`config.yaml.d` where there is one, and what K3s's installer wrote to `/etc/systemd/system/k3s.service.env`:

    ansible-playbook k3a.cluster.import_config -e k3a_import_config=config.yaml \\
      -e k3a_import_environment=k3s.service.env

It shows the variables as YAML, those of the host alone apart, and a sentence for whatever is not simply a variable. It
reads files as K3s does: later files win, keys that end in `+` add. It refuses a file with a key given twice or a second
document, a flag beside its form of one letter (`token` and `t`), and a number that YAML changes, such as the mode
`0644` without quotes: what K3s makes of these, if it starts at all, is hardly what was meant. It does not show secrets.
Flags of K3s's command line are not in these files: write them into `config.yaml` first, without their dashes. What the
files do not say has k3a's default, which is not always K3s's.

"""


PROXIES = """
K3s takes the proxy by which it reaches registries from its environment. With `CONTAINERD_` before its name one is
containerd's alone, and takes the place of the other there. `import_config.yml` sets a variable to what containerd has:

"""


def known() -> Any:
    """The module that knows the flags, which needs nothing of the collection to be imported."""
    described = importlib.util.spec_from_file_location(KNOWN.stem, KNOWN)
    assert described and described.loader
    module = importlib.util.module_from_spec(described)
    sys.modules[KNOWN.stem] = module  # where dataclasses look for it
    described.loader.exec_module(module)
    return module


def written() -> str:
    """The page as it follows from what is known."""
    found = known()
    return PAGE + table(found.FLAGS.values()) + PROXIES + proxies(found.PROXIES.values())


def table(flags: Iterable[Any]) -> str:
    rows = (f"| `--{flag.name}` | {who(flag)} | {variable(flag)} | {prose(flag.sentence)} |\n" for flag in flags)
    return "| flag | of | variable | |\n|---|---|---|---|\n" + "".join(rows)


def proxies(flags: Iterable[Any]) -> str:
    rows = (
        f"| `{flag.name}`, `CONTAINERD_{flag.name}` | {variable(flag)} | {prose(flag.sentence)} |\n" for flag in flags
    )
    return "| variable of the environment | variable | |\n|---|---|---|\n" + "".join(rows)


def who(flag: Any) -> str:
    return ", ".join(command[0].upper() for command in flag.on.split(", "))


def variable(flag: Any) -> str:
    value = f": {flag.value}" if flag.value else ""
    return f"`{flag.variable}{value}`" if flag.variable else ""


def prose(sentence: str) -> str:
    """What can be typed, as Markdown sets it off."""
    return re.sub(
        r"k3a_\w+|[\w-]+\.(?:yml|yaml)|journalctl -u 'k3a-\*'|(?:etcdctl|kubectl)(?: [a-z-]+)+", r"`\g<0>`", sentence
    )


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
