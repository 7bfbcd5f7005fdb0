"""API keys: scopes, tenants, revocation. Another tenant's id answers exactly like an unknown one."""

import json
import re
import time

import pytest
from bad_input_test import upload
from conftest import Server


@pytest.fixture(scope="module")
def running(directory):
    server = Server(directory / "data")
    server.keys = {}
    for name, tenant, scope in [("ann", "a", "read,write,admin"), ("bob", "b", "read,write,admin"),
                                ("reader", "a", "read")]:
        out = json.loads(server.run("key", "create", "--name", name, "--tenant", tenant, "--scope", scope, "--json").stdout)
        server.keys[name] = out["key"]
    server.start()
    yield server
    assert server.stop() == 0


def call(server, who, method, path, body=None):
    return server.call(method, path, body, key=server.keys[who])


def without_ids(error):
    return re.sub(r"(file-|vs_|resp_|vsfb_)\w+", "ID", json.dumps(error))


@pytest.fixture(scope="module")
def anns(running):
    """Things of Ann's: the paths under which they are reached."""
    original = running.call
    running.call = lambda *a, **k: original(*a, **{**k, "key": running.keys["ann"]})
    file = upload(running, "secret.txt", b"The plumbus code is 7781.")[2]
    store = running.call("POST", "/v1/vector_stores", {"name": "secrets", "file_ids": [file["id"]]})[2]
    response = running.call("POST", "/v1/responses", {"model": "ragtime-extractive", "input": "hello"})[2]
    running.call = original
    return file["id"], store["id"], response["id"]


def test_without_a_key_nothing_but_health(running):
    assert running.call("GET", "/healthz")[0] == running.call("GET", "/readyz")[0] == 200
    for path in ("/v1/models", "/v1/files", "/metrics"):
        status, _, body = running.call("GET", path)
        assert status == 401 and body["error"]["code"] == "invalid_api_key" or body["error"]["type"], (path, body)
    assert running.call("GET", "/v1/models", key="rt-wrong")[0] == 401


def test_scopes(running):
    assert call(running, "reader", "GET", "/v1/files")[0] == 200
    status, _, body = call(running, "reader", "POST", "/v1/vector_stores", {"name": "x"})
    assert status == 403 and "write" in body["error"]["message"]


def test_another_tenants_ids_answer_like_unknown_ones(running, anns):
    file, store, response = anns
    requests = [
        ("GET", "/v1/files/{file}", None), ("GET", "/v1/files/{file}/content", None), ("DELETE", "/v1/files/{file}", None),
        ("GET", "/v1/vector_stores/{store}", None), ("POST", "/v1/vector_stores/{store}", {"name": "mine"}),
        ("DELETE", "/v1/vector_stores/{store}", None), ("GET", "/v1/vector_stores/{store}/files", None),
        ("GET", "/v1/vector_stores/{store}/files/{file}", None),
        ("DELETE", "/v1/vector_stores/{store}/files/{file}", None),
        ("GET", "/v1/vector_stores/{store}/files/{file}/content", None),
        ("POST", "/v1/vector_stores/{store}/search", {"query": "plumbus"}),
        ("GET", "/v1/vector_stores/{store}/documents", None),
        ("GET", "/v1/responses/{response}", None), ("DELETE", "/v1/responses/{response}", None),
        ("POST", "/v1/responses", {"model": "ragtime-extractive", "input": "plumbus code?",
                                   "tools": [{"type": "file_search", "vector_store_ids": ["{store}"]}]}),
        ("POST", "/v1/chat/completions", {"model": "ragtime-extractive@{store}",
                                          "messages": [{"role": "user", "content": "plumbus"}]}),
        ("POST", "/v1/chat/completions", {"model": "ragtime-extractive@secrets",
                                          "messages": [{"role": "user", "content": "plumbus"}]}),
    ]
    unknown = {"file": "file-" + "0" * 24, "store": "vs_" + "0" * 24, "response": "resp_" + "0" * 24}
    real = {"file": file, "store": store, "response": response}

    def fill(template, ids):
        for name, value in ids.items():
            template = template.replace("{" + name + "}", value)
        return template

    for method, path, body in requests:
        text = json.dumps(body) if body else None
        replies = []
        for ids in (real, unknown):
            filled = json.loads(fill(text, ids)) if text else None
            replies.append(call(running, "bob", method, fill(path, ids), filled))
        (status, _, body_real), (status_unknown, _, body_unknown) = replies
        assert status == status_unknown == 404, (method, path, status, status_unknown, body_real)
        assert without_ids(body_real) == without_ids(body_unknown), (method, path)
    # The witness: the owner sees all of it still.
    assert call(running, "ann", "GET", f"/v1/files/{file}/content")[0] == 200
    assert call(running, "ann", "GET", f"/v1/responses/{response}")[0] == 200


def test_lists_show_only_ones_own(running, anns):
    assert call(running, "bob", "GET", "/v1/files")[2]["data"] == []
    assert call(running, "bob", "GET", "/v1/vector_stores")[2]["data"] == []
    assert len(call(running, "ann", "GET", "/v1/files")[2]["data"]) == 1


def test_revocation_acts_within_seconds(running):
    created = json.loads(running.run("key", "create", "--name", "temp", "--json").stdout)
    running.keys["temp"] = created["key"]
    assert call(running, "temp", "GET", "/v1/models")[0] == 200
    running.run("key", "revoke", created["id"])
    deadline = time.monotonic() + 10
    while call(running, "temp", "GET", "/v1/models")[0] != 401:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_keys_are_never_stored_or_logged_in_clear(running):
    listed = running.run("key", "list", "--json").stdout
    database = b"".join(p.read_bytes() for p in running.data_dir.glob("ragtime.db*"))
    for key in running.keys.values():
        assert key not in listed and key not in running.log_text() and key.encode() not in database
