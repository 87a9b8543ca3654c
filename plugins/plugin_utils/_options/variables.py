# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The meaning of a host's variables, judged on the controller: names, ports, component flags, labels, manifests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._addon.manifest import ManifestError
from ansible_collections.k3a.cluster.plugins.module_utils._cluster.node import EFFECTS, valid_key, valid_value
from ansible_collections.k3a.cluster.plugins.module_utils._components import audit
from ansible_collections.k3a.cluster.plugins.module_utils._components.kubeconfig import valid_mode
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address
from ansible_collections.k3a.cluster.plugins.module_utils._formats.flags import split_argument
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import FAIL, WARN, Finding
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.plugin_utils._addon.manifest import load
from ansible_collections.k3a.cluster.plugins.plugin_utils._options import components, networks, registries

_DNS = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"

# From this level on clients of the API log the content of requests and answers.
LOGS_CONTENT = 8
LONGEST_WAIT = 24 * 60 * 60
# What components take; they do not start with more.
HIGHEST = 2**31 - 1

Values = Mapping[str, Any]
Problem = tuple[str, str]


def variable_findings(values: Values, flags: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Everything that is wrong with variables of the right type; those left out were not of it."""
    return [
        Finding(name, FAIL, message, remedy)
        for name, rule in RULES
        if name in values
        for message, remedy in rule(name, values, flags)
    ]


def warnings(values: Values) -> list[Finding]:
    """What variables say that can be, and hardly was meant."""
    return [*_log_warnings(values), *_kubeconfig_warnings(values)]


def _log_warnings(values: Values) -> list[Finding]:
    level = values.get("k3a_v", 0)
    if level < LOGS_CONTENT:
        return []
    message = f"with k3a_v {level} the journals get what components send and receive, Secrets among it"
    return [Finding("k3a_v", WARN, message, f"choose at most {LOGS_CONTENT - 1}, or clean the journals afterwards")]


def _kubeconfig_warnings(values: Values) -> list[Finding]:
    name, mode = "k3a_write_kubeconfig_mode", values.get("k3a_write_kubeconfig_mode", "")
    if not valid_mode(mode):
        return []
    if int(mode, 8) & 0o007:
        message = f"{name} {mode} shows every user of the host a key to the whole cluster"
        return [Finding(name, WARN, message, "give it to a group, as 0640 does, or to root alone")]
    group = values.get("k3a_write_kubeconfig_group", "")
    if group and not int(mode, 8) & 0o040:
        message = f"k3a_write_kubeconfig_group is {group}, which cannot read a file of the mode {mode}"
        return [Finding("k3a_write_kubeconfig_group", WARN, message, f'set {name} to "0640"')]
    return []


def _node_name(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if values[name] and not address.valid_node_name(values[name]):
        remedy = "use lower-case letters, digits, '-' and '.', at most 63 characters"
        yield f"{name} {_in_short(values[name])} cannot be the name of a node", remedy


def _domain(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if not _is_dns_name(values[name]):
        remedy = "use lower-case letters, digits, '-' and '.', at most 63 characters between dots"
        yield f"{name} {_in_short(values[name])} is not a DNS domain", remedy


def _is_dns_name(text: str) -> bool:
    return bool(re.fullmatch(_DNS, text)) and len(text) <= 253 and max(map(len, text.split("."))) <= 63


def _in_short(text: str) -> str:
    return repr(text) if len(text) <= 80 else f"{text[:77]!r}..."


def _tls_san(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    for text in values[name]:
        if not networks.ip_of(text) and not _is_dns_name(text.lower().removeprefix("*.")):
            yield f"{name}: {_in_short(text)} is neither a host name nor an IP address", "correct or remove it"


def _port(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if not address.is_port(values[name]):
        yield f"{name} {values[name]} is not a port", "choose one from 1 to 65535"
    elif name == "k3a_https_listen_port" and values[name] in _port_range(values.get("k3a_service_node_port_range", "")):
        yield f"{name} {values[name]} lies inside k3a_service_node_port_range", "choose one outside"


def _own_port(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    other = components.also_on(name, values)
    if other:
        yield f"{name} {values[name]} is a port of {other}, too", "choose another one"


def _port_range(text: str) -> range:
    match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    return range(int(match[1]), int(match[2]) + 1) if match else range(0)


def _node_ports(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    ports = _port_range(values[name])
    if not ports or ports[0] < 1 or ports[-1] > 65535:
        yield f"{name} {values[name]!r} is not a range of ports", "write it as in 30000-32767"


def _timeout(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if values[name] < 1:
        yield f"{name} {values[name]} leaves no time", "choose at least 1 second"
    elif values[name] > LONGEST_WAIT:
        yield f"{name} {values[name]} is longer than a day", f"choose at most {LONGEST_WAIT} seconds"


def _log_level(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if not 0 <= values[name] <= HIGHEST:
        yield f"{name} {values[name]} is no level", "choose 0, or more to have more logged"


def _log_levels(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    written = re.fullmatch(r"[^=,\s]+=[0-9]+(,[^=,\s]+=[0-9]+)*", values[name])
    levels = re.findall(r"=([0-9]+)", values[name])
    if values[name] and (not written or any(int(level[:11]) > HIGHEST for level in levels)):
        yield f"{name} {values[name]!r} has no levels of source files", "write it as in kubelet*=4,reconciler=6"


def _window(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    number = re.fullmatch(r"([0-9]{1,9})(%?)", values[name])
    if not number or not 1 <= int(number[1]) <= (100 if number[2] else int(number[1])):
        message = f"{name} {values[name]!r} is neither a number of nodes nor a percentage of them"
        yield message, 'choose at least 1, or 1% to 100%, as in "10%"'


def _directory(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if not re.fullmatch(r"(/[\w.+@:-]+)+", values[name]):
        yield f"{name} {values[name]!r} is not an absolute path", "start it with '/', and use no blanks"
    elif {"..", "."} & set(values[name].split("/")):
        yield f"{name} {values[name]!r} does not say where it is", "write it without '.' and '..'"


def _host_file(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if values[name] and not values[name].startswith("/"):
        yield f"{name} {values[name]!r} is not an absolute path", "start it with '/'"


def _controller_path(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if not values[name]:
        yield f"{name} is empty", "name a place on the controller, or leave the variable out"


_PART = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"([\w.-]+(:[0-9]{{1,5}})?/)?{_PART}(/{_PART})*(:\w[\w.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?", re.ASCII
)


def _image(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if values[name] and not _IMAGE.fullmatch(values[name]):
        yield f"{name} {values[name]!r} is not the name of an image", "write it as in registry.example.org/pause:3.10"


def _mode(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if not valid_mode(values[name]):
        yield f"{name} {values[name]!r} is not a file mode", 'write it as in "0600"'


def _kubeconfig_name(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if not re.fullmatch(r"[\w.:@/-]+", values[name], re.ASCII):
        yield f"{name} {values[name]!r} cannot be a name in a kubeconfig", "use letters, digits and .:@/-"


def _group(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if values[name] and not re.fullmatch(r"[A-Za-z_][\w.-]*", values[name]):
        yield f"{name} {values[name]!r} cannot be the name of a group", "name one of the host, and not its number"


def _url(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if not values[name]:
        return
    try:
        address.api_url(values[name])
    except address.AddressError as error:
        yield f"{name} {error}", "write it as in https://10.0.0.1:6443"


def _arguments(name: str, values: Values, flags: Mapping[str, Sequence[str]]) -> Iterable[Problem]:
    component = components.ARGUMENTS[name]
    for argument in values[name]:
        flag, _operation, value = split_argument(argument)
        refused = components.REFUSED[name].get(flag.replace("_", "-"))
        if "=" not in argument or not flag:
            yield f"{name}: {argument!r} is not of the form flag=value", "write it as in max-pods=250"
        elif flag.replace("_", "-") in components.FIXED[name]:
            message = f"{name}: {flag} decides which cluster, node or data {component} works with"
            yield message, "remove it; k3a sets it, and with another value what is in the cluster could be lost"
        elif refused and value not in refused.harmless:
            yield f"{name}: {flag} cannot be set, since {refused.why}", refused.remedy
        elif flags.get(component) and flag not in flags[component]:
            yield f"{name}: {component} has no flag {flag}", "correct or remove it"


def _labels(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    for text in values[name]:
        key, equals, value = text.partition("=")
        if not equals or not valid_key(key) or (name == "k3a_node_label" and not valid_value(value)):
            yield f"{name}: {text!r} is not of the form key=value", "write it as in example.com/disk=ssd"


def _taints(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    for text in values[name]:
        key_value, _colon, effect = text.rpartition(":")
        key, _equals, value = key_value.partition("=")
        if not valid_key(key) or not valid_value(value):
            yield f"{name}: {text!r} is not of the form key=value:effect", "write it as in dedicated=db:NoSchedule"
        elif effect not in EFFECTS:
            yield f"{name}: {text!r} has the unknown effect {effect!r}", f"use one of {', '.join(EFFECTS)}"


def _registries(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    yield from registries.problems(name, values[name])


# What k3a itself says to its components, or systemd does, and what makes another program of one.
_OWN_ENVIRONMENT = re.compile(r"PATH|NODE_NAME|ETCD_\w+|K3A_\w+|LD_\w+|NOTIFY_SOCKET|CREDENTIALS_DIRECTORY|LISTEN_\w+")
_PROXIES = re.compile(r"(HTTPS?|NO|ALL)_PROXY", re.IGNORECASE)


def _environment(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    for component, variables in values[name].items():
        where = f"{name}.{component}"
        if component not in components.WITH_ENVIRONMENT:
            yield f"{name} has no component {component!r}", f"use {', '.join(components.WITH_ENVIRONMENT)}"
        elif not isinstance(variables, Mapping):
            yield f"{where} must be a mapping", "write each variable with its value"
        else:
            for key, value in variables.items():
                yield from _one_variable(where, str(key), value)


def _one_variable(where: str, key: str, value: Any) -> Iterable[Problem]:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        yield f"{where}: {key!r} is no name of a variable", "use letters, digits and _"
    elif _PROXIES.fullmatch(key):
        yield f"{where}: {key} would hold for clients of the cluster's own API", "set k3a_https_proxy"
    elif _OWN_ENVIRONMENT.fullmatch(key):
        yield f"{where}: {key} is k3a's own to set", "remove it"
    elif isinstance(value, bool) or not isinstance(value, (str, int, float)) or re.search(r"[\x00-\x1f]", str(value)):
        yield f"{where}: the value of {key} must be a text of one line", 'put it in quotes, as in GODEBUG: "netdns=go"'


# What Go reads as a URL: with another one every image is refused, long after.
_PROXY = re.compile(
    r"(https?|socks5)://(([A-Za-z0-9._~:!$&()*+,;=@-]|%[0-9A-Fa-f]{2})*@)?"
    r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?/?"
)


def _proxy(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    match = _PROXY.fullmatch(values[name])
    if values[name] and (not match or not address.is_port(int(match["port"] or 1))):
        # Not shown: it may hold a password.
        remedy = "write it as in http://proxy.example.org:3128, and in a password % as %25, # as %23 and so on"
        yield f"{name} is not the URL of a proxy", remedy


def _no_proxy(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    for text in values[name]:
        if not re.fullmatch(r"[\w.*:\[\]-]+", text, re.ASCII) and not networks.is_interface(text):
            yield f"{name}: {text!r} is no host, domain or network", "write it as in .example.org or 10.0.0.0/8"


def _new_token(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    # Whoever has the datastore can try passwords on the bootstrap record, which has all keys in it.
    try:
        short = values[name] and len(tokens.parse(values[name]).password) < tokens.SHORTEST
    except tokens.TokenError:
        return  # the step that reads it says so
    if short:
        message = f"{name} is short: a server token of fewer than {tokens.SHORTEST} characters can be guessed"
        yield message, "make it longer"


def _audit_policy(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    for flaw in audit.flaws(values[name]) if values[name] else ():
        yield f"{name} is no audit policy with which the API server starts: {flaw}", _AUDIT_POLICY


_AUDIT_POLICY = "write it as in {apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}"
AUTHENTICATOR = frozenset({"claimMappings", "claimValidationRules", "issuer", "userValidationRules"})
_AS_AN_EXAMPLE = (
    "write it as in {issuer: {url: https://idp.example.org, audiences: [k8s]}, "
    "claimMappings: {username: {claim: sub, prefix: 'idp:'}}}"
)


def _authenticators(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    """What the API server does not start with; it reads the rest itself."""
    known = set()
    for number, authenticator in enumerate(values[name], 1):
        where = f"{name}, item {number}"
        for key in sorted(map(str, authenticator.keys() - AUTHENTICATOR)):
            yield f"{where} has no setting {key!r}", f"use {', '.join(sorted(AUTHENTICATOR))}"
        issuer, username = (_inside(authenticator, *path) for path in (("issuer",), ("claimMappings", "username")))
        url = issuer.get("url")
        if not isinstance(url, str) or not re.fullmatch(r"https://[^\s/@]+(/\S*)?", url):
            yield f"{where}: issuer.url is no URL that begins with https://", _AS_AN_EXAMPLE
        elif url in known:
            yield f"{where}: {url} is the issuer of another item, too", "leave one"
        known.add(url)
        if not isinstance(issuer.get("audiences"), list) or not issuer["audiences"]:
            yield f"{where}: issuer.audiences is no list of whom a token is for", _AS_AN_EXAMPLE
        if not ({"claim", "prefix"} <= username.keys() or "expression" in username):
            yield f"{where}: claimMappings.username has neither claim and prefix nor expression", _AS_AN_EXAMPLE


def _inside(mapping: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """A mapping in a mapping; where there is none, an empty one."""
    for key in keys:
        found = mapping.get(key)
        mapping = found if isinstance(found, Mapping) else {}
    return mapping


def _pids(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    if values[name] != -1 and values[name] < 1:
        yield f"{name} is {values[name]}, with which no pod can start", "give a positive number, or -1 for no limit"


def _coredns(name: str, values: Values, _flags: Any) -> Iterable[Problem]:
    for file, content in values[name].items():
        if not re.fullmatch(r"[-\w.]+\.(override|server)", str(file), re.ASCII):
            yield f"{name}: CoreDNS reads no file named {file!r}", "end its name in .override or .server"
        elif not isinstance(content, str):
            yield f"{name}[{file}] must be a text", "write the configuration as a block"


def manifest_findings(values: Values, read: Callable[[str], str]) -> list[Finding]:
    """Everything that is wrong with the operator's manifests; files are read by a function that can decrypt them."""
    name = "k3a_manifests"
    try:
        load([{"name": "manifests", "path": values[name]}] if values.get(name) else [], read)
    except ManifestError as error:
        told = [text.removeprefix("addon manifests: ") for text in error.findings]
        return [Finding(name, FAIL, f"{name}: {text}", "correct the manifest") for text in told]
    return []


RULES: tuple[tuple[str, Callable[[str, Values, Mapping[str, Sequence[str]]], Iterable[Problem]]], ...] = (
    *networks.RULES,
    ("k3a_cluster_domain", _domain),
    ("k3a_node_name", _node_name),
    ("k3a_tls_san", _tls_san),
    *((name, _port) for name in components.PORTS),
    *((name, _own_port) for name in components.PORTS),
    ("k3a_service_node_port_range", _node_ports),
    ("k3a_new_token", _new_token),
    ("k3a_wait_timeout", _timeout),
    ("k3a_max_unavailable", _window),
    ("k3a_v", _log_level),
    ("k3a_vmodule", _log_levels),
    ("k3a_pod_pids_limit", _pids),
    ("k3a_bundle", _controller_path),
    ("k3a_kubeconfig", _controller_path),
    ("k3a_pause_image", _image),
    ("k3a_resolv_conf", _host_file),
    ("k3a_data_dir", _directory),
    ("k3a_write_kubeconfig", _directory),
    ("k3a_write_kubeconfig_mode", _mode),
    ("k3a_write_kubeconfig_group", _group),
    ("k3a_write_kubeconfig_name", _kubeconfig_name),
    ("k3a_server_url", _url),
    *((name, _arguments) for name in components.ARGUMENTS),
    ("k3a_node_label", _labels),
    ("k3a_node_annotation", _labels),
    ("k3a_node_taint", _taints),
    ("k3a_registries", _registries),
    ("k3a_environment", _environment),
    ("k3a_http_proxy", _proxy),
    ("k3a_https_proxy", _proxy),
    ("k3a_no_proxy", _no_proxy),
    ("k3a_audit_policy", _audit_policy),
    ("k3a_jwt_authenticators", _authenticators),
    ("k3a_coredns_custom", _coredns),
)
