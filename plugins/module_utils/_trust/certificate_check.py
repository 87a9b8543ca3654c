# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The command C(k3a certificate) on a node: when the certificates and CAs of this host end, and what to do about it.

C(check) is for people and for what monitors a host: a table or JSON, and an exit code. C(warn) is for a timer: what is
wrong goes to the journal and to the Node as an event.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, sentence
from ansible_collections.k3a.cluster.plugins.module_utils._formats import x509
from ansible_collections.k3a.cluster.plugins.module_utils._trust.leaves import KUBELET_CLIENT

# A run of the playbook renews 120 days ahead; a machine that joined by a token does so by itself from half of a shorter
# life on, or a run when a third of it is left. So who is warned has something to do.
WINDOW = timedelta(days=60)
LEFT_TO_RUN = 4
# The kubelet renews its own by itself when 70 to 90 percent of its time are over.
LEFT_TO_KUBELET = 10
OK, WARNING, EXPIRED, EARLY, UNREADABLE = "OK", "WARNING", "EXPIRED", "NOT YET VALID", "UNREADABLE"
# Exit codes: all is well, something is not, nobody can tell.
WELL, UNWELL, UNKNOWN = 0, 1, 2

RUN = "run the playbook k3a.cluster.site (k3a.cluster.join where that made this node)"
ADVICE = {
    WARNING: f"{RUN}, which renews what ends soon",
    EXPIRED: f"{RUN}, which issues anew what has expired",
    EARLY: f"set the clock of this host right, or {RUN}",
    UNREADABLE: f"{RUN}, which issues anew what is unreadable",
}
KUBELET_ADVICE = "restart k3a-kubelet.service, which has not renewed its own certificate, and read its journal"
AUTHORITY_ADVICE = {
    WARNING: "move to a new cluster before then: the cluster ends with its CA, which k3a cannot replace yet",
    EXPIRED: "build the cluster anew: it has ended with its CA, which k3a cannot replace yet",
    EARLY: "set the clock of this host right",
    UNREADABLE: "put the CA back from another server or from a backup of this one",
}
# The reasons of events, as K3s has them.
LEAF_REASON, AUTHORITY_REASON = "CertificateExpirationWarning", "CACertificateExpirationWarning"
SOURCE = "k3a-certificate-monitor"
EVENTS = node_api.object_path("/api/v1", "events", "default")
LONGEST_MESSAGE = 1024
NODE = "system:node:"


@dataclass(frozen=True)
class Found:
    """A certificate of this host; C(content) is missing where it is unreadable, for the C(reason)."""

    file: str
    content: x509.Certificate | None = None
    reason: str = ""

    @property
    def authority(self) -> bool:
        """Whether it is a CA's; what an unreadable one is tells its name."""
        return self.content.authority if self.content else self.file.endswith("-ca.crt")

    @property
    def window(self) -> timedelta:
        """How long before its end it has to be told."""
        if self.content is None or self.authority:
            return WINDOW
        part = LEFT_TO_KUBELET if self.file == KUBELET_CLIENT else LEFT_TO_RUN
        return min(WINDOW, (self.content.ends - self.content.begins) / part)

    def status(self, moment: datetime) -> str:
        """How it stands at a moment."""
        if self.content is None:
            return UNREADABLE
        if self.content.ends <= moment:
            return EXPIRED
        if self.content.begins > moment:
            return EARLY
        return WARNING if self.content.ends - moment < self.window else OK

    def advice(self, status: str) -> str:
        """What to do when it is not well."""
        # A node's copy of a CA is the playbook's to write again.
        if self.authority and not (status == UNREADABLE and "/agent/" in self.file):
            return AUTHORITY_ADVICE[status]
        if self.file == KUBELET_CLIENT and status == WARNING:
            return KUBELET_ADVICE
        return ADVICE[status]

    def trouble(self, status: str, moment: datetime) -> str:
        """What is wrong with it."""
        if self.content is None:
            return f"{self.file} is unreadable ({self.reason})"
        if status == EARLY:
            return f"{self.file} is not valid before {day(self.content.begins)}"
        if status == EXPIRED:
            return f"{self.file} expired on {day(self.content.ends)}"
        return f"{self.file} expires on {day(self.content.ends)}, in {left(self.content.ends - moment)}"


@dataclass(frozen=True)
class Warned:
    """What several certificates have in common: the event's reason, and the one sentence for all of them."""

    reason: str
    text: str


def day(moment: datetime) -> str:
    """A moment as people read it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def left(span: timedelta) -> str:
    """How long something lasts yet."""
    if span < timedelta(0):
        return "-"
    return f"{span.days} days" if span.days > 1 else f"{int(span.total_seconds() // 3600)} hours"


def certificates(data_dir: str) -> list[Found]:
    """The certificates of this host; a CA that comes with the certificates that it signed is told once."""
    found: list[Found] = []
    seen: set[bytes] = set()
    for path in paths(data_dir):
        content = files.read_bytes(path)
        if content is None:
            continue
        encoded = x509.encoded_in(content)
        if not encoded:
            found.append(Found(path, reason="it holds no certificate"))
        for each in encoded:
            if each not in seen:
                seen.add(each)
                found.append(read(path, each))
    return found


def read(path: str, encoded: bytes) -> Found:
    """A certificate of a file."""
    try:
        return Found(path, x509.parse(encoded))
    except x509.DerError as error:
        return Found(path, reason=str(error))


def paths(data_dir: str) -> list[str]:
    """The files with certificates on this host, those of the CAs first."""
    layout = Layout(data_dir)
    directories = (layout.tls("").rstrip("/"), layout.tls("etcd"), layout.agent_tls("").rstrip("/"))
    inside = [path for directory in directories for path in names(directory) if path.endswith(".crt")]
    return sorted(inside, key=lambda path: not path.endswith("-ca.crt")) + [KUBELET_CLIENT]


def names(directory: str) -> list[str]:
    """The paths of what is in a directory, if there is one; of others' an OSError says so."""
    try:
        return [f"{directory}/{name}" for name in sorted(os.listdir(directory))]
    except (FileNotFoundError, NotADirectoryError):
        return []


