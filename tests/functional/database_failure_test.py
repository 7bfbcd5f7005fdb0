"""The database is destroyed under a running server: what still answers says that it is degraded, the rest fails cleanly."""

import json

import pytest
from conftest import Server

TEXT = "The rotor of the Kestrel-7 reaches its idle speed of 412 revolutions per minute after ninety seconds."
QUESTION = "What is the idle speed of the Kestrel-7?"


def destroy(data_dir):
    """As a stray write would. A clean head of the shared memory would let connections go on with the pages they keep."""
    database = data_dir / "ragtime.db"
    database.write_bytes(b"\xa5" * database.stat().st_size)
    with open(data_dir / "ragtime.db-wal", "r+b") as log:
        log.truncate(0)
    with open(data_dir / "ragtime.db-shm", "r+b") as shared:
        shared.write(b"\xa5" * 96)


@pytest.fixture(scope="module")
def server(directory, upstream):
    config = (f'[[models]]\nname = "good"\nendpoints = [{{ url = "{upstream.url}", model = "good" }}]\n'
              '[degradation]\nmessage = "Please try again later."\n')
    running = Server(directory / "database", config).start()
    running.call("PUT", "/v1/vector_stores/default/documents/turbine.txt", TEXT.encode())
    assert answer(running, "good@default", QUESTION)["ragtime"].get("degraded", []) == []
    destroy(running.data_dir)
    yield running
    assert running.stop() == 0, running.log_text()[-3000:]


def answer(server, model, question):
    status, _, reply = server.call("POST", "/v1/chat/completions",
                                   {"model": model, "messages": [{"role": "user", "content": question}]})
    assert status == 200, reply
    return reply


def test_an_earlier_answer_of_a_known_store_is_marked(server):
    reply = answer(server, "good@default", QUESTION)
    assert "412" in reply["choices"][0]["message"]["content"]
    assert reply["ragtime"]["degraded"] == ["database:stores→memory", "search:documents→cache"]


def test_another_question_is_answered_without_documents(server):
    reply = answer(server, "good@default", "Who built the first lighthouse?")
    assert reply["choices"][0]["message"]["annotations"] == []
    assert reply["ragtime"]["degraded"] == ["database:stores→memory", "search:documents→conversation"]


def test_chat_without_documents_does_not_need_it(server):
    reply = answer(server, "good", "Hello")
    assert "412" in reply["choices"][0]["message"]["content"] and "ragtime" not in reply


@pytest.mark.parametrize("method, path, body", [
    ("GET", "/v1/vector_stores", None), ("GET", "/v1/files", None), ("GET", "/v1/vector_stores/vs_absent", None),
    ("PUT", "/v1/vector_stores/default/documents/new.txt", b"new"),
    ("POST", "/v1/vector_stores", {"name": "new"})])
def test_the_rest_fails_without_telling_where_the_data_lies(server, method, path, body):
    status, _, reply = server.call(method, path, body)
    assert status == 500 and reply["error"]["code"] == "corrupt"
    assert "ragtime doctor" in reply["error"]["message"] and str(server.data_dir) not in json.dumps(reply)
    assert "ragtime.db is not a database" in server.log_text()


def test_the_doctor_names_it(server):
    assert server.call("GET", "/healthz")[0] == 200
    status, _, report = server.call("GET", "/v1/status")
    check = next(check for check in report["checks"] if check["name"] == "database")
    assert status == 200 and report["status"] == "broken" and check["state"] == "broken"
