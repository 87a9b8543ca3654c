# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of which some time is over, by a CA of the cluster."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

TLS = "/var/lib/k3a/server/tls"
# A request comes in, a certificate goes out.
SIGN = """
cd $(mktemp -d) && touch issued && echo {serial} > serial && echo extendedKeyUsage={usage}Auth > extensions
printf '%s\\n' '[ca]' 'default_ca = this' '[this]' 'database = issued' 'serial = serial' 'new_certs_dir = .' \\
  'default_md = sha256' 'policy = any' '[any]' 'organizationName = optional' 'commonName = supplied' > ca.cnf
openssl ca -batch -notext -config ca.cnf -cert {authority}.crt -keyfile {authority}.key -in /dev/stdin \\
  -startdate {begins} -enddate {ends} -extfile extensions 2>/dev/null
rm -r "$PWD"
"""


def signed(cluster: Any, server: str, request: str, over: int, left: int, authority: str = "client-ca") -> str:
    """A client's certificate that began some days ago and ends in some days, signed on a server."""
    now = datetime.now(timezone.utc)
    begins, ends = (f"{now + timedelta(days=days):%Y%m%d%H%M%SZ}" for days in (-over, left))
    usage = "server" if authority == "kubelet-serving-ca" else "client"
    script = SIGN.format(
        authority=f"{TLS}/{authority}", begins=begins, ends=ends, usage=usage, serial=f"{now:%y%m%d%H%M%S}"
    )
    return str(cluster.feed(server, request, "sh", "-ec", script))
