# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""flannel as data: its network configuration and the CNI configuration that it completes on the node."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.k3a.cluster.plugins.module_utils._bundle.programs import program
from ansible_collections.k3a.cluster.plugins.module_utils._components import cni_state, kubeconfig
from ansible_collections.k3a.cluster.plugins.module_utils._engine import (
    component,
    files,
    handed,
    health,
    options,
    systemd,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine import layout as layouts
from ansible_collections.k3a.cluster.plugins.module_utils._engine.declaration import (
    AGENT,
    EARLIER,
    NODES,
    Certificate,
    Declaration,
    Grant,
    Policy,
    Port,
    Remains,
    Requests,
    Rule,
    User,
)
from ansible_collections.k3a.cluster.plugins.module_utils._engine.lock import host_lock
from ansible_collections.k3a.cluster.plugins.module_utils._errors.errors import reports_errors
from ansible_collections.k3a.cluster.plugins.module_utils._formats import address, flags

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# The group of all that are flannel on a node, each by a name of its own. It is a name, too: that which all of them had
# until each got its own, and which is good for as long as a certificate for it may live.
GROUP = "system:k3a-flannel"
USER = f"{GROUP}:{{node}}"
SHARED, WHILE_SHARED = f"{GROUP}-shared", (EARLIER, "")
# As whom it runs on its host.
HOST_USER = User("flannel", "Pod network (k3a)")
ANNOTATIONS = "flannel.alpha.coreos.com/"
BRIDGE = "cni0"
RUN = "/run/flannel"
CNI = "cni/net.d/10-flannel.conflist"
# Bytes of that file, which is flannel's own to write.
LARGEST = 64 * 1024


def unchanged(path: str, but: Sequence[str]) -> str:
    """CEL: a mapping of the object is as it was, but for some of its keys, whichever keys it has."""
    return _same_mapping(f"dyn(object{path})", f"dyn(oldObject{path})", f"k in {json.dumps(list(but))}")


def unchanged_annotations() -> str:
    """CEL: all annotations but flannel's are as they were."""
    new, old = (f"(has({o}.metadata.annotations) ? {o}.metadata.annotations : {{}})" for o in ("object", "oldObject"))
    return _same_mapping(new, old, f"k.startsWith({json.dumps(ANNOTATIONS)})")


def _same_mapping(new: str, old: str, free: str) -> str:
    """CEL: two mappings are the same but for the keys k of which an expression is true."""
    return f"{new}.all(k, {free} || (k in {old} && {new}[k] == {old}[k])) && {old}.all(k, {free} || k in {new})"


def unchanged_conditions() -> str:
    """CEL: all conditions but that of the network are as they were."""
    new, old = (f"(has({o}.status.conditions) ? {o}.status.conditions : [])" for o in ("object", "oldObject"))
    free = "c.type == 'NetworkUnavailable'"
    return f"{new}.all(c, {free} || c in {old}) && {old}.all(c, {free} || c in {new})"


# A permission to change the status of a Node is one to change all of it but its specification: labels, owners, which
# the garbage collector believes, and addresses, by which the API reaches its kubelet.
CHANGES = (Requests(("nodes", "nodes/status"), ("UPDATE",)),)
ITS_OWN = (
    (
        unchanged("", ("metadata", "status")),
        "flannel may not change what a Node is to be",
    ),
    (
        # What the API itself changes with every request is no change of flannel's.
        unchanged(".metadata", ("annotations", "managedFields", "resourceVersion")),
        "flannel may change nothing of a Node's metadata but annotations of its own",
    ),
    (unchanged_annotations(), f"flannel may change annotations {ANNOTATIONS}* only"),
    (
        unchanged(".status", ("conditions",)),
        "flannel may change nothing of a Node's status but a condition",
    ),
    (unchanged_conditions(), "flannel may change the condition NetworkUnavailable only"),
)
OWN_NODE = Policy(
    "k3a-flannel",
    CHANGES,
    conditions=(("is-flannel", f"has(request.userInfo.groups) && '{GROUP}' in request.userInfo.groups"),),
    validations=(
        (
            f"request.userInfo.username == '{GROUP}:' + oldObject.metadata.name",
            "flannel may change its own Node only",
        ),
        *ITS_OWN,
    ),
)
ANY_NODE = Policy(
    "k3a-flannel-shared",
    CHANGES,
    conditions=(("is-flannel", f"request.userInfo.username == '{GROUP}'"),),
    validations=ITS_OWN,
    unless=WHILE_SHARED,
)
# It keeps its lease in the annotations of its node and sets the condition NetworkUnavailable.
RULES = (Rule(("nodes",), ("get", "list", "watch")), Rule(("nodes/status",), ("patch",)))
# flannel connects all pods. Another network than it may keep some apart, and then nothing is said.
NOT_ENFORCED = Policy(
    "k3a-network-policy",
    (Requests(("networkpolicies",), group="networking.k8s.io"),),
    validations=(
        (
            "false",
            "nothing that k3a runs enforces a NetworkPolicy; it has no effect unless you run something that does",
        ),
    ),
    warns=True,
    unless=("flannel_backend", "none"),
)
DECLARATION = Declaration(
    name="flannel",
    role=AGENT,
    program="flanneld",
    ports=(
        Port(8472, NODES, "udp", when=("flannel_backend", "vxlan")),
        Port(51820, NODES, "udp", when=("flannel_backend", "wireguard-native"), family=4),
        Port(51821, NODES, "udp", when=("flannel_backend", "wireguard-native"), family=6),
    ),
    certificates=(Certificate("client-flannel", "client", USER, GROUP, approved=True),),
    users=(HOST_USER,),
    # What is shared comes first, so that it is never without, where it was one with the other.
    grants=(
        Grant(SHARED, (("User", GROUP),), rules=RULES, unless=WHILE_SHARED),
        Grant(GROUP, (("Group", GROUP),), rules=RULES),
    ),
    policies=(ANY_NODE, OWN_NODE, NOT_ENFORCED),
    remains=Remains(
        tables=("flannel-ipv4", "flannel-ipv6", "cni_hostport"),
        chains=("CNI-", "FLANNEL-"),
        interfaces=(BRIDGE, "flannel.1", "flannel-v6.1", "flannel-wg", "flannel-wg-v6"),
        bridges=(BRIDGE,),
        paths=(
            *(f"{cni_state.RESULTS}/{cni_state.NETWORK}-*", f"{cni_state.RESULTS}/cni-loopback-*"),
            *(cni_state.ADDRESSES, RUN),
        ),
        shared=(f"{cni_state.STATE}/networks", cni_state.RESULTS, cni_state.STATE),
        routes=True,
    ),
)
BACKENDS: dict[str, dict[str, Any]] = {
    "vxlan": {"Type": "vxlan"},
    "host-gw": {"Type": "host-gw"},
    "wireguard-native": {"Type": "wireguard", "PersistentKeepaliveInterval": 25},
    "none": {},
}


def network_configuration(params: dict[str, Any]) -> dict[str, Any]:
    """flannel's net-conf.json."""
    by_family = {address.family(cidr): cidr for cidr in params["cluster_cidr"]}
    return {
        "Network": by_family.get(4, "0.0.0.0/0"),
        "EnableIPv4": 4 in by_family,
        "IPv6Network": by_family.get(6, "::/0"),
        "EnableIPv6": 6 in by_family,
        "EnableNFTables": params["proxy_mode"] == "nftables",
        "Backend": BACKENDS[params["backend"]],
    }


def cni_template(params: dict[str, Any]) -> dict[str, Any]:
    """The CNI configuration, but for the node's own subnet and the MTU, which flannel fills in when it knows them."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "isDefaultGateway": True,
        "hairpinMode": True,
        "forceAddress": True,
        "ipam": {"type": "host-local", "ranges": [], "routes": [{"dst": cidr} for cidr in params["cluster_cidr"]]},
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "backend": params["proxy_mode"]}
    return {"cniVersion": "1.0.0", "name": cni_state.NETWORK, "plugins": [bridge, portmap]}


def flannel_component(
    params: dict[str, Any], node_name: str, node_ips: Sequence[str], pending: Collection[str] = ()
) -> component.Component:
    """flannel as it should run on this node, where pending files are about to be replaced."""
    layout = layouts.Layout(params["data_dir"])
    network = layout.agent_etc("flannel/net-conf.json")
    template = layout.agent_etc("flannel/cni.conflist")
    client = layout.agent_etc("flannel/kubeconfig")
    cni = layout.agent_etc(CNI)
    own = (("kubeconfig", client), ("network", network), ("template", template))
    renewed = layouts.Credentials(DECLARATION.unit, layout.node_client("client-flannel"))
    credentials = layouts.Credentials(DECLARATION.unit, (*own, *renewed.sources))
    arguments = {
        "kubeconfig-file": credentials.path("kubeconfig"),
        "net-config-path": credentials.path("network"),
        "subnet-file": f"{RUN}/subnet.env",
        "iface": params["iface"] or node_ips[0],
        "cni-conf-template": credentials.path("template"),
        "cni-conf-file": cni,
        **flags.logging(params),
    }
    command = systemd.command_line(program(params, DECLARATION.program), flags.merge(arguments, ()))
    service = (
        ("Type", "notify"),
        *layouts.run_as(HOST_USER.name),
        ("SupplementaryGroups", layouts.XTABLES_GROUP),
        ("Environment", f"NODE_NAME={node_name}"),
        ("ExecStart", command),
        *credentials.directives,
        *layouts.KEEP_RUNNING,
        *layouts.MEMORY,
        *systemd.environment(params["environment"]),
        ("TimeoutStartSec", "infinity"),
        *layouts.NETWORK_SANDBOX,
        *layouts.closed_to_network(params["data_dir"]),
        ("RuntimeDirectory", "flannel"),
        ("RuntimeDirectoryPreserve", "yes"),
        ("ReadWritePaths", os.path.dirname(cni)),
    )
    contents = {
        network: json.dumps(network_configuration(params), indent=2) + "\n",
        template: json.dumps(cni_template(params), indent=2) + "\n",
        client: kubeconfig.by_credentials(params["server_url"], credentials),
    }
    return component.Component(
        name=DECLARATION.name,
        unit=systemd.unit_text(
            "flannel, the pod network (k3a)", (*layouts.AFTER_NETWORK, *layouts.NEVER_GIVE_UP), service
        ),
        # It writes the CNI configuration there. Without flannel containerd makes the directory.
        directories=(files.Directory(os.path.dirname(cni), 0o755, HOST_USER.name, HOST_USER.name),),
        files=tuple(files.File(path, content.encode(), mode=0o600) for path, content in contents.items()),
        # Not its certificate: on a machine that joined by a token it is renewed, and handed over, without a run.
        inputs=(layout.agent_tls("server-ca.crt"),),
        outdated=(handed.outdated(renewed, pending),),
        generated=(cni, f"{RUN}/subnet.env"),
        healthy=(health.exists(cni),),
    )


OPTIONS = component.argument_spec(
    {
        "server_url": options.SERVER_URL,
        "backend": options.FLANNEL_BACKEND,
        "node_name": options.NODE_NAME,
        "node_ip": options.NODE_IP,
        "iface": options.FLANNEL_IFACE,
        "cluster_cidr": options.CLUSTER_CIDR,
        "proxy_mode": options.PROXY_MODE,
        "environment": options.ENVIRONMENT,
        "v": options.V,
    }
)


def renew_sandboxes(module: AnsibleModule, result: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Have the kubelet make those sandboxes anew whose addresses are not of the node's subnet any more."""
    params = module.params
    conflist = files.read_of_another(layouts.Layout(params["data_dir"]).agent_etc(CNI), LARGEST)
    subnets = cni_state.subnets(conflist or b"")
    # flannel takes the configuration away when the node of its lease was deleted. The next one has another subnet.
    lost = module.check_mode and conflist is None and not result["restarted"]
    strays = cni_state.sandboxes_outside(subnets) if subnets or lost else []
    if strays and not module.check_mode:
        with host_lock(deadline - time.monotonic()):
            cni_state.stop(program(params, "crictl"), strays, deadline)
    changes = [stray.change(subnets) for stray in strays]
    return {
        **result,
        "changed": result["changed"] or bool(changes),
        "changes": [*result["changes"], *(change.path for change in changes)],
        "diff": [*result["diff"], *(change.as_diff() for change in changes)],
    }


@reports_errors
def run(module: AnsibleModule) -> None:
    """Do what the module is for, or say in check mode what there is to do."""
    params = module.params
    deadline = time.monotonic() + params["timeout"]
    node_ips = address.node_ips(params["node_ip"], address.families(params["cluster_cidr"]))
    node_name = params["node_name"] or address.host_name()
    wanted = flannel_component(params, node_name, node_ips, component.about_to_change(module))
    if params["backend"] == "none":
        # Whose addresses pods have then, another network knows.
        module.exit_json(**component.withdraw(module, wanted, params["pending"]))
    result = component.converge(module, wanted, params["pending"])
    module.exit_json(**renew_sandboxes(module, result, deadline))
