#!/usr/bin/env python3
"""Start of the server over a large store: seconds to ready and to the first search answer, memory, size on disk.

usage: bench/run start [--sizes 100000,1000000] [--rounds N] [--kind KIND] [--directory DIR] [--no-write]

Makes a data directory for each size once, with build/release/src/engine/store_bench: windows of forty words over the
evaluation texts with MiniLM's embeddings (the first 100,000; beyond, halves of two with a vector between theirs), ten
chunks a document, through the database and the engine; keeps it in the cache. Then starts build/release/ragtime over it,
in rounds: with the files in memory, and after the page cache was dropped, where the system allows that. Ready is the
reply of /readyz, the first answer that of a search with the model; both count from the start of the process, as does the
processor time until then. Writes start.json and start.svg to docs/performance/, with what was measured before of other
sizes.
"""

import argparse
import datetime
import http.client
import json
import os
import pathlib
import re
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import chart
import environment
import vector_search
from environment import ROOT, say

BINARY = pathlib.Path(os.environ.get("RAGTIME_BINARY", ROOT / "build/release/ragtime"))
BUILDER = ROOT / "build/release/src/engine/store_bench"
SOURCE_ROWS = 100_000
STORE = "vs_bench"
DROP = pathlib.Path("/proc/sys/vm/drop_caches")
QUERIES = ["what is the boundary layer of a flat plate", "who won the championship", "vitamin d and bone density"]


def source(directory):
    """Lines of text and their vectors, in the same order."""
    inputs = environment.cache_directory() / "vector-inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    rows = SOURCE_ROWS + 1000  # The number that vector-search makes as well.
    vectors = vector_search.embed_text(rows, inputs)
    texts = directory / f"windows-{rows}.txt"
    if not texts.exists():
        windows = vector_search.text_windows()
        texts.write_text("".join(next(windows) + "\n" for _ in range(rows)), encoding="utf-8")
    return texts, vectors


def make_data(size, kind, directory):
    """The data directory and what making it measured."""
    where = directory / f"{size}-{kind}"
    made = directory / f"{size}-{kind}.json"
    if made.exists():
        return where, json.loads(made.read_text())
    texts, vectors = source(directory)
    say(f"making {where}: minutes")
    where.mkdir(mode=0o700, exist_ok=True)
    done = subprocess.run([BUILDER, where, texts, vectors, str(size), kind], stdout=subprocess.PIPE, text=True,
                          check=True)
    made.write_text(done.stdout)
    return where, json.loads(done.stdout)


def request(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    content = reply.read()
    if reply.status != 200:
        raise RuntimeError(f"{path} answered {reply.status}: {content[:300]}")
    return json.loads(content) if content.startswith(b"{") else content


def port_of(process, data):
    """Waits for server.json, which is written once the server listens."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server exited with {process.returncode}")
        try:
            description = json.loads((data / "server.json").read_text())
            if description["pid"] == process.pid:
                return int(description["url"].rstrip("/").rsplit(":", 1)[1])
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(0.001)
    raise RuntimeError("the server did not become ready")


def memory_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {name: int(re.search(rf"^{name}:\s+(\d+) kB", status, re.M)[1]) / 1024 for name in ("VmRSS", "RssAnon", "RssFile")}


def processor_seconds(pid):
    """Of all threads so far: other programs on the machine count less than on the wall's clock."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_once(data, size, cold):
    """Of one start: seconds to ready and to the first answer, later searches, memory."""
    if cold:
        os.sync()
        DROP.write_text("3\n")
    config = data.parent / f"{data.name}.toml"
    config.write_text(f'[encoder]\nmodel = "{environment.MODEL}"\n')
    log = open(data.parent / f"{data.name}.log", "ab")
    began = time.perf_counter()
    process = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "--config", config, "--data-dir", data],
                               stdout=log, stderr=log)
    try:
        port = port_of(process, data)
        request(port, "GET", "/readyz")
        ready = first = time.perf_counter() - began
        processor = processor_seconds(process.pid)
        searches = []
        for query in QUERIES * 10 if size else []:
            asked = time.perf_counter()
            found = request(port, "POST", f"/v1/vector_stores/{STORE}/search", {"query": query, "max_num_results": 10})
            searches.append(time.perf_counter() - asked)
            if len(searches) == 1:
                first, processor = time.perf_counter() - began, processor_seconds(process.pid)
            if len(found["data"]) != 10:
                raise RuntimeError(f"{len(found['data'])} results")
        chunks = request(port, "GET", f"/v1/vector_stores/{STORE}")["index"]["chunks"] if size else 0
        if chunks < size:
            raise RuntimeError(f"the store has {chunks} chunks, not {size}")
        return {"ready_s": ready, "first_answer_s": first, "processor_s": processor,
                "later_ms": 1000 * statistics.median(searches[len(QUERIES):]) if size else 0, **memory_mib(process.pid)}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def measure(data, size, rounds, cold):
    runs = [start_once(data, size, cold) for _ in range(rounds)]
    return {key: spread([run[key] for run in runs]) for key in runs[0]}


def draw(results):
    states = [(run, state) for run in results["runs"] for state in ("warm", "cold") if state in run]
    groups = [f"{run['size']} chunks, {state}" for run, state in states]
    bar = lambda spread: (spread["median"], spread["least"], spread["most"])
    series = {name: [bar(run[state][key]) for run, state in states]
              for name, key in (("ready", "ready_s"), ("first answer", "first_answer_s"))}
    return chart.bars("Start over a large store", [chart.Panel("from the start of the process", groups, series, "s")])


def write(run):
    """Replaces what was measured before of the same size and kind."""
    environment.publish_part("start", "runs", run, lambda other: (other["size"], other["kind"]), draw)


def run_of(size, options, empty):
    """One size, with the circumstances it was measured in."""
    data, made = make_data(size, options.kind, options.directory)
    run = {"size": size, "kind": options.kind, "command": "bench/run start " + shlex.join(sys.argv[1:]),
           "date": datetime.date.today().isoformat(), "commit": environment.commit(), "machine": environment.machine(),
           "rounds": options.rounds, "load": os.getloadavg()[0], "made": made, "empty": empty,
           "warm": measure(data, size, options.rounds, False)}
    if os.access(DROP, os.W_OK):
        run["cold"] = measure(data, size, options.rounds, True)
    grown = run["warm"]["VmRSS"]["median"] - empty["VmRSS"]["median"]
    run["memory_bytes_per_chunk"] = grown * 2**20 / made["chunks"]
    run["disk_bytes_per_chunk"] = (made["database_bytes"] + made["index_bytes"]) / made["chunks"]
    for state in (state for state in ("warm", "cold") if state in run):
        say(f"{size} {state}: {({key: round(value['median'], 3) for key, value in run[state].items()})}")
    return run


def main():
    parser = argparse.ArgumentParser(prog="bench/run start", description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", default="100000,1000000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kind", default="auto", help="of vector index")
    parser.add_argument("--directory", type=pathlib.Path, default=environment.cache_directory() / "start")
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ragtime-start-") as without:
        empty = measure(pathlib.Path(without) / "data", 0, options.rounds, False)
    for size in map(int, options.sizes.split(",")):
        run = run_of(size, options, empty)
        print(json.dumps(run, indent=1))
        if not options.no_write:
            write(run)


if __name__ == "__main__":
    main()
