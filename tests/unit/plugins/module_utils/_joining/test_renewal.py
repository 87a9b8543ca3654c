# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._engine import files, lock
from ansible_collections.k3a.cluster.plugins.module_utils._engine.layout import Layout
from ansible_collections.k3a.cluster.plugins.module_utils._formats import x509
from ansible_collections.k3a.cluster.plugins.module_utils._joining import certificate_request, renewal
from ansible_collections.k3a.cluster.plugins.module_utils._trust import certificate, leaves, pem
from ansible_collections.k3a.cluster.tests.unit import leaf_samples
from ansible_collections.k3a.cluster.tests.unit.joinable_cluster import NODES, REQUESTS, Authority, Cluster, serving

NOW = datetime.now(timezone.utc)
# The samples live for nine days.
LATE = NOW + timedelta(days=5)
CLIENT = "extendedKeyUsage=clientAuth\n"


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authorities")
    return {name: Authority(folder, name) for name in ("server", "client", "other")}


@pytest.fixture
def cluster(authorities, tmp_path, monkeypatch):
    monkeypatch.setattr(certificate_request, "PAUSE", 0.01)
    monkeypatch.setattr(certificate_request, "STARTING", 0.05)
    monkeypatch.setattr(lock, "LOCK", str(tmp_path / "none/k3a.lock"))
    monkeypatch.setattr(leaves, "KUBELET_CLIENT", str(tmp_path / "kubelet.pem"))
    known = Cluster(authorities["server"], authorities["client"])
    (tmp_path / "kubelet.pem").write_text("".join(known.client.node("w1")))
    known.objects[f"{NODES}/w1"] = {"metadata": {"name": "w1"}}
    with serving(known, tmp_path):
        yield known


@pytest.fixture
def wanted(cluster, tmp_path):
    """The certificates that a node renews, as a run has put them: each in two files."""
    found = {}
    for leaf in leaf_samples.agent_leaves(Layout(str(tmp_path / "k3a")), "w1", ["10.0.0.2", "fd00::2"]):
        if leaf.pair:
            continue
        path = Path(leaf.certificate)
        path.parent.mkdir(parents=True, exist_ok=True)
        subject = {"common_name": leaf.common_name, "organization": leaf.organization}
        certificate, key = cluster.client.issue(subject, CLIENT)
        path.write_text(certificate + cluster.client.text)
        Path(leaf.key).write_text(key)
        found[leaf.name] = leaf.as_dict()
    return found


def of(path):
    """What is in use by the two names of a pair: the certificate, and whether its key is the other."""
    return renewal.read(Path(path).read_bytes())


def whole(leaf):
    return pem.belongs(leaf["key"], leaf["certificate"])


def renew(leaf, cluster, moment=LATE):
    return renewal.renew(leaf, cluster.url, cluster.ca_certificates, moment)


def test_half_of_the_life_has_to_be_over():
    current = x509.Certificate((), NOW, NOW + timedelta(days=30))
    due = {days: renewal.is_due(current, NOW + timedelta(days=days)) for days in (-1, 0, 14.9, 15, 29, 31)}
    assert due == {-1: False, 0: False, 14.9: False, 15: True, 29: True, 31: True}


def test_what_an_earlier_version_got_for_a_year_is_due_like_what_has_a_month():
    current = x509.Certificate((), NOW, NOW + timedelta(days=365))
    assert [renewal.is_due(current, NOW + timedelta(days=days)) for days in (14, 15, 100)] == [False, True, True]


