"""The proxies that `bench/run gateway` measures: how each is configured and started, all in front of one upstream.

Every arm has a name, starts on core 0 and relays POST /v1/chat/completions. An arm that is not installed raises Missing.
"""

import contextlib
import json
import os
import pathlib
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import environment
from environment import ROOT, say

RAGTIME = pathlib.Path(os.environ.get("RAGTIME_BINARY", ROOT / "build/release/ragtime"))
REQUIREMENTS = ROOT / "bench/requirements-gateway.txt"
PORTKEY = "@portkey-ai/gateway@1.15.2"
PROXY_CORE, LOAD_CORE = "0", "1"
MODEL = "mock"


def streams_max(wanted=65_536):
    """How many streams the limit of file descriptors lets a proxy have, with two for each; raises it as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    return (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500) // 2


class Missing(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(core, *command):
    return ["taskset", "-c", core, *map(str, command)]


def spawn(command, log, **options):
    return subprocess.Popen(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, start_new_session=True, **options)


def stop(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start_upstream(*options):
    """`ragtime bench upstream` on the generator's core: (process, port)."""
    process = subprocess.Popen(pinned(LOAD_CORE, RAGTIME, "bench", "upstream", "--model", MODEL, *options),
                               stdout=subprocess.PIPE, text=True, start_new_session=True)
    return process, json.loads(process.stdout.readline())["port"]


def ask(url, headers, timeout=5):
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}).encode()
    request = urllib.request.Request(url + "/chat/completions", body, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=timeout) as reply:
        return json.loads(reply.read())


class Arm:
    """One proxy. `url` is the base that clients use; `headers` are what it needs of them."""

    name = ""
    core = PROXY_CORE

    def __init__(self, upstream_port, directory):
        self.upstream, self.port = upstream_port, free_port()
        self.directory = pathlib.Path(directory) / self.name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.url, self.headers, self.process = f"http://127.0.0.1:{self.port}/v1", {}, None
        self.log = open(self.directory / "log", "wb")

    def start(self):
        command, options = self.command()
        self.process = spawn(pinned(self.core, *command), self.log, **options)
        deadline = time.monotonic() + 90
        while True:
            if self.process.poll() is not None:
                raise Missing(f"{self.name} ended with {self.process.returncode}; see {self.directory}/log")
            try:
                answer = ask(self.url, self.headers)
                if answer["choices"][0]["finish_reason"]:
                    return self
            except (OSError, ValueError, KeyError) as error:
                if time.monotonic() > deadline:
                    raise Missing(f"{self.name} does not relay: {error}") from error
                time.sleep(0.2)

    def stop(self):
        if self.process:
            stop(self.process)
        self.log.close()

    def command(self):
        raise NotImplementedError

    def process_ids(self):
        """Of the proxy and its children."""
        pids = [self.process.pid] if self.process else []
        for pid in pids:
            with contextlib.suppress(OSError):
                for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                    pids += map(int, (task / "children").read_text().split())
        return pids

    def memory_kib(self):
        """Resident set of its processes."""
        total = 0
        for pid in self.process_ids():
            with contextlib.suppress(OSError):
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        return total

    def cpu_seconds(self):
        """Processor time of its processes so far."""
        total = 0
        for pid in self.process_ids():
            with contextlib.suppress(OSError):
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")


class Direct(Arm):
    name = "direct"

    def start(self):
        self.url = f"http://127.0.0.1:{self.upstream}/v1"
        return self


class HAProxy(Arm):
    name = "HAProxy"

    def command(self):
        program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        if not program:
            raise Missing("HAProxy is not installed (apt-get install haproxy)")
        config = self.directory / "haproxy.cfg"
        config.write_text(f"""global
  nbthread 1
  maxconn {streams_max()}
defaults
  mode http
  option http-no-delay
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  http-reuse always
frontend in
  bind 127.0.0.1:{self.port}
  default_backend out
backend out
  server mock 127.0.0.1:{self.upstream} maxconn {streams_max()}
""")
        return [program, "-W", "-db", "-f", config], {}


