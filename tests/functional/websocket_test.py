"""Chat and responses over WebSocket, with the clients that people use: OpenAI's and `websockets`."""

import json
import socket
import time

import openai
import pytest
from conftest import Server
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

TEXT = "The rotor of the Kestrel-7 reaches its idle speed of 412 revolutions per minute after ninety seconds."
QUESTION = "What is the idle speed of the Kestrel-7?"


@pytest.fixture(scope="module")
def server(directory, upstream):
    config = "".join(
        f'[[models]]\nname = "{name}"\ntask = "chat"\n'
        f'endpoints = [{{ url = "{upstream.url}", model = "{name}" }}]\n'
        "timeouts = { first_token_ms = 1000, idle_ms = 1000 }\n" for name in ["good", "endless", "cut"])
    running = Server(directory / "data", config + "[http]\nheartbeat_s = 1\n").start()
    yield running
    assert running.stop() == 0, running.log_text()[-3000:]


@pytest.fixture(scope="module")
def store(server):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0)
    file = client.files.create(file=("turbine.txt", TEXT.encode()), purpose="assistants")
    made = client.vector_stores.create(name="turbines")
    assert client.vector_stores.files.create_and_poll(file.id, vector_store_id=made.id).status == "completed"
    return made.id


def ws_url(server, path):
    return "ws" + server.url.removeprefix("http") + path


def ask(connection, message):
    """Sends one message and returns the events up to the last one of its answer."""
    connection.send(json.dumps(message))
    events = []
    while not events or events[-1]["type"] not in ("done", "error", "response.completed", "response.failed"):
        events.append(json.loads(connection.recv(timeout=20)))
    return events


def test_chat(server, store):
    with connect(ws_url(server, "/streaming/ws"), compression="deflate") as connection:
        assert "permessage-deflate" not in connection.response.headers.get("Sec-WebSocket-Extensions", "")
        events = ask(connection, {"message": QUESTION, "session_id": "s1", "model": "good", "vector_store_ids": [store]})
        assert events[0]["type"] == "start" and events[0]["session_id"] == "s1"
        assert events[-1]["type"] == "done" and events[-1]["finish_reason"] == "stop"
        text = "".join(event["content"] for event in events if event["type"] == "delta")
        assert "412 revolutions" in text
        # The same again on the same connection, with metadata.
        events = ask(connection, {"message": QUESTION, "model": "good", "metadata": {"k": "v"}, "vector_store_ids": [store]})
        assert [event for event in events if event["type"] == "metadata"][0]["metadata"] == {"k": "v"}
        assert any(event["type"] == "citation" for event in events)


def test_mistakes_are_answered_and_the_connection_goes_on(server, store):
    with connect(ws_url(server, "/streaming/ws")) as connection:
        for message, param in [({}, "message"), ({"message": 5}, "message"), ({"message": ""}, "message"),
                               ({"message": "x", "model": "nobody"}, "model")]:
            error = ask(connection, message)[-1]
            assert error["type"] == "error" and error["error"]["param"] == param and error["status"] in (400, 404), error
        connection.send("{no json")
        assert json.loads(connection.recv(timeout=20))["type"] == "error"
        assert ask(connection, {"message": QUESTION, "vector_store_ids": [store]})[-1]["type"] == "done"
        connection.send(b"binary")
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=20)
        assert closed.value.rcvd.code == 1003


def test_a_cut_answer_ends_with_an_error(server):
    with connect(ws_url(server, "/streaming/ws")) as connection:
        assert ask(connection, {"message": "x", "model": "cut"})[-1]["type"] == "error"
        assert ask(connection, {"message": "x", "model": "good"})[-1]["type"] == "done"


def test_responses_with_openais_client(server, store):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0)
    tools = [{"type": "file_search", "vector_store_ids": [store]}]
    with client.responses.connect() as connection:
        previous = None
        for _ in range(2):
            connection.send({"type": "response.create", "model": "good", "input": QUESTION, "tools": tools,
                             "previous_response_id": previous})
            types = []
            for event in connection:
                types.append(event.type)
                if event.type in ("response.completed", "response.failed", "error"):
                    break
            assert types[0] == "response.created" and types[-1] == "response.completed", types
            assert "response.file_search_call.completed" in types and "response.output_text.delta" in types
            assert "412 revolutions" in event.response.output_text
            previous = event.response.id
        assert client.responses.retrieve(previous).output_text == event.response.output_text


