#!/usr/bin/env python3
"""Speed of embedding and reranking, side by side with sentence-transformers (torch f32, bf16) and ONNX Runtime (f32, int8).

usage: bench/run encoder [--quick] [--rounds N] [--threads 1,2] [--lengths 16,512] [--no-rerank] [--no-write] [--lock FILE]

All engines get the same token numbers, so tokenizers are not part of it; "mixed" and reranking are from text. Every
engine runs every case once per round, cases and engines in random order; figures are medians over the rounds with the
smallest and largest. A measurement that other processes disturbed is repeated while patience lasts, and the result says
how busy the machine was. Writes encoder.json, encoder-*.svg and the figures of encoder.md in docs/performance/ (--quick
and --no-write leave those alone). A full run takes about eight minutes on two idle cores.
"""

import argparse
import contextlib
import datetime
import fcntl
import gzip
import json
import os
import pathlib
import random
import re
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import environment
import encoder_report
from environment import ROOT, say, spread

PEERS = ["torch-f32", "torch-bf16", "onnx-f32", "onnx-int8"]
PRECISIONS = ["f32", "bf16", "int8"]
LENGTHS = [16, 64, 256, 512]
BULK_TOKENS = 4096
RERANK_PAIRS, RERANK_TOKENS = 50, 160
FOREIGN_CORES_MAX = 0.12


class Disturbance:
    """How many cores processes other than ours used, from the kernel's counters. One measurement long."""

    def __init__(self, pids):
        self.pids = pids
        self.busy, self.own, self.at = self.machine_s(), self.own_s(), time.monotonic()

    @staticmethod
    def machine_s():
        fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, _, _, interrupt, soft, steal = map(int, fields[:8])
        return (user + nice + system + interrupt + soft + steal) / os.sysconf("SC_CLK_TCK")

    def own_s(self):
        total = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            total += usage.ru_utime + usage.ru_stime
        for pid in self.pids:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return total

    def cores(self):
        elapsed = max(time.monotonic() - self.at, 1e-3)
        return max(0.0, (self.machine_s() - self.busy) - (self.own_s() - self.own)) / elapsed


class Peer:
    """One engine of encoder_peers.py, kept alive over the whole run."""

    def __init__(self, name, python, paths, threads_max):
        self.name = name
        command = [str(python), str(ROOT / "bench/encoder_peers.py"), name, *map(str, paths)]
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env=environment.peers_environment(threads_max))
        self.batches = {}
        self.versions = self.receive()["versions"]

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(timeout=10)
            self.log.seek(0)
            raise RuntimeError(f"{self.name} ended: {self.log.read()[-2000:]}")
        return json.loads(line)

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self.receive()

    def measure(self, case, seconds, batch=None):
        batch = batch or self.batches.get(case.shape, 32)
        reply = self.ask(do="measure", mode=case.mode, threads=case.threads, seconds=seconds, batch=batch,
                         **{case.kind: case.inputs})
        return {"p50_ms": reply["p50_ms"], "p99_ms": reply["p99_ms"], "tokens_per_s": case.tokens / reply["seconds_per_call"]}

    def choose_batch(self, case):
        """The batch size that suits the peer better, of two; found once per shape."""
        choices = sorted({min(b, len(case.inputs)) for b in (8, 32)})
        if case.mode != "single" and case.shape not in self.batches:
            rates = {b: self.measure(case, 0, b)["tokens_per_s"] for b in choices}
            self.batches[case.shape] = max(rates, key=rates.get)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


class Ours:
    """The program encoder_bench, started for each measurement."""

    def __init__(self, precision, program, model, rerank_model, options):
        self.name, self.precision, self.program = f"ragtime-{precision}", precision, program
        self.model, self.rerank_model, self.options = model, rerank_model, options

    def can(self, case):
        return {"rerank": "--rerank", "mixed": "--texts"}.get(case.shape, "--json") in self.options

    def measure(self, case, seconds):
        command = [str(self.program), "--precision", self.precision, "--threads", str(case.threads), "--json"]
        if case.mode == "rerank":
            command += ["--model", str(self.rerank_model), "--rerank"]
        else:
            command += ["--model", str(self.model), "--mode", case.mode, "--seconds", str(seconds)]
            command += ["--texts", str(case.file())] if case.shape == "mixed" else ["--lengths", str(case.shape)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} exited with {done.returncode}: {done.stderr[-1000:]}")
        row = json.loads(done.stdout.strip().splitlines()[-1])
        return {name: row[name] for name in ("p50_ms", "p99_ms", "tokens_per_s")}


class Case:
    """What is measured: `shape` is a length in tokens, "mixed" or "rerank"; `tokens` counts one call, padding apart."""

    def __init__(self, mode, shape, threads, inputs, tokens):
        self.mode, self.shape, self.threads, self.inputs, self.tokens = mode, shape, threads, inputs, tokens
        self.kind = {"mixed": "texts", "rerank": "pairs"}.get(shape, "ids")

    def __str__(self):
        return f"{self.mode} {self.shape}, {self.threads} threads"

    def file(self):
        path = environment.cache_directory() / "mixed.txt"
        path.write_text("\n".join(self.inputs) + "\n", encoding="utf-8")
        return path