class Nginx(Arm):
    name = "nginx"

    def command(self):
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if not program:
            raise Missing("nginx is not installed (apt-get install nginx-light)")
        config = self.directory / "nginx.conf"
        config.write_text(f"""daemon off; worker_processes 1; pid {self.directory}/pid; error_log stderr warn;
worker_rlimit_nofile 60000;
events {{ worker_connections 50000; }}
http {{
  access_log off; client_body_temp_path {self.directory}/body; proxy_temp_path {self.directory}/proxy; client_max_body_size 8m;
  client_body_buffer_size 512k; keepalive_requests 1000000; keepalive_timeout 120s;
  fastcgi_temp_path {self.directory}/f; uwsgi_temp_path {self.directory}/u; scgi_temp_path {self.directory}/s;
  upstream out {{ server 127.0.0.1:{self.upstream}; keepalive 4096; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{self.port} backlog=4096;
    location / {{ proxy_pass http://out; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 120s; }}
  }}
}}
""")
        return [program, "-c", config, "-p", self.directory], {}


class Ragtime(Arm):
    name = "Ragtime"
    ADMISSION = "admission = { adaptive = false, limit = 30000 }"  # Relaying alone is measured.

    def command(self):
        config = self.directory / "ragtime.toml"
        config.write_text(f"""[server]
listen = "127.0.0.1:{self.port}"
data_dir = "{self.directory}/data"
[encoder]
model = ""
[log]
level = "warning"
[limits]
connections_max = 30000
concurrent_requests_max = 30000
[[models]]
name = "{MODEL}"
endpoints = [{{ url = "http://127.0.0.1:{self.upstream}/v1", model = "{MODEL}" }}]
{self.ADMISSION}
""")
        made = subprocess.run([RAGTIME, "key", "create", "--name", "bench", "--json", "--config", config], capture_output=True,
                              text=True, check=True)
        self.headers = {"Authorization": "Bearer " + json.loads(made.stdout)["key"]}
        return [RAGTIME, "serve", "--config", config], {}


class LiteLLM(Arm):
    name = "LiteLLM"

    def command(self):
        config = self.directory / "litellm.yaml"
        config.write_text(f"""model_list:
  - model_name: {MODEL}
    litellm_params: {{ model: openai/{MODEL}, api_base: "http://127.0.0.1:{self.upstream}/v1", api_key: none }}
""")
        python = environment.peers_python(environment.cache_directory() / "gateway", REQUIREMENTS, "about 1 GB")
        program = python.parent / "litellm"
        if not program.exists():
            raise Missing("LiteLLM is not installed")
        key = "sk-" + secrets.token_hex(32)
        self.headers = {"Authorization": "Bearer " + key}
        env = {**os.environ, "LITELLM_MASTER_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "DO_NOT_TRACK": "1"}
        return [program, "--config", config, "--host", "127.0.0.1", "--port", self.port, "--num_workers", 1], {"env": env}


class VllmRouter(Arm):
    name = "vllm-router"

    def command(self):
        python = environment.peers_python(environment.cache_directory() / "gateway", REQUIREMENTS, "about 1 GB")
        program = python.parent / "vllm-router"
        if not program.exists():
            raise Missing("vllm-router is not installed")
        return [program, "--worker-urls", f"http://127.0.0.1:{self.upstream}", "--policy", "round_robin", "--host", "127.0.0.1",
                "--port", self.port, "--prometheus-port", free_port(), "--log-level", "warning"], {}


class Portkey(Arm):
    name = "Portkey"

    def command(self):
        folder = environment.cache_directory() / "portkey"
        server = folder / "node_modules/@portkey-ai/gateway/build/start-server.js"
        if not server.exists():
            if not shutil.which("npm"):
                raise Missing("Portkey needs npm")
            say("installing Portkey's gateway")
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["npm", "install", "--no-fund", "--no-audit", "--silent", PORTKEY], cwd=folder, check=True)
        self.headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{self.upstream}/v1",
                        "Authorization": "Bearer none"}
        return ["node", server, f"--port={self.port}", "--headless"], {"env": {**os.environ, "NODE_ENV": "production"}}


ARMS = [Direct, HAProxy, Nginx, Ragtime, VllmRouter, Portkey, LiteLLM]
