"""A real Ragtime server per test module, on a free port and an empty data directory."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("RAGTIME_BINARY", ROOT / "build/release/ragtime"))
DATA = pathlib.Path(os.environ.get("RAGTIME_DATA", ROOT.parent / "shared/data"))
REFERENCE = pathlib.Path(os.environ.get("RAGTIME_REFERENCE", ROOT.parent / "shared/reference"))
MODEL = ROOT / "build/models/all-MiniLM-L6-v2"

sys.path.insert(0, str(ROOT / "tests/support"))
from upstream import Upstream  # noqa: E402


class Server:
    """`ragtime serve` as a child process. `url` is the base without /v1."""

    def __init__(self, data_dir, config="", with_model=False, arguments=()):
        self.data_dir = pathlib.Path(data_dir)
        self.config = self.data_dir.parent / (self.data_dir.name + ".toml")
        model = MODEL if with_model else ""
        self.config.write_text(f'[encoder]\nmodel = "{model}"\n' + config)
        self.arguments = list(arguments)
        self.process = None
        self.url = None

    def command(self, *arguments):
        return [str(BINARY), *arguments, "--config", str(self.config), "--data-dir", str(self.data_dir)]

    def run(self, *arguments, check=True, **options):
        """Runs a command of the same binary on the same data directory."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=300, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def start(self):
        self.log = open(self.data_dir.parent / (self.data_dir.name + ".log"), "ab")
        self.process = subprocess.Popen(self.command("serve", "--listen", "127.0.0.1:0", *self.arguments),
                                        stdout=self.log, stderr=self.log)
        self.url = self.wait_until_ready()
        return self

    def wait_until_ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server exited with {self.process.returncode}: {self.log_text()[-3000:]}")
            with contextlib.suppress(OSError, ValueError, KeyError):
                description = json.loads((self.data_dir / "server.json").read_text())
                if description["pid"] == self.process.pid:
                    url = description["url"].rstrip("/")
                    urllib.request.urlopen(url + "/readyz", timeout=5).read()
                    return url
            time.sleep(0.02)
        raise AssertionError(f"the server did not become ready: {self.log_text()[-3000:]}")

    def log_text(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=40)
        code, self.process = (self.process.returncode if self.process else None), None
        return code

    def kill(self):
        return self.stop(signal.SIGKILL)

    def call(self, method, path, body=None, headers=None, key=None):
        """One plain HTTP request: (status, headers, parsed JSON or bytes)."""
        headers = dict(headers or {})
        if key:
            headers["Authorization"] = f"Bearer {key}"
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            reply = urllib.request.urlopen(request, timeout=120)
        except urllib.error.HTTPError as error:
            reply = error
        content = reply.read()
        with contextlib.suppress(ValueError):
            return reply.status, reply.headers, json.loads(content)
        return reply.status, reply.headers, content


@pytest.fixture(scope="module")
def upstream():
    """A scripted chat server, whose model names choose what goes wrong."""
    with Upstream() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def binary_exists():
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is missing: build it first", returncode=2)


@pytest.fixture(scope="module")
def directory():
    with tempfile.TemporaryDirectory(prefix="ragtime-test-") as path:
        yield pathlib.Path(path)


@pytest.fixture(scope="module")
def server(directory):
    """A server without an embedding model: lexical search, extractive answers."""
    running = Server(directory / "data").start()
    yield running
    assert running.stop() == 0, running.log_text()[-3000:]


@pytest.fixture(scope="module")
def server_with_model(directory):
    if not MODEL.exists():
        pytest.skip(f"{MODEL} is missing; scripts/fetch_model.sh gets it")
    running = Server(directory / "data-model", with_model=True).start()
    yield running
    assert running.stop() == 0, running.log_text()[-3000:]
