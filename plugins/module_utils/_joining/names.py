# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Whose the names of nodes are: the passwords that the cluster keeps, and what is written down beside them.

One approver at a time writes it, so what it remembers of it is true until it has to begin anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ansible_collections.k3a.cluster.plugins.module_utils._cluster import api as node_api
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.lease import seconds_of
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.pages import nodes, pages
from ansible_collections.k3a.cluster.plugins.module_utils._joining import approver, node_password

SECRETS = node_api.object_path("/api/v1", "secrets", node_password.NAMESPACE)
JOIN_SECRETS = node_api.object_path("/api/v1", "secrets", node_password.JOIN_NAMESPACE)
REMOVED = node_api.object_path("/api/v1", "configmaps", node_password.NAMESPACE, node_password.REMOVED)


def delete(api: node_api.NodeApi, collection: str, name: str) -> None:
    """Delete what may be gone already."""
    try:
        api.request("DELETE", f"{collection}/{quote(name)}")
    except node_api.ApiRefused as error:
        if error.status != 404:
            raise


class Journal:
    """What the unit's journal gets; a trouble that lasts is told once."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._troubles: dict[str, str] = {}

    def say(self, text: str, warning: bool = False) -> None:
        self._write(f"<4>{text}" if warning else text)

    def trouble(self, subject: str, reason: str, again: str = "; trying again") -> None:
        if self._troubles.get(subject) != reason:
            self._troubles[subject] = reason
            self.say(f"{subject}: {reason}{again}", warning=True)

    def well(self, subject: str) -> None:
        if self._troubles.pop(subject, None) is not None:
            self.say(f"{subject}: well again")

    def forget(self, subject: str) -> None:
        self._troubles.pop(subject, None)


class Names:
    """The names that nodes have or had, as the cluster keeps them."""

    def __init__(self, api: node_api.NodeApi, journal: Journal) -> None:
        self._api = api
        self._journal = journal
        # Whose passwords are kept, by the names of their nodes, and the Nodes that there were by then.
        self._kept: dict[str, node_password.Kept] = {}
        self._nodes: dict[str, str] = {}

    def context(self, csr: Mapping[str, Any], node: str, settings: approver.Settings) -> approver.Context | None:
        """What is known of the name that a request is for; None while what it has to bring may be under way."""
        kind = approver.kind_of(csr)
        password, age = "", 0.0
        if kind == approver.JOIN:
            password = node_password.value_in(self._brought(csr), csr["metadata"]["name"])
            age = time.time() - seconds_of(csr["metadata"].get("creationTimestamp") or "")
            if not password and age < approver.PASSWORD_PATIENCE:
                return None
        found = self._api.get(node_api.object_path("/api/v1", "nodes", name=node))
        known = self._api.get(f"{SECRETS}/{node_password.secret_name(node)}")
        kept, uid = node_password.kept(known or {}), approver.uid_of(found)
        if kind != approver.JOIN and known and uid and not kept.owner:
            kept = self._keep(node, kept._replace(owner=uid, until=0.0), node_password.adopted(uid))
            self._nodes[node] = uid
        return approver.Context(
            settings,
            found,
            password=password,
            hashed=None if known is None else node_password.value_in(known, "hash"),
            owner=kept.owner,
            removed=node_password.removed_names(self._api.get(REMOVED)).get(node, ""),
            pending=self._pending(approver.token_of(csr)),
            holders=self._holders(node),
            claimants=self._claimants(node) if kind == approver.SERVING else {},
            given=kept.addresses if kept.owner == uid else frozenset(),
            age=age,
        )

    def _brought(self, csr: Mapping[str, Any]) -> dict[str, Any]:
        """What was brought for a request, or an empty Secret: at its place may be what is for another."""
        name = csr["metadata"]["name"]
        found = self._api.get(f"{JOIN_SECRETS}/{node_password.place(approver.token_of(csr), name)}") or {}
        return found if name in (found.get("data") or {}) else {}

    def release(self, csr: Mapping[str, Any]) -> None:
        """Set the place free that a request which was judged had."""
        brought = self._brought(csr)
        if brought:
            delete(self._api, JOIN_SECRETS, brought["metadata"]["name"])

    def _claimants(self, node: str) -> dict[str, str]:
        """The other nodes by the addresses that they report."""
        found: dict[str, str] = {}
        for other in nodes(self._api):
            if other["metadata"]["name"] != node:
                found.update(dict.fromkeys(approver.addresses_of(other), other["metadata"]["name"]))
        return found

    def _pending(self, token: str) -> int:
        """The names that a token was given, and for which no Node has come."""
        return sum(1 for kept in self._kept.values() if token and kept.token == token and not kept.owner)

    def _holders(self, node: str) -> dict[str, str]:
        """The other nodes by the addresses for which they were given a certificate; none that is gone."""
        return {
            address: name
            for name, kept in self._kept.items()
            if name != node and kept.owner and self._nodes.get(name) == kept.owner
            for address in kept.addresses
        }

    def admit(self, node: str, decision: approver.Decision, context: approver.Context, csr: Mapping[str, Any]) -> bool:
        """Keep the name for a machine that joins; False when another one has taken it meanwhile."""
        tomorrow = time.time() + approver.DAY
        if not decision.enroll:
            if not context.owner or context.owner != approver.uid_of(context.node):
                # It may have been this node before, and have certificates of that time.
                until = tomorrow + approver.LONGEST_LIFETIME
                self._keep(node, node_password.Kept(until=until), node_password.orphaned("", until))
            return True
        # Until its Node comes it has no other certificate than this one.
        until, token = tomorrow + approver.LIFETIME, approver.token_of(csr)
        made = node_password.secret(node, node_password.hash_of(context.password), token=token, until=until)
        try:
            self._api.request("POST", SECRETS, body=made)
        except node_api.ApiRefused as error:
            if error.status != 409:
                raise
            return False
        self._kept[node] = node_password.kept(made)
        return True

    def note_addresses(self, node: str, addresses: Sequence[str]) -> None:
        """Remember for which addresses a node is given a certificate, so that no other node is."""
        own = " ".join(sorted(set(addresses)))
        self._patch(node, {"metadata": {"annotations": {node_password.ADDRESSES: own}}})
        self._kept[node] = self._kept.get(node, node_password.Kept())._replace(addresses=frozenset(addresses))

    def _keep(self, node: str, kept: node_password.Kept, patch: Mapping[str, Any]) -> node_password.Kept:
        self._patch(node, patch)
        self._kept[node] = self._kept.get(node, kept)._replace(owner=kept.owner, until=kept.until, bare=False)
        return kept

    def sweep(self) -> None:
        """Tie passwords to the Nodes that have come, keep those of Nodes that went, and delete what is of no use."""
        now = time.time()
        try:
            # In this order: who has no Node by then had none when the password was read.
            secrets = {
                node_password.node_of(secret["metadata"]["name"]): node_password.kept(secret)
                for secret in pages(self._api, SECRETS, {"fieldSelector": f"type={node_password.TYPE}"})
            }
            self._nodes = {each["metadata"]["name"]: approver.uid_of(each) for each in nodes(self._api)}
            self._kept = {node: kept for node, kept in secrets.items() if node}
            for node in list(self._kept):
                self._tend(node, now)
            self._clear_removed(now)
            for secret in pages(self._api, JOIN_SECRETS):
                if now - seconds_of(secret["metadata"]["creationTimestamp"]) > approver.ORPHANED:
                    delete(self._api, JOIN_SECRETS, secret["metadata"]["name"])
            self._journal.well("passwords")
        except node_api.ApiRefused as error:
            self._journal.trouble("passwords", error.message)

    def _tend(self, node: str, now: float) -> None:
        """Do what is due with the password of a node."""
        kept, uid = self._kept[node], self._nodes.get(node, "")
        fate = approver.fate(kept, uid, now)
        if fate == approver.ADOPT:
            self._keep(node, kept._replace(owner=uid, until=0.0), node_password.adopted(uid))
        elif fate == approver.MARK:
            until = now + approver.DAY + approver.LONGEST_LIFETIME
            self._keep(node, kept._replace(until=until), node_password.orphaned(kept.owner, until))
        elif fate == approver.DELETE:
            delete(self._api, SECRETS, node_password.secret_name(node))
            del self._kept[node]
            self._journal.say(f"deleted the password of {node}, which has no Node")

    def _clear_removed(self, now: float) -> None:
        """Forget names that were removed so long ago that no certificate is left."""
        over = node_password.expired(node_password.removed_names(self._api.get(REMOVED)), now)
        if over:
            body = {"data": dict.fromkeys(over)}
            self._api.request("PATCH", REMOVED, body=body, content_type=node_api.MERGE_PATCH)
            self._journal.say(f"the names {approver.listed(sorted(over))} of removed nodes are free again")

    def _patch(self, node: str, patch: Mapping[str, Any]) -> None:
        path = f"{SECRETS}/{node_password.secret_name(node)}"
        try:
            self._api.request("PATCH", path, body=patch, content_type=node_api.MERGE_PATCH)
        except node_api.ApiRefused as error:
            if error.status != 404:  # else it was removed by name meanwhile
                raise
