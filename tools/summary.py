"""Sum up the closing lines of all pytest runs in a log, as a closing line of pytest: summary.py LOG SECONDS.

Before it, what test_all.py left out.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

COUNT = r"\d+ (?:passed|failed|skipped|errors?|xfailed|xpassed|deselected|warnings?)"
CLOSING = re.compile(rf"^\W*({COUNT}(?:, {COUNT})*) in [\d.]+s", re.M)
LEFT_OUT = re.compile(r"^Left out: .*$", re.M)


def total(log: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in CLOSING.findall(re.sub(r"\x1b\[[\d;]*m", "", log)):
        for part in line.split(", "):
            number, what = part.split()
            counts[what.removesuffix("s") if what.startswith("error") else what] += int(number)
    return counts


def left_out(log: str) -> list[str]:
    return LEFT_OUT.findall(log)


def main() -> None:
    log = Path(sys.argv[1]).read_text(errors="replace")
    counts = total(log)
    text = ", ".join(f"{number} {what}" for what, number in sorted(counts.items(), key=lambda c: c[0] != "failed"))
    print("", *left_out(log), sep="\n")
    print(f" {text or 'no tests ran'} in {float(sys.argv[2]):.2f}s ".center(80, "="))


if __name__ == "__main__":
    main()
