"""The files under deploy/vllm: what the programs that read them say about them. Missing programs skip their part."""

import json
import os
import re
import shutil
import subprocess

import pytest
from conftest import BINARY, ROOT

VLLM = ROOT / "deploy/vllm"
FLAGS = ["--served-model-name", "--tensor-parallel-size", "--gpu-memory-utilization", "--max-model-len",
         "--max-num-seqs", "--enable-prefix-caching", "--enable-chunked-prefill", "--enable-request-id-headers"]


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_the_configuration_is_valid_and_without_notices(tmp_path):
    environment = {**os.environ, "VLLM_KEY": "secret-of-the-replicas"}
    done = run(str(BINARY), "config", "--json", "--config", str(VLLM / "ragtime.toml"), env=environment)
    assert done.returncode == 0, done.stderr
    settings = json.loads(done.stdout)
    endpoints = settings["models"][0]["endpoints"]
    assert [endpoint["url"] for endpoint in endpoints] == ["http://vllm-0:8000/v1", "http://vllm-1:8000/v1"]
    assert "secret-of-the-replicas" not in done.stdout
    assert settings["limits"]["concurrent_requests_max"] == 512


def test_nginx_takes_its_configuration(tmp_path):
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if not nginx:
        pytest.skip("nginx is missing")
    text = (VLLM / "nginx.conf").read_text()
    for setting in ("least_conn;", "proxy_buffering off;", "proxy_http_version 1.1;", "gzip off;"):
        assert setting in text
    # Names of containers resolve in the composition only.
    text = re.sub(r"server (ragtime|vllm-\d):8000", "server 127.0.0.1:8000", text)
    text = text.replace("/tmp/nginx", str(tmp_path / "nginx"))
    (tmp_path / "nginx.conf").write_text(text)
    done = run(nginx, "-t", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("unit, instance", [("ragtime.service", "ragtime.service"), ("vllm@.service", "vllm@0.service")])
def test_systemd_takes_the_units(tmp_path, unit, instance):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is missing")
    text = (VLLM / unit).read_text()
    program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE).group(1)
    (tmp_path / unit).write_text(text.replace(program, "/bin/true"))  # It need not be installed here.
    done = run("systemd-analyze", "verify", "--man=no", str(tmp_path / instance), env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"})
    assert done.returncode == 0 and instance.split("@")[0] not in done.stderr, done.stderr


def test_compose_and_units_give_vllm_the_documented_flags():
    compose, unit = (VLLM / "compose.yaml").read_text(), (VLLM / "vllm@.service").read_text()
    for flag in FLAGS:
        assert flag in compose and flag in unit, flag
    for readme in ("README.md", "README.zh-CN.md"):
        text = (VLLM / readme).read_text()
        assert all(flag in text for flag in FLAGS), readme


def test_compose_has_the_services():
    tool = next((command for command in (["docker", "compose"], ["docker-compose"])
                 if shutil.which(command[0]) and run(*command, "version").returncode == 0), None)
    if not tool:
        pytest.skip("docker compose is missing")
    done = run(*tool, "-f", str(VLLM / "compose.yaml"), "--env-file", str(VLLM / ".env.example"), "config")
    assert done.returncode == 0, done.stderr
    for service in ("vllm-0", "vllm-1", "ragtime", "nginx"):
        assert re.search(rf"^  {service}:", done.stdout, re.MULTILINE), service
