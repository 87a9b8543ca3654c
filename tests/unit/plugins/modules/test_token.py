# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token as tokens
from ansible_collections.k3a.cluster.plugins.module_utils._trust import token_secret as secrets
from ansible_collections.k3a.cluster.plugins.modules import token as module

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
OWN = "abcdef.0123456789abcdef"
CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
ROOT_CA = "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt"
WHERE = "/api/v1/namespaces/kube-system/secrets"


class Cluster(BaseHTTPRequestHandler):
    """An API that keeps Secrets, refuses a change of what has changed meanwhile, and lets others change it."""

    objects: dict = {}
    asked: list = []
    meanwhile: list = []

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        if self.command in ("POST", "PUT"):
            self.asked.append(self.command)
            if self.meanwhile:
                self.meanwhile.pop()()
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")

    def store(self, path, body):
        version = str(int(self.objects.get(path, {}).get("metadata", {}).get("resourceVersion", "0")) + 1)
        self.objects[path] = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
        self.answer(200, self.objects[path])

    def do_GET(self):
        found = self.objects.get(self.path)
        self.answer(200, found) if found else self.answer(404, {"message": "not found"})

    def do_POST(self):
        body = self.body()
        path = f"{self.path}/{body['metadata']['name']}"
        if path in self.objects:
            self.answer(409, {"message": "already exists"})
        else:
            self.store(path, body)

    def do_PUT(self):
        body = self.body()
        found = self.objects.get(self.path)
        if found is None:
            self.answer(404, {"message": "not found"})
        elif found["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            self.answer(409, {"message": "the object has been modified"})
        else:
            self.store(self.path, body)

    def do_DELETE(self):
        self.asked.append("DELETE")
        found = self.objects.pop(self.path, None)
        self.answer(200 if found else 404, {})

    def log_message(self, *arguments):
        """Tests are silent."""


@pytest.fixture
def cluster(asked_at):
    Cluster.objects = {ROOT_CA: {"data": {"ca.crt": PEM}}}
    Cluster.asked, Cluster.meanwhile = [], []
    server = HTTPServer(("127.0.0.1", 0), Cluster)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    asked_at(f"http://127.0.0.1:{server.server_port}")
    yield Cluster
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(cluster, run_module):
    def run(**arguments):
        return run_module(module, **arguments)

    return run


def known(cluster, token_id="abcdef"):
    found = cluster.objects.get(f"{WHERE}/bootstrap-token-{token_id}")
    return secrets.read(found) if found else None


def keep(cluster, **changes):
    """A token that is there already."""
    token = secrets.BootstrapToken(**{"id": "abcdef", "secret": "0123456789abcdef", **changes})
    body = secrets.secret_of(token, None)
    body["metadata"]["resourceVersion"] = "5"
    cluster.objects[f"{WHERE}/bootstrap-token-{token.id}"] = body
    return token


def test_a_new_token_is_returned_whole_and_pins_the_authority(run, cluster):
    done = run(description="for ci", ttl="1h")
    found = tokens.parse(done["token"])
    assert found.ca_hash == tokens.ca_hash(PEM)
    assert done["changed"] and done["id"] == found.id
    made = known(cluster, found.id)
    assert (made.secret, made.description, made.groups) == (found.secret, "for ci", (secrets.DEFAULT_GROUP,))
    assert made.usages == ("signing", "authentication")
    left = made.expires - datetime.now(timezone.utc)
    assert timedelta(minutes=58) < left <= timedelta(hours=1)
    assert done["expires"] == secrets.timestamp(made.expires)
    assert run()["id"] != found.id


def test_a_new_token_lasts_a_day_and_another_for_ever(run, cluster):
    assert known(cluster, run()["id"]).expires > datetime.now(timezone.utc) + timedelta(hours=23)
    done = run(ttl="0")
    assert known(cluster, done["id"]).expires is None and done["expires"] == ""


def test_the_secret_of_a_token_is_in_no_diff(run, cluster):
    done = run(description="for ci")
    secret = tokens.parse(done.pop("token")).secret
    assert secret not in json.dumps(done)
    (diff,) = done["diff"]
    assert diff["before"] == "" and 'description: "for ci"' in diff["after"]


def test_a_given_token_is_created_once_and_hidden(run, cluster):
    first = run(token=[OWN], ttl="0")
    assert first["changed"] and OWN not in json.dumps(first)
    assert first["token"].startswith(f"K10{tokens.ca_hash(PEM)}::") and first["id"] == "abcdef"
    again = run(token=[tokens.full(PEM, OWN)], ttl="0")
    assert not again["changed"] and again["diff"] == []
    assert OWN not in json.dumps(again) and again["ca_hash"] == first["ca_hash"] == tokens.ca_hash(PEM)
    assert cluster.asked == ["POST"]


def test_the_authority_is_that_of_cluster_info(run, cluster):
    published = PEM.replace("AAAA", "BBBB")
    data = base64.b64encode(published.encode()).decode()
    cluster.objects[CLUSTER_INFO] = {"data": {"kubeconfig": f"certificate-authority-data: {data}\n"}}
    assert tokens.parse(run()["token"]).ca_hash == tokens.ca_hash(published)


def test_a_cluster_without_authority_gets_no_token(run, cluster):
    cluster.objects = {}
    failed = run()
    assert failed["failed"] and "publishes no CA yet" in failed["msg"]
    assert cluster.asked == []


def test_a_changed_description_changes_the_token_and_leaves_its_time(run, cluster):
    expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=5)
    keep(cluster, description="old", expires=expires)
    done = run(token=[OWN], description="new", usages=["authentication"], groups=["system:bootstrappers:x"])
    assert done["changed"]
    assert known(cluster) == secrets.BootstrapToken(
        "abcdef", "0123456789abcdef", "new", expires, ("authentication",), ("system:bootstrappers:x",)
    )
    (diff,) = done["diff"]
    assert "description: old" in diff["before"] and "description: new" in diff["after"]
    assert cluster.asked == ["PUT"]


