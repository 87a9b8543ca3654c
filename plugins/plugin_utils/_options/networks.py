# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""What is wrong with the networks and addresses that variables name, each by itself and with the others."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._components import controller_manager
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.plugin_utils._options.spec import PREFIX

Values = Mapping[str, Any]
Problem = tuple[str, str]

_ARGUMENTS = f"{PREFIX}{controller_manager.DECLARATION.arguments}"


def _network(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    good = []
    if not values[name]:
        yield f"{name} is empty", "give it one network for each address family"
    for cidr in values[name]:
        try:
            address.network(cidr)
            good.append(cidr)
        except address.AddressError as error:
            yield f"{name}: {error}", "write the network's own address and its prefix length"
    for cidr in good:
        if not address.is_of_a_machine(address.network(cidr).network_address):
            yield f"{name} {cidr} is no network of machines", "choose a private one, as in 10.0.0.0/16"
    if _of_one_family(good):
        message = f"{name} has two networks of one family ({', '.join(_of_one_family(good))})"
        yield message, "leave one for each address family"


def _networks_together(_name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    pods, services = _networks(values, "k3a_cluster_cidr"), _networks(values, "k3a_service_cidr")
    for one, other in address.overlaps([*pods, *services]):
        yield f"the networks {one} and {other} overlap", "choose k3a_cluster_cidr and k3a_service_cidr apart"
    if pods and services and address.families(pods) != address.families(services):
        message = f"k3a_cluster_cidr is {_in_words(pods)} and k3a_service_cidr is {_in_words(services)}"
        yield message, "give both the same address families, in the same order"
    for cidr in services:
        if not _is_roomy(cidr):
            yield f"k3a_service_cidr {cidr} is too small", "take a prefix of /24 or shorter"


def _is_roomy(cidr: str) -> bool:
    """Whether a network has the addresses that every cluster gives to services of its own."""
    try:
        return bool(address.service_ip(cidr, address.CLUSTER_DNS_SERVICE))
    except address.AddressError:
        return False


def _networks(values: Values, name: str) -> list[str]:
    def good(cidr: str) -> bool:
        try:
            return bool(address.network(cidr))
        except address.AddressError:
            return False

    return [cidr for cidr in values.get(name, []) if good(cidr)]


def _of_one_family(texts: Sequence[str]) -> list[str]:
    """Those of the networks or addresses that are not the only one of their family."""
    all_families = [address.family(text) for text in texts]
    return [text for text, own in zip(texts, all_families) if all_families.count(own) > 1]


def _in_words(cidrs: Iterable[str]) -> str:
    return " and ".join(f"IPv{family}" for family in address.families(cidrs))


def _node_networks(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    """Networks that kube-controller-manager cannot divide between nodes: it ends, again and again."""
    for cidr in _networks(values, name):
        version, prefix = address.family(cidr), address.network(cidr).prefixlen
        of_node = controller_manager.node_prefix(version, values.get(_ARGUMENTS, ()))
        if of_node and prefix > of_node:
            message = f"{name} {cidr} is smaller than a node's share of it, a /{of_node}"
            yield message, f"take a prefix of /{of_node} or shorter"
        elif version == 6 and of_node - prefix > controller_manager.WIDEST_IPV6:
            widest = of_node - controller_manager.WIDEST_IPV6
            message = f"{name} {cidr} is too wide for kube-controller-manager to give each node a /{of_node} of it"
            yield message, f"take a prefix from /{widest} to /{of_node}"


def is_interface(text: str) -> bool:
    """Whether it is an address with a prefix length."""
    try:
        return bool(re.search(r"/[0-9]+$", text) and ipaddress.ip_interface(text))
    except ValueError:
        return False


def ip_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _addresses(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    texts = [values[name]] if isinstance(values[name], str) else values[name]
    yield from (
        (f"{name}: {text!r} is not an IP address", "write it without a prefix length")
        for text in texts
        if text and not ip_of(text)
    )


def _reachable(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    for text in [values[name]] if isinstance(values[name], str) else values[name]:
        ip = ip_of(text)
        if ip and not address.is_of_a_machine(ip):
            yield f"{name} {text} is no address at which other hosts reach this one", "give one at which they do"


def _advertised(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    """The API server does not start to publish another address than of the family of the service kubernetes."""
    ip, services = ip_of(values[name]), _networks(values, "k3a_service_cidr")
    if ip and services and ip.version != address.families(services)[0]:
        message = f"{name} {ip} is IPv{ip.version}, and the first of k3a_service_cidr is {services[0]}"
        yield message, "publish an address of that family"


def _node_ip(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    ips = [ip for ip in values[name] if ip_of(ip)]
    cidrs = _networks(values, "k3a_cluster_cidr")
    if _of_one_family(ips):
        message = f"{name} has two addresses of one family ({', '.join(_of_one_family(ips))})"
        yield message, "leave one for each address family"
    missing = [family for family in address.families(cidrs) if family not in address.families(ips)]
    if ips and missing:
        message = f"{name} {', '.join(ips)} is {_in_words(ips)}, and the cluster's networks are {_in_words(cidrs)}"
        yield message, "give the node an address of each family of k3a_cluster_cidr"


def node_ip(given: Sequence[str], flannel_iface: str, seen: Sequence[str]) -> list[str]:
    """The addresses that a node is given: the operator's, else as in K3s those of flannel's interface as it was seen.

    None are those of the default route, which every step finds for itself.
    """
    return list(given or (seen if flannel_iface else ()))


def _cluster_dns(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    networks = _networks(values, "k3a_service_cidr")
    for text in values[name]:
        ip = ip_of(text)
        if ip and not any(ip in address.network(cidr) for cidr in networks):
            yield f"{name} {text} lies outside k3a_service_cidr", f"take one of {', '.join(networks)}"
        elif text in [address.service_ip(cidr, address.KUBERNETES_SERVICE) for cidr in networks if _is_roomy(cidr)]:
            yield f"{name} {text} is the address of the service kubernetes", "take another, such as the tenth"


RULES = (
    ("k3a_cluster_cidr", _network),
    ("k3a_cluster_cidr", _node_networks),
    ("k3a_service_cidr", _network),
    ("k3a_service_cidr", _networks_together),
    ("k3a_node_ip", _addresses),
    ("k3a_node_ip", _reachable),
    ("k3a_node_ip", _node_ip),
    ("k3a_node_external_ip", _addresses),
    ("k3a_node_external_ip", _reachable),
    ("k3a_advertise_address", _addresses),
    ("k3a_advertise_address", _reachable),
    ("k3a_advertise_address", _advertised),
    ("k3a_cluster_dns", _addresses),
    ("k3a_cluster_dns", _cluster_dns),
)
