# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Whose certificates the API server takes for those of kubelets, as their client, and until when there may be others.

That of the CA for kubelets, and where it came to a cluster later, of the server CA too for as long as certificates may
live that this has signed for kubelets. Nobody has to ask the nodes then, and those that joined by a token need no run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import K3aError
from ansible_collections.k3a.cluster.plugins.module_utils._formats import der, x509
from ansible_collections.k3a.cluster.plugins.module_utils._trust import bootstrap, pem

# A certificate lives for a year. The last ones were signed in the run that brought the new CA, which took its time.
LONGEST_LIFE = timedelta(days=366)


def read(layout: Layout) -> str:
    """The CAs of kubelets on a server, PEM; nothing before it has them."""
    own, server = (bootstrap.authority_paths(layout, name)[0] for name in ("kubelet-serving", "server"))
    contents = {path: pem.certificates_in(files.read_bytes(path)) for path in (own, server)}
    if not all(contents.values()):
        return ""
    begun = {path: _begin(path, content) for path, content in contents.items()}
    return trusted(contents[own], begun[own], contents[server], begun[server], datetime.now(timezone.utc))


def trusted(own: str, own_begin: datetime, server: str, server_begin: datetime, moment: datetime) -> str:
    """The CAs of kubelets, by their certificates and the times from which these are valid."""
    return own + (server if _earlier(own_begin, server_begin, moment) else "")


def may_be_earlier(certificates: Mapping[str, str], moment: datetime) -> bool:
    """Whether any certificate may live of a version that had no CA for kubelets, by the certificates of the CAs (PEM).

    Where there is none for kubelets it is still to come, and where there are none at all the whole cluster is.
    """
    names = ("server", "kubelet-serving")
    server, own = (pem.certificates_in(certificates.get(name, "").encode()) for name in names)
    if not server or not own:
        return bool(server)
    return _earlier(_begin("the CA for kubelets", own), _begin("the server CA", server), moment)


def _earlier(own_begin: datetime, server_begin: datetime, moment: datetime) -> bool:
    """Whether it may, by the times from which the CAs for kubelets and for servers are valid.

    CAs that were made together are valid from the same second: no version has used one without the other then.
    """
    return own_begin > server_begin and moment < own_begin + LONGEST_LIFE


def _begin(path: str, content: str) -> datetime:
    try:
        return x509.parse(x509.encoded_in(content.encode())[0]).begins
    except der.DerError as error:
        remedy = "put it back from another server or from a backup of this one"
        raise K3aError(f"{path} cannot be used, since {error}; {remedy}") from None
