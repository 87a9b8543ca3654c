# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process of one unit that was taken over reaches nothing of another: tried as each unit's user, on the node."""

from __future__ import annotations

import json
import re

import pytest

SERVER, AGENT = "/var/lib/k3a/server", "/var/lib/k3a/agent"
# In a container the kubelet lacks CAP_SYS_RESOURCE; and who starts first wants to make a directory that is not its own.
EXPECTED = ("oom_score_adj", "Failed to set rlimit on max file handles", "mkdir /usr/libexec/kubernetes")
# What a unit alone has to see, as patterns of files.
SECRETS = (
    *(f"{SERVER}/tls/*.key", f"{SERVER}/tls/*/*.key", f"{SERVER}/cred/*", f"{SERVER}/token", f"{SERVER}/logs/*"),
    *(f"{SERVER}/etc/*", f"{SERVER}/db/etcd/member/*/*", f"{AGENT}/tls/*.key", f"{AGENT}/tls/*.pem"),
    *(f"{AGENT}/etc/*.kubeconfig", f"{AGENT}/etc/k*.yaml", f"{AGENT}/etc/flannel/*", f"{AGENT}/etc/cni/net.d/*"),
    *("/run/flannel/wgkey*", "/etc/k3a/*", "/etc/k3a/node/*", "/var/lib/kubelet/pki/*"),
)
# Reports what the process of a unit could read, with its user, groups and capabilities: of others, and of itself.
INTRUDER = '''
import glob, json, os, subprocess, sys

patterns = json.loads(sys.argv[1])

def shown(unit, name):
    command = ["systemctl", "show", "--value", f"--property={name}", unit]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()

OPENED = """
import json, sys

def opened(path):
    try:
        with open(path, "rb") as stream:
            return bool(stream.read(1)) or True
    except OSError:
        return False

print(json.dumps([path for path in json.load(sys.stdin) if opened(path)]))
"""

def tried(pid, paths):
    with open(f"/proc/{pid}/status") as stream:
        status = dict(line.split(":\\t", 1) for line in stream if ":\\t" in line)
    uid, gid = status["Uid"].split()[0], status["Gid"].split()[0]
    permitted = int(status["CapPrm"], 16)
    held = ",".join(["-all", *(f"+cap_{each}" for each in range(64) if permitted >> each & 1)])
    groups = ",".join(status["Groups"].split())
    who = [f"--reuid={uid}", f"--regid={gid}", f"--groups={groups}" if groups else "--clear-groups"]
    may = [f"--inh-caps={held}", f"--ambient-caps={held}", f"--bounding-set={held}", "--no-new-privs"]
    command = ["setpriv", *who, *may, sys.executable, "-c", OPENED]
    done = subprocess.run(command, input=json.dumps(paths), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)

pids = {}
for path in sorted(glob.glob("/etc/systemd/system/k3a-*.service")):
    unit = os.path.basename(path)
    pid = shown(unit, "MainPID")
    if pid not in ("", "0"):
        pids[unit] = pid
secrets = [path for pattern in patterns for path in glob.glob(pattern) if os.path.isfile(path)]
own = {}
for unit, pid in pids.items():
    given = glob.glob(f"/run/credentials/{unit}/*")
    own[unit] = [*(f"/proc/{pid}/root{path}" for path in given), f"/proc/{pid}/environ"]
report = {}
for unit, pid in pids.items():
    who = os.stat(f"/proc/{pid}")
    if not who.st_uid:
        continue
    foreign = [path for other, paths in own.items() if other != unit for path in paths]
    foreign += [path for path in secrets if os.stat(path).st_uid != who.st_uid and os.stat(path).st_gid != who.st_gid]
    report[unit] = {
        "user": who.st_uid,
        "foreign": tried(pid, foreign),
        "own": tried(pid, own[unit]),
        "tried": len(foreign),
    }
print(json.dumps(report))
'''
# What a process reads in another's view of the files, with the user and the capabilities that it has there.
READS = """
import glob, json, os, socket, sys

found = []
for path in (path for pattern in json.loads(sys.argv[1]) for path in glob.glob(pattern)):
    try:
        if os.path.isfile(path):
            open(path, "rb").close()
            found.append(path)
    except OSError:
        pass
for path in ("/run/k3a/containerd/containerd.sock", "/run/dbus/system_bus_socket", "/run/systemd/private"):
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(path)
        found.append(path)
    except OSError:
        pass
for path in ("/proc/sys/kernel/core_pattern", "/sys/kernel/uevent_helper", "/proc/sys/net/ipv4/ip_forward"):
    try:
        open(path, "r+").close()
        found.append(path)
    except OSError:
        pass
print(json.dumps(found))
"""


