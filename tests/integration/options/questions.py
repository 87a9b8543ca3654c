# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of question that the table of variables (rows.py) asks of what runs.

Names in angle brackets, such as <data_dir>, stand for what is known when the nodes are there (test_options.py).
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

SERVER, AGENT, CONTROLLER = "server", "agent", "controller"


@dataclass(frozen=True)
class Question:
    """A shell script on a host, and what of its output is the answer."""

    where: str
    script: str
    expected: Any
    read: Callable[[str], Any] = str.strip


def pid(unit: str) -> str:
    return f"$(systemctl show --property=MainPID --value k3a-{unit})"


def argument(where: str, unit: str, flag: str, expected: str) -> Question:
    """What the running process was told by a flag."""
    return Question(where, f"tr '\\0' '\\n' </proc/{pid(unit)}/cmdline | sed -n 's/^--{flag}=//p'", expected)


def environment(where: str, unit: str, name: str, expected: str) -> Question:
    """What the running process has in its environment."""
    return Question(where, f"tr '\\0' '\\n' </proc/{pid(unit)}/environ | sed -n 's/^{name}=//p'", expected)


def inside(*keys: Any) -> Callable[[str], Any]:
    """What is at a place of a JSON document."""

    def read(text: str) -> Any:
        value = json.loads(text)
        for key in keys:
            value = value[key]
        return value

    return read


def configz_of_kubelet(expected: Any, *keys: str) -> Question:
    script = "<kubectl> get --raw /api/v1/nodes/<agent_node>/proxy/configz"
    return Question(SERVER, script, expected, inside("kubeletconfig", *keys))


ADMIN = "--cacert <data_dir>/server/tls/server-ca.crt --cert <data_dir>/server/tls/client-admin.crt"
CURL = "curl --silent --insecure --max-time 10"
AS_ADMIN = f"{CURL} {ADMIN} --key <data_dir>/server/tls/client-admin.key"
STATUS = "--output /dev/null --write-out '%{http_code}'"


def configz_of_proxy(expected: Any, *keys: str) -> Question:
    return Question(AGENT, f"{CURL} http://127.0.0.1:10249/configz", expected, inside("kubeproxy.config.k8s.io", *keys))


def api(arguments: str, path: str, expected: str) -> Question:
    """A field of an object of the API."""
    return Question(SERVER, f"<kubectl> get {arguments} --output=jsonpath={shlex.quote('{' + path + '}')}", expected)


def journal(where: str, unit: str, text: str) -> Question:
    """Whether the running process has written something into its journal."""
    process = f"_SYSTEMD_INVOCATION_ID=$(systemctl show --property=InvocationID --value k3a-{unit})"
    script = f"journalctl --no-pager --output=cat {process} | grep -Fc {shlex.quote(text)} || true"
    return Question(where, script, True, lambda counted: int(counted) > 0)


def told(script: str, sentence: str) -> Question:
    """Whether what kubectl says has a sentence in it."""
    return Question(SERVER, f"<kubectl> {script} 2>&1 || true", True, lambda said: sentence in said)


def certificate(where: str, address: str, name: str) -> Question:
    """Whether the certificate that is served at an address is valid for a name."""
    script = f"openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName"
    return Question(where, script, True, lambda shown: name in shown.replace("\n", "").replace("IP Address", "IP"))


ASK_DNS = """
import secrets, socket, sys
server, name = sys.argv[1:]
question = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\\0\\0\\1\\0\\1"
ident = secrets.token_bytes(2)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.settimeout(3)
    udp.sendto(ident + b"\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + question, (server, 53))
    answer = udp.recv(512)
assert answer[:2] == ident
print(socket.inet_ntoa(answer[-4:]) if answer[3] & 15 == 0 else "none")
"""


def dns(name: str, expected: str) -> Question:
    """What the cluster's DNS answers, asked by packets to its service."""
    return Question(AGENT, f"python3 -c {shlex.quote(ASK_DNS)} <dns> {name}", expected)


def runtime(expected: Any, *keys: str) -> Question:
    """What containerd says of the configuration that it runs with."""
    return Question(AGENT, "crictl info", expected, inside("config", *keys))


REGISTRY, PROXY = "options-registry", "options-proxy"


def pulls(images: dict[tuple[str, str], str], expected: str) -> Question:
    """Of each image, by its name and what its request looks like, whether a unit was asked for it, by its journal.

    Each round has images of its own, since what the unit was asked for earlier stays in its journal.
    """
    script = "".join(
        f"crictl pull {image} >/dev/null 2>&1\n"
        f"journalctl --no-pager --output=cat --unit={unit} | grep -Fq {request} && echo yes || echo no\n"
        for (image, request), unit in images.items()
    )
    return Question(AGENT, script, expected, lambda said: " ".join(said.split()))


def token_as_it_is(data: dict[str, str]) -> tuple[str, str, str, bool]:
    """What the API has of a bootstrap token: description, usages, groups, and whether it ends within the hour."""
    found = {name: base64.b64decode(value).decode() for name, value in data.items()}
    usages = [name for name in ("signing", "authentication") if found.get(f"usage-bootstrap-{name}") == "true"]
    left = datetime.fromisoformat(found["expiration"]) - datetime.now(timezone.utc)
    ends = timedelta(minutes=30) < left <= timedelta(hours=1)
    return found["description"], " ".join(usages), found["auth-extra-groups"], ends
