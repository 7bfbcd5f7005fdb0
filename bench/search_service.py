#!/usr/bin/env python3
"""HTTP search side by side with the stack of the documents: embed, search, fuse, ten best chunks, under load.

usage: bench/run search-service [--chunks N] [--clients 1,8,32] [--seconds S] [--rounds N] [--engines a,b] [--no-write]

Ours is build/release/ragtime over a store that store_bench made; the peers are those of service_peers.py: FastAPI with
FAISS and rank-bm25, and FastAPI with Chroma's server and with Qdrant's local mode, which search vectors alone. All have
the same chunks with the same vectors and MiniLM for the queries, no query comes twice, and each engine runs on one core
with one thread per library; the load is wrk (`apt install wrk`) on another one, a closed loop with connections kept
alive. In rounds and in random order; a ratio is ours against the peer's in the same round, with median, least and most.
Before the rounds every engine must find twenty chunks by their own text. Writes search-service.json and .svg to
docs/performance/; there a run replaces what was measured over as many chunks and leaves other sizes.
"""

import argparse
import contextlib
import datetime
import itertools
import json
import math
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import chart
import environment
import start
from environment import ROOT, say

REQUIREMENTS = ROOT / "bench/requirements-service.txt"
LOAD = ROOT / "bench/service_load.lua"
OURS = "ragtime"
PEERS = ["faiss-bm25-torch", "faiss-bm25-onnx", "chroma-onnx", "qdrant-onnx"]
SERVER_CORE, LOAD_CORE = 0, 1
PROBES = 20
QUERY_WORDS = 8
WAIT_MOST = 60  # Seconds of a load without an answer.
CHARTED = [("Searches", "qps", "per second"), ("99th percentile", "p99_ms", "ms")]


class Engine:
    """A server on its core; `search` is the path that takes a query."""

    def __init__(self, name, process, port, search):
        self.name, self.process, self.port, self.search = name, process, port, search
        self.alone_s = 0  # Of one search, by the first load.

    def texts(self, query):
        """Of the hits, best first."""
        reply = start.request(self.port, "POST", self.search, {"query": query})
        return [hit["text"] if "text" in hit else hit["content"][0]["text"] for hit in reply["data"]]

    def cpu_ticks(self):
        """Of the process group."""
        ticks = 0
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rsplit(")", 1)[1].split()
                ticks += int(fields[11]) + int(fields[12]) if int(fields[2]) == self.process.pid else 0
        return ticks

    def settle(self, seconds=60):
        """Waits until it does nothing: a server may go on with requests whose clients have gone, on everybody's core."""
        deadline = time.monotonic() + seconds
        before = self.cpu_ticks()
        while time.monotonic() < deadline:
            time.sleep(0.2)
            now = self.cpu_ticks()
            if now - before <= 1:
                return
            before = now
        raise RuntimeError(f"{self.name} is still busy {seconds} s after its last request")

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)


def pinned(command, **options):
    """In a process group of its own: a peer may have a database server beside it."""
    return subprocess.Popen(["taskset", "-c", str(SERVER_CORE), *map(str, command)], start_new_session=True, **options)


def start_ours(data, work):
    config = work / "ragtime.toml"
    config.write_text(f'[encoder]\nmodel = "{environment.MODEL}"\n')
    log = open(work / "ragtime.log", "wb")
    process = pinned([start.BINARY, "serve", "--listen", "127.0.0.1:0", "--config", config, "--data-dir", data],
                     stdout=log, stderr=log)
    return Engine(OURS, process, start.port_of(process, data), f"/v1/vector_stores/{start.STORE}/search")


def start_peer(name, python, texts, vectors, chunks, work):
    cache = environment.cache_directory() / "service-models"
    cache.mkdir(exist_ok=True)
    settings = {**environment.peers_environment(1), "SERVICE_WORK": str(work), "TOKENIZERS_PARALLELISM": "false"}
    process = pinned([python, ROOT / "bench/service_peers.py", name, environment.MODEL, texts, vectors, chunks, cache],
                     stdout=subprocess.PIPE, text=True, env=settings)
    line = process.stdout.readline()
    if not line.startswith("ready "):
        raise RuntimeError(f"{name} ended with {process.wait()}")
    return Engine(name, process, int(line.split()[1]), "/search")


def check(engine, texts):
    """Every engine finds a chunk by its own text."""
    found = sum(text in engine.texts(text) for text in texts)
    if found < len(texts) - 1:  # A graph may miss one.
        raise RuntimeError(f"{engine.name} finds {found} of {len(texts)} chunks by their own text")


def write_queries(texts, path):
    """A JSON body a line, none twice, in random order."""
    with open(texts, encoding="utf-8") as lines:
        words = [line.split() for line in lines]
    places = [(row, at) for row, line in enumerate(words) for at in range(0, len(line) - QUERY_WORDS, 5)]
    random.Random(3).shuffle(places)
    queries = dict.fromkeys(" ".join(words[row][at:at + QUERY_WORDS]) for row, at in places)
    path.write_text("".join(json.dumps({"query": query}) + "\n" for query in queries), encoding="utf-8")
    return len(queries)


