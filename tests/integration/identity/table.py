# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may happen to a host or a cluster that has begun, and what site.yml or join.yml does then: no more than this.

A cell of the table is a state of one kind of host. Either the run carries it through with every object kept, or it
refuses before any change by one sentence, or there is no such state, and the cell says why. The table in
docs/identity.md is this one: python tests/integration/identity/table.py > docs/identity.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# The columns: which host the state is of.
ONE, THREE, AGENT, JOINED = "one server", "three servers", "agent", "joined by token"
COLUMNS = (ONE, THREE, AGENT, JOINED)

DATA = "/var/lib/k3a"
ETCD = f"{DATA}/server/db/etcd"
# Where a state puts what it takes away.
ASIDE = f"{DATA}/server/db/aside"
UNITS = "/etc/systemd/system"
STOP_ETCD = "systemctl stop k3a-apiserver k3a-etcd"
# As a boot does: what may not start is tried again and again.
START_ETCD = "systemctl reset-failed k3a-apiserver k3a-etcd; systemctl start --no-block k3a-etcd k3a-apiserver"
START_ALL = (
    "systemctl start --no-block"
    " $(systemctl list-unit-files 'k3a-*' --state=enabled --no-legend --plain | cut -d' ' -f1)"
)


# ---- states


@dataclass(frozen=True)
class State:
    """A state, and how it ends. What is {in braces} is of the host or the run.

    C(enter) are commands for the host, with writes of the client between them; C(leave) puts back what they did.
    C(host_variables) stand in the inventory for the host alone, C(variables) are given to the run for all hosts.
    """

    enter: tuple[str, ...] = ()
    leave: str = ""
    # Processes of ours stop meanwhile, and come back afterwards.
    stops: bool = False
    host_variables: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    # What the inventory says of the host afterwards, where its own variables do not say that it is to go back.
    back: Mapping[str, str] = field(default_factory=dict)
    # The inventory is without the host, or has its hosts in the other order.
    dropped: bool = False
    reversed: bool = False
    foreign_kubeconfig: bool = False
    # Another run of the same playbook holds the cluster.
    second: bool = False


def with_variables(**variables: Any) -> State:
    return State(variables=variables)


def of_host(**variables: str) -> State:
    return State(host_variables=variables)


HOST_NAME = State(enter=("hostname renamed",), leave="hostname {host}")
# As a network of somebody's own does that comes up, of a VPN for instance.
DEFAULT_ROUTE = State(
    enter=(
        "ip link add k3t0 type veth peer name k3t1; ip link set k3t1 up; ip addr add 192.168.77.7/24 dev k3t0;"
        " ip link set k3t0 up; ip route add default via 192.168.77.1 dev k3t0 metric 1",
    ),
    leave="ip link del k3t0",
)
NODE_IP = State(
    enter=("ip addr add {other_ip}/32 dev eth0",),
    leave="ip addr del {other_ip}/32 dev eth0",
    host_variables={"k3a_node_ip": "{other_ip}"},
    back={"k3a_node_ip": "{ip}"},
)
OTHER_DISK = State(
    enter=("mount -t tmpfs -o size=4g none /srv",),
    leave="umount /srv",
    host_variables={"k3a_data_dir": "/srv/k3a"},
)
NOT_MOUNTED = State(
    enter=(f"systemctl stop 'k3a-*'; mount -t tmpfs none {DATA}",),
    leave=f"umount {DATA}; systemctl reset-failed 'k3a-*'; {START_ALL}",
    stops=True,
)
EMPTY_IT = f"mkdir {ASIDE}; mv {ETCD}/member/* {ASIDE}/"
FILL_IT = f"rm -rf {ETCD}/member/*; mv {ASIDE}/* {ETCD}/member/; rmdir {ASIDE}"
EMPTIED_STOPPED = State(
    enter=(f"{STOP_ETCD}; {EMPTY_IT}; {START_ETCD}",), leave=f"{STOP_ETCD}; {FILL_IT}; {START_ETCD}", stops=True
)
# What is open stays open: nothing of it is lost until the process ends.
EMPTIED_RUNNING = State(enter=(EMPTY_IT,), leave=FILL_IT)
OLD_COPY = State(
    enter=(
        f"{STOP_ETCD}; mkdir {ASIDE}; cp -a {ETCD}/member {ASIDE}/copy; {START_ETCD}",
        f"{STOP_ETCD}; mv {ETCD}/member {ASIDE}/newest; mv {ASIDE}/copy {ETCD}/member; {START_ETCD}",
    ),
    leave=f"{STOP_ETCD}; rm -rf {ETCD}/member; mv {ASIDE}/newest {ETCD}/member; rmdir {ASIDE}; {START_ETCD}",
    stops=True,
)


