"""Answers by a configured chat model: prompt, relay, citations, and what happens when the model misbehaves."""

import json
import urllib.request

import openai
import pytest
from conftest import Server

TEXT = "The rotor of the Kestrel-7 reaches its idle speed of 412 revolutions per minute after ninety seconds."
QUESTION = "What is the idle speed of the Kestrel-7?"
CLEAN = "The idle speed is 412 revolutions per minute. 转速为412转。 Nothing else is known."
MODELS = ["good", "split", "late-usage", "refuses", "busy", "wrong", "cut", "cut-early", "error-event", "garbage",
          "stuck", "endless"]


@pytest.fixture(scope="module")
def server(directory, upstream):
    config = "".join(
        f'[[models]]\nname = "{name}"\ntask = "chat"\n'
        f'endpoints = [{{ url = "{upstream.url}", model = "{name}", api_key = "secret-{name}" }}]\n'
        "timeouts = { first_token_ms = 1000, idle_ms = 1000 }\n" for name in MODELS)
    running = Server(directory / "data", config).start()
    yield running
    assert running.stop() == 0, running.log_text()[-3000:]


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0)


@pytest.fixture(scope="module")
def tools(client):
    file = client.files.create(file=("turbine.txt", TEXT.encode()), purpose="assistants")
    store = client.vector_stores.create(name="turbines")
    assert client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id).status == "completed"
    return [{"type": "file_search", "vector_store_ids": [store.id]}]


def normal(text):
    return " ".join(text.split()).replace(" .", ".").replace(" 。", "。")


def test_the_first_configured_model_is_listed_and_the_default(client, tools):
    names = [model.id for model in client.models.list()]
    assert names[0] == "good" and "ragtime-extractive" in names


@pytest.mark.parametrize("model", ["good", "split", "late-usage"])
def test_markers_become_citations(client, tools, upstream, model):
    response = client.responses.create(model=model, input=QUESTION, tools=tools)
    text = response.output_text
    assert normal(text) == CLEAN
    annotations = response.output[1].content[0].annotations
    assert len(annotations) == 2  # [9] names no source
    assert annotations[0].model_extra["verified"] is True and "412 revolutions" in annotations[0].model_extra["quote"]
    assert text[:annotations[0].index].rstrip(".").endswith("per minute")
    assert not response.model_extra["ragtime"].get("degraded")
    if model == "good":
        assert (response.usage.input_tokens, response.usage.output_tokens) == (111, 22)
    if model == "late-usage":
        assert (response.usage.input_tokens, response.usage.output_tokens) == (7, 3)


def test_the_prompt_carries_numbered_sources_and_the_key(client, tools, upstream):
    client.responses.create(model="good", input=QUESTION, instructions="Answer like a pirate.", tools=tools,
                            temperature=0.25)
    path, headers, request = upstream.requests[-1]
    prompt = "\n".join(message["content"] for message in request["messages"])
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer secret-good"
    assert "[1]" in prompt and TEXT in prompt and "Answer like a pirate." in prompt
    assert request["stream"] is True and request["temperature"] == 0.25
    assert request["messages"][-1]["role"] == "user" and QUESTION in request["messages"][-1]["content"]


def test_streamed_text_equals_the_whole(client, tools):
    with client.responses.stream(model="split", input=QUESTION, tools=tools) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text and normal(final.output_text) == CLEAN
    assert len(deltas) > 3, "the answer was not streamed"


def test_without_file_search_the_model_is_only_relayed(client, tools):
    completion = client.chat.completions.create(model="good", messages=[{"role": "user", "content": "Hello"}])
    assert "412 revolutions per minute" in completion.choices[0].message.content
    assert completion.usage.prompt_tokens == 111


@pytest.mark.parametrize("model", ["refuses", "busy", "cut-early", "stuck"])
def test_a_model_that_says_nothing_is_replaced_and_the_answer_says_so(client, tools, model):
    response = client.responses.create(model=model, input=QUESTION, tools=tools)
    assert "412" in response.output_text and response.status == "completed"
    assert any(model in item and "ragtime-extractive" in item for item in response.model_extra["ragtime"]["degraded"])


@pytest.mark.parametrize("model", ["refuses", "busy", "cut-early", "stuck"])
def test_without_documents_the_failure_is_an_error(client, model):
    with pytest.raises(openai.APIStatusError) as error:
        client.responses.create(model=model, input=QUESTION)
    assert error.value.status_code in (429, 500, 502, 503, 504) and error.value.body["message"]


@pytest.mark.parametrize("model", ["cut", "error-event", "garbage"])
def test_an_answer_that_breaks_off_is_never_reported_as_complete(client, tools, model):
    with pytest.raises(openai.APIStatusError):
        client.responses.create(model=model, input=QUESTION, tools=tools)
    events = []
    with pytest.raises(openai.APIError):
        for event in client.responses.create(model=model, input=QUESTION, tools=tools, stream=True):
            events.append(event.type)
            if event.type in ("response.failed", "error"):
                raise openai.APIError("failed", request=None, body=None)
    assert "response.completed" not in events
    chunks = []
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(
                model=model, stream=True, messages=[{"role": "user", "content": QUESTION}], extra_body={"tools": tools}):
            chunks.append(chunk)
    assert all(c.choices[0].finish_reason is None for c in chunks if c.choices)


@pytest.mark.parametrize("path, body", [
    ("/v1/responses", {"model": "cut", "input": QUESTION, "stream": True}),
    ("/v1/responses", {"model": "good", "input": QUESTION, "stream": True}),
    ("/v1/chat/completions", {"model": "good", "messages": [{"role": "user", "content": "x"}], "stream": True}),
])
def test_every_stream_ends_with_done_once(server, tools, path, body):
    request = urllib.request.Request(server.url + path, data=json.dumps({**body, "tools": tools}).encode(),
                                     headers={"Content-Type": "application/json"})
    raw = urllib.request.urlopen(request, timeout=30).read().decode()
    assert raw.count("data: [DONE]") == 1 and raw.rstrip().endswith("data: [DONE]")
    if body["model"] == "cut":
        assert raw.count("event: response.failed") == 1 and "response.completed" not in raw


def test_a_bad_request_of_the_upstream_is_not_hidden(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model="wrong", messages=[{"role": "user", "content": "x"}])
    assert "context too long" in str(error.value)


def test_a_client_that_leaves_stops_the_upstream(client, tools, upstream):
    before = upstream.disconnects
    stream = client.chat.completions.create(model="endless", stream=True, messages=[{"role": "user", "content": "x"}])
    for number, _ in enumerate(stream):
        if number > 5:
            break
    stream.close()
    import time
    deadline = time.monotonic() + 5
    while upstream.disconnects == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert upstream.disconnects == before + 1
