"""Limits of keys, tenants and the server: what is refused, how fast, and what the refusal says."""

import concurrent.futures
import json
import re
import time
import urllib.request

import openai
import pytest
from conftest import Server

CHAT = "/v1/chat/completions"


def models(upstream):
    return "".join(f'[[models]]\nname = "{name}"\nendpoints = [{{ url = "{upstream.url}", model = "{name}" }}]\n'
                   for name in ("good", "endless"))


def body(model="good", **more):
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}


@pytest.fixture(scope="module")
def server(directory, upstream):
    running = Server(directory / "data", models(upstream) + "[limits.per_tenant]\nrequests_per_minute = 5\n")
    running.keys = {}
    for name, tenant, limits in [("requests", "a", ["--requests-per-minute", "3"]),
                                 ("tokens", "b", ["--tokens-per-minute", "2000"]),
                                 ("streams", "c", ["--streams", "1"]),
                                 ("one", "d", []), ("two", "d", []), ("other", "e", []),
                                 ("sdk", "f", ["--requests-per-minute", "60", "--priority", "high"])]:
        created = json.loads(running.run("key", "create", "--name", name, "--tenant", tenant, *limits, "--json").stdout)
        running.keys[name] = created["key"]
    running.start()
    yield running
    assert running.stop() == 0, running.log_text()[-3000:]


def chat(server, who, **more):
    return server.call("POST", CHAT, body(**more), key=server.keys[who])


def open_stream(server, key=None, model="endless", headers=()):
    request = urllib.request.Request(server.url + CHAT, data=json.dumps(body(model, stream=True)).encode(),
                                     headers={"Content-Type": "application/json", **dict(headers)})
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    reply = urllib.request.urlopen(request, timeout=30)
    assert reply.read(10)
    return reply


def eventually(check):
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_key_shows_its_limits(server):
    keys = {key["name"]: key["limits"] for key in json.loads(server.run("key", "list", "--json").stdout)}
    assert keys["requests"] == {"requests_per_minute": 3, "tokens_per_minute": None, "streams": None,
                                "concurrent_requests": None, "priority": "normal"}
    assert keys["sdk"]["priority"] == "high"
    assert "3 rpm" in server.run("key", "list").stdout


def test_requests_per_minute(server):
    for remaining in (2, 1, 0):
        status, headers, _ = chat(server, "requests")
        assert status == 200
        assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("3", str(remaining))
    began = time.monotonic()
    status, headers, reply = chat(server, "requests")
    assert status == 429 and time.monotonic() - began < 1
    assert reply["error"]["type"] == "too_many_requests" and "3 requests a minute" in reply["error"]["message"]
    assert 1 <= int(headers["retry-after"]) <= 20 and 1 <= int(headers["retry-after-ms"]) <= 20000
    assert headers["x-should-retry"] == "true" and headers["x-ratelimit-remaining-requests"] == "0"
    assert re.fullmatch(r"(\d+m)?\d+s|\d+ms", headers["x-ratelimit-reset-requests"])
    # What does not belong to the limits still answers.
    for path in ("/healthz", "/readyz"):
        assert server.call("GET", path)[0] == 200
    assert server.call("GET", "/v1/models", key=server.keys["requests"])[0] == 200
    metrics = server.call("GET", "/metrics", key=server.keys["other"])[2].decode()
    assert re.search(r'ragtime_limit_refusals_total\{level="key",limit="requests_per_minute"\} [1-9]', metrics)


def test_tokens_are_corrected_by_what_was_used(server):
    status, headers, _ = chat(server, "tokens", max_tokens=1900)
    assert status == 200 and headers["x-ratelimit-limit-tokens"] == "2000"
    remaining = int(headers["x-ratelimit-remaining-tokens"])
    assert 1800 <= remaining <= 1900, "the upstream reported 133 tokens, not 1900"
    assert chat(server, "tokens", max_tokens=1900)[0] == 429
    assert chat(server, "tokens", max_tokens=100)[0] == 200


def test_streams_at_a_time(server, upstream):
    stream = open_stream(server, server.keys["streams"])
    status, _, reply = chat(server, "streams", stream=True)
    assert status == 429 and "1 streams at a time" in reply["error"]["message"]
    assert chat(server, "streams")[0] == 200, "an answer that is not streamed needs no stream"
    stream.close()
    eventually(lambda: chat_stream_ok(server, "other"))


def chat_stream_ok(server, who):
    return chat(server, who, stream=True)[0] == 200


def test_the_keys_of_a_tenant_share_its_limit(server):
    statuses = [chat(server, who)[0] for who in ("one", "two", "one", "two", "one", "two")]
    assert statuses == [200] * 5 + [429]
    assert chat(server, "other")[0] == 200


def test_openais_client_waits_and_succeeds(directory, upstream):
    server = Server(directory / "sdk", models(upstream))
    key = json.loads(server.run("key", "create", "--name", "k", "--requests-per-minute", "60", "--json").stdout)["key"]
    server.start()
    try:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key=key, max_retries=4)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:  # 62 requests: two have to come back.
            list(pool.map(lambda _: client.chat.completions.create(**body()), range(62)))
    finally:
        assert server.stop() == 0


