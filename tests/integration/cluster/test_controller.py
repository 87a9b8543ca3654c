# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that reaches the nodes by SSH alone, as through a bastion, needs no other way to them."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
TABLE = "k3a-test-blackhole"


@pytest.fixture(scope="module")
def blackhole(cluster: Any) -> Iterator[None]:
    """No packet of this machine reaches the API of these nodes."""
    addresses = ", ".join(cluster.addresses.values())
    rule = f"ip daddr {{ {addresses} }} tcp dport 6443 drop"
    table = f"table inet {TABLE} {{ chain out {{ type filter hook output priority filter; {rule}; }}; }}"
    subprocess.run(["nft", "-f", "-"], input=f"{table}\n", text=True, check=True)
    try:
        with pytest.raises(TimeoutError):
            socket.create_connection((cluster.addresses[cluster.servers[0]], 6443), timeout=0.5)
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", TABLE], check=True)


@pytest.fixture
def play(cluster: Any, blackhole: None) -> Any:
    def play(name: str, *options: str) -> str:
        command = ["ansible-playbook", str(PLAYBOOKS / name), "-i", str(cluster.inventory), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout + done.stderr

    return play


def test_a_run_changes_nothing_and_tells_that_the_kubeconfig_does_not_work_from_here(cluster, play):
    output = play("site.yml")
    recap = [line.split() for line in output.partition("PLAY RECAP")[2].splitlines() if " ok=" in line]
    assert sorted(host for host, *_counts in recap) == sorted(cluster.nodes)
    assert all("changed=0" in counts for counts in recap)
    assert "That does not work yet: the API at" in output


def test_tokens_are_made_listed_and_deleted(cluster, play, tmp_path):
    path = tmp_path / "token"
    made = play("token_create.yml", "-vvvv", "-e", f"k3a_token_file={path}", "-e", "k3a_token_ttl=10m")
    (token,) = path.read_text().splitlines()
    identity, secret = token.rpartition("::")[2].split(".")
    assert secret not in made and path.stat().st_mode & 0o777 == 0o600
    assert identity in play("token_list.yml")
    play("token_delete.yml", "-e", f"k3a_bootstrap_token={identity}")
    assert identity not in play("token_list.yml")