def warnings(found: Sequence[Found], moment: datetime) -> list[Warned]:
    """What has to be told: what to do, and for which certificates."""
    troubles: dict[tuple[str, str], list[str]] = {}
    for each in found:
        status = each.status(moment)
        if status != OK:
            reason = AUTHORITY_REASON if each.authority else LEAF_REASON
            troubles.setdefault((reason, each.advice(status)), []).append(each.trouble(status, moment))
    return [Warned(reason, f"{'; '.join(those)}: {advice}") for (reason, advice), those in troubles.items()]


def exit_code(found: Sequence[Found], moment: datetime) -> int:
    """What monitoring asks for."""
    if not found:
        return UNKNOWN
    return UNWELL if any(each.status(moment) != OK for each in found) else WELL


def as_data(found: Sequence[Found], moment: datetime) -> list[dict[str, Any]]:
    """The certificates as plain data."""
    return [
        {
            "file": each.file,
            "subject": str(each.content) if each.content else "",
            "usages": list(each.content.usages) if each.content else [],
            "authority": each.authority,
            "begins": each.content.begins.isoformat() if each.content else None,
            "expires": each.content.ends.isoformat() if each.content else None,
            "residual_seconds": int((each.content.ends - moment).total_seconds()) if each.content else None,
            "status": each.status(moment),
        }
        for each in found
    ]


def table(found: Sequence[Found], moment: datetime) -> str:
    """The certificates as K3s lists them."""
    rows = [("FILENAME", "SUBJECT", "USAGES", "EXPIRES", "RESIDUAL TIME", "STATUS")]
    for each in found:
        about = ("-", "-", "-", "-")
        if each.content:
            usages = ",".join(each.content.usages) or ("CA" if each.authority else "-")
            about = (str(each.content), usages, day(each.content.ends), left(each.content.ends - moment))
        rows.append((each.file, *about, each.status(moment)))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows) + "\n"


def node_name(found: Sequence[Found]) -> str:
    """Who this host is in the cluster, by the certificate that its kubelet has, or nothing."""
    own = [each.content for each in found if each.file == KUBELET_CLIENT and each.content and not each.authority]
    known = [name for content in own for name in content.common_names if name.startswith(NODE)]
    return known[0][len(NODE) :] if known else ""


def event(node: str, warned: Warned, moment: datetime) -> dict[str, Any]:
    """A warning as an event about the Node, which has the kubelet's form: the Node's name stands for its UID."""
    stamp = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{SOURCE}.", "namespace": "default"},
        "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node},
        "type": "Warning",
        "reason": warned.reason,
        "message": shortened(warned.text),
        "source": {"component": SOURCE, "host": node},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def shortened(text: str) -> str:
    """A text that an event takes; what to do stands at its end, so the middle goes."""
    half = (LONGEST_MESSAGE - len(" … ")) // 2
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:half]} … {text[-half:]}"


def tell(text: str) -> None:
    """Tell whoever runs the command, which may be systemd."""
    sys.stderr.write(f"{text}\n")


def check(data_dir: str, output: str) -> int:
    """Show when the certificates end."""
    found, moment = certificates(data_dir), datetime.now(timezone.utc)
    if output == "json":
        sys.stdout.write(json.dumps({"certificates": as_data(found, moment)}, indent=2) + "\n")
    elif found:
        sys.stdout.write(table(found, moment))
    else:
        tell(f"there are no certificates in {data_dir}")
    if output != "json":
        for warned in warnings(found, moment):
            tell(warned.text)
    return exit_code(found, moment)


def warn(data_dir: str, server_url: str) -> int:
    """Tell the journal and the Node what is not well; that the API cannot be told is no failure of this command."""
    found, moment = certificates(data_dir), datetime.now(timezone.utc)
    told = warnings(found, moment)
    for warned in told:
        tell(f"<4>{warned.text}")
    node = node_name(found)
    if told and node:
        try:
            authority = Layout(data_dir).agent_tls("server-ca.crt")
            api = node_api.NodeApi(server_url, ca_file=authority, certificate=KUBELET_CLIENT)
            for warned in told:
                api.request("POST", EVENTS, body=event(node, warned, moment))
        except node_api.ApiError as error:
            tell(f"<4>the Node {node} has no event about this: {error}")
    return WELL


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What the command is asked for."""
    parser = argparse.ArgumentParser(
        prog="k3a certificate", description="When the certificates of this host end, and what to do about it."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser(
        "check",
        help="show them",
        description="Show the certificates and CAs of this host and when they end."
        f" Exit code {WELL}: none ends within {WINDOW.days} days (or a quarter of a shorter life); {UNWELL}: one does,"
        " has ended or cannot be used;"
        f" {UNKNOWN}: nobody can tell.",
    )
    checking.add_argument("-o", "--output", choices=["table", "json"], default="table")
    warning = commands.add_parser("warn", help="tell the journal and the Node, as the timer of the host does")
    warning.add_argument("server_url", help="the URL of the API")
    return parser.parse_args(given)


def main(given: Sequence[str], data_dir: str) -> int:
    """Run the command on this host."""
    asked = arguments(given)
    try:
        return check(data_dir, asked.output) if asked.command == "check" else warn(data_dir, asked.server_url)
    except (K3aError, OSError) as error:
        tell(f"k3a: {sentence(error)}")
        return UNKNOWN
