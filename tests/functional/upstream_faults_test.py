"""Faults of a model server as users of /v1/responses and of answers over documents see them: one well-formed end."""

import json
import urllib.request

import pytest
from conftest import Server
from upstream import Upstream

TEXT = "The rotor of the Kestrel-7 reaches its idle speed of 412 revolutions per minute after ninety seconds."
QUESTION = "What is the idle speed of the Kestrel-7?"
EARLY = ["refuses", "busy", "stuck", "cut-early"]  # Before any output.
LATE = ["cut", "error-event", "garbage", "stall"]  # After some.


@pytest.fixture(scope="module")
def server(directory):
    with Upstream() as upstream:
        config = "".join(
            f'[[models]]\nname = "{name}"\nendpoints = [{{ url = "{upstream.url}", model = "{name}" }}]\n'
            "timeouts = { first_token_ms = 1000, idle_ms = 1000 }\nretry = { attempts_max = 1 }\n"
            for name in ["good", *EARLY, *LATE])
        running = Server(directory / "data", config).start()
        running.call("PUT", "/v1/vector_stores/default/documents/turbine.txt", TEXT.encode())
        yield running
        assert running.stop() == 0, running.log_text()[-3000:]


def events_of(server, path, body):
    request = urllib.request.Request(server.url + path, data=json.dumps({**body, "stream": True}).encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        raw = reply.read().decode()
    events = []
    for block in filter(None, raw.split("\n\n")):
        if block.startswith(":"):
            continue
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((fields.get("event", ""), fields["data"]))
    return events


def check_failed_response(events):
    names = [name for name, _ in events]
    assert names[0] == "response.created" and names[-3:] == ["error", "response.failed", ""]
    assert events[-1][1] == "[DONE]" and names.count("error") == names.count("response.failed") == 1
    bodies = [json.loads(data) for _, data in events[:-1]]
    assert [body["sequence_number"] for body in bodies] == list(range(len(bodies)))
    assert [body["type"] for body in bodies] == names[:-1]
    assert bodies[-2]["code"] and bodies[-2]["message"]
    response = bodies[-1]["response"]
    assert response["status"] == "failed" and response["error"]["message"] == bodies[-2]["message"]
    assert not any(name in ("response.completed", "response.incomplete") for name in names)
    return bodies


@pytest.mark.parametrize("model", EARLY + LATE)
def test_a_response_fails_once_and_well_formed(server, model):
    bodies = check_failed_response(events_of(server, "/v1/responses", {"model": model, "input": "Hello"}))
    deltas = [body for body in bodies if body["type"] == "response.output_text.delta"]
    assert bool(deltas) == (model in LATE)


@pytest.mark.parametrize("model", LATE)
def test_over_documents_a_late_fault_fails_the_response(server, model):
    bodies = check_failed_response(events_of(server, "/v1/responses", {"model": model + "@default", "input": QUESTION}))
    assert any(body["type"] == "response.file_search_call.completed" for body in bodies)
    assert "ragtime-extractive" not in json.dumps(bodies)


@pytest.mark.parametrize("model", EARLY)
def test_over_documents_an_early_fault_is_survived(server, model):
    events = events_of(server, "/v1/responses", {"model": model + "@default", "input": QUESTION})
    assert [name for name, _ in events][-2:] == ["response.completed", ""]
    response = json.loads(events[-2][1])["response"]
    assert "412" in json.dumps(response["output"]) and response["ragtime"]["degraded"]


@pytest.mark.parametrize("model", LATE)
def test_over_documents_a_chat_stream_ends_with_an_error_alone(server, model):
    events = events_of(server, "/v1/chat/completions",
                       {"model": model + "@default", "messages": [{"role": "user", "content": QUESTION}]})
    errors = [data for _, data in events if '"error"' in data and "choices" not in json.loads(data)]
    assert len(errors) == 1 and events[-1][1] == errors[0], "nothing follows the error"
    assert json.loads(errors[0])["error"]["code"] == "unavailable"
    for _, data in events[:-1]:
        assert all(choice["finish_reason"] is None for choice in json.loads(data)["choices"])


@pytest.mark.parametrize("model", EARLY + LATE)
def test_without_a_stream_the_failure_is_a_status(server, model):
    status, _, reply = server.call("POST", "/v1/responses", {"model": model, "input": "Hello"})
    assert status in (429, 503, 504) and reply["error"]["message"], (status, reply)
    over = {"model": model + "@default", "input": QUESTION}
    status, _, reply = server.call("POST", "/v1/responses", over)
    assert status == (200 if model in EARLY else 503), (status, reply)


def test_a_failed_response_is_not_kept(server):
    events = events_of(server, "/v1/responses", {"model": "cut", "input": "Hello"})
    response_id = json.loads(events[0][1])["response"]["id"]
    assert server.call("GET", f"/v1/responses/{response_id}")[0] == 404


def test_the_control_completes(server):
    events = events_of(server, "/v1/responses", {"model": "good@default", "input": QUESTION})
    assert [name for name, _ in events][-2:] == ["response.completed", ""] and events[-1][1] == "[DONE]"