def test_an_expired_token_is_made_good_again(run, cluster):
    keep(cluster, expires=datetime.now(timezone.utc) - timedelta(hours=1))
    assert run(token=[OWN])["changed"]
    assert known(cluster).expires > datetime.now(timezone.utc) + timedelta(hours=23)
    assert not run(token=[OWN])["changed"]


def test_the_id_of_another_token_is_refused(run, cluster):
    keep(cluster, secret="fedcba9876543210")
    failed = run(token=[OWN])
    assert failed["failed"] and "a token with the id" in failed["msg"] and "another secret" in failed["msg"]
    assert "fedcba9876543210" not in json.dumps(failed)
    assert known(cluster).secret == "fedcba9876543210"


def test_a_token_that_is_changed_meanwhile_is_looked_at_again(run, cluster):
    keep(cluster, description="old")
    cluster.meanwhile = [
        lambda: cluster.objects[f"{WHERE}/bootstrap-token-abcdef"]["metadata"].update(resourceVersion="6")
    ]
    assert run(token=[OWN], description="new")["changed"]
    assert cluster.asked == ["PUT", "PUT"] and known(cluster).description == "new"


def test_a_token_that_is_deleted_meanwhile_is_created(run, cluster):
    keep(cluster, description="old")
    cluster.meanwhile = [lambda: cluster.objects.pop(f"{WHERE}/bootstrap-token-abcdef")]
    assert run(token=[OWN], description="new")["changed"]
    assert cluster.asked == ["PUT", "POST"] and known(cluster).description == "new"


def test_a_token_that_is_created_meanwhile_by_the_same_run_is_done(run, cluster):
    """The answer to a creation was lost and it was sent again."""
    cluster.meanwhile = [lambda: keep(cluster)]
    done = run(token=[OWN], ttl="0")
    assert done["changed"] and len(done["diff"]) == 1
    assert cluster.asked == ["POST"]


def test_check_mode_announces_and_does_nothing(run, cluster):
    done = run(check=True, description="for ci")
    assert done["changed"] and done["token"] == done["id"] == done["ca_hash"] == ""
    assert run(check=True, token=[OWN])["changed"]
    keep(cluster, description="old")
    assert run(check=True, token=[OWN], description="new")["changed"]
    assert run(check=True, token=["abcdef"], state="absent")["deleted_ids"] == ["abcdef"]
    assert cluster.asked == []


def test_check_mode_needs_no_cluster_and_a_real_run_does(run_module, tmp_path):
    nowhere = str(tmp_path / "none")
    announced = run_module(module, check=True, data_dir=nowhere, token=[OWN])
    assert announced["changed"] and announced["token"] == ""
    assert run_module(module, check=True, data_dir=nowhere, token=["abcdef"], state="absent")["deleted_ids"] == []
    for state in ("present", "absent"):
        failed = run_module(module, data_dir=nowhere, token=[OWN], state=state)
        assert failed["failed"] and "this host is no server of a cluster" in failed["msg"]


def test_tokens_are_deleted_once_in_any_form_whole_or_not(run, cluster):
    keep(cluster)
    keep(cluster, id="ghijkl")
    cluster.objects[f"{WHERE}/bootstrap-token-mnopqr"] = {"metadata": {"name": "bootstrap-token-mnopqr"}, "data": {}}
    given = ["ghijkl.0000000000000000", tokens.full(PEM, OWN), OWN, "mnopqr", "absent"]
    done = run(token=given, state="absent")
    assert done["changed"] and len(done["deleted_ids"]) == len(done["diff"]) == 3
    assert list(cluster.objects) == [ROOT_CA]
    again = run(token=given, state="absent")
    assert not again["changed"] and again["deleted_ids"] == []
    assert cluster.asked == ["DELETE"] * 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"token": [OWN, "ghijkl.0123456789abcdef"]}, "takes one token"),
        ({"token": ["abcdef"]}, "6 and 16 lower case letters"),
        ({"token": ["K10abc::" + OWN]}, "invalid token CA hash length"),
        ({"token": [f"K10{'0' * 64}::{OWN}"]}, "another cluster's CA"),
        ({"ttl": "2d"}, "no duration"),
        ({"ttl": "-1h"}, "no duration"),
        ({"groups": ["system:masters"]}, "begins with system:bootstrappers:"),
        ({"usages": ["anything"]}, "must be one or more of: signing, authentication"),
        ({"state": "absent"}, "needs the token, or its id"),
        ({"state": "absent", "token": ["s3cr3t-word"]}, "neither a bootstrap token nor an id"),
    ],
)
def test_bad_input_is_refused_before_any_change(run, cluster, arguments, reason):
    failed = run(**arguments)
    assert failed["failed"] and reason in failed["msg"]
    assert cluster.asked == []
