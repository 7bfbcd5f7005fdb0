"""The gateway in front of a scripted model server: what OpenAI's client sees when the server is well, and when not."""

import concurrent.futures
import json
import subprocess
import time
import urllib.request

import openai
import pytest
from conftest import BINARY, Server

MESSAGES = [{"role": "user", "content": "Say something."}]
TIMEOUTS = ("timeouts = { connect_ms = 500, first_byte_ms = 400, first_token_ms = 800, idle_ms = 400, answer_ms = 800, "
            "total_ms = 3000 }\n")


class Upstream:
    """`ragtime bench upstream` as a child process."""

    def __init__(self):
        self.process = subprocess.Popen([str(BINARY), "bench", "upstream", "--port", "0"], stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.base = self.url.removesuffix("/v1")

    def post(self, path, body=""):
        return urllib.request.urlopen(self.base + path, data=body.encode(), timeout=10).read()

    def script(self, script):
        self.post("/__script", script)

    def log(self):
        return json.loads(urllib.request.urlopen(self.base + "/__log", timeout=10).read())

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)


@pytest.fixture(scope="module")
def upstream():
    running = Upstream()
    yield running
    running.stop()


def model(name, url, upstream_model, more=""):
    return (f'[[models]]\nname = "{name}"\n{more}endpoints = [{{ url = "{url}", model = "{upstream_model}" }}]\n' + TIMEOUTS)


@pytest.fixture(scope="module")
def server(directory, upstream):
    config = model("chat", upstream.url, "chat") + model("backup", upstream.url, "plain")
    config += model("guarded", upstream.url, "error", 'fallbacks = ["backup"]\n')
    config += model("cuts", upstream.url, "cut", 'fallbacks = ["backup"]\n')
    config += model("whole", upstream.url, "whole-for-stream") + model("endless", upstream.url, "endless")
    config += model("hangs", upstream.url, "hang").replace("first_byte_ms = 400", "first_byte_ms = 60000").replace(
        "first_token_ms = 800", "first_token_ms = 60000").replace("answer_ms = 800", "answer_ms = 60000").replace(
        "total_ms = 3000", "total_ms = 60000")
    running = Server(directory / "data", config).start()
    yield running
    assert running.stop() == 0, running.log_text()[-3000:]


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0, timeout=30)


@pytest.fixture(autouse=True)
def healthy(upstream):
    upstream.script("")
    upstream.post("/__reset")


def test_a_stream_of_several_choices(client):
    finished, texts = set(), {}
    for chunk in client.chat.completions.create(model="chat", messages=MESSAGES, n=3, stream=True):
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            if choice.finish_reason:
                finished.add(choice.index)
        assert chunk.choices, "the usage event was not asked for"
    assert finished == {0, 1, 2} and all(texts.values())


def test_usage_is_kept_when_asked_for(client):
    chunks = list(client.chat.completions.create(model="chat", messages=MESSAGES, stream=True,
                                                 stream_options={"include_usage": True}))
    assert not chunks[-1].choices and chunks[-1].usage.completion_tokens > 0


def test_every_field_reaches_the_server(client, upstream):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    answer = client.chat.completions.with_raw_response.create(
        model="chat", messages=[{"role": "user", "content": content}], tools=tools, logprobs=True, top_logprobs=2,
        response_format={"type": "json_object"}, extra_body={"structured_outputs": {"regex": "a+"}, "né": [1, 2.50, None]})
    sent = json.loads(upstream.log()["requests"][-1]["body"])
    assert sent["messages"][0]["content"] == content and sent["tools"] == tools and sent["logprobs"] is True
    assert sent["structured_outputs"] == {"regex": "a+"} and sent["né"] == [1, 2.5, None] and sent["model"] == "chat"
    assert answer.headers["x-ragtime-model"] == "chat" and answer.headers["x-ragtime-attempts"] == "1"
    assert "x-ragtime-degraded" not in answer.headers and answer.parse().choices[0].message.content


