#!/usr/bin/env python3
"""What a proxy in front of a model server costs: added latency, requests and streams per core, memory, beside its peers.

usage: bench/run gateway [--arms direct,HAProxy,nginx,Ragtime,...] [--rounds N] [--seconds S] [--only requests,streams,memory]
                         [--streams 512,1000,...] [--no-write]

The proxy under test is pinned to core 0; the upstream (`ragtime bench upstream`) and the generator (`ragtime bench`) share
core 1. Rates are also given per second of processor time that the proxy used, which neighbours on the machine change least.
Rounds are interleaved over the arms, so that noise hits all of them; figures are medians of the rounds with the
lowest and highest. Added latency is an arm's percentile minus the direct one of the same round. A cell within 10 % of the
direct arm's rate is bound by the generator and marked.

requests  whole answers and instant streams of 16 tokens; bodies of 200 B and 400 KB; one at a time, and 32 at once
streams   64 tokens at 20 ms: added time to the first content, p99 of gaps; then how many streams at once lose nothing
          (every frame arrives, none is later than 200 ms, no error, the mean gap is within 10 % of the pace)
memory    10,000 open streams of slow tokens: resident memory per stream
Writes gateway.json and gateway.svg to docs/performance/; what was not measured this time stays there, with its own commit.
"""

import argparse
import datetime
import json
import math
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

import chart
import environment
import gateway_arms
from environment import say
from gateway_arms import ARMS, LOAD_CORE, MODEL, RAGTIME, Missing, pinned

PACE_MS = 20
LATENCY_SHOWN_US = 1000
STALL_MS = 10 * PACE_MS
KB = 1024
# name: (options of `ragtime bench`, concurrency)
CELLS = {
    "whole 200 B, alone": (["--whole", "--prompt-tokens", "32"], 1),
    "whole 200 B, 32 at once": (["--whole", "--prompt-tokens", "32"], 32),
    "stream 200 B, alone": (["--prompt-tokens", "32"], 1),
    "stream 200 B, 32 at once": (["--prompt-tokens", "32"], 32),
    "whole 400 KB, alone": (["--whole", "--prompt-tokens", "100000"], 1),
    "whole 400 KB, 8 at once": (["--whole", "--prompt-tokens", "100000"], 8),
}


