"""Wrong requests and wrong files: an error that names the part at fault, and nothing lost."""

import io
import json
import socket
import zipfile

import pytest


def expect_error(reply, status, param=None, message=None, code=None):
    got, headers, body = reply
    assert got == status, (got, body)
    error = body["error"]
    assert set(error) >= {"message", "type", "param", "code"} and headers["x-request-id"]
    if param is not None:
        assert error["param"] == param, error
    if message is not None:
        assert message.lower() in error["message"].lower(), error
    if code is not None:
        assert error["code"] == code, error
    return error


@pytest.fixture(scope="module")
def store(server):
    return server.call("POST", "/v1/vector_stores", {"name": "bad"})[2]["id"]


def upload(server, name, content, purpose="assistants", raw=None):
    boundary = b"------------------------d74496d66958873e"
    body = raw if raw is not None else b"".join([
        b"--", boundary, b'\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n', purpose.encode(), b"\r\n",
        b"--", boundary, b'\r\nContent-Disposition: form-data; name="file"; filename="', name.encode(),
        b'"\r\nContent-Type: application/octet-stream\r\n\r\n', content, b"\r\n--", boundary, b"--\r\n"])
    return server.call("POST", "/v1/files", body,
                       {"Content-Type": "multipart/form-data; boundary=" + boundary.decode()})


CHAT = {"model": "ragtime-extractive", "messages": [{"role": "user", "content": "x"}]}
RESPONSE = {"model": "ragtime-extractive", "input": "x"}

CASES = [
    ("/v1/responses", b"{not json", None, "json"),
    ("/v1/responses", b"", None, None),
    ("/v1/responses", b'"a string"', None, None),
    ("/v1/responses", {**RESPONSE, "input": 5}, "input", None),
    ("/v1/responses", {**RESPONSE, "input": [{"role": "user", "content": 7}]}, "input[0].content", None),
    ("/v1/responses", {**RESPONSE, "input": [{"role": "wizard", "content": "x"}]}, "input[0].role", None),
    ("/v1/responses", {**RESPONSE, "stream": "yes"}, "stream", None),
    ("/v1/responses", {**RESPONSE, "temperature": "hot"}, "temperature", None),
    ("/v1/responses", {**RESPONSE, "tools": "file_search"}, "tools", None),
    ("/v1/responses", {**RESPONSE, "tools": [{"type": "file_search"}]}, "tools[0].vector_store_ids", None),
    ("/v1/responses", {**RESPONSE, "tools": [{"type": "teleport"}]}, "tools[0].type", None),
    ("/v1/responses", {**RESPONSE, "tools": [{"type": "file_search", "vector_store_ids": ["x"], "max_num_results": 99}]},
     "tools[0].max_num_results", None),
    ("/v1/chat/completions", {"model": "ragtime-extractive"}, "messages", None),
    ("/v1/chat/completions", {**CHAT, "messages": []}, "messages", None),
    ("/v1/chat/completions", {**CHAT, "messages": [{"content": "x"}]}, "messages[0].role", None),
    ("/v1/chat/completions", {**CHAT, "n": 3}, "n", None),
    ("/v1/embeddings", {"model": "m"}, "input", None),
    ("/v1/vector_stores", {"metadata": {"k": 5}}, "metadata.k", None),
    ("/v1/vector_stores", {"metadata": {str(i): "v" for i in range(17)}}, "metadata", "16"),
    ("/v1/vector_stores", {"chunking_strategy": {"type": "static", "static": {
        "max_chunk_size_tokens": 50, "chunk_overlap_tokens": 10}}},
     "chunking_strategy.static.max_chunk_size_tokens", None),
]


@pytest.mark.parametrize("path, body, param, message", CASES)
def test_a_wrong_body_names_the_parameter(server, path, body, param, message):
    error = expect_error(server.call("POST", path, body), 400, param, message)
    assert error["type"] == "invalid_request_error"


FILTERS = [
    ({"type": "like", "key": "a", "value": "b"}, "filters.type"),
    ({"type": "eq", "value": "b"}, "filters.key"),
    ({"type": "eq", "key": "a"}, "filters.value"),
    ({"type": "eq", "key": "a", "value": {"x": 1}}, "filters.value"),
    ({"type": "in", "key": "a", "value": "b"}, "filters.value"),
    ({"type": "and", "filters": [{"type": "eq", "key": "a", "value": 1}, {"type": "gt", "key": "a", "value": []}]},
     "filters.filters[1].value"),
    ({"type": "and"}, "filters.filters"),
    ("everything", "filters"),
]


@pytest.mark.parametrize("filters, param", FILTERS)
def test_a_wrong_filter_names_the_part(server, store, filters, param):
    expect_error(server.call("POST", f"/v1/vector_stores/{store}/search", {"query": "x", "filters": filters}), 400, param)


def test_a_deep_filter_is_refused(server, store):
    nested = {"type": "eq", "key": "a", "value": 1}
    for _ in range(40):
        nested = {"type": "and", "filters": [nested]}
    expect_error(server.call("POST", f"/v1/vector_stores/{store}/search", {"query": "x", "filters": nested}), 400)