def removed(unit: str) -> State:
    return State(enter=(f"systemctl disable --now {unit}; rm -f {UNITS}/{unit}.service; systemctl daemon-reload",))


TOKEN_LOST = State(
    enter=(f"mkdir {ASIDE}; mv {DATA}/server/token {ASIDE}/",), leave=f"mv {ASIDE}/token {DATA}/server/; rmdir {ASIDE}"
)
CLONED = State(
    enter=("cp -p /etc/machine-id /run/k3a-test-id; echo 0123456789abcdef0123456789abcdef > /etc/machine-id",),
    leave="cp -p /run/k3a-test-id /etc/machine-id",
)


# ---- outcomes


@dataclass(frozen=True)
class Refused:
    """One sentence that names the host, what it was, what it is, and what to do. <So> stands what no table can know.

    What is wrong with an agent alone leaves the agent out of the run, and the run goes on without it.
    """

    sentence: str
    leaves_out: bool = False


@dataclass(frozen=True)
class Carried:
    """The run does well, and every object is kept; whether it has to change anything."""

    how: str
    changes: bool = True


@dataclass(frozen=True)
class Impossible:
    """There is no such state, for a reason."""

    why: str


@dataclass(frozen=True)
class Case:
    """A state and what becomes of it; in CI are those that lost data before."""

    state: State
    outcome: Refused | Carried
    in_ci: bool = False


@dataclass(frozen=True)
class Cell:
    """A case by its place in the table."""

    row: str
    column: str
    case: Case

    def __str__(self) -> str:
        return f"{self.row}, {self.column}"


# ---- sentences

NAMES = "put the host's name, k3a_node_name and k3a_with_node_id back as they were"
ANEW = ", or remove it with remove_node.yml -e k3a_remove_node={host} and have site.yml make it anew"
AWAY = (
    ", or take it out with remove_node.yml -e k3a_remove_node={host} -e k3a_release_names=true in the cluster and"
    " reset.yml -e join_hosts={host}, and have it join anew"
)


def refused(sentence: str, **more: Any) -> Refused:
    return Refused(sentence, **more)


def left_out(sentence: str) -> Refused:
    return Refused(sentence, leaves_out=True)


def for_each(state: State, sentence: str, in_ci: tuple[str, ...] = ()) -> dict[str, Case]:
    """A state that every kind of host can be in, and whose remedy is to put it back or, of a node, to make it anew."""
    ends = {ONE: "", THREE: ANEW, AGENT: ANEW, JOINED: AWAY}
    return {
        column: Case(state, Refused(sentence + end, leaves_out=column == AGENT), column in in_ci)
        for column, end in ends.items()
    }


def renamed(name: str) -> str:
    return f"{{host}}: it is the node {{host}} of the cluster, and its name is {name} now; {NAMES}"


def immutable(name: str, former: str, value: str, other: Mapping[str, Any]) -> dict[str, Case]:
    """A setting that a cluster keeps as it was made."""
    of_all = Refused(
        f"inventory: k3a_{name} is {value}, and the cluster was made with {former}, which no cluster can change;"
        " put it back; another value takes a new cluster"
    )
    of_one = Refused(
        f"inventory: k3a_{name} differs between hosts: <values>; "
        "set it once for all, for instance in group_vars/all.yml"
    )
    of_joined = Refused(
        f"k3a_{name} is {value} here and {former} in the cluster; "
        "remove the variable, since a node takes the cluster's values"
    )
    state = State(variables={f"k3a_{name}": other})
    return {
        ONE: Case(state, of_all),
        THREE: Case(state, of_all),
        AGENT: Case(State(host_variables={f"k3a_{name}": value}), of_one),
        JOINED: Case(state, of_joined),
    }