def words_of(model):
    """Words that are one token each, so that a text's length is known exactly."""
    lines = (model / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return [word for word in lines if re.fullmatch("[a-z]{3,}", word)]


def mixed_texts(rng):
    """Titles and paragraphs as a bulk ingest meets them, or None without the data."""
    path = environment.DATA / "nfcorpus/corpus.jsonl.gz"
    if not path.exists():
        return None
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = rng.sample([json.loads(line) for line in lines], 40)
    texts = [row["title"] for row in rows[:20]] + [row["text"] for row in rows[20:]]
    return [" ".join(text.split()) for text in texts if text.strip()]


def make_cases(model, threads, lengths, rerank, count_tokens):
    rng = random.Random(1)
    words = words_of(model)
    text = lambda tokens: " ".join(rng.choices(words, k=tokens))
    sequence = lambda tokens: [101, *rng.choices(range(1000, 30000), k=tokens - 2), 102]
    mixed = mixed_texts(rng)
    pairs = [[text(10), text(RERANK_TOKENS - 13)] for _ in range(RERANK_PAIRS)]
    ids = {length: [sequence(length) for _ in range(BULK_TOKENS // length)] for length in lengths}
    cases = []
    for n in threads:
        cases += [Case("single", length, n, ids[length][:32], length) for length in lengths]
        cases += [Case("bulk", length, n, ids[length], BULK_TOKENS) for length in lengths]
        if mixed:
            cases.append(Case("bulk", "mixed", n, mixed, count_tokens(mixed)))
        if rerank:
            cases.append(Case("rerank", "rerank", n, pairs, RERANK_PAIRS * RERANK_TOKENS))
    return cases


class Run:
    """The rounds. Keeps every measurement, so that ratios are formed within a round."""

    def __init__(self, engines, cases, seconds, patience_s):
        self.engines, self.cases, self.seconds, self.patience_s = engines, cases, seconds, patience_s
        self.samples = {}
        self.foreign = []

    def pids(self):
        return [engine.process.pid for engine in self.engines if isinstance(engine, Peer)]

    def wait_for_quiet(self):
        while self.patience_s > 0:
            watch = Disturbance(self.pids())
            time.sleep(0.2)
            if watch.cores() <= FOREIGN_CORES_MAX:
                return
            self.patience_s -= 0.2

    def sample(self, engine, case):
        tries = []
        for _ in range(3):
            started = time.monotonic()
            watch = Disturbance(self.pids())
            figures = engine.measure(case, self.seconds)
            tries.append((watch.cores(), figures))
            if tries[-1][0] <= FOREIGN_CORES_MAX or self.patience_s <= 0:
                break
            self.patience_s -= time.monotonic() - started
            self.wait_for_quiet()
        foreign, figures = min(tries, key=lambda entry: entry[0])
        self.foreign.append(foreign)
        self.samples.setdefault((engine.name, case), []).append(figures)

    def round(self, rng):
        for case in rng.sample(self.cases, len(self.cases)):
            able = [engine for engine in self.engines if not isinstance(engine, Ours) or engine.can(case)]
            for engine in rng.sample(able, len(able)):
                self.sample(engine, case)


def summarize(run, case):
    """Figures of a case: per engine the spread of each, and its speed over torch f32 and over the best peer by round."""
    rates = {e.name: [figures["tokens_per_s"] if case.mode != "single" else 1000 / figures["p50_ms"]
                      for figures in run.samples[(e.name, case)]] for e in run.engines if (e.name, case) in run.samples}
    best = max((name for name in rates if name in PEERS), key=lambda name: statistics.median(rates[name]))
    engines = {}
    for name, own in rates.items():
        figures = run.samples[(name, case)]
        engines[name] = {key: spread([f[key] for f in figures]) for key in ("tokens_per_s", "p50_ms", "p99_ms")}
        engines[name]["over_torch_f32"] = spread([a / b for a, b in zip(own, rates["torch-f32"])])
        engines[name]["over_best_peer"] = spread([a / b for a, b in zip(own, rates[best])])
    return {"mode": case.mode, "shape": case.shape, "threads": case.threads, "inputs": len(case.inputs),
            "tokens_per_call": case.tokens, "best_peer": best, "engines": engines}


@contextlib.contextmanager
def held(path):
    """Holds the lock of a file, so that builds that take it too keep quiet during a round."""
    with open(path, "a") if path else contextlib.nullcontext() as file:
        if file:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def find_program():
    for path in ("build/release/src/encoder/encoder_bench", "build/release/encoder_bench"):
        if (ROOT / path).exists():
            return ROOT / path
    return None


def start_ours(stack, model, rerank_model):
    built = find_program()
    if built is None:
        say("encoder_bench is missing: build it with `cmake --build --preset release --target encoder_bench`. Peers only.")
        return []
    program = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / built.name
    shutil.copy2(built, program)  # A rebuild during the run must not change what is measured.
    shown = subprocess.run([program, "--help"], capture_output=True, text=True)
    options = shown.stdout + shown.stderr
    for option, what in (("--rerank", "reranking"), ("--texts", "mixed texts")):
        if option not in options:
            say(f"encoder_bench has no {option}: no figures of ours for {what}")
    return [Ours(precision, program, model, rerank_model, options) for precision in PRECISIONS]


def start_peers(stack, python, model, threads_max):
    cache = environment.cache_directory() / "models"
    paths = [model, cache / "rerank", cache]
    say("exporting the model for ONNX Runtime")
    subprocess.run([str(python), str(ROOT / "bench/encoder_peers.py"), "prepare", *map(str, paths)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment.peers_environment(threads_max))
    peers = []
    for name in PEERS:
        say("starting", name)
        peers.append(Peer(name, python, paths, threads_max))
        stack.callback(peers[-1].close)
    return peers


def keep_working(engines, cases):
    """Drops, with its reason, an engine of ours that cannot run at all: a precision this machine lacks."""
    working = []
    for engine in engines:
        try:
            engine.measure(cases[0], 0)
            working.append(engine)
        except (RuntimeError, subprocess.TimeoutExpired, ValueError, KeyError, IndexError) as error:
            say(f"without {engine.name}: {error}")
    return working


def count_tokens_with(model, python):
    script = ("import sys, json, tokenizers; t = tokenizers.Tokenizer.from_file(sys.argv[1]); t.no_padding(); "
              "t.enable_truncation(512); print(sum(len(e) for e in t.encode_batch(json.load(sys.stdin))))")

    def count(texts):
        done = subprocess.run([str(python), "-c", script, str(model / "tokenizer.json")], input=json.dumps(texts),
                              capture_output=True, text=True, check=True)
        return int(done.stdout)
    return count


def measure(arguments, threads, lengths):
    python = environment.peers_python()
    model = environment.long_model(environment.MODEL)
    cases = make_cases(model, threads, lengths, arguments.rerank, count_tokens_with(model, python))
    rng = random.Random(arguments.seed)
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        peers = start_peers(stack, python, model, max(threads))
        ours = keep_working(start_ours(stack, model, environment.cache_directory() / "models/rerank"), cases)
        run = Run(peers + ours, cases, 0.1 if arguments.quick else 0.25, 10 if arguments.quick else 30)
        say("choosing batch sizes for the peers")
        with held(arguments.lock):
            for peer in peers:
                for case in sorted(cases, key=lambda case: -case.threads):
                    peer.choose_batch(case)
        for index in range(arguments.rounds):
            with held(arguments.lock):
                run.round(rng)
            say(f"round {index + 1} of {arguments.rounds}: {time.monotonic() - started:.0f} s")
        multiply = {f"{p.name} x{n}": round(p.ask(do="multiply", threads=n)["gflops"]) for p in peers if "torch" in p.name
                    for n in threads}
    foreign = sorted(run.foreign)
    return {"benchmark": "encoder", "command": "bench/run encoder " + shlex.join(sys.argv[1:]), "commit": environment.commit(),
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "machine": environment.machine(),
            "model": environment.MODEL.name, "rounds": arguments.rounds, "seed": arguments.seed,
            "versions": {k: v for peer in peers for k, v in peer.versions.items()},
            "peer_batches": {peer.name: {str(k): v for k, v in peer.batches.items()} for peer in peers},
            "foreign_cores": {"median": round(statistics.median(foreign), 3), "p95": round(foreign[int(len(foreign) * 0.95)], 3)},
            "matrix_product_gflops": multiply, "cases": [summarize(run, case) for case in cases]}


def main():
    parser = argparse.ArgumentParser(prog="bench/run encoder", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, two threads, no rerank: a look, not a result")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", default=None, help="default 1,2")
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS)), help="in tokens, default %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of the order of measurements")
    parser.add_argument("--lock", metavar="FILE", help="hold this file's lock (flock) during each round")
    parser.add_argument("--no-rerank", dest="rerank", action="store_false")
    parser.add_argument("--no-write", dest="write", action="store_false")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 5)
    arguments.rerank = arguments.rerank and not arguments.quick
    threads = [int(n) for n in (arguments.threads or ("2" if arguments.quick else "1,2")).split(",")]
    if not environment.MODEL.exists():
        sys.exit(f"{environment.MODEL} is missing: scripts/fetch_model.sh gets it")
    lengths = [int(n) for n in arguments.lengths.split(",")]
    results = measure(arguments, threads, lengths)
    print(encoder_report.tables(results))
    if arguments.write and not arguments.quick:
        encoder_report.write(results, ROOT / "docs/performance")


if __name__ == "__main__":
    main()
