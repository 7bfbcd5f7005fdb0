"""The model "auto": which configured model answers, and how the answer says why."""

import json
import urllib.request

import pytest
from conftest import ROOT, Server

TEXT = "The rotor of the Kestrel-7 reaches its idle speed of 412 revolutions per minute after ninety seconds."
LIGHT = "What is the idle speed of the Kestrel-7?"
STRONG = "Analyse and compare both designs, prove your claim step by step and justify the trade-offs."


@pytest.fixture(scope="module")
def server(directory, upstream):
    config = '[routing]\nlight = "small"\nbalanced = "middle"\nstrong = "large"\n' + "".join(
        f'[[models]]\nname = "{name}"\nendpoints = [{{ url = "{upstream.url}", model = "{name}" }}]\n'
        for name in ("middle", "small", "large"))
    running = Server(directory / "data", config).start()
    running.call("PUT", "/v1/vector_stores/default/documents/turbine.txt", TEXT.encode())
    yield running
    assert running.stop() == 0, running.log_text()[-3000:]


def post(server, path, body):
    request = urllib.request.Request(server.url + path, data=json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.headers, reply.read()


@pytest.mark.parametrize("question, model, complexity", [(LIGHT, "small", "light"), (STRONG, "large", "strong")])
def test_every_route_takes_the_model_of_the_class(server, upstream, question, model, complexity):
    for store in ("", "@default"):
        for path, body in [("/v1/responses", {"input": question}),
                           ("/v1/chat/completions", {"messages": [{"role": "user", "content": question}]})]:
            headers, raw = post(server, path, {"model": "auto" + store, **body})
            assert upstream.requests[-1][2]["model"] == model
            assert headers["x-ragtime-route"].startswith(f"{complexity}; model={model}"), headers
            if path == "/v1/chat/completions" and not store:
                continue  # Relayed as it came.
            routing = json.loads(raw)["ragtime"]["routing"]
            assert routing["complexity"] == complexity and routing["model"] == model
            if complexity == "strong":
                assert "reasoning" in routing["reasons"]


def test_streams_say_it_too(server, upstream):
    headers, raw = post(server, "/v1/chat/completions",
                        {"model": "auto", "stream": True, "messages": [{"role": "user", "content": STRONG}]})
    assert upstream.requests[-1][2]["model"] == "large" and headers["x-ragtime-route"].startswith("strong")
    headers, raw = post(server, "/streaming/chat/with-metadata", {"model": "auto@default", "message": LIGHT})
    assert upstream.requests[-1][2]["model"] == "small" and b'"complexity":"light"' in raw


def test_auto_is_listed_and_other_names_are_not_routed(server, upstream):
    assert "auto" in [model["id"] for model in server.call("GET", "/v1/models")[2]["data"]]
    headers, _ = post(server, "/v1/responses", {"model": "middle", "input": STRONG})
    assert upstream.requests[-1][2]["model"] == "middle" and headers["x-ragtime-route"] is None


def test_the_labelled_requests_are_routed_as_labelled(server, upstream):
    expected = {"light": "small", "balanced": "middle", "strong": "large"}
    lines = (ROOT / "tests/data/routing/requests.tsv").read_text().splitlines()
    for line in lines:
        if line.startswith("#"):
            continue
        complexity, _, request = line.split("\t")
        _, raw = post(server, "/v1/responses", {"model": "auto", "input": request.replace("\\n", "\n"), "store": False})
        assert upstream.requests[-1][2]["model"] == expected[complexity], line