@pytest.fixture(scope="module")
def small(directory, upstream):
    limits = "[limits]\nconcurrent_requests_max = 2\nwaiting_requests_max = 0\n"
    running = Server(directory / "small", models(upstream) + limits).start()
    yield running
    assert running.stop() == 0, running.log_text()[-3000:]


def test_a_full_server_refuses_at_once_and_recovers(small):
    streams = [open_stream(small) for _ in range(2)]
    began = time.monotonic()
    status, headers, reply = small.call("POST", CHAT, body())
    assert status == 503 and time.monotonic() - began < 0.5
    assert int(headers["retry-after"]) >= 1 and reply["error"]["code"] == "unavailable"
    assert small.call("GET", "/readyz")[0] == 200
    assert b"ragtime_requests_running 2" in small.call("GET", "/metrics")[2]
    for stream in streams:
        stream.close()
    eventually(lambda: small.call("POST", CHAT, body())[0] == 200)


def test_goodput_stays_under_overload(small):
    def ask(_):
        began = time.monotonic()
        return small.call("POST", CHAT, body())[0], time.monotonic() - began

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        calm = list(pool.map(ask, range(40)))
    calm_rate = 40 / (time.monotonic() - began)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        crowd = list(pool.map(ask, range(400)))
    seconds = time.monotonic() - began
    assert {status for status, _ in calm} == {200}
    served = sum(status == 200 for status, _ in crowd)
    assert {status for status, _ in crowd} <= {200, 503}
    assert max(duration for _, duration in crowd) < 10, "nobody waits long for a refusal"
    # The crowd's clients and refusals take their share of the machine; what is left still answers.
    print(f"served {calm_rate:.0f}/s calm, {served / seconds:.0f}/s of {400 / seconds:.0f}/s in the crowd")
    assert served / seconds > calm_rate / 10


def test_waiting_requests_are_served_by_priority(directory, upstream):
    limits = "[limits]\nconcurrent_requests_max = 1\nwaiting_requests_max = 2\nrequest_wait_ms = 20000\n"
    server = Server(directory / "queue", models(upstream) + limits).start()
    replies = {}

    def ask(priority):
        replies[priority] = server.call("POST", CHAT, body(user=priority), headers={"X-Ragtime-Priority": priority})[0]

    def waiting(count):
        return lambda: f"ragtime_requests_waiting {count}".encode() in server.call("GET", "/metrics")[2]

    try:
        stream = open_stream(server)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            pool.submit(ask, "low")
            eventually(waiting(1))
            pool.submit(ask, "normal")
            eventually(waiting(2))
            pool.submit(ask, "high")  # The queue holds two: the low one has to go.
            eventually(lambda: replies == {"low": 503})
            stream.close()
        assert replies == {"low": 503, "high": 200, "normal": 200}
        served = [request.get("user") for _, _, request in upstream.requests if request.get("user")]
        assert served == ["high", "normal"]
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize(("path", "request_of"), [
    ("/v1/responses", lambda text: {"model": "one", "stream": True, "input": text}),
    ("/streaming/chat", lambda text: {"model": "one", "message": text})])
def test_answers_wait_for_an_endpoint_by_priority(directory, upstream, path, request_of):
    one = f"""[[models]]
name = "one"
endpoints = [{{ url = "{upstream.url}", model = "endless" }}]
admission = {{ adaptive = false, limit = 1, queue_wait_ms = 20000 }}
"""
    server = Server(directory / ("pool" + path.replace("/", "-")), one).start()
    opened = {}

    def open_answer(text, priority):
        request = urllib.request.Request(server.url + path, data=json.dumps(request_of(text)).encode(),
                                         headers={"Content-Type": "application/json", "X-Ragtime-Priority": priority})
        reply = urllib.request.urlopen(request, timeout=30)
        assert reply.readline()
        opened[text] = reply

    def waiting(count):
        return lambda: f'ragtime_pool_waiting{{model="one"}} {count}'.encode() in server.call("GET", "/metrics")[2]

    def asked():
        texts = [request["messages"][-1]["content"] for _, _, request in upstream.requests if request["model"] == "endless"]
        return [text for text in texts if text.startswith(path)]

    try:
        open_answer(path + " first", "normal")
        eventually(lambda: len(asked()) == 1)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            pool.submit(open_answer, path + " low", "low")
            eventually(waiting(1))
            pool.submit(open_answer, path + " high", "high")
            eventually(waiting(2))
            opened.pop(path + " first").close()
            eventually(lambda: len(asked()) == 2)
            assert asked()[1] == path + " high"
            eventually(lambda: path + " high" in opened)
            opened.pop(path + " high").close()
            eventually(lambda: path + " low" in opened)
            opened.pop(path + " low").close()
    finally:
        assert server.stop() == 0