def test_every_unit_has_a_user_of_its_own(cluster):
    of_servers = {"apiserver", "controller-manager", "scheduler", "etcd", "approver"}
    for node in cluster.nodes:
        seen = json.loads(cluster.run(node, "python3", "-c", INTRUDER, json.dumps(SECRETS)))
        expected = {"kube-proxy", "flannel", *(of_servers if node in cluster.servers else ())}
        assert expected <= {unit[len("k3a-") : -len(".service")] for unit in seen}
        users = [each["user"] for each in seen.values()]
        assert len(users) == len(set(users)), seen


def test_no_process_reads_what_another_unit_has(cluster):
    for node in cluster.nodes:
        for unit, seen in json.loads(cluster.run(node, "python3", "-c", INTRUDER, json.dumps(SECRETS))).items():
            assert seen["tried"] > 5, (node, unit)
            # That the way through /proc is one: the process itself may take it.
            assert any("/root/run/credentials/" in path for path in seen["own"]), (node, unit)
            assert seen["foreign"] == [], (node, unit)


@pytest.mark.parametrize("component", ["kube-proxy", "flannel"])
def test_what_programs_the_network_opens_neither_the_control_plane_nor_pods_nor_what_the_other_has(cluster, component):
    drop = "--bounding-set=-all,+net_admin,+net_raw --inh-caps=-all,+net_admin,+net_raw --no-new-privs"
    own = f"--reuid={component} --regid={component} --init-groups --ambient-caps=+net_admin,+net_raw"
    closed = (*(pattern for pattern in SECRETS if not pattern.startswith(AGENT)), "/root/.*", "/root/*")
    written = [f"{AGENT}/etc/cni/net.d/10-flannel.conflist"] if component == "flannel" else []
    # Of all that is left to it: the kernel's settings of the network.
    settings = ["/proc/sys/net/ipv4/ip_forward"]
    for node in cluster.nodes:
        pid = cluster.run(node, f"systemctl show --property=MainPID --value k3a-{component}").strip()
        script = f"nsenter --target={pid} --mount setpriv {drop}"
        seen = cluster.run(node, f"{script} {own} python3 -c", READS, json.dumps(SECRETS))
        assert json.loads(seen) == [*written, *settings], node
        # Nor would root's name alone open more, if it had that.
        assert json.loads(cluster.run(node, f"{script} python3 -c", READS, json.dumps(closed))) == settings, node
        bounding = re.search(r"^CapBnd:\s+(\S+)", cluster.run(node, f"cat /proc/{pid}/status"), re.M)
        assert bounding and int(bounding[1], 16) == (1 << 12) | (1 << 13), (node, bounding)


def test_systemd_finds_them_no_more_exposed_than_the_docs_say(cluster):
    """What is in a text and has no effect counts here: systemd looks at the units that it has loaded."""
    widest = {"kube-proxy": 2.0, "flannel": 2.0, "load-balancer": 1.5, "kubelet": 10.0, "containerd": 10.0}
    for node in cluster.nodes:
        if not cluster.run(node, "systemctl --version").startswith("systemd 252 "):
            continue
        for line in cluster.run(node, "systemd-analyze security --no-pager").splitlines():
            found = re.match(r"k3a-([-\w]+)\.service\s+([0-9.]+)", line)
            if found:
                assert float(found[2]) <= widest.get(found[1], 1.6), (node, line)


def test_nothing_was_refused_to_those_who_need_it(cluster):
    """A sandbox that is too narrow says so in the journal first."""
    for node in cluster.nodes:
        said = cluster.run(node, "journalctl --boot --no-pager --output=short --unit='k3a-*'")
        telling = re.compile(r"permission denied|not permitted|read-only file system", re.I)
        refused = [line for line in said.splitlines() if telling.search(line)]
        assert [line for line in refused if not any(text in line for text in EXPECTED)] == [], node
