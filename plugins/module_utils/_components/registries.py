# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""K3s's registries.yaml as containerd wants it: a hosts.toml a registry, and credentials in the main configuration."""

from __future__ import annotations

import glob
import ipaddress
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from ansible_collections.k3a.cluster.plugins.module_utils._engine import files
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, toml

HEADER = "# Written by k3a from k3a_registries; do not edit.\n"
DEFAULT_HOSTS = {"docker.io": "registry-1.docker.io"}
# The two names of one registry: in images, and of the host that is asked.
_OTHER_NAMES = {**DEFAULT_HOSTS, **{host: registry for registry, host in DEFAULT_HOSTS.items()}}
SECRETS = ("password", "auth", "identity_token")
PLAIN_PATHS = ("", "/", "/v2")


def credentials(registries: Mapping[str, Any]) -> dict[str, Any]:
    """The part of containerd's own configuration: who logs in where."""
    given = _configs(registries)
    configs = {
        host: {"auth": {key.replace("identity_token", "identitytoken"): value for key, value in config["auth"].items()}}
        for registry, config in given.items()
        # containerd looks for them by whom it asks, which is not always called as in the name of an image.
        for host in dict.fromkeys((registry, DEFAULT_HOSTS.get(registry, registry)))
        if config.get("auth") and (host == registry or not given.get(host, {}).get("auth"))
    }
    return {"configs": configs} if configs else {}


def _configs(registries: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The configuration of each registry; what is empty says nothing."""
    return {registry: config or {} for registry, config in (registries.get("configs") or {}).items()}


def split_secrets(registries: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration without its secrets, and the secrets by registry, so that only these have to be hidden."""
    configs = _configs(registries)
    secrets: dict[str, Any] = {}
    public: dict[str, Any] = {}
    for registry, config in configs.items():
        auth = config.get("auth") or {}
        secret = {key: value for key, value in auth.items() if key in SECRETS}
        public[registry] = {**config, **({"auth": {k: v for k, v in auth.items() if k not in SECRETS}} if auth else {})}
        if secret:
            secrets[registry] = secret
    return {**registries, **({"configs": public} if configs else {})}, secrets


def merge_secrets(public: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as it was before it was parted."""
    configs = dict(public.get("configs") or {})
    for registry, secret in secrets.items():
        configs[registry] = {**configs[registry], "auth": {**configs[registry]["auth"], **secret}}
    return {**public, **({"configs": configs} if configs else {})}


def hosts_files(registries: Mapping[str, Any], directory: str) -> tuple[files.File, ...]:
    """A hosts.toml for each registry that has mirrors or TLS settings."""
    mirrors = registries.get("mirrors") or {}
    configs = _configs(registries)
    names = sorted({*mirrors, *(name for name, config in configs.items() if config.get("tls"))})
    return tuple(
        files.File(
            f"{directory}/{directory_of(name)}/hosts.toml",
            (HEADER + toml.dump(hosts_toml(name, mirrors.get(name) or {}, configs))).encode(),
            mode=0o600,
        )
        for name in names
    )


def directory_of(registry: str) -> str:
    """The name of a registry's directory; containerd reads C(_default) for those without one."""
    if registry == "*":
        return "_default"
    host, _colon, port = registry.partition(":")
    return f"{host}_{port}_" if port else host


def hosts_toml(registry: str, mirror: Mapping[str, Any], configs: Mapping[str, Any]) -> dict[str, Any]:
    """The endpoints of a registry in their order, the registry itself last."""
    hosts: dict[str, Any] = {}
    for endpoint in mirror.get("endpoint") or []:
        url = endpoint_url(endpoint)
        parsed = urllib.parse.urlsplit(url)
        host: dict[str, Any] = {"capabilities": ["pull", "resolve"], **tls_options(parsed.netloc, configs)}
        if parsed.path not in PLAIN_PATHS:
            host["override_path"] = True
        hosts[url] = host
    # What stands outside of [host] is for the registry itself, which for "*" is whichever is asked.
    server = {} if registry == "*" else {"server": endpoint_url(DEFAULT_HOSTS.get(registry, registry))}
    return {**server, **tls_options(registry, configs), **({"host": hosts} if hosts else {})}


def endpoint_url(endpoint: str) -> str:
    """An endpoint with its scheme: https, but http for a port of this very host."""
    if "://" in endpoint:
        return endpoint
    parsed = urllib.parse.urlsplit(f"//{endpoint}")
    plain = parsed.port not in (None, 443) and _is_loopback(parsed.hostname or "")
    return f"{'http' if plain else 'https'}://{endpoint}"


def endpoint_host(endpoint: str) -> str:
    """The host of an endpoint that can be one; nothing where it has none, or a port that is none."""
    try:
        parsed = urllib.parse.urlsplit(endpoint_url(endpoint))
        usable = parsed.scheme in ("http", "https") and parsed.port != 0 and not re.search(r"\s", endpoint)
    except ValueError:
        return ""
    return parsed.hostname or "" if usable else ""


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (address.is_ip(host) and ipaddress.ip_address(host).is_loopback)


def tls_options(host: str, configs: Mapping[str, Any]) -> dict[str, Any]:
    """How to trust a host, and how it is told who asks."""
    other = _OTHER_NAMES.get(host, host)
    tls = (configs.get(host) or configs.get(other) or configs.get("*") or {}).get("tls") or {}
    options: dict[str, Any] = {}
    if tls.get("insecure_skip_verify"):
        options["skip_verify"] = True
    if tls.get("ca_file"):
        options["ca"] = [tls["ca_file"]]
    if tls.get("cert_file"):
        options["client"] = [[tls["cert_file"], tls.get("key_file", "")]]
    return options


def surplus(directory: str, wanted: set[str]) -> tuple[str, ...]:
    """The hosts.toml files of ours for registries that are not configured any more."""
    found = glob.glob(f"{glob.escape(directory)}/*/hosts.toml")
    ours = [path for path in found if (files.read_bytes(path) or b"").startswith(HEADER.encode())]
    return tuple(sorted(set(ours) - wanted))
