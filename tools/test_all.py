"""What takes too long to be tested on every change, in parts: test_all.py [PART]…, by default all.

With --minutes N, as CI calls it, only the parts that end within so many minutes and whose programs are in the caches;
what is left out is said, each with the reason, in a line that summary.py takes up.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import check_bump
import check_rebuild
from checkout import CHECKOUT, built_disk

LONGEST = 45  # minutes that a part may take


def nothing() -> str | None:
    """What a part lacks that needs no programs."""
    return None


def lacking_disk(release: str) -> Callable[[], str | None]:
    """What machines of a release begin with."""
    return lambda: None if built_disk(release) else f"the disk of machines with {release}"


@dataclass(frozen=True)
class Part:
    """A part: its command, about how many minutes that takes, and which of the programs it needs are not built yet."""

    shows: str
    command: tuple[str, ...]
    minutes: int
    lacking: Callable[[], str | None] = nothing


BOUNDS = ("make", "bundle", "molecule", "SCENARIOS=bounds")
OUTAGES = ("make", "bundle", "molecule", "SCENARIOS=outages")
IDENTITY = ("make", "bundle", "molecule", "SCENARIOS=identity")
OPTIONS = ("make", "bundle", "molecule", "SCENARIOS=options")
MACHINES = ("make", "bundle", "molecule", "SCENARIOS=machines")
REFUSALS = ("make", "bundle", "molecule", "SCENARIOS=refusals")
PARTS = {
    "refusals": Part("what people get wrong is told at once, and changes nothing", REFUSALS, minutes=6),
    "machines": Part(
        "a server with a kernel of its own: install, power cut, reset",
        MACHINES,
        minutes=17,
        lacking=lacking_disk("bookworm"),
    ),
    "core-2.20": Part("sanity and units on the oldest ansible-core", ("make", "core", "CORE=2.20"), 8),
    "bump": Part(
        "a component's other version and back leave nothing",
        ("python", "tools/check_bump.py"),
        minutes=3,
        lacking=check_bump.lacking,
    ),
    "rebuild": Part(
        "the environment decides nothing of what is built",
        ("python", "tools/check_rebuild.py"),
        minutes=8,
        lacking=check_rebuild.lacking,
    ),
    "bounds": Part("how far the trouble of one host goes", BOUNDS, minutes=9),
    "outages": Part("what clients notice when a server dies or is cut off", OUTAGES, minutes=15),
    "identity-one": Part(
        "what happens to a server, an agent and a machine that joined by a token, cell by cell",
        ("env", "K3A_TEST_SERVERS=1", "K3A_TEST_AGENTS=2", *IDENTITY),
        minutes=25,
    ),
    "identity-three": Part(
        "what happens to one of three servers, cell by cell",
        ("env", "K3A_TEST_SERVERS=3", "K3A_TEST_AGENTS=0", *IDENTITY),
        minutes=25,
    ),
    "machines-13": Part(
        "the same on Debian 13, with an agent, and more power cuts",
        ("env", "K3A_TEST_RELEASE=trixie", "K3A_TEST_AGENTS=1", "K3A_TEST_CUTS=3", *MACHINES),
        minutes=35,
        lacking=lacking_disk("trixie"),
    ),
    # The last, so that CI runs it only where all others fit, too.
    "options": Part("every variable has an effect on what runs", OPTIONS, minutes=15),
}


def choose(parts: Sequence[str], minutes: float) -> tuple[list[str], dict[str, str]]:
    """The parts that fit into so many minutes one after the other, and for the others why they are left out."""
    chosen, left_out = [], {}
    for name in parts:
        part = PARTS[name]
        lacking = part.lacking()
        if lacking:
            left_out[name] = f"{lacking} is not in the cache"
        elif part.minutes > minutes:
            left_out[name] = f"it takes {part.minutes} minutes, and {max(0, minutes):.0f} are left"
        else:
            chosen.append(name)
            minutes -= part.minutes
    return chosen, left_out


def run(name: str) -> bool:
    """Run a part; whether it passed. One that takes too long is ended with all that it started."""
    part = PARTS[name]
    print(f"\n==== {name}: {part.shows}", flush=True)
    start = time.monotonic()
    process = subprocess.Popen(part.command, cwd=CHECKOUT, start_new_session=True)
    try:
        outcome = "passed" if process.wait(LONGEST * 60) == 0 else f"failed with status {process.returncode}"
    except subprocess.TimeoutExpired:
        outcome = f"failed: no end after {LONGEST} minutes"
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
    print(f"==== {name} {outcome} ({time.monotonic() - start:.0f} s)", flush=True)
    return outcome == "passed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--minutes", type=float, help="leave out what takes longer, and what has to be built first")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    parts, left_out = list(given.parts or PARTS), {}
    if given.minutes is not None:
        parts, left_out = choose(parts, given.minutes)
    failed = [name for name in parts if not run(name)]
    for name, reason in left_out.items():
        print(f"Left out: {name}: {reason}")
    if failed:
        print(f"Failed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
