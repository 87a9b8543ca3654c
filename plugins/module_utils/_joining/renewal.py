# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""A node that joined by a token renews its certificates by itself: what its timer runs.

From half of a certificate's life on, or where it or its key is lost, it makes a new key, and asks as the node that it
is. The cluster judges that as it judged the first request. What is refused or fails is told and tried again the next
time, while the former certificate is good; the kubelet renews the one that it asks with by itself.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError, sentence
from ansible_collections.k3a.cluster.plugins.module_utils._formats import x509
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver
from ansible_collections.k3a.cluster.plugins.module_utils._joining.certificate_request import Requester
from ansible_collections.k3a.cluster.plugins.module_utils._trust import leaves, pem

# Seconds for each certificate, and for a run on this host to end.
TIMEOUT = 60.0
LIFE = timedelta(seconds=approver.LIFETIME)
DONE, MISUSED = 0, 2


class RenewalError(K3aError):
    """What the cluster has signed cannot be used; the message says why."""


def read(certificate: bytes | None) -> x509.Certificate | None:
    """The first certificate of a file, or nothing when there is none that can be read: that is left to a run."""
    try:
        return next((x509.parse(encoded) for encoded in x509.encoded_in(certificate or b"")), None)
    except x509.DerError:
        return None


def is_due(current: x509.Certificate, moment: datetime) -> bool:
    """Whether half of a certificate's life is over, or of what it would be given now where that is shorter."""
    return moment >= current.begins + min(current.ends - current.begins, LIFE) / 2


def flaw(leaf: Mapping[str, Any], certificate: str, key_file: str, authority: str) -> str:
    """Why a certificate that was asked for cannot be used, or nothing."""
    with pem.in_file(certificate) as path:
        if not pem.belongs(key_file, path):
            return "it is not of the key that it was asked for with"
    for usage in leaf["usages"]:
        if not pem.issued_by(certificate, authority, usage):
            return f"the {leaf['authority']} CA has not signed it for a {usage}, or its time is not now"
    content = read(certificate.encode())
    subject = {("CN", leaf["common_name"]), *([("O", leaf["organization"])] if leaf["organization"] else [])}
    names = {_canonical(name) for name in (*leaf["dns"], *leaf["ips"])}
    if content is None or set(content.subject) != subject or set(map(_canonical, content.names)) != names:
        return f"it names somebody else: {content or 'nobody'}"
    return ""


def _canonical(name: str) -> str:
    """A name or an address in the one form that compares."""
    return approver.canonical(name) or name


def put(leaf: Mapping[str, Any], certificate: bytes, key: bytes) -> None:
    """Put a key and its certificate in the place of the former ones, both at once.

    They are one file, to which the names of both lead: it has one pair or the other, whenever this process is killed. A
    run writes two files; these two become that one first, which changes nothing for who reads them. Of a pair that has
    lost its key nothing is kept: a name that led to a file without a key would be a damaged key, which stops a run.
    """
    pair = leaves.pair_file(leaf["certificate"])
    names = [files.Link(leaf[each], os.path.basename(pair)) for each in ("key", "certificate")]
    if any(not os.path.islink(link.path) or os.readlink(link.path) != link.target for link in names):
        _write(pair, former(leaf) if is_whole(leaf) else key + certificate)
        for link in names:
            files.make_link(link)
    _write(pair, key + certificate)


def is_whole(leaf: Mapping[str, Any]) -> bool:
    """Whether key and certificate belong together; where a run or this program was killed in between they may not."""
    return pem.belongs(leaf["key"], leaf["certificate"])


def former(leaf: Mapping[str, Any]) -> bytes:
    """Key and certificate as they are in use, in one."""
    certificate = pem.certificates_in(files.read_bytes(leaf["certificate"])).encode()
    return pem.without_certificates(files.read_bytes(leaf["key"])) + certificate


def _write(path: str, content: bytes) -> None:
    files.write_file(files.File(path, content, mode=0o600, secret=True))


def renew(leaf: Mapping[str, Any], server_url: str, ca_certificates: Mapping[str, str], moment: datetime) -> bool:
    """Renew a certificate when it is due, or it or its key is lost, and say whether it was.

    Key and certificate are one file after the first time, so what damages one of them damages both.
    Until the certificate has come, its key is in a directory that this process removes.
    """
    seen = files.read_bytes(leaf["certificate"])
    current = read(seen)
    if current is not None and is_whole(leaf) and not is_due(current, moment):
        return False
    with tempfile.TemporaryDirectory() as place:
        own = {**leaf, "key": f"{place}/{leaf['name']}.key"}
        key = pem.write_new_key(own["key"])
        signed = Requester(server_url, ca_certificates, TIMEOUT).renewed(own)
        wrong = flaw(leaf, signed, own["key"], ca_certificates[leaf["authority"]])
    if wrong:
        raise RenewalError(f"what the cluster signed cannot be used: {wrong}")
    with _alone():
        if files.read_bytes(leaf["certificate"]) != seen:
            return False  # a run has renewed it meanwhile
        put(leaf, signed.encode(), key)
    return True


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep runs of modules out, which make the lock's file. This process may make none there, and needs none then."""
    if os.path.exists(lock.LOCK):
        with lock.host_lock(TIMEOUT, lock.LOCK):
            yield
    else:
        yield


def tell(text: str) -> None:
    """Tell the journal."""
    sys.stderr.write(f"{text}\n")


def main(given: Sequence[str], wanted: Sequence[Mapping[str, Any]], ca_certificates: Mapping[str, str]) -> int:
    """Renew what is due. That something could not be renewed is no failure of the unit: a run does it as well."""
    if len(given) != 1:
        tell("usage: renew <URL of the API>, run by systemd")
        return MISUSED
    for leaf in wanted:
        try:
            if renew(leaf, given[0], ca_certificates, datetime.now(timezone.utc)):
                tell(f"<5>renewed {leaf['certificate']}")
        except (K3aError, OSError) as error:
            tell(f"<4>{leaf['certificate']} was not renewed, which is tried again: {sentence(error)}")
    return DONE