NO_ETCD = "a node without a control plane has no etcd"
OF_OPERATOR = "the file is the operator's, and no host's: see the servers"
OF_API = "the issuer is the API server's"
OUTSIDE = "no inventory names it"
SECOND = Refused(
    "another k3a playbook holds this cluster: <holder>, since <time>; "
    "wait for it to end (the lock of a dead run expires within <n> s)"
)
ISSUER = "https://issuer.example.com"
ISSUES = Case(
    with_variables(k3a_kube_apiserver_arg=[f"service-account-issuer={ISSUER}"]),
    Refused(
        f"{{servers}}: k3a_kube_apiserver_arg: service-account-issuer is {ISSUER}, and tokens of the cluster name"
        " https://kubernetes.default.svc.cluster.local; add"
        " service-account-issuer=https://kubernetes.default.svc.cluster.local after it, and keep that until all tokens"
        " are renewed"
    ),
)
GONE = "it is a member of etcd, and its data is gone from " + ETCD
RUNS_WITHOUT = f"its etcd runs, and its data is gone from {ETCD}: what the process still holds ends with it"
OLD = f"the data of etcd in {ETCD} is an old copy: what was written since is not in it"
REPLACE = ", or set k3a_replace=true for it to have the member replaced"
UNMOUNTED = (
    f"{{host}}: {DATA} holds nothing of k3a any more: it is not mounted, or was emptied; "
    "mount it, or put it back from a backup"
)
MADE_ANEW = ", or set k3a_replace=true for the host when that is lost, to have it made anew"
COPY = (
    "{host}: /etc/k3a/identity.json is of a machine with the id <id>, and here it is 0123456789abcdef0123456789abcdef: "
    "this host is a copy of that one, or its machine id was changed; "
    "put the machine id back, or take k3a off the copy with reset.yml "
)
OF_INVENTORY = COPY + "--limit {host}"
STAYS = "; set k3a_node_ip to {ip} for it to stay what it is"
LEADS_ELSEWHERE = (
    "{host}: it is the node {host} with the address {ip}, which it still has, and its default route leads to "
    "192.168.77.7 now"
)
REDIRECTED = f"{LEADS_ELSEWHERE}{STAYS}, or to 192.168.77.7 to move it"
MOVED = "{host}: it is the node {host} with the address {ip}, and its address is {other_ip} now" + STAYS
LOST = Refused(
    f"{{host}}: {DATA}/server/token is gone; "
    "put it back from another server or from a backup of this one, or give k3a_token"
)
FOREIGN = Refused(
    "inventory: {kubeconfig} on the controller is the kubeconfig of another cluster, with another CA; "
    "move it away, or set k3a_kubeconfig"
)

MOVED_DIRECTORY = for_each(
    OTHER_DISK,
    f"{{host}}: k3a_data_dir is /srv/k3a, and this host has all that it keeps in {DATA}; set k3a_data_dir to {DATA}",
    in_ci=(ONE,),
)

# ---- the table