class Load:
    def __init__(self, queries, count):
        self.queries, self.count, self.offsets = queries, count, {}

    def run(self, engine, clients, seconds):
        """At least as long as every client needs for four answers, one at a time; longer where nobody gets one."""
        seconds = max(seconds, math.ceil(4 * clients * engine.alone_s))
        figures = self.ask(engine, clients, seconds)
        while not figures["requests"] and seconds < WAIT_MOST:
            seconds *= 2
            figures = self.ask(engine, clients, seconds)
        if figures["failed"] or not figures["requests"]:
            raise RuntimeError(f"{engine.name}: {figures['failed']} of {figures['requests']} requests failed")
        return figures

    def ask(self, engine, clients, seconds):
        offset = self.offsets.get(engine.name, 0)
        done = subprocess.run(["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "60s",
                               "-s", LOAD, f"http://127.0.0.1:{engine.port}{engine.search}"], check=True, text=True,
                              stdout=subprocess.PIPE, env={**os.environ, "QUERIES": str(self.queries), "OFFSET": str(offset)})
        engine.settle()
        figures = json.loads(re.search(r"^\{.*\}$", done.stdout, re.M)[0])
        self.offsets[engine.name] = offset + figures["requests"] + clients
        if self.offsets[engine.name] > self.count:
            raise RuntimeError("queries would come twice: fewer rounds or seconds")
        figures["qps"] = figures["requests"] / figures["seconds"]
        return figures


def summary(runs, engines, clients):
    """By number of clients and engine: figures, and ratios to ours round by round."""
    out = {}
    for number in clients:
        out[str(number)] = {}
        for engine in engines:
            mine = runs[engine, number]
            entry = {key: start.spread([run[key] for run in mine]) for key in ("qps", "p50_ms", "p99_ms")}
            if engine != OURS:
                ours = runs[OURS, number]
                entry["qps_ratio"] = start.spread([a["qps"] / b["qps"] for a, b in zip(ours, mine)])
                entry["p99_ratio"] = start.spread([b["p99_ms"] / a["p99_ms"] for a, b in zip(ours, mine)])
            out[str(number)][engine] = entry
    return out


def draw(results):
    """By number of clients where most numbers were measured, and by number of chunks."""
    parts = results["sizes"]
    main = max(parts, key=lambda part: (len(part["clients"]), len(part["peers"])))
    common = max(set.intersection(*(set(part["clients"]) for part in parts)))
    clients = [(f"{n} client{'s' if n > 1 else ''}", main["figures"][str(n)]) for n in main["clients"]]
    sizes = [(f"{part['chunks']:,} chunks", part["figures"][str(common)]) for part in parts]
    panels = [panel(f"{title}, {main['chunks']:,} chunks", clients, key, unit) for title, key, unit in CHARTED]
    if len(parts) > 1:
        panels += [panel(f"{title}, {common} clients", sizes, key, unit) for title, key, unit in CHARTED]
    return chart.growth("HTTP search on one core", panels)


def panel(title, groups, key, unit):
    point = lambda s: s and (s["median"], s["least"], s["most"])
    series = {name: [point(figures.get(name, {}).get(key)) for _, figures in groups] for name in [OURS, *PEERS]}
    return chart.Panel(title, [group for group, _ in groups], {n: points for n, points in series.items() if any(points)}, unit)


def write(part):
    """Replaces what was measured before over as many chunks."""
    environment.publish_part("search-service", "sizes", part, lambda p: p["chunks"], draw)


def measure(options, python, work, stack):
    texts, vectors = start.source(options.directory)
    data, made = start.make_data(options.chunks, "auto", options.directory)
    with open(texts, encoding="utf-8") as lines:
        every = max(1, min(options.chunks, start.SOURCE_ROWS) // PROBES)  # Chunks beyond are made of these texts.
        probes = [line.rstrip("\n") for line in itertools.islice(lines, 0, options.chunks, every)][:PROBES]
    load = Load(work / "queries", write_queries(texts, work / "queries"))
    names = [OURS] + [name for name in options.engines.split(",") if name in PEERS]
    engines = []
    for name in names:
        say(f"starting {name}")
        engine = start_ours(data, work) if name == OURS else start_peer(name, python, texts, vectors, options.chunks, work)
        stack.callback(engine.stop)
        engine.settle(600)  # It may still build.
        check(engine, probes)
        engines.append(engine)
        engine.alone_s = load.run(engine, 1, 5)["p50_ms"] / 1e3  # Warms it up, too.
    runs, order = {}, random.Random(4)
    for round_number in range(options.rounds):
        for clients in options.clients:
            order.shuffle(engines)
            for engine in engines:
                figures = load.run(engine, clients, options.seconds)
                runs.setdefault((engine.name, clients), []).append(figures)
                say(f"round {round_number + 1}, {clients} clients, {engine.name}: {figures['qps']:.1f}/s, "
                    f"p50 {figures['p50_ms']:.2f} ms, p99 {figures['p99_ms']:.2f} ms")
    return {"date": str(datetime.date.today()), "commit": environment.commit(), "machine": environment.machine(),
            "command": "bench/run search-service " + shlex.join(sys.argv[1:]), "chunks": options.chunks, "store": made, "rounds": options.rounds, "seconds": options.seconds,
            "clients": options.clients, "peers": names[1:], "figures": summary(runs, names, options.clients)}


def main():
    parser = argparse.ArgumentParser(prog="bench/run search-service", description=__doc__.split("\n")[0])
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--clients", type=lambda text: [int(n) for n in text.split(",")], default=[1, 8, 32])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engines", default=",".join(PEERS))
    parser.add_argument("--directory", type=pathlib.Path, default=environment.cache_directory() / "start")
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: apt install wrk")
    options.directory.mkdir(parents=True, exist_ok=True)
    python = environment.peers_python(environment.cache_directory() / "service", REQUIREMENTS)
    with tempfile.TemporaryDirectory(prefix="ragtime-service-") as work, contextlib.ExitStack() as stack:
        results = measure(options, python, pathlib.Path(work), stack)
    print(json.dumps(results, indent=1))
    if not options.no_write:
        write(results)


if __name__ == "__main__":
    main()
