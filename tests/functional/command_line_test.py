"""The command line as a script and as an operator use it: what it takes, what it says, and its exit codes."""

import json
import os
import socket

import pytest
from conftest import Server


@pytest.fixture()
def tree(tmp_path):
    """Documents with everything that a directory of a real user holds."""
    root = tmp_path / "documents"
    (root / "sub" / "build").mkdir(parents=True)
    (root / "otter.txt").write_text("The otter sleeps on its back.")
    (root / "sub" / "fox.md").write_text("# Fox\n\nThe fox is clever.")
    (root / "sub" / "gbk.txt").write_bytes("熊猫吃竹子。它生活在四川的山区，是中国特有的动物。".encode("gb18030"))
    (root / "sub" / "notes.log").write_text("ignored by .gitignore")
    (root / "sub" / "build" / "out.txt").write_text("ignored by .gitignore")
    (root / ".gitignore").write_text("*.log\nbuild/\n")
    (root / ".hidden.txt").write_text("hidden")
    (root / "empty.md").write_text("")
    (root / "binary.txt").write_bytes(bytes(range(256)) * 20)
    os.symlink("..", root / "sub" / "loop")
    return root


@pytest.fixture(params=["direct", "server"])
def ragtime(request, tmp_path):
    """The commands on the data directory itself, and through a running server: they must look the same."""
    server = Server(tmp_path / "data")
    if request.param == "server":
        server.start()
    yield server
    if request.param == "server":
        assert server.stop() == 0, server.log_text()[-2000:]


def ingest(ragtime, *arguments):
    done = ragtime.run("ingest", *map(str, arguments), "--json", check=False)
    return done.returncode, json.loads(done.stdout)


def found(ragtime, query):
    hits = json.loads(ragtime.run("search", query, "--json").stdout)["hits"]
    return [hit["filename"] for hit in hits]


def test_ingest_of_a_directory(ragtime, tree):
    code, report = ingest(ragtime, tree)
    assert code == 1, "some files failed"
    assert (report["added"], report["unchanged"], report["replaced"]) == (3, 0, 0)
    reasons = {os.path.basename(item["path"]): item["reason"] for item in report["failed"]}
    assert set(reasons) == {"empty.md", "binary.txt"} and "empty" in reasons["empty.md"] and "binary" in reasons["binary.txt"]
    assert any(item["path"].endswith("notes.log") for item in report["skipped"])
    assert found(ragtime, "熊猫")[0] == "gbk.txt"

    (tree / "empty.md").unlink(), (tree / "binary.txt").unlink()
    code, report = ingest(ragtime, tree)
    assert code == 0 and (report["added"], report["unchanged"], report["bytes"]) == (0, 3, 0)

    (tree / "otter.txt").write_text("The otter now juggles.")
    code, report = ingest(ragtime, tree)
    assert (report["replaced"], report["unchanged"]) == (1, 2)
    assert found(ragtime, "juggles") == ["otter.txt"] and "otter.txt" not in found(ragtime, "sleeps")

    (tree / "sub" / "fox.md").unlink()
    _, report = ingest(ragtime, tree)
    assert [os.path.basename(path) for path in report["missing"]] == ["fox.md"] and found(ragtime, "clever")
    _, report = ingest(ragtime, tree, "--prune")
    assert report["removed"] == 1 and not found(ragtime, "clever")


def test_exclude_and_store(ragtime, tree):
    code, report = ingest(ragtime, tree / "sub", "--exclude", "gbk*", "--exclude", "*.log", "--exclude", "build/",
                          "--store", "animals")
    assert code == 0 and (report["added"], report["store"]) == (1, "animals")
    hits = json.loads(ragtime.run("search", "fox", "--store", "animals", "--json").stdout)["hits"]
    assert hits[0]["filename"] == "fox.md" and hits[0]["heading_path"] == "Fox"


def test_ask_cites_and_shows_timings(ragtime, tree):
    ingest(ragtime, tree)
    answer = json.loads(ragtime.run("ask", "How does the otter sleep?", "--json").stdout)
    assert "on its back" in answer["text"] and answer["citations"][0]["filename"] == "otter.txt"
    assert answer["citations"][0]["verified"] and answer["timings"]["lexical"] >= 0
    text = ragtime.run("ask", "How does the otter sleep?").stdout
    assert "[1] otter.txt" in text and "\x1b[" not in text, "no colours in a pipe"
    piped = ragtime.run("ask", "-", input="How does the otter sleep?\n").stdout
    assert "on its back" in piped


