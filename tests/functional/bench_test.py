"""`ragtime bench` and its upstream as a user calls them."""

import contextlib
import json
import signal
import subprocess
import urllib.request

import pytest

from conftest import BINARY


@contextlib.contextmanager
def upstream(*options):
    process = subprocess.Popen([str(BINARY), "bench", "upstream", *options], stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        process.stdout.close()


def bench(*arguments, code=0):
    done = subprocess.run([str(BINARY), "bench", *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_upstream_answers_and_tells_what_it_was_asked():
    with upstream("--model", "tiny", "--tokens", "3") as server:
        assert json.load(urllib.request.urlopen(server["url"] + "/models"))["data"][0]["id"] == "tiny"
        body = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}).encode()
        answer = json.load(urllib.request.urlopen(server["url"] + "/chat/completions", body))
        assert answer["choices"][0]["message"]["content"] == "The idle speed"
        log = json.load(urllib.request.urlopen(server["url"].removesuffix("/v1") + "/__log"))
        assert log["totals"]["completed"] == 2 and log["requests"][1]["model"] == "tiny"


def test_scripts_are_listed():
    listed = bench("upstream", "--list").stdout
    assert "cut-early" in listed and "after=3" in listed


def test_one_server_is_measured(tmp_path):
    with upstream("--ttft", "5", "--itl", "1", "--tokens", "8") as server:
        done = bench(server["url"], "--model", "m", "-c", 4, "--requests", 20, "--warm-up", 0, "--slo", "ttft=60000",
                     "--json", tmp_path / "a.json", "--html", tmp_path / "a.html", "--api-key", "sk-secret")
    assert "first token (TTFT)" in done.stdout and "Goodput/s" in done.stdout
    report = json.loads((tmp_path / "a.json").read_text())
    result = report["targets"][0]["rounds"][0]
    assert result["ok"] >= 20 and result["failed"] == 0 and result["output_tokens"] == result["ok"] * 8
    assert result["latency_ms"]["ttft"]["min"] >= 5
    page = (tmp_path / "a.html").read_text()
    assert "<svg" in page and "首 token" in page
    assert "sk-secret" not in page + (tmp_path / "a.json").read_text()


def test_two_servers_are_compared_and_files_again(tmp_path):
    with upstream("--ttft", "1") as fast, upstream("--ttft", "40") as slow:
        for name, server in (("fast", fast), ("slow", slow)):
            bench(server["url"], "--name", name, "-c", 1, "--requests", 10, "--warm-up", 0, "--json", tmp_path / f"{name}.json", "-q")
        live = bench("compare", slow["url"], fast["url"], "--name", "slow", "--name", "fast", "-c", 1, "--requests", 10,
                     "--warm-up", 0, "--rounds", 2, "-q")
    assert "fast answers" in live.stdout and "over 2 rounds" in live.stdout
    files = bench("compare", tmp_path / "slow.json", tmp_path / "fast.json", "--html", tmp_path / "both.html")
    assert "fast answers" in files.stdout
    assert "slow" in (tmp_path / "both.html").read_text()


def test_truncated_streams_are_failures():
    with upstream("--script", "truncated") as server:
        done = bench(server["url"], "-c", 1, "--requests", 3, "--warm-up", 0, code=1)
    assert "3 truncated" in done.stdout


def test_open_loop():
    with upstream() as server:
        done = bench(server["url"], "--rate", 200, "--requests", 50, "--warm-up", 0)
    assert "50" in done.stdout


@pytest.mark.parametrize("arguments, said", [
    ([], "base URLs"),
    (["http://"], "no URL"),
    (["http://127.0.0.1:1/v1", "--slo", "speed=3"], "ttft=MS"),
    (["http://127.0.0.1:1/v1", "--rate", "5", "-c", "3"], "choose one"),
    (["http://127.0.0.1:1/v1", "--json", "/no/such/folder/a.json"], "there is no folder"),
    (["http://127.0.0.1:1/v1", "--prompts", "/no/such/file"], "cannot be read"),
    (["compare", "missing.json", "other.json"], "there is no such file"),
    (["upstream", "--script", "dance"], "--list"),
    (["upstream", "--ttft", "fast"], "exp:20"),
])
def test_mistakes_are_explained(arguments, said):
    assert said in bench(*arguments, code=2).stderr


def test_nobody_there_is_a_failure_not_a_crash():
    done = bench("http://127.0.0.1:1/v1", "-c", 1, "--requests", 2, "--warm-up", 0, code=1)
    assert "connection" in done.stdout
