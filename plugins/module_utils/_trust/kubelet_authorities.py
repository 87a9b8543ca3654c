# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Whose certificates the API server takes for those of kubelets, as their client.

That of the CA for kubelets, and where it came to a cluster later, of the server CA too for as long as certificates may
live that this has signed for kubelets. Nobody has to ask the nodes then, and those that joined by a token need no run.
"""

from __future__ import annotations

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
    """The CAs of kubelets, by their certificates and the times from which these are valid.

    CAs that were made together are valid from the same second: the server CA has signed for no kubelet then.
    """
    came_later = own_begin > server_begin
    return own + (server if came_later and moment < own_begin + LONGEST_LIFE else "")


def _begin(path: str, content: str) -> datetime:
    try:
        return x509.parse(x509.encoded_in(content.encode())[0]).begins
    except der.DerError as error:
        remedy = "put it back from another server or from a backup of this one"
        raise K3aError(f"{path} cannot be used, since {error}; {remedy}") from None
