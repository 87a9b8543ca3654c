# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import fields

import pytest
import yaml
from ansible_collections.k3a.cluster.plugins.module_utils._formats.address import Address
from ansible_collections.k3a.cluster.plugins.module_utils._formats.records import record
from ansible_collections.k3a.cluster.plugins.module_utils._host.check import node_id
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_facts import Component, Wanted
from ansible_collections.k3a.cluster.plugins.module_utils._host.check_observe import observe
from ansible_collections.k3a.cluster.plugins.module_utils._identity.identity import EtcdIdentity, Identity
from ansible_collections.k3a.cluster.plugins.modules import check_config

DOCUMENTED = yaml.safe_load(check_config.DOCUMENTATION)["options"]


def wanted(**options):
    defaults = {
        name: tuple(option["default"]) if option["type"] == "list" else option["default"]
        for name, option in check_config.OPTIONS.items()
    }
    return Wanted(**{**defaults, **options})


def specified(options, suboptions, left_out):
    """What is said of options and their suboptions, but for a key that only one side has."""
    return {
        name: {
            ("suboptions" if key == suboptions else key): specified(value, suboptions, left_out)
            if key == suboptions
            else value
            for key, value in option.items()
            if key != left_out
        }
        for name, option in options.items()
    }


def test_options_are_documented_as_they_are():
    # That it is a secret is of no concern to who reads the documentation.
    assert specified(DOCUMENTED, "suboptions", "description") == specified(check_config.OPTIONS, "options", "no_log")


def test_the_token_is_never_logged():
    assert check_config.OPTIONS["token"]["no_log"] is True


def test_options_are_what_the_judgement_wants():
    assert {field.name for field in fields(Wanted)} == check_config.OPTIONS.keys()


@pytest.fixture
def seen():
    return observe(wanted(), lambda command: (0, "", ""))


def test_facts_are_what_is_returned_and_documented(seen):
    sample = yaml.safe_load(check_config.RETURN)["facts"]["sample"]
    assert check_config.facts(seen, wanted()).keys() == sample.keys() - {"clock"}


def test_facts_leave_out_what_comes_and_goes(seen):
    lasting = Address("eth7", "10.89.0.11", 24, True)
    passing = (Address("cni0", "10.42.0.1", 24, True), Address("eth7", "fe80::1", 64, False))
    facts = check_config.facts(type(seen)(**{**vars(seen), "addresses": (lasting, *passing), "routes": ()}), wanted())
    assert facts["addresses"] == {"eth7": ["10.89.0.11"]}
    assert facts["node_ips"] == ["10.89.0.11"]


def test_a_host_without_address_of_the_family_has_no_node_address(seen):
    ipv6 = wanted(cluster_cidr=("fd00:42::/56",))
    facts = check_config.facts(type(seen)(**{**vars(seen), "addresses": (), "routes": ()}), ipv6)
    assert facts["node_ips"] == []


def test_what_a_server_keeps_is_told_without_its_token(seen):
    known = type(seen)(**{**vars(seen), "token": "K10ab::server:s3cr3t-word", "authority": "ab", "etcd_data": True})
    facts = check_config.facts(known, wanted(token="s3cr3t-word"))
    assert (facts["authority"], facts["etcd_data"]) == ("ab", True)
    assert "s3cr3t" not in str(facts)


def test_what_runs_and_what_is_installed_is_told_by_names(seen):
    ours = tuple(Component(name, f"k3a-{name}.service", False, ()) for name in ("etcd", "load-balancer"))
    known = type(seen)(
        **{**vars(seen), "active_units": frozenset({ours[0].unit}), "installed": frozenset({"load-balancer"})}
    )
    facts = check_config.facts(known, wanted(components=ours))
    assert (facts["etcd_running"], facts["load_balancer"]) == (True, True)
    facts = check_config.facts(seen, wanted(components=ours))
    assert (facts["etcd_running"], facts["load_balancer"]) == (False, False)


def test_who_the_host_is_is_told_as_data(seen):
    about = {
        "identity": Identity(machine_id="m1", node_name="n1", node_ips=("10.0.0.1",)),
        "recorded": True,
        "state": True,
        "etcd": EtcdIdentity("1", "2"),
        "etcd_recorded": EtcdIdentity("3", "4"),
    }
    facts = json.loads(json.dumps(check_config.facts(type(seen)(**{**vars(seen), **about}), wanted())))
    assert record(Identity, facts["identity"]) == about["identity"]
    assert record(EtcdIdentity, facts["etcd_recorded"]) == about["etcd_recorded"]
    assert [facts[name] for name in ("recorded", "state", "etcd_cluster", "etcd_member")] == [True, True, "1", "2"]


def test_a_name_may_end_in_the_machines_id(seen):
    facts = check_config.facts(seen, wanted(node_name="other", with_node_id=True))
    assert facts["node_name"] == f"other-{node_id(seen.machine_id)}"


def test_a_configured_name_counts(seen):
    assert check_config.facts(seen, wanted(node_name="other"))["node_name"] == "other"


def test_a_damaged_ca_is_one_sentence(run_module, tmp_path):
    path = tmp_path / "server/tls/server-ca.crt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xfe")
    result = run_module(check_config, data_dir=str(tmp_path))
    assert result["failed"] and result["msg"].startswith(f"{path} is damaged; ")