def load(arm, options, concurrency, seconds, warm_up=0.5, timeout=60):
    """One run of the generator, a closed loop unless options have a rate and concurrency is 0: the report's only round."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        how = ["-c", concurrency] if concurrency else []
        command = [RAGTIME, "bench", arm.url, "--model", MODEL, *how, "--warm-up", warm_up, "--duration", seconds,
                   "--timeout", timeout, "--json", file.name, "-q", "--answer-tokens", "0", *options]
        for name, value in arm.headers.items():
            command += ["--header", f"{name}: {value}"]
        done = subprocess.run(pinned(LOAD_CORE, *command), capture_output=True, text=True, timeout=seconds + warm_up + timeout + 30)
        text = pathlib.Path(file.name).read_text()
        if not text:
            raise RuntimeError(f"{arm.name}: {done.stderr or done.stdout}")
        return json.loads(text)["targets"][0]["rounds"][0]


def load_with_cpu(arm, options, concurrency, seconds):
    """The same, with the requests that the proxy answered per second of processor time."""
    alone = concurrency == 1
    before = arm.cpu_seconds()
    result = load(arm, options, concurrency, seconds, warm_up=0.3 if alone else 0)
    used = arm.cpu_seconds() - before
    result["per_core"] = result["ok"] / used if used > 0.05 and not alone else math.nan
    return result


def latency(result, measure, percentile):
    return result["latency_ms"].get(measure, {}).get(percentile, math.nan)


def stalled(result):
    """Gaps between tokens above the limit."""
    return sum(count for upper, count in result["latency_ms"].get("itl", {}).get("buckets", []) if upper > STALL_MS)


def started(classes, upstream_port, directory, missing):
    arms = []
    for kind in classes:
        if kind.name in missing:
            continue
        arm = kind(upstream_port, directory)
        try:
            arms.append(arm.start())
            say(f"  {kind.name} relays")
        except (Missing, subprocess.CalledProcessError) as error:
            missing[kind.name] = str(error)
            say(f"  missing: {kind.name}: {error}")
            arm.stop()
    return arms


def measure_requests(arms, rounds, seconds):
    out = {cell: {arm.name: [] for arm in arms} for cell in CELLS}
    for number in range(rounds):
        say(f"  round {number + 1} of {rounds}")
        for cell, (options, concurrency) in CELLS.items():
            for arm in arms:
                result = load_with_cpu(arm, options, concurrency, seconds)
                measure = "ttft" if cell.startswith("stream") else "e2e"
                out[cell][arm.name].append({
                    "rps": result["requests_per_second"], "per_core": result["per_core"], "failed": result["failed"], "errors": result["error_samples"][:1],
                    "p50": latency(result, measure, "p50"), "p99": latency(result, measure, "p99")})
    return out


def measure_paced(arms, rounds, seconds, streams=100):
    out = {arm.name: [] for arm in arms}
    for number in range(rounds):
        say(f"  paced streams, round {number + 1} of {rounds}")
        for arm in arms:
            result = load(arm, [], streams, seconds, warm_up=1.5)
            out[arm.name].append({"ttft_p50": latency(result, "ttft", "p50"), "ttft_p99": latency(result, "ttft", "p99"),
                                  "gap_p50": latency(result, "itl", "p50"), "gap_p99": latency(result, "itl", "p99"),
                                  "failed": result["failed"]})
    return out


def sweep_streams(arms, counts, seconds):
    """Per arm, every step up to the first that loses something."""
    out = {}
    for arm in arms:
        out[arm.name] = []
        for count in counts:
            result = load(arm, ["--ramp", "1.3"], count, seconds, warm_up=2)
            events = result["output_tokens_per_second"]
            step = {"streams": count, "failed": result["failed"], "stalled": stalled(result), "events_per_second": events,
                    "gap_p99": latency(result, "itl", "p99"), "errors": result["error_samples"][:2]}
            step["gap_mean"] = latency(result, "itl", "mean")
            step["lossless"] = step["failed"] == 0 and step["stalled"] == 0 and step["gap_mean"] < PACE_MS * 1.1
            out[arm.name].append(step)
            say(f"  {arm.name}: {count} streams, {events:.0f} events/s, {step['failed']} failed, {step['stalled']} stalled")
            if not step["lossless"]:
                break
    return out


def measure_memory(arm, streams, seconds):
    """Resident KiB before, and the most while `streams` are open."""
    before = arm.memory_kib()
    command = [RAGTIME, "bench", arm.url, "--model", MODEL, "-c", streams, "--ramp", 5, "--warm-up", 0, "--duration", seconds,
               "--timeout", 60, "-q", "--answer-tokens", "0"]
    for name, value in arm.headers.items():
        command += ["--header", f"{name}: {value}"]
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        process = subprocess.Popen(pinned(LOAD_CORE, *command, "--json", file.name), stdout=subprocess.DEVNULL)
        most = before
        while process.poll() is None:
            most = max(most, arm.memory_kib())
            time.sleep(0.25)
        result = json.loads(pathlib.Path(file.name).read_text())["targets"][0]["rounds"][0]
    return {"streams": streams, "before_kib": before, "most_kib": most, "kib_per_stream": (most - before) / streams,
            "ok": result["ok"], "failed": result["failed"], "errors": result["error_samples"][:2]}


def spread(values):
    values = [v for v in values if v is not None and not math.isnan(v)]
    return (statistics.median(values), min(values), max(values)) if values else None


def added(rounds, direct, key):
    return spread([(mine[key] - bare[key]) * 1000 for mine, bare in zip(rounds, direct)
                   if mine[key] is not None and bare[key] is not None])


def draw(results):
    panels = []
    requests = results.get("requests", {})
    for cell, title in (("whole 200 B, alone", "added to a whole answer, one at a time"),
                        ("stream 200 B, alone", "added to a stream's first content, one at a time")):
        if cell not in requests or "direct" not in requests[cell]:
            continue
        direct = requests[cell]["direct"]
        series = {name: [added(rounds, direct, key) for key in ("p50", "p99")]
                  for name, rounds in requests[cell].items() if name != "direct"}
        # Two orders of magnitude in one panel would hide the smaller one; the document has them all.
        series = {name: [clip(p) for p in points] for name, points in series.items() if points[0] and points[0][0] < LATENCY_SHOWN_US}
        if series:
            panels.append(chart.Panel(title, ["p50", "p99"], series, "µs (those under 1 ms)"))
    rates = [cell for cell in requests if "at once" in cell]
    if rates:
        names = list(requests[rates[0]])
        series = {name: [spread([r["per_core"] for r in requests[cell][name]]) for cell in rates] for name in names if name != "direct"}
        panels.append(chart.Panel("requests per second of the proxy's processor time", rates, series, "1/s"))
    return chart.bars("A proxy in front of a model server", panels)


def clip(point):
    """Noise can make a difference negative; a bar cannot be."""
    return tuple(max(value, 0.0) for value in point) if point else None


def print_tables(results):
    requests = results.get("requests", {})
    for cell, arms in requests.items():
        print(f"\n{cell}")
        for name, rounds in arms.items():
            rate = spread([r["rps"] for r in rounds])
            line = f"  {name:12} {rate[0]:9.0f}/s ({rate[1]:.0f} … {rate[2]:.0f})"
            per_core = spread([r["per_core"] for r in rounds])
            if per_core:
                line += f"  {per_core[0]:9.0f} per core-second ({per_core[1]:.0f} … {per_core[2]:.0f})"
            if "alone" in cell and "direct" in arms:
                for key in ("p50", "p99"):
                    value = added(rounds, arms["direct"], key)
                    line += "" if not value else f"  +{key} {value[0]:7.0f} µs ({value[1]:.0f} … {value[2]:.0f})"
            failed = sum(r["failed"] for r in rounds)
            bound = "at once" in cell and name != "direct" and "direct" in arms and rate[0] > 0.9 * spread([r["rps"] for r in arms["direct"]])[0]
            print(line + (f"  {failed} failed: {rounds[0]['errors']}" if failed else "") + ("  generator-bound" if bound else ""))
    for name, rounds in results.get("paced", {}).items():
        direct = results["paced"].get("direct", rounds)
        ttft, gap = added(rounds, direct, "ttft_p99"), added(rounds, direct, "gap_p99")
        half = added(rounds, direct, "ttft_p50")
        failed = sum(r["failed"] for r in rounds)
        if not (ttft and gap and half):
            print(f"paced {name:12} no stream ended well, {failed} failed")
            continue
        print(f"paced {name:12} +TTFT p50 {half[0]:.0f} µs, p99 {ttft[0]:.0f} µs ({ttft[1]:.0f} … {ttft[2]:.0f}), "
              f"+gap p99 {gap[0]:.0f} µs ({gap[1]:.0f} … {gap[2]:.0f})")
    for name, steps in results.get("sweep", {}).items():
        good = [step["streams"] for step in steps if step["lossless"]]
        print(f"lossless {name:12} {max(good, default=0)} of {[step['streams'] for step in steps]}")
    for name, row in results.get("memory", {}).items():
        print(f"memory {name:12} {row['before_kib'] / KB:.0f} MiB → {row['most_kib'] / KB:.0f} MiB, "
              f"{row['kib_per_stream']:.1f} KiB a stream, {row['failed']} failed")
    for name, why in results["missing"].items():
        print(f"missing: {name}: {why}")


def without_nan(value):
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def run(arguments, results):
    kinds = [kind for kind in ARMS if not arguments.arms or kind.name in arguments.arms.split(",")]
    only = arguments.only.split(",")
    phases = {"requests": ["--instant", "--tokens", "16"], "streams": ["--instant", "--tokens", "64", "--itl", "20"],
              "memory": ["--instant", "--tokens", "4", "--itl", "5000"]}
    for phase, options in phases.items():
        if phase not in only:
            continue
        say(phase)
        with tempfile.TemporaryDirectory() as directory:
            upstream, port = gateway_arms.start_upstream(*options)
            arms = started(kinds, port, directory, results["missing"])
            try:
                if phase == "requests":
                    results["requests"] = measure_requests(arms, arguments.rounds, arguments.seconds)
                elif phase == "streams":
                    results["paced"] = measure_paced(arms, arguments.rounds, 3)
                    results["sweep"] = sweep_streams(arms, [int(n) for n in arguments.streams.split(",")], 4)
                else:
                    results["memory"] = {arm.name: measure_memory(arm, min(10_000, gateway_arms.streams_max()), 12) for arm in arms
                                         if arm.name in ("HAProxy", "nginx", "Ragtime", "vllm-router")}
            finally:
                for arm in arms:
                    arm.stop()
                gateway_arms.stop(upstream)


def write(results):
    path = environment.OUTPUT / "gateway.json"
    former = json.loads(path.read_text()) if path.exists() else {}
    circumstances = {"date": datetime.date.today().isoformat(), "commit": environment.commit(), "machine": environment.machine(),
                     "command": "bench/run gateway " + shlex.join(sys.argv[1:])}
    measured = {**former.get("measured", {}), **{phase: circumstances for phase in results if phase != "missing"}}
    merged = without_nan({**former, **results, "measured": measured})
    environment.publish("gateway", merged, draw(merged))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", default="", help="which, by name; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each cell")
    parser.add_argument("--only", default="requests,streams,memory")
    parser.add_argument("--streams", default="128,512,1000,1500,2000,2500")
    parser.add_argument("--no-write", action="store_true")
    arguments = parser.parse_args()
    results = {"missing": {}}
    run(arguments, results)
    if not arguments.no_write:
        write(results)
    print_tables(results)


if __name__ == "__main__":
    sys.exit(main())
