# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Is a component well? Conditions that answer None when it is and a reason when it is not, and the wait for one."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable


class Silence(str):
    """A reason that is no answer: nothing is heard of the process, which may hang. Others say what it waits for."""


Condition = Callable[[], "str | None"]
POLL = 0.1
PROBE_TIMEOUT = 5


def answers_ok(url: str, cafile: str | None = None) -> Condition:
    """An HTTP(S) health endpoint answers 200. Without a CA file the server's certificate is not verified, which is
    meant for components on loopback that make their own."""

    def condition() -> str | None:
        try:
            context = _context(url, cafile)
            # A proxy of the environment has no way to a health endpoint.
            handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
            with urllib.request.build_opener(*handlers).open(url, timeout=PROBE_TIMEOUT):
                return None
        except urllib.error.HTTPError as error:
            return f"{url} answers {error.code}: {failing_checks(error.read().decode(errors='replace'))}"
        except (OSError, http.client.HTTPException) as error:
            return Silence(f"{url} does not answer: {getattr(error, 'reason', error)}")

    return condition


def listens(path: str) -> Condition:
    """A UNIX socket accepts connections."""

    def condition() -> str | None:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PROBE_TIMEOUT)
            try:
                client.connect(path)
            except OSError as error:
                return Silence(f"{path} does not accept connections: {error.strerror or error}")
        return None

    return condition


def exists(path: str) -> Condition:
    """A file is there."""
    return lambda: None if os.path.exists(path) else Silence(f"{path} is not there yet")


def failing_checks(body: str) -> str:
    """The failed checks of a verbose health answer (lines such as C([-]etcd failed: reason)), or its first line."""
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    failed = [line for line in lines if line.startswith("[-]")]
    return "; ".join(failed) or (lines[0] if lines else "no reason given")


def wait_for(condition: Condition, deadline: float, give_up: Condition = lambda: None) -> str | None:
    """Poll a condition until it holds (None), the monotonic deadline has passed, or there is a reason to give up."""
    while True:
        reason = condition()
        if reason is None:
            return None
        hopeless = give_up()
        if hopeless is not None:
            return f"{hopeless} ({reason})"
        if time.monotonic() >= deadline:
            return reason
        time.sleep(POLL)


def _context(url: str, cafile: str | None) -> ssl.SSLContext | None:
    if not url.startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=cafile)
    if cafile is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