def test_responses_have_the_events_of_the_stream(server, store):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0)
    request = {"model": "ragtime-extractive", "input": QUESTION, "tools": [{"type": "file_search", "vector_store_ids": [store]}]}
    streamed = [event.type for event in client.responses.create(**request, stream=True)]
    with connect(ws_url(server, "/v1/responses")) as connection:
        events = ask(connection, {"type": "response.create", **request})
        assert [event["type"] for event in events] == streamed
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        for wrong in [{"input": "x"}, {"type": "session.update"}, {"type": "response.create"}]:
            connection.send(json.dumps(wrong))
            assert json.loads(connection.recv(timeout=20))["type"] == "error"


def test_several_questions_are_answered_in_turn(server, store):
    with connect(ws_url(server, "/streaming/ws")) as connection:
        for number in range(20):
            connection.send(json.dumps({"message": QUESTION, "session_id": str(number), "vector_store_ids": [store]}))
        for number in range(20):
            events = [json.loads(connection.recv(timeout=20))]
            while events[-1]["type"] != "done":
                events.append(json.loads(connection.recv(timeout=20)))
            assert {event["session_id"] for event in events if "session_id" in event} == {str(number)}


def test_a_client_that_leaves_cancels_its_answer(server, upstream):
    before = upstream.disconnects
    with connect(ws_url(server, "/streaming/ws")) as connection:
        connection.send(json.dumps({"message": "x", "model": "endless"}))
        for _ in range(5):
            connection.recv(timeout=20)
    deadline = time.monotonic() + 10
    while upstream.disconnects == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert upstream.disconnects == before + 1


def test_foreign_pages_are_refused(server):
    for origin, host, allowed in [(None, None, True), ("http://localhost:3000", None, True), ("http://127.0.0.1", None, True),
                                  ("https://evil.example", None, False), ("null", None, False), ("", None, False),
                                  ("http://localhost.evil.example", None, False), (None, "evil.example", False),
                                  ("http://evil.example", "evil.example", False)]:
        headers = {}
        if origin is not None:
            headers["Origin"] = origin
        if host is not None:
            headers["Host"] = host
        for path in ("/streaming/ws", "/v1/responses"):
            status = handshake(server, path, headers)
            assert status == (101 if allowed else 403), (origin, host, path, status)


def handshake(server, path, headers):
    address, port = server.url.removeprefix("http://").split(":")
    fields = {"Host": f"127.0.0.1:{port}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
              "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **headers}
    with socket.create_connection((address, int(port)), timeout=10) as client:
        client.sendall((f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n").encode())
        return int(client.recv(4096).split(b" ")[1])


def test_a_plain_request_is_told_to_upgrade(server):
    status, headers, _ = server.call("GET", "/streaming/ws")
    assert status == 426 and headers["Upgrade"] == "websocket"


def test_keys(directory):
    running = Server(directory / "keyed")
    key = json.loads(running.run("key", "create", "--name", "ann", "--scope", "read", "--json").stdout)["key"]
    running.start()
    try:
        url = ws_url(running, "/streaming/ws")
        for arguments in ({}, {"additional_headers": {"Authorization": "Bearer wrong"}},
                          {"subprotocols": ["openai-insecure-api-key.wrong"]}):
            with pytest.raises(InvalidStatus) as refused:
                connect(url, **arguments)
            assert refused.value.response.status_code == 401
        with pytest.raises(InvalidStatus):
            connect(url + "?api_key=" + key)
        for arguments, chosen in [({"additional_headers": {"Authorization": f"Bearer {key}"}}, None),
                                  ({"subprotocols": ["ragtime", "openai-insecure-api-key." + key]}, "ragtime"),
                                  ({"subprotocols": ["openai-insecure-api-key." + key]}, "openai-insecure-api-key." + key)]:
            with connect(url, **arguments) as connection:
                assert connection.subprotocol == chosen
                assert ask(connection, {"message": "hello"})[-1]["type"] in ("done", "error")
        assert key not in running.log_text()
    finally:
        assert running.stop() == 0


def test_draining_says_goodbye(directory):
    running = Server(directory / "drained").start()
    with connect(ws_url(running, "/streaming/ws")) as connection:
        running.process.terminate()
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=20)
        assert closed.value.rcvd.code == 1001
    assert running.process.wait(timeout=30) == 0
