"""Malformed requests through real nginx and HAProxy: we see exactly the requests that the proxy means to send.

Requests are counted on both sides, and a proper request behind each case must get its own answer, on upstream
connections that the proxy keeps and uses again.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import threading
import time

import pytest

TOOL = os.environ.get("HTTP_CASES", "build/release/tests/http_cases")
WITNESS = b"GET /witness HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

NGINX = """
daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 256; }}
http {{
  log_format sent '$upstream_addr $upstream_status "$request"';
  access_log {dir}/access.log sent;
  client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; lingering_close off;
  client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
  upstream ragtime {{ server 127.0.0.1:{upstream}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://ragtime; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_request_buffering off; proxy_next_upstream off; proxy_read_timeout 2s;
    }}
  }}
}}
"""

HAPROXY = """
global
  log stdout format raw local0
defaults
  mode http
  log global
  log-format "sent %s %ST %{{+Q}}r"
  timeout connect 2s
  timeout client 1s
  timeout server 2s
  timeout http-request 1s
  timeout http-keep-alive 1s
  retries 0
frontend in
  bind 127.0.0.1:{port}
  default_backend ragtime
backend ragtime
  http-reuse always
  server ragtime 127.0.0.1:{upstream}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Lines:
    """Counts the lines of a program's output that satisfy a condition."""

    def __init__(self, stream, condition):
        self.count = 0
        self.lines = []
        self.thread = threading.Thread(target=self.read, args=(stream, condition), daemon=True)
        self.thread.start()

    def read(self, stream, condition):
        for line in stream:
            if condition(line):
                self.count += 1
                self.lines.append(line)


@pytest.fixture(scope="module")
def upstream():
    process = subprocess.Popen([TOOL, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    port = int(process.stdout.readline())
    process.seen = Lines(process.stdout, lambda line: line.startswith("seen"))
    process.port = port
    yield process
    process.stdin.close()
    assert process.wait(timeout=20) == 0


def wait_for_port(port, process):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the proxy did not start")


class Nginx:
    name = "nginx"

    def __init__(self, directory, upstream_port):
        self.port = free_port()
        self.directory = directory
        config = directory / "nginx.conf"
        config.write_text(NGINX.format(dir=directory, upstream=upstream_port, port=self.port))
        self.process = subprocess.Popen(["nginx", "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(config)])
        wait_for_port(self.port, self.process)

    def sent(self):
        lines = (self.directory / "access.log").read_text(errors="replace").splitlines()
        return sum(not line.startswith("-") for line in lines)


class HAProxy:
    name = "haproxy"

    def __init__(self, directory, upstream_port):
        self.port = free_port()
        config = directory / "haproxy.cfg"
        config.write_text(HAPROXY.format(upstream=upstream_port, port=self.port))
        self.process = subprocess.Popen(["haproxy", "-db", "-f", str(config)], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, bufsize=1, errors="replace")
        self.lines = Lines(self.process.stdout, lambda line: line.startswith("sent ragtime "))
        wait_for_port(self.port, self.process)

    def sent(self):
        return self.lines.count


@pytest.fixture(scope="module", params=[Nginx, HAProxy], ids=["nginx", "haproxy"])
def proxy(request, upstream, tmp_path_factory):
    if shutil.which(request.param.name) is None:
        pytest.skip(f"{request.param.name} is not installed; scripts/install_dependencies.sh --test does")
    running = request.param(tmp_path_factory.mktemp(request.param.name), upstream.port)
    yield running
    running.process.terminate()
    running.process.wait(timeout=20)


def cases():
    if not pathlib.Path(TOOL).exists():
        return []
    listing = subprocess.run([TOOL, "list"], capture_output=True, text=True, check=True).stdout
    return [(name, int(status), bytes.fromhex(data)) for name, status, data in
            (line.split(" ") for line in listing.splitlines())]


def exchange(port, data):
    """Sends the bytes and returns what comes until the end, or until nothing comes for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=4) as client:
        reply = b""
        try:
            client.sendall(data)
            while piece := client.recv(65536):
                reply += piece
        except OSError:
            pass
        return reply


def settled(upstream, proxy, seen, sent):
    """Both sides log when a request has ended, so the counts meet a little later. Never are ours more."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        ours, theirs = upstream.seen.count - seen, proxy.sent() - sent
        if ours == theirs:
            return ours
        time.sleep(0.01)
    raise AssertionError(f"we saw {ours} requests, {proxy.name} sent {theirs}: {upstream.seen.lines[-4:]}")


def test_we_see_what_the_proxy_means(upstream, proxy):
    everything = cases()
    assert len(everything) > 300
    passed_on = refused_by_us = 0
    for name, _, data in everything:
        seen, sent = upstream.seen.count, proxy.sent()
        exchange(proxy.port, data + WITNESS)
        try:
            passed_on += settled(upstream, proxy, seen, sent)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
        refused_by_us += sum(" 400" in line for line in upstream.seen.lines[seen:])
        # A connection out of step would give this request somebody else's answer.
        reply = exchange(proxy.port, WITNESS)
        assert reply.startswith(b"HTTP/1.1 200") and reply.endswith(b"/witness:"), (name, reply)
        settled(upstream, proxy, seen, sent)
    print(f"{proxy.name}: {len(everything)} cases, {passed_on} requests passed on, {refused_by_us} of them refused by us")
    # Positive controls: good requests, and the ones behind them, do arrive.
    assert passed_on > 60