def test_json_nested_without_end_is_refused(server):
    expect_error(server.call("POST", "/v1/responses", b"[" * 200_000), 400)


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/v1/files/file-unknown", 404),
    ("GET", "/v1/files/file-unknown/content", 404),
    ("DELETE", "/v1/files/file-unknown", 404),
    ("GET", "/v1/vector_stores/vs_unknown", 404),
    ("DELETE", "/v1/vector_stores/vs_unknown", 404),
    ("GET", "/v1/responses/resp_unknown", 404),
    ("GET", "/v1/models/none", 404),
    ("GET", "/v1/nothing", 404),
    ("GET", "/", 404),
    ("PATCH", "/v1/files", 405),
    ("GET", "/v1/files?limit=abc", 400),
    ("GET", "/v1/files?limit=0", 400),
    ("GET", "/v1/files?order=sideways", 400),
    ("GET", "/v1/vector_stores?after=vs_unknown", 404),
])
def test_unknown_things_and_wrong_queries(server, method, path, status):
    if path == "/":
        assert server.call(method, path)[0] in (200, 302, 404)
        return
    expect_error(server.call(method, path), status)


def test_unknown_model_and_store(server):
    expect_error(server.call("POST", "/v1/responses", {**RESPONSE, "model": "gpt-99"}), 404, "model",
                 code="model_not_found")
    expect_error(server.call("POST", "/v1/chat/completions", {**CHAT, "model": "ragtime-extractive@nowhere"}), 404)
    tools = [{"type": "file_search", "vector_store_ids": ["vs_unknown"]}]
    expect_error(server.call("POST", "/v1/responses", {**RESPONSE, "tools": tools}), 404)
    stream = server.call("POST", "/v1/responses", {**RESPONSE, "tools": tools, "stream": True})
    expect_error(stream, 404)


def test_embeddings_without_a_model_say_what_to_do(server):
    error = expect_error(server.call("POST", "/v1/embeddings", {"model": "all-MiniLM-L6-v2", "input": "x"}), 404)
    assert "ragtime model add" in error["message"]


def test_a_body_over_the_limit(server):
    expect_error(server.call("POST", "/v1/responses", {**RESPONSE, "input": "x" * (9 << 20)}), 413)


def test_wrong_uploads(server):
    expect_error(upload(server, "a.txt", b"text", purpose="world-domination"), 400, "purpose")
    expect_error(server.call("POST", "/v1/files", {"file": "x"}), 400)
    expect_error(upload(server, "a.txt", b"", raw=b"--wrong\r\n"), 400)
    no_file = (b'--------------------------d74496d66958873e\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n'
               b"assistants\r\n--------------------------d74496d66958873e--\r\n")
    expect_error(upload(server, "a.txt", b"", raw=no_file), 400, "file")
    assert server.call("GET", "/v1/files")[2]["data"] == []


def zip_of(name, content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


FILES = [
    ("empty.txt", b"", "invalid_file"),
    ("blank.txt", b" \n\t \n", "invalid_file"),
    ("image.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "unsupported_file"),
    ("binary.txt", bytes(range(256)) * 16, "unsupported_file"),
    ("broken.pdf", b"%PDF-1.7\n1 0 obj\n<</Type/Catalog", "invalid_file"),
    ("broken.docx", b"PK\x03\x04 and nothing more", "invalid_file"),
    ("other.zip", zip_of("readme.txt", "hello"), "unsupported_file"),
    ("bomb.docx", zip_of("word/document.xml", b"<w:document>" + b"<a>" * (200 << 20)), "invalid_file"),
]


@pytest.mark.parametrize("name, content, code", FILES)
def test_a_bad_file_fails_with_a_reason_and_leaves_nothing(server, name, content, code):
    status, _, file = upload(server, name, content)
    if status == 400:  # an empty upload may be refused at once
        assert "empty" in file["error"]["message"].lower()
        return
    store = server.call("POST", "/v1/vector_stores", {"name": name, "file_ids": [file["id"]]})[2]["id"]
    import time
    deadline = time.monotonic() + 60
    while True:
        document = server.call("GET", f"/v1/vector_stores/{store}/files/{file['id']}")[2]
        if document["status"] != "in_progress":
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert document["status"] == "failed" and document["last_error"]["code"] == code, document
    assert document["last_error"]["message"]
    counts = server.call("GET", f"/v1/vector_stores/{store}")[2]["file_counts"]
    assert counts["failed"] == counts["total"] == 1
    assert server.call("POST", f"/v1/vector_stores/{store}/search", {"query": "hello"})[2]["data"] == []
    assert server.call("GET", "/readyz")[0] == 200


def raw_request(server, data):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(data)
        reply = b""
        while chunk := connection.recv(65536):
            reply += chunk
    return reply


@pytest.mark.parametrize("data, status", [
    (b"NONSENSE\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431),
])
def test_broken_http_is_refused(server, data, status):
    reply = raw_request(server, data)
    assert reply.startswith(b"HTTP/1.1 %d" % status), reply[:200]
    body = reply.split(b"\r\n\r\n", 1)[1]
    assert json.loads(body)["error"]["message"]


@pytest.mark.parametrize("headers, status", [
    ({"Host": "localhost"}, 200),
    ({"Host": "127.0.0.1:1234"}, 200),
    ({"Host": "evil.example"}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "http://localhost:3000"}, 200),
    ({"Origin": "null"}, 403),
])
def test_local_mode_checks_host_and_origin(server, headers, status):
    assert server.call("GET", "/v1/models", headers=headers)[0] == status


def test_observability_routes(server):
    assert server.call("GET", "/healthz")[0] == server.call("GET", "/readyz")[0] == 200
    metrics = server.call("GET", "/metrics")[2].decode()
    assert 'ragtime_http_requests_total{' in metrics and "ragtime_http_request_duration_seconds_bucket{" in metrics
    assert "ragtime_stage_seconds" in metrics
    document = server.call("GET", "/openapi.json")[2]
    assert document["openapi"].startswith("3.1") and "/v1/responses" in document["paths"]
    assert b"<html" in server.call("GET", "/docs")[2][:200].lower()