def test_tool_calls_and_reasoning_are_relayed(client, upstream):
    upstream.script("tool-calls")
    calls = [call for chunk in client.chat.completions.create(model="chat", messages=MESSAGES, stream=True)
             for choice in chunk.choices for call in choice.delta.tool_calls or []]
    assert calls and any(call.function.name for call in calls)
    upstream.script("reasoning")
    deltas = [choice.delta for chunk in client.chat.completions.create(model="chat", messages=MESSAGES, stream=True)
              for choice in chunk.choices]
    assert any((delta.model_extra or {}).get("reasoning") or (delta.model_extra or {}).get("reasoning_content") for delta in deltas)


def test_legacy_completions(client):
    text = "".join(chunk.choices[0].text for chunk in client.completions.create(model="chat", prompt="Once", stream=True))
    assert text and client.completions.create(model="chat", prompt="Once").choices[0].text
    with pytest.raises(openai.NotFoundError):
        client.completions.create(model="ragtime-extractive", prompt="Once")


def test_models_are_listed(client):
    assert {"chat", "backup", "guarded", "ragtime-extractive"} <= {entry.id for entry in client.models.list()}


def test_a_server_that_does_not_stream(client):
    chunks = list(client.chat.completions.create(model="whole", messages=MESSAGES, stream=True))
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_a_fallback_answers_and_says_so(client):
    answer = client.chat.completions.with_raw_response.create(model="guarded", messages=MESSAGES)
    assert answer.headers["x-ragtime-model"] == "backup" and answer.headers["x-ragtime-degraded"] == "model:guarded->backup"
    assert answer.parse().choices[0].message.content
    response = client.responses.create(model="guarded", input="Say something.")
    assert response.output_text and response.model_extra["ragtime"]["degraded"] == ["model:guarded→backup"]


def test_buffered_streams_are_rescued(client):
    def words(headers):
        stream = client.chat.completions.create(model="cuts", messages=MESSAGES, stream=True, extra_headers=headers)
        return "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
    with pytest.raises(openai.APIError):
        words({})
    assert words({"X-Ragtime-Stream": "buffered"})


def test_timings_on_request(server):
    body = {"model": "chat", "messages": MESSAGES, "stream": True}
    _, headers, _ = server.call("POST", "/v1/chat/completions", body, {"X-Ragtime-Timings": "true"})
    assert "first_token;dur=" in headers["server-timing"] and headers["content-type"].startswith("text/event-stream")


def test_identical_requests_share_an_answer_on_request(server, upstream):
    upstream.script("slow-head@ms=300")
    body = {"model": "chat", "messages": MESSAGES}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: server.call("POST", "/v1/chat/completions", body, {"X-Ragtime-Coalesce": "true"}),
                                range(8)))
    assert all(status == 200 for status, _, _ in replies) and len({json.dumps(reply) for _, _, reply in replies}) == 1
    assert upstream.log()["totals"]["requests"] < 8


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_stops_the_upstream(server, upstream, stream):
    for name in ["hangs", "endless"] if stream else ["hangs"]:
        before = upstream.log()["totals"]["aborted"]
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0, timeout=0.3)
        with pytest.raises((openai.APITimeoutError, StopIteration)):
            answer = client.chat.completions.create(model=name, messages=MESSAGES, stream=stream)
            for _ in answer:
                answer.close()
                raise StopIteration
        deadline = time.monotonic() + 1
        while upstream.log()["totals"]["aborted"] == before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert upstream.log()["totals"]["aborted"] == before + 1


