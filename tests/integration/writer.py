# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a node or elsewhere: writes ConfigMaps, one after the other, until its input ends.

The first line of its input is JSON: where to write, with which credentials. They are in memory here, and nowhere else.
It says in a line each what became of a write, with the time. No number is tried twice: what was not acknowledged may
have been written or not, and nobody was promised anything.
"""

import http.client
import json
import os
import ssl
import sys
import threading
import time


def trusting(authority, certificate, key):
    context = ssl.create_default_context(cadata=authority)
    descriptor = os.memfd_create("credentials")
    with open(descriptor, "w") as stream:
        stream.write(certificate + key)
        stream.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    return context


def say(what, number, detail):
    print(json.dumps([what, number, time.monotonic(), detail]), flush=True)


def write(connection, namespace, number):
    body = {"metadata": {"name": f"write-{number}", "labels": {"k3a-test": "writer"}}, "data": {"i": str(number)}}
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    if answer.status != 201:
        raise ValueError(f"{answer.status} {content.get('message', '')}")
    return int(content["metadata"]["resourceVersion"])


def main():
    given = json.loads(sys.stdin.readline())
    context = trusting(given["authority"], given["certificate"], given["key"])
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    connection = None
    number = 0
    due = time.monotonic()
    say("begun", number, os.getpid())
    while not ended.is_set():
        try:
            if connection is None:
                connection = http.client.HTTPSConnection(
                    given["host"], given["port"], context=context, timeout=given["timeout"]
                )
            say("written", number, write(connection, given["namespace"], number))
        except (OSError, http.client.HTTPException, ValueError) as error:
            say("failed", number, f"{type(error).__name__}: {error}")
            connection.close()
            connection = None
        number += 1
        due = max(due + given["period"], time.monotonic())
        ended.wait(due - time.monotonic())
    say("ended", number, "")


main()