TABLE: dict[str, dict[str, Case | Impossible]] = {
    "the host's name": for_each(HOST_NAME, renamed("renamed"), in_ci=(ONE,)),
    "`k3a_node_name`": for_each(of_host(k3a_node_name="other"), renamed("other"), in_ci=(ONE,)),
    "`k3a_with_node_id`": for_each(of_host(k3a_with_node_id="true"), renamed("{host}-<id>"), in_ci=(ONE,)),
    "`k3a_node_ip`": {
        ONE: Case(NODE_IP, Carried("its member of etcd, certificates and node move to the address")),
        THREE: Case(NODE_IP, Carried("the same, while the others answer")),
        AGENT: Case(NODE_IP, Carried("its node moves")),
        JOINED: Case(NODE_IP, Refused(MOVED + AWAY)),
    },
    "the default route leads elsewhere": {
        ONE: Case(DEFAULT_ROUTE, Refused(REDIRECTED), in_ci=True),
        THREE: Case(DEFAULT_ROUTE, Refused(REDIRECTED)),
        AGENT: Case(DEFAULT_ROUTE, left_out(REDIRECTED)),
        JOINED: Case(DEFAULT_ROUTE, Refused(LEADS_ELSEWHERE + STAYS + AWAY)),
    },
    "`k3a_data_dir`": MOVED_DIRECTORY
    | {
        JOINED: Case(
            OTHER_DISK,
            Refused(
                f"k3a_data_dir is /srv/k3a, and this machine has all that it keeps in {DATA}; "
                f"set k3a_data_dir to {DATA}, "
                "or take the machine out of its cluster first, with reset.yml -e join_hosts=<this machine>"
            ),
        )
    },
    "the data directory is not mounted": {
        ONE: Case(NOT_MOUNTED, Refused(UNMOUNTED), in_ci=True),
        THREE: Case(NOT_MOUNTED, Refused(UNMOUNTED + MADE_ANEW)),
        AGENT: Case(NOT_MOUNTED, left_out(UNMOUNTED + MADE_ANEW)),
        JOINED: Case(
            NOT_MOUNTED,
            Refused(
                UNMOUNTED.removeprefix("{host}: ")
                + ", or give k3a_token and set k3a_replace=true when that is lost, to have this machine made anew"
            ),
        ),
    },
    "`member/` emptied while etcd was stopped": {
        ONE: Case(
            EMPTIED_STOPPED,
            Refused(
                "{host}: no server has etcd's data, but it records that it belongs to the cluster <id>: an empty "
                "cluster must not take that one's place; mount its data directory, or put the data back from a backup; "
                "reset.yml gives the cluster up"
            ),
            in_ci=True,
        ),
        THREE: Case(
            EMPTIED_STOPPED, Refused(f"{{host}}: {GONE}; mount its disk or put its data back{REPLACE}"), in_ci=True
        ),
        AGENT: Impossible(NO_ETCD),
        JOINED: Impossible(NO_ETCD),
    },
    "`member/` emptied while etcd runs": {
        ONE: Case(
            EMPTIED_RUNNING,
            Refused(
                f"{{host}}: {RUNS_WITHOUT}; save what it holds now, while it runs, with etcdctl snapshot save; "
                "it is the last voting member"
            ),
            in_ci=True,
        ),
        THREE: Case(
            EMPTIED_RUNNING,
            Refused(f"{{host}}: {RUNS_WITHOUT}; mount its disk or put its data back{REPLACE}"),
            in_ci=True,
        ),
        AGENT: Impossible(NO_ETCD),
        JOINED: Impossible(NO_ETCD),
    },
    "etcd's data from an old copy": {
        ONE: Case(OLD_COPY, Refused(f"{{host}}: {OLD}; put its newest data back")),
        THREE: Case(OLD_COPY, Refused(f"{{host}}: {OLD}; put its newest data back{REPLACE}")),
        AGENT: Impossible(NO_ETCD),
        JOINED: Impossible(NO_ETCD),
    },
    "a unit removed": {
        ONE: Case(removed("k3a-etcd"), Carried("it is written again, and started with the data that is there")),
        THREE: Case(removed("k3a-etcd"), Carried("the same")),
        AGENT: Case(removed("k3a-kubelet"), Carried("it is written again")),
        JOINED: Case(removed("k3a-kubelet"), Carried("it is written again")),
    },
    "the server token's file lost": {
        ONE: Case(TOKEN_LOST, LOST),
        # Of the server that answers, of which the others are given theirs.
        THREE: Case(TOKEN_LOST, LOST),
        AGENT: Impossible("it is on servers alone"),
        JOINED: Impossible("it is on servers alone; the bootstrap token is needed once"),
    },
    "the operator's kubeconfig of another cluster": {
        ONE: Case(State(foreign_kubeconfig=True), FOREIGN, in_ci=True),
        THREE: Case(State(foreign_kubeconfig=True), FOREIGN),
        AGENT: Impossible(OF_OPERATOR),
        JOINED: Impossible("join.yml neither reads nor writes one"),
    },
    "`k3a_cluster_cidr`": immutable("cluster_cidr", "10.42.0.0/16", "10.52.0.0/16", ["10.52.0.0/16"]),
    "`k3a_service_cidr`": immutable("service_cidr", "10.43.0.0/16", "10.53.0.0/16", ["10.53.0.0/16"]),
    "`k3a_cluster_domain`": immutable("cluster_domain", "cluster.local", "example.internal", "example.internal"),
    "the issuer of tokens": {
        ONE: ISSUES,
        THREE: ISSUES,
        AGENT: Impossible(OF_API),
        JOINED: Impossible(OF_API),
    },
    "dropped from the inventory": {
        ONE: Case(
            State(dropped=True),
            Refused("inventory: the group server has no host; put the host that is to run the control plane into it"),
        ),
        THREE: Case(
            State(dropped=True),
            Refused(
                "inventory: etcd has the member {host}, which no host of the group server is; remove it with"
                " remove_node.yml -e k3a_remove_node={host}, or put it back into the inventory"
            ),
        ),
        AGENT: Case(State(dropped=True), Carried("its node stays as it is until remove_node.yml", changes=False)),
        JOINED: Impossible(OUTSIDE),
    },
    "the inventory's order turned round": {
        ONE: Impossible("one server has no order"),
        THREE: Case(State(reversed=True), Carried("nobody is a server by its place", changes=False)),
        AGENT: Case(State(reversed=True), Carried("nothing depends on it", changes=False)),
        JOINED: Impossible(OUTSIDE),
    },
    "two controllers at once": {
        ONE: Case(State(second=True), SECOND, in_ci=True),
        THREE: Case(State(second=True), SECOND),
        AGENT: Impossible("what is locked is the cluster: see the servers"),
        JOINED: Impossible("it changes nothing of the cluster, so it locks the host alone, a step at a time"),
    },
    "two controllers that reach different servers": {
        ONE: Impossible("there is one to reach"),
        # Needs the lock that the cluster itself keeps (a Lease): a file on one server is not seen from another.
        THREE: Case(State(second=True, reversed=True), SECOND, in_ci=True),
        AGENT: Impossible("what is locked is the cluster: see the servers"),
        JOINED: Impossible("it changes nothing of the cluster"),
    },
    "a cloned machine": {
        ONE: Case(CLONED, Refused(OF_INVENTORY)),
        THREE: Case(CLONED, Refused(OF_INVENTORY)),
        AGENT: Case(CLONED, left_out(OF_INVENTORY)),
        JOINED: Case(CLONED, Refused(COPY + "-e join_hosts={host}")),
    },
}