def test_asking_an_unknown_store(ragtime):
    done = ragtime.run("ask", "x", "--store", "nowhere", check=False)
    assert done.returncode == 1 and "nowhere" in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("content, words", [
    ("serverr = 5\n", [":1:", "serverr", "server"]),
    ("[server]\n\nlisten = 5\n", [":3:", "server.listen"]),
    ("[server]\nlisten = \"nowhere\"\n", [":2:", "server.listen"]),
    ("[retrieval]\ndense_weight = 7\n", [":2:", "dense_weight"]),
    ("[server\n", [":1:"]),
    ("[encoder]\nmodel = \"no-such-model\"\n", ["no-such-model"]),
    ("[[models]]\nname = \"x\"\ntask = \"sing\"\n", ["task"]),
])
def test_a_broken_configuration_is_one_line_and_exit_code_2(tmp_path, content, words):
    server = Server(tmp_path / "data")
    server.config.write_text(content)
    done = server.run("serve", check=False)
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and all(word in lines[0] for word in words), done.stderr


def one_line_exit_2(done, *words):
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and all(word in lines[0] for word in words), done.stderr


def test_a_taken_port(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one_line_exit_2(Server(tmp_path / "data").run("serve", "--listen", f"127.0.0.1:{port}", check=False), str(port))


def test_a_port_taken_by_another_ragtime(tmp_path):
    first = Server(tmp_path / "first").start()
    port = first.url.rsplit(":", 1)[1]
    one_line_exit_2(Server(tmp_path / "second").run("serve", "--listen", f"127.0.0.1:{port}", check=False), port)
    assert first.stop() == 0


def test_a_data_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    server = Server(tmp_path / "data")
    server.data_dir = tmp_path / "file"
    one_line_exit_2(server.run("serve", "--listen", "127.0.0.1:0", check=False), "file")


def test_listening_beyond_loopback_without_a_key_is_refused(tmp_path):
    one_line_exit_2(Server(tmp_path / "data").run("serve", "--listen", "0.0.0.0:0", check=False), "0.0.0.0")


def test_the_data_directory_is_private(tmp_path):
    server = Server(tmp_path / "data").start()
    assert server.data_dir.stat().st_mode & 0o777 == 0o700
    assert (server.data_dir / "server.json").stat().st_mode & 0o777 == 0o600
    assert server.stop() == 0
    assert not (server.data_dir / "server.json").exists()


def test_config_masks_secrets_and_environment_overrides(tmp_path):
    server = Server(tmp_path / "data")
    server.config.write_text('[[models]]\nname = "m"\nendpoints = [{ url = "http://localhost/v1", model = "x", '
                             'api_key = "${SECRET_KEY}" }]\n')
    environment = {**os.environ, "SECRET_KEY": "hunter2", "RAGTIME_LISTEN": "127.0.0.1:7777"}
    printed = server.run("config", env=environment).stdout
    assert "hunter2" not in printed and "127.0.0.1:7777" in printed


@pytest.mark.parametrize("arguments, code", [
    (["--help"], 0), (["serve", "--help"], 0), (["ingest", "--help"], 0), (["version"], 0),
    (["frobnicate"], 2), (["ingest"], 2), (["ask"], 2), (["serve", "--no-such-flag"], 2),
])
def test_usage(tmp_path, arguments, code):
    server = Server(tmp_path / "data")
    server.command = lambda *a: [str(__import__("conftest").BINARY), *a]
    done = server.run(*arguments, check=False)
    assert done.returncode == code
    assert (done.stdout if code == 0 else done.stderr).strip()


def test_doctor(tmp_path):
    report = json.loads(Server(tmp_path / "data").run("doctor", "--json", check=False).stdout)
    text = json.dumps(report)
    assert "pdftotext" in text and "database" in text


def test_a_model_from_a_directory(tmp_path):
    from conftest import MODEL
    if not MODEL.exists():
        pytest.skip(f"{MODEL} is missing; scripts/fetch_model.sh gets it")
    server = Server(tmp_path / "data")
    server.config.write_text("")
    server.run("model", "add", str(MODEL))
    assert "all-MiniLM-L6-v2" in server.run("model", "list").stdout
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    done = server.run("model", "add", str(tmp_path / "broken"), check=False)
    assert done.returncode != 0 and "config.json" in done.stderr
