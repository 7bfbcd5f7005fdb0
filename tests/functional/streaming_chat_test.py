"""POST /streaming/chat and /streaming/chat/with-metadata: plain events of one answer."""

import json
import re
import urllib.request

import pytest
from conftest import Server
from upstream import ANSWER, Upstream

TEXT = "The rotor of the Kestrel-7 reaches its idle speed of 412 revolutions per minute after ninety seconds."
CLEAN = re.sub(r" ?\[\d\]", "", ANSWER)  # Markers of sources are taken out.
QUESTION = "What is the idle speed of the Kestrel-7?"


@pytest.fixture(scope="module")
def server(directory):
    with Upstream() as upstream:
        config = "".join(
            f'[[models]]\nname = "{name}"\nendpoints = [{{ url = "{upstream.url}", model = "{name}" }}]\n'
            "timeouts = { first_token_ms = 1000, idle_ms = 1000 }\n" for name in ("good", "refuses", "cut"))
        running = Server(directory / "data", config).start()
        running.call("PUT", "/v1/vector_stores/default/documents/turbine.txt", TEXT.encode())
        yield running
        assert running.stop() == 0, running.log_text()[-3000:]


def ask(server, path, **body):
    request = urllib.request.Request(server.url + path, data=json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in reply.read().decode().split("\n\n") if line and not line.startswith(":")]
    assert all(line.startswith("data: ") for line in lines) and lines[-1] == "data: [DONE]", lines
    return [json.loads(line[6:]) for line in lines[:-1]]


def text_of(events):
    return "".join(event["content"] for event in events if event["type"] == "delta")


def test_the_documented_body_is_answered_with_deltas(server):
    events = ask(server, "/streaming/chat", message="我今天心情不太好", session_id="session_001", user_id="user_001")
    assert [events[0]["type"], events[-1]["type"]] == ["start", "done"]
    assert {event["type"] for event in events[1:-1]} == {"delta"} and len(events) > 5
    assert events[0]["session_id"] == events[-1]["session_id"] == "session_001"
    assert text_of(events) == CLEAN and events[-1]["finish_reason"] == "stop"


def test_with_metadata_adds_what_is_known(server):
    metadata = {"priority": "high", "context": "emotional_support"}
    events = ask(server, "/streaming/chat/with-metadata", message=QUESTION, session_id="s", user_id="u",
                 metadata=metadata, model="good@default")
    types = [event["type"] for event in events]
    assert types[:3] == ["start", "metadata", "search"] and types[-1] == "done" and "citation" in types
    assert events[1]["metadata"] == metadata and events[1]["user_id"] == "u"
    assert events[2]["queries"] == [QUESTION] and events[2]["results"] == 1
    citation = next(event["citation"] for event in events if event["type"] == "citation")
    assert "412 revolutions" in citation["quote"]
    done = events[-1]
    assert done["content"] == text_of(events) and done["usage"]["total_tokens"] == 133
    assert done["ragtime"]["timings"]["total"] > 0


def test_a_fallback_is_marked(server):
    events = ask(server, "/streaming/chat", message=QUESTION, model="refuses@default")
    assert "412" in text_of(events) and "refuses" in events[-1]["degraded"][0]


def test_a_cut_answer_ends_with_an_error(server):
    events = ask(server, "/streaming/chat", message=QUESTION, model="cut")
    assert [event["type"] for event in events].count("error") == 1 and events[-1]["type"] == "error"
    assert events[-1]["error"]["code"] == "unavailable"


@pytest.mark.parametrize("body, param", [({}, "message"), ({"message": " "}, "message"), ({"message": 3}, "message"),
                                         ({"message": "x", "metadata": 1}, "metadata"),
                                         ({"message": "x", "model": "nobody"}, "model"),
                                         ({"message": "x", "vector_store_ids": []}, "vector_store_ids"),
                                         ({"message": "x", "vector_store_ids": ["vs_1"]}, "vector_store_ids[0]")])
def test_mistakes_are_answered_before_the_stream(server, body, param):
    status, headers, reply = server.call("POST", "/streaming/chat", body)
    assert status in (400, 404) and reply["error"]["param"] == param, reply


def test_the_stream_settings_take_effect(directory):
    with Upstream() as upstream:
        models = f'[[models]]\nname = "good"\nendpoints = [{{ url = "{upstream.url}", model = "good" }}]\n'
        small = Server(directory / "small", models + "[stream]\nchunk_size = 2\n").start()
        whole = Server(directory / "whole", models + "[stream]\nenabled = false\n").start()
        try:
            pieces = [event["content"] for event in ask(small, "/streaming/chat", message="x") if event["type"] == "delta"]
            assert "".join(pieces) == CLEAN and max(len(piece.encode()) for piece in pieces) <= 3  # One Chinese character.
            request = urllib.request.Request(whole.url + "/streaming/chat", data=b'{"message":"x"}')
            with urllib.request.urlopen(request, timeout=30) as reply:
                first = reply.read1(65536)  # One chunk holds everything.
            assert first.endswith(b"data: [DONE]\n\n") and b'"done"' in first
        finally:
            assert small.stop() == whole.stop() == 0
