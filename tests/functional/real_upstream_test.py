"""A real model server behind Ragtime: llama.cpp with a tiny random model that is made here.

Needs a Python with the packages xllamacpp, gguf and numpy: RAGTIME_LLAMA_PYTHON, or build/real_upstream as
scripts/try_real_upstream.sh makes it. Without one the test is skipped.
"""

import json
import os
import pathlib
import re
import subprocess
import time
import urllib.request

import openai
import pytest
from conftest import ROOT, Server

PYTHON = pathlib.Path(os.environ.get("RAGTIME_LLAMA_PYTHON", ROOT / "build/real_upstream/bin/python"))
SUPPORT = ROOT / "tests/support"
TEXT = "The rotor of the Kestrel-7 reaches its idle speed of 412 revolutions per minute after ninety seconds."
MESSAGES = [{"role": "user", "content": "Say something."}]


@pytest.fixture(scope="module")
def llama(directory):
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is missing; scripts/try_real_upstream.sh makes it")
    model = directory / "tiny-model"
    subprocess.run([PYTHON, SUPPORT / "tiny_gguf.py", model], check=True, timeout=120)
    log = open(directory / "llama.log", "wb")
    process = subprocess.Popen([PYTHON, SUPPORT / "llama_server.py", model], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=log, text=True)
    address = next((line.strip() for line in process.stdout if line.startswith("http")), None)
    assert address, (directory / "llama.log").read_text()[-3000:]
    yield address
    process.stdin.close()
    process.wait(timeout=30)


@pytest.fixture(scope="module")
def server(directory, llama):
    config = (f'[[models]]\nname = "tiny"\nendpoints = [{{ url = "{llama}/v1", model = "tiny" }}]\n')
    running = Server(directory / "data", config).start()
    running.call("PUT", "/v1/vector_stores/default/documents/turbine.txt", TEXT.encode())
    yield running
    assert running.stop() == 0, running.log_text()[-3000:]


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0)


def running_requests(llama):
    metrics = urllib.request.urlopen(llama + "/metrics", timeout=10).read().decode()
    return float(re.search(r"^llamacpp:requests_processing (\S+)", metrics, re.MULTILINE).group(1))


def eventually(check):
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_answer_with_its_usage(client):
    completion = client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=12)
    assert completion.choices[0].finish_reason in ("length", "stop")
    assert len(completion.choices[0].message.content.split()) >= 2
    assert completion.usage.completion_tokens == 12 and completion.usage.prompt_tokens > 5


def test_a_stream_with_its_usage(client):
    chunks = list(client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=12, stream=True,
                                                 stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(text.split()) >= 2
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] in ("length", "stop")
    assert chunks[-1].usage.completion_tokens == 12


def test_seed_and_temperature_reach_the_model(client):
    def ask(**sampling):
        return client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=24, **sampling)

    first, second = (ask(temperature=0, seed=1).choices[0].message.content for _ in range(2))
    assert first == second
    assert ask(temperature=2, seed=3).choices[0].message.content != first


def test_an_answer_over_documents(client):
    response = client.responses.create(model="tiny@default", input="What is the idle speed?", max_output_tokens=12)
    assert response.status in ("incomplete", "completed") and response.output_text
    assert not response.model_extra["ragtime"].get("degraded")
    assert response.usage.input_tokens > 50, "the sources were part of the prompt"


def test_the_events_of_a_response(client):
    types = [event.type for event in client.responses.create(model="tiny", input="Hi", max_output_tokens=8, stream=True)]
    assert types[0] == "response.created" and types[-1] in ("response.incomplete", "response.completed")
    assert "response.output_text.delta" in types


def test_a_client_that_leaves_frees_the_model(client, llama):
    stream = client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True, max_tokens=1_000_000)
    for number, _ in enumerate(stream):
        if number > 5:
            break
    assert running_requests(llama) == 1
    stream.close()
    eventually(lambda: running_requests(llama) == 0)


def test_a_model_that_goes_away_is_an_error_or_is_replaced(directory, llama):
    config = '[[models]]\nname = "gone"\nendpoints = [{ url = "http://127.0.0.1:9/v1", model = "tiny" }]\n'
    server = Server(directory / "gone", config).start()
    try:
        server.call("PUT", "/v1/vector_stores/default/documents/turbine.txt", TEXT.encode())
        body = {"model": "gone@default", "messages": [{"role": "user", "content": "What is the idle speed?"}]}
        status, _, reply = server.call("POST", "/v1/chat/completions", body)
        assert status == 200 and "412" in json.dumps(reply) and reply["ragtime"]["degraded"]
    finally:
        assert server.stop() == 0