@pytest.mark.parametrize("content", [None, b"", b"text", b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"])
def test_what_is_missing_or_unreadable_is_asked_for_anew(cluster, wanted, content):
    leaf = wanted["client-flannel"]
    Path(leaf["certificate"]).unlink()
    if content is not None:
        Path(leaf["certificate"]).write_bytes(content)
    assert renew(leaf, cluster, NOW) and whole(leaf)
    assert not renew(leaf, cluster, NOW)


@pytest.mark.parametrize("length", [0, 20, 300])
def test_the_file_of_both_that_was_cut_off_is_made_anew(cluster, wanted, length):
    leaf = wanted["client-flannel"]
    assert renew(leaf, cluster)
    os.truncate(leaf["key"], length)
    assert renew(leaf, cluster, NOW) and whole(leaf)
    assert not renew(leaf, cluster, NOW)


def test_nothing_is_asked_before(cluster, wanted):
    assert not any(renew(leaf, cluster, NOW) for leaf in wanted.values())
    assert cluster.asked == []


def test_all_are_renewed_each_with_a_new_key(cluster, wanted):
    for name, leaf in wanted.items():
        former = Path(leaf["key"]).read_bytes()
        assert renew(leaf, cluster), name
        certificate, key = Path(leaf["certificate"]), Path(leaf["key"])
        assert whole(leaf) and former.strip() not in key.read_bytes()
        assert certificate.resolve() == key.resolve() == certificate.with_suffix(".pem")
        assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
        authority = cluster.kubelets if name == "serving-kubelet" else cluster.client
        assert pem.certificates_in(certificate.read_bytes()).endswith(authority.text)
    assert set(of(wanted["serving-kubelet"]["certificate"]).names) == {"w1", "localhost", "127.0.0.1", "10.0.0.2", "fd00::2"}
    made = [(path, kept["user"]) for path, kept in cluster.objects.items() if path.startswith(REQUESTS)]
    assert [user for _path, user in made] == ["system:node:w1"] * 3


def test_the_next_time_it_is_one_file_that_changes(cluster, wanted):
    leaf = wanted["client-flannel"]
    assert renew(leaf, cluster)
    before = Path(leaf["key"]).read_bytes()
    assert renew(leaf, cluster)
    assert whole(leaf) and Path(leaf["key"]).read_bytes() != before
    assert sorted(path.name for path in Path(leaf["key"]).parent.glob("*flannel*")) == [
        *("client-flannel.crt", "client-flannel.key", "client-flannel.pem")
    ]


class Killed(BaseException):
    """The process ends here."""


def two_files(leaf, subject, authority):
    """As a run puts them."""
    for each in ("certificate", "key"):
        Path(leaf[each]).unlink(missing_ok=True)
    certificate, key = authority.issue(subject, CLIENT)
    Path(leaf["certificate"]).write_text(certificate)
    Path(leaf["key"]).write_text(key)


def one_file(leaf, subject, authority):
    """As the node puts them."""
    two_files(leaf, subject, authority)
    renewal.put(leaf, *(text.encode() for text in authority.issue(subject, CLIENT)))


def renewed_by_a_run(leaf, subject, authority):
    """As a run leaves what the node put: it keeps the key."""
    one_file(leaf, subject, authority)
    request = pem.request_for(Path(leaf["key"]).read_bytes(), **subject).encode()
    files.write_file(files.File(leaf["certificate"], authority.sign(request, CLIENT).encode(), mode=0o644))
    assert os.path.islink(leaf["key"]) and not os.path.islink(leaf["certificate"])


@pytest.mark.parametrize("begin, steps", [(two_files, 4), (one_file, 1), (renewed_by_a_run, 4)])
def test_key_and_certificate_belong_together_wherever_it_is_killed(cluster, wanted, monkeypatch, begin, steps):
    leaf, real = wanted["client-flannel"], os.rename
    subject = {"common_name": leaf["common_name"], "organization": leaf["organization"]}
    for last in range(steps + 1):
        begin(leaf, subject, cluster.client)
        left = [None] * last

        def rename(*paths, left=left):
            if not left:
                raise Killed
            real(*paths)
            left.pop()
            assert whole(leaf)

        certificate, key = (text.encode() for text in cluster.client.issue(subject, CLIENT))
        assert whole(leaf)
        with monkeypatch.context() as patched:
            patched.setattr(os, "rename", rename)
            try:
                renewal.put(leaf, certificate, key)
                assert last == steps
            except Killed:
                assert last < steps
        assert whole(leaf)
        renewal.put(leaf, certificate, key)
        assert whole(leaf) and Path(leaf["key"]).read_bytes() == Path(leaf["certificate"]).read_bytes() == key + certificate


def without_a_key(leaf, subject, authority):
    """The file of the key is gone."""
    two_files(leaf, subject, authority)
    Path(leaf["key"]).unlink()


def with_another_key(leaf, subject, authority):
    """The file of the key was gone, and the run that made another was killed before it had the certificate."""
    two_files(leaf, subject, authority)
    pem.write_new_key(leaf["key"])


def without_the_key_of_one_file(leaf, subject, authority):
    """The name of the key is gone; it is in the other file still."""
    one_file(leaf, subject, authority)
    os.unlink(leaf["key"])


def with_another_key_beside_one_file(leaf, subject, authority):
    """As that run leaves it there."""
    one_file(leaf, subject, authority)
    pem.write_new_key(leaf["key"])


def without_a_key_in_one_file(leaf, subject, authority):
    """Both names are there, and what they lead to has no key."""
    one_file(leaf, subject, authority)
    Path(leaf["key"]).resolve().write_bytes(authority.issue(subject, CLIENT)[0].encode())


def with_a_damaged_key(leaf, subject, authority):
    """A run asks the operator about that."""
    two_files(leaf, subject, authority)
    Path(leaf["key"]).write_bytes(b"\0" * 200)


BROKEN = [without_a_key, with_another_key, without_the_key_of_one_file, with_another_key_beside_one_file]


@pytest.mark.parametrize("begin", [*BROKEN, without_a_key_in_one_file, with_a_damaged_key])
def test_a_pair_that_was_broken_before_is_whole_afterwards_however_young_it_is(cluster, wanted, begin):
    leaf = wanted["client-flannel"]
    begin(leaf, {"common_name": leaf["common_name"], "organization": leaf["organization"]}, cluster.client)
    assert not whole(leaf)
    assert renew(leaf, cluster, NOW) and whole(leaf)
    assert not renew(leaf, cluster, NOW)


@pytest.mark.parametrize("begin", BROKEN)
def test_what_is_left_of_a_broken_pair_the_next_run_and_the_next_timer_mend(cluster, wanted, monkeypatch, begin):
    """Wherever it is killed: nothing that it leaves is a damaged key, for which a run asks the operator."""
    leaf, real = wanted["client-flannel"], os.rename
    subject = {"common_name": leaf["common_name"], "organization": leaf["organization"]}
    new = [text.encode() for text in cluster.client.issue(subject, CLIENT)]
    for last in range(4):
        begin(leaf, subject, cluster.client)
        left = [None] * last

        def rename(*paths, left=left):
            if not left:
                raise Killed
            left.pop()
            real(*paths)

        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(os, "rename", rename)
            renewal.put(leaf, *new)
        seen = certificate.observe(leaves.Leaf(**leaf), make_keys=False)
        assert seen["has_key"] is whole(leaf)
        assert whole(leaf) or renew(leaf, cluster, NOW)
        assert whole(leaf)


def test_a_machine_that_was_off_for_too_long_asks_anew_with_the_keys_that_it_has(cluster, wanted):
    """By a run, with a token; what cannot be renewed any more is asked for like what was never there."""
    leaf = wanted["client-kube-proxy"]
    certificate, key = cluster.client.issue({"common_name": leaf["common_name"]}, CLIENT, days="-1")
    renewal.put(leaf, certificate.encode(), key.encode())
    public = [pem._openssl("pkey", "-pubout", given=key.encode())]
    public += [pem._openssl("req", "-noout", "-pubkey", given=certificate_request.request_pem(leaf).encode())]
    assert public[0] == public[1]


def test_what_another_run_has_renewed_meanwhile_stays(cluster, wanted):
    leaf = wanted["client-flannel"]

    def approver(_request, _password):
        Path(leaf["certificate"]).write_text("of a run")
        return "Approved", ""

    cluster.approver = approver
    assert not renew(leaf, cluster)
    assert Path(leaf["certificate"]).read_text() == "of a run"
    assert not os.path.islink(leaf["key"])


def test_a_run_on_the_host_is_waited_for(cluster, wanted, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "LOCK", str(tmp_path / "k3a.lock"))
    monkeypatch.setattr(renewal, "TIMEOUT", 0.3)
    (tmp_path / "k3a.lock").touch(mode=0o600)
    leaf = wanted["client-flannel"]
    with lock.host_lock(1, lock.LOCK), pytest.raises(lock.Busy):
        renew(leaf, cluster)
    assert not os.path.islink(leaf["key"])


class TestFlaws:
    @pytest.fixture
    def judged(self, cluster, tmp_path, authorities):
        """What is said of a certificate that was signed like this."""
        leaf = {"authority": "client", "common_name": "x", "organization": "o", "usages": ["client"], "dns": ["a"], "ips": ["::ffff:1.2.3.4"]}
        own = {"common_name": "x", "organization": "o"}
        names = "subjectAltName=DNS:a,IP:1.2.3.4\n"

        def judge(subject=None, extensions=CLIENT + names, authority="client", days="9", other_key=False):
            certificate, key = authorities[authority].issue(subject or own, extensions, days)
            path = tmp_path / "new.key"
            path.write_bytes(pem.new_key() if other_key else key.encode())
            return renewal.flaw(leaf, certificate, str(path), authorities["client"].text)

        return judge

    def test_none(self, judged):
        assert judged() == ""

    def test_another_key(self, judged):
        assert judged(other_key=True) == "it is not of the key that it was asked for with"

    @pytest.mark.parametrize(
        "how", [{"authority": "other"}, {"days": "0"}, {"extensions": "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:a,IP:1.2.3.4\n"}]
    )
    def test_nothing_that_the_ca_vouches_for(self, judged, how):
        assert judged(**how) == "the client CA has not signed it for a client, or its time is not now"

    @pytest.mark.parametrize(
        "how",
        [
            {"subject": {"common_name": "y", "organization": "o"}},
            {"subject": {"common_name": "x"}},
            {"extensions": CLIENT},
            {"extensions": CLIENT + "subjectAltName=DNS:a,DNS:b,IP:1.2.3.4\n"},
        ],
    )
    def test_other_names(self, judged, how):
        assert judged(**how).startswith("it names somebody else: ")


class TestMain:
    @pytest.fixture
    def run(self, cluster, wanted, capsys, monkeypatch):
        """The exit code, and what the journal gets."""

        class Later(datetime):
            @classmethod
            def now(cls, tz=None):
                return LATE

        monkeypatch.setattr(renewal, "datetime", Later)

        known = cluster.ca_certificates

        def run(*given):
            code = renewal.main(given or [cluster.url], list(wanted.values()), known)
            return code, capsys.readouterr().err.splitlines()

        return run

    def test_what_was_renewed_is_told_once(self, run, wanted):
        assert run() == (0, [f"<5>renewed {leaf['certificate']}" for leaf in wanted.values()])

    def test_one_that_is_denied_keeps_no_other(self, run, cluster, wanted):
        def approver(request, _password):
            denied = "serving" in request["metadata"]["name"]
            return ("Denied", "node w1 has a name that clients know the API by") if denied else ("Approved", "")

        cluster.approver = approver
        code, (told, *renewed) = run()
        assert (code, len(renewed)) == (0, 2)
        assert told.startswith(f"<4>{wanted['serving-kubelet']['certificate']} was not renewed, which is tried again: ")
        assert told.endswith("was denied: node w1 has a name that clients know the API by")
        assert whole(wanted["serving-kubelet"]) and not os.path.islink(wanted["serving-kubelet"]["key"])

    def test_a_node_that_was_removed_is_told_what_the_api_says(self, run, cluster):
        refused = {"message": "denied request: this node was removed from the cluster"}
        cluster.answer = lambda *_request: (403, refused)
        code, told = run()
        assert (code, len(told)) == (0, 3)
        assert all("this node was removed from the cluster" in line for line in told)

    def test_what_the_cluster_signs_for_somebody_else_is_not_taken(self, run, cluster, wanted, authorities):
        cluster.client = authorities["other"]
        _code, told = run()
        unusable = [line for line in told if "what the cluster signed cannot be used: the client CA has not signed" in line]
        assert len(unusable) == 2
        assert not os.path.islink(wanted["client-flannel"]["key"])

    def test_an_api_that_is_away_is_told(self, run, monkeypatch):
        monkeypatch.setattr(renewal, "TIMEOUT", 0.1)
        code, told = run("https://127.0.0.1:1")
        assert (code, len(told)) == (0, 3)
        assert all("the API at https://127.0.0.1:1 cannot be reached" in line for line in told)

    def test_it_is_run_with_the_url_alone(self, run):
        assert run("a", "b")[0] == 2