# Script: the statuses that a stream's client may see; 200 with an error event at the end is written 0.
FAULTS = {
    "error": {503}, "bad-gateway": {503}, "unavailable": {503}, "overloaded": {503}, "error-once": {200, 503},
    "unauthorized": {503}, "model-not-found": {503}, "bad-request": {400}, "context-length": {400}, "content-filter": {400},
    "reset": {503, 0}, "reset-head": {503}, "cut-head": {503}, "half-head": {503}, "close": {503, 0},
    "not-http": {503}, "tls-garbage": {503}, "empty-200": {503}, "html-200": {503}, "not-json": {503}, "error-200": {400, 503},
    "redirect": {503}, "two-lengths": {503}, "length-and-chunked": {503}, "huge-head": {503}, "bad-field": {503},
    "bad-chunk-size": {503, 0}, "missing-chunk-end": {503, 0}, "hang": {0, 503}, "silent": {503}, "silent-head": {503},
    "slow-head": {200, 503}, "role-only": {503}, "empty-stream": {503}, "done-only": {503}, "usage-only": {503}, "no-finish": {503, 0},
    "error-first": {400, 429, 503}, "error-after-role": {400, 429, 503}, "malformed-first": {503}, "truncated-first": {503},
    "cut-early": {503}, "endless-pings": {503}, "endless-roles": {503}, "stuck": {503}, "cut": {0, 503}, "cut-event": {0, 503},
    "error-later": {0, 503}, "malformed": {0, 503}, "truncated": {0, 503}, "stall": {0, 503}, "finish-abort": {0, 503},
    "finish-error": {0, 503}, "half-finished": {0, 503}, "not-an-object": {0, 503}, "endless": {0}, "no-done": {200},
    "cut-after-finish": {200}, "crlf": {200}, "split": {200}, "coalesced": {200}, "pings": {200}, "drip": {200, 0, 503}, "no-space": {200},
    "usage-everywhere": {200}, "extra-fields": {200}, "reasoning-only": {200}, "refusal": {200}, "chunk-extensions": {200},
    "early-hints": {200}, "until-close": {200}, "sized-stream": {200}, "huge-event": {200},
}


def ends_of(raw):
    """(kind, well-formed) of a stream's end: its events are JSON, and the last one says how it went."""
    events = [line[5:].strip() for line in raw.decode(errors="replace").replace("\r\n", "\n").split("\n") if line.startswith("data:")]
    errors = [event for event in events if event != "[DONE]" and "error" in json.loads(event) and json.loads(event)["error"]]
    done = events.count("[DONE]")
    return len(errors), done, bool(events) and (events[-1] == "[DONE]" or events[-1] in errors)


@pytest.fixture(scope="module")
def fault_server(directory, upstream):
    """Two models for each script, so that no endpoint rests because of what another test did."""
    config = "".join(model(f"{script}-{kind}", upstream.url, script) for script in FAULTS for kind in ("stream", "whole"))
    running = Server(directory / "faults", config).start()
    yield running
    assert running.stop() == 0, running.log_text()[-3000:]


def problem_with(script, stream, status, reply):
    """What is wrong with an answer; nothing when it has one well-formed end of a kind that the fault allows."""
    statuses = FAULTS[script]
    if status != 200:
        wrong = status not in (400, 429, 502, 503, 504) or not reply["error"]["message"]
        return (script, status, reply) if wrong or (stream and status not in statuses) else None
    if not stream:
        return None if all(choice["finish_reason"] for choice in reply["choices"]) else (script, reply)
    errors, done, ends = ends_of(reply)
    seen = 0 if errors else 200
    return None if seen in statuses and errors + done == 1 and ends else (script, errors, done, reply[-300:])


@pytest.mark.parametrize("stream", [True, False])
def test_every_fault_has_one_well_formed_end(fault_server, stream):
    kind = "stream" if stream else "whole"

    def ask(script):
        body = {"model": f"{script}-{kind}", "messages": MESSAGES, "stream": stream}
        status, _, reply = fault_server.call("POST", "/v1/chat/completions", body)
        return problem_with(script, stream, status, reply)

    assert len(FAULTS) >= 40
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        problems = [problem for problem in pool.map(ask, FAULTS) if problem]
    assert not problems, problems
