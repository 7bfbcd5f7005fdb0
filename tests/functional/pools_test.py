"""Pools of model servers: endpoints that come and go, on a running server, before scripted model servers."""

import json
import signal
import time
import urllib.request

import pytest
from conftest import Server
from gateway_test import Upstream

MESSAGES = [{"role": "user", "content": "Say something."}]


@pytest.fixture(scope="module")
def upstreams():
    running = [Upstream(), Upstream()]
    yield running
    for upstream in running:
        upstream.stop()


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing changed in time"
        time.sleep(0.02)


def pool(server):
    status, _, report = server.call("GET", "/v1/status")
    assert status == 200, report
    return next(pool for pool in report["pools"] if pool["model"] == "chat")


def urls(server):
    return [endpoint["url"] for endpoint in pool(server)["endpoints"]]


def ask(server):
    return server.call("POST", "/v1/chat/completions", {"model": "chat", "messages": MESSAGES})[0]


def asked(upstream):
    return len([record for record in upstream.log()["requests"] if record["path"].endswith("/chat/completions")])


def test_a_file_of_endpoints_is_followed(tmp_path, upstreams):
    listed = tmp_path / "endpoints.json"
    listed.write_text(json.dumps([{"url": upstreams[0].url, "model": "m"}]))
    server = Server(tmp_path / "data", f'[[models]]\nname = "chat"\ndiscovery = {{ file = "{listed}", interval_ms = 100 }}\n').start()
    try:
        assert ask(server) == 200, "the first endpoints are waited for"
        request = urllib.request.Request(server.url + "/v1/chat/completions", headers={"Content-Type": "application/json"}, data=json.dumps(
            {"model": "chat", "messages": MESSAGES, "stream": True}).encode())
        with urllib.request.urlopen(request, timeout=60) as stream:
            assert stream.read(1)
            listed.write_text(json.dumps({"endpoints": [upstreams[1].url]}))
            until(lambda: urls(server) == [upstreams[1].url])
            assert stream.read().rstrip().endswith(b"data: [DONE]"), "a stream outlives its endpoint's place in the list"
        before = asked(upstreams[1])
        assert ask(server) == 200 and asked(upstreams[1]) == before + 1
        listed.write_text("{ half of a file")
        until(lambda: "endpoints_not_found" in server.log_text())
        assert urls(server) == [upstreams[1].url] and ask(server) == 200
        metrics = server.call("GET", "/metrics")[2].decode()
        assert 'ragtime_pool_discovery_errors_total{model="chat"}' in metrics
        assert f'ragtime_endpoint_state{{endpoint="{upstreams[0].url}",model="chat"}} -1' in metrics
    finally:
        assert server.stop() == 0, server.log_text()[-3000:]


def test_hangup_reads_the_endpoints_again(tmp_path, upstreams):
    def config(*endpoints):
        listed = ", ".join(f'{{ url = "{url}" }}' for url in endpoints)
        return f'[[models]]\nname = "chat"\nendpoints = [{listed}]\nbreaker = {{ slow_start_ms = 0 }}\n'

    server = Server(tmp_path / "data", config(upstreams[0].url)).start()
    try:
        assert urls(server) == [upstreams[0].url]
        server.config.write_text('[encoder]\nmodel = ""\n' + config(upstreams[0].url, upstreams[1].url))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: urls(server) == [upstreams[0].url, upstreams[1].url])
        counts = [asked(upstream) for upstream in upstreams]
        for _ in range(20):
            assert ask(server) == 200
        assert all(asked(upstream) > count for upstream, count in zip(upstreams, counts))
        until(lambda: all("reported" in endpoint for endpoint in pool(server)["endpoints"]))
        server.config.write_text("no configuration")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "endpoints_not_reloaded" in server.log_text())
        assert len(urls(server)) == 2 and ask(server) == 200
    finally:
        assert server.stop() == 0, server.log_text()[-3000:]


def test_a_dead_endpoint_costs_no_request(tmp_path, upstreams):
    config = (f'[[models]]\nname = "chat"\nendpoints = [{{ url = "{upstreams[0].url}" }}, {{ url = "http://127.0.0.1:1/v1" }}]\n'
              "health = { interval_ms = 20 }\n")
    server = Server(tmp_path / "data", config).start()
    try:
        for _ in range(10):
            assert ask(server) == 200
        until(lambda: pool(server)["endpoints"][1]["state"] == "ejected")
        assert pool(server)["in_flight"] == 0 and pool(server)["endpoints"][0]["completed"] == 10
    finally:
        assert server.stop() == 0, server.log_text()[-3000:]