def cells() -> Iterator[Cell]:
    """What can be run, a column after the other."""
    for column in COLUMNS:
        for row, cases in TABLE.items():
            case = cases[column]
            if isinstance(case, Case):
                yield Cell(row, column, case)


# ---- the page

PAGE = """# When a host or a cluster is not what it was

Written by `python tests/integration/identity/table.py > docs/identity.md` from the table that
`tests/integration/identity` tries on real nodes, while a client writes and counts. In each cell the run (`site.yml`;
`join.yml` for a machine that joined by a token) either carries the state through with every object kept, or refuses it
before any change by one sentence; an agent that is refused is left out of the run of the others.

"""


def page() -> str:
    """The table as people read it: what becomes of each cell, and below that what is said."""
    lines = [PAGE + f"| | {' | '.join(COLUMNS)} |", "|---|" + "---|" * len(COLUMNS)]
    lines += [f"| [{row}](#{anchor(row)}) | {' | '.join(map(word, cases.values()))} |" for row, cases in TABLE.items()]
    for row, cases in TABLE.items():
        lines += ["", f"## {row}", ""]
        told: dict[str, list[str]] = {}
        for column, case in cases.items():
            told.setdefault(text(case), []).append(column)
        lines += [f"* *{', '.join(columns)}*: {said}" for said, columns in told.items()]
    return "\n".join(lines) + "\n"


def word(case: Case | Impossible) -> str:
    """What becomes of a cell, in a word."""
    if isinstance(case, Impossible):
        return "–"
    if isinstance(case.outcome, Carried):
        return "carried through"
    return "left out" if case.outcome.leaves_out else "refused"


def text(case: Case | Impossible) -> str:
    """What is said in a cell, or done there, or why there is none."""
    if isinstance(case, Impossible):
        return case.why
    if isinstance(case.outcome, Carried):
        return f"carried through: {case.outcome.how}"
    said = case.outcome.sentence
    for name, value in {
        "host": "HOST",
        "servers": "SERVERS",
        "ip": "ADDRESS",
        "other_ip": "ANOTHER",
        "kubeconfig": "PATH",
    }.items():
        said = said.replace(f"{{{name}}}", value)
    return f"`{re.sub('<([^>]+)>', lambda found: found[1].upper(), said)}`"


def anchor(heading: str) -> str:
    """The anchor that a heading has on the page."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    print(page(), end="")
