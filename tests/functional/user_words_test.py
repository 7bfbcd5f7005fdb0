"""retrieval.user_words: words that queries find as wholes, read again on SIGHUP without a restart or another ingest."""

import signal
import time
import urllib.request

from conftest import Server

WHOLE = "盘古大模型发布"
PARTS = "模型 大模 古大 盘古"


def put(server, name, text):
    request = urllib.request.Request(f"{server.url}/v1/vector_stores/default/documents/{name}", data=text.encode(),
                                     method="PUT", headers={"Content-Type": "application/octet-stream"})
    urllib.request.urlopen(request, timeout=60).read()


def found(server):
    store = server.call("GET", "/v1/vector_stores")[2]["data"][0]["id"]
    status, _, answer = server.call("POST", f"/v1/vector_stores/{store}/search", {"query": "盘古大模型"})
    assert status == 200, answer
    return [hit["filename"] for hit in answer["data"]]


def reload(server, event):
    """Sends SIGHUP and waits for one more of the event in the log."""
    before = server.log_text().count(f'"{event}"')
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 30
    while server.log_text().count(f'"{event}"') == before:
        assert server.process.poll() is None and time.monotonic() < deadline, server.log_text()[-2000:]


def test_words_are_reloaded_without_ingest(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("# nothing yet\n")
    server = Server(tmp_path / "data", f'[retrieval]\nuser_words = "{words}"\n').start()
    try:
        put(server, "whole.txt", WHOLE)
        put(server, "parts.txt", PARTS)
        assert found(server) == ["parts.txt", "whole.txt"]
        words.write_text("盘古大模型\n")
        reload(server, "user_words_reloaded")
        assert found(server) == ["whole.txt", "parts.txt"]
        words.write_bytes(b"caf\xe9\n")
        reload(server, "user_words_not_reloaded")
        assert found(server) == ["whole.txt", "parts.txt"]
        words.write_text("")
        reload(server, "user_words_reloaded")
        assert found(server) == ["parts.txt", "whole.txt"]
    finally:
        code = server.stop()
    assert code == 0


def test_missing_file_stops_the_start(tmp_path):
    server = Server(tmp_path / "data", f'[retrieval]\nuser_words = "{tmp_path}/none.txt"\n')
    done = server.run("serve", "--listen", "127.0.0.1:0", check=False)
    assert done.returncode == 2, done.stderr
    assert f"{tmp_path}/none.txt does not exist" in done.stderr


def test_without_words_a_hangup_ends_the_server(tmp_path):
    server = Server(tmp_path / "data").start()
    assert server.stop(signal.SIGHUP) == -signal.SIGHUP
