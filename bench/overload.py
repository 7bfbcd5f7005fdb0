#!/usr/bin/env python3
"""Twice and five times the requests that a model server can serve: what is still served in time, and how fast the rest is refused.

usage: bench/run overload [--rounds N] [--seconds S] [--no-write]

The model server is `ragtime bench upstream` with 64 places, 50 ms to the first token and 20 tokens at 10 ms, both on
average and distributed exponentially; it queues what it has no place for. In front of it `ragtime serve` with one pool and the limits of its defaults, but for the
server's own limit of concurrent requests, which would hide the pool's. Each round measures, through the gateway and
directly: the peak, as a closed loop of 64; twice and five times that rate as an open loop, whatever happens to earlier
requests; and the peak's half right after. An answer is good when its first token comes within two seconds, which is how
long the pool lets a request wait. Recovered is the first second whose mean time to the first token is within 1.5 times
that of the round's calm start and in which nothing fails. Medians of the rounds, with least and most. Writes
overload.json and overload.svg to docs/performance/.
"""

import argparse
import datetime
import json
import shlex
import statistics
import sys
import tempfile

import chart
import environment
import gateway
import gateway_arms
from environment import say

PLACES, TTFT_MS, ITL_MS, TOKENS = 64, "exp:50", "exp:10", 20
SLO = "ttft=2000"
TIMES = (2, 5)


class Gateway(gateway_arms.Ragtime):
    """With the pool's own limits."""

    ADMISSION = ""


def phase(arm, seconds, rate=None):
    options = ["--slo", SLO] + (["--rate", f"{rate:.1f}"] if rate else [])
    return gateway.load(arm, options, 0 if rate else PLACES, seconds, warm_up=1, timeout=30)


def figures(result, peak):
    refused = sum(count for kind, count in result["errors"].items() if kind in ("http_429", "http_503"))
    return {"good_share": result["goodput_per_second"] / peak, "refused": refused, "failed_otherwise": result["failed"] - refused,
            "ttft_p50_ms": gateway.latency(result, "ttft", "p50"), "ttft_p99_ms": gateway.latency(result, "ttft", "p99"),
            "refusal_p50_ms": gateway.latency(result, "refusal", "p50"), "refusal_p99_ms": gateway.latency(result, "refusal", "p99")}


def recovered_after(result, calm_ms):
    """Seconds until answers are as fast as before, with nothing refused; None if they never were."""
    for second, row in enumerate(result["timeline"]):
        if row["ok"] > 0 and row["failed"] == 0 and row["ttft_ms"] <= 1.5 * calm_ms:
            return second
    return None


def measure(arm, seconds):
    peak = phase(arm, seconds)
    rate = peak["goodput_per_second"]
    row = {"peak": rate, "peak_ttft_p99_ms": gateway.latency(peak, "ttft", "p99")}
    for times in TIMES:
        row[f"{times}x"] = figures(phase(arm, seconds, rate=times * rate), rate)
    after = phase(arm, 10, rate=rate / 2)
    row["recovered_s"] = recovered_after(after, gateway.latency(peak, "ttft", "mean"))
    return row


def spread(values):
    values = [value for value in values if value is not None and value == value]
    return {"median": statistics.median(values), "least": min(values), "most": max(values)} if values else None


def summary(rows):
    out = {key: spread([row[key] for row in rows]) for key in ("peak", "peak_ttft_p99_ms", "recovered_s")}
    out["never_recovered"] = sum(row["recovered_s"] is None for row in rows)
    for times in TIMES:
        out[f"{times}x"] = {key: spread([row[f"{times}x"][key] for row in rows]) for key in rows[0][f"{times}x"]}
    return out


def text(value, unit="", digits=1):
    return "–" if value is None else f"{value['median']:.{digits}f}{unit} ({value['least']:.{digits}f} … {value['most']:.{digits}f})"


def print_table(results):
    for name, row in results["figures"].items():
        say(f"  {name}: peak {text(row['peak'])}/s, first token p99 {text(row['peak_ttft_p99_ms'])} ms")
        for times in TIMES:
            cell = row[f"{times}x"]
            say(f"    {times} ×: good {text(cell['good_share'], digits=3)} of the peak, first token p99 {text(cell['ttft_p99_ms'])} ms, "
                f"refused in p99 {text(cell['refusal_p99_ms'])} ms, failed otherwise {text(cell['failed_otherwise'], digits=0)}")
        say(f"    recovered after {text(row['recovered_s'], digits=0)} s, never in {row['never_recovered']} rounds")


def draw(results):
    groups = [f"{times} × the peak" for times in TIMES]
    point = lambda value: (value["median"], value["least"], value["most"]) if value else None
    series = lambda key: {name: [point(row[f"{times}x"][key]) for times in TIMES] for name, row in results["figures"].items()}
    return chart.bars("A model server asked for more than it can serve",
                      [chart.Panel("good answers", groups, series("good_share"), "of the peak's rate"),
                       chart.Panel("time to the first token, 99th percentile", groups, series("ttft_p99_ms"), "ms")])


def main():
    parser = argparse.ArgumentParser(prog="bench/run overload", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    gateway_arms.streams_max()
    upstream, port = gateway_arms.start_upstream("--slots", PLACES, "--ttft", TTFT_MS, "--itl", ITL_MS, "--tokens", TOKENS)
    rows = {}
    with tempfile.TemporaryDirectory() as directory:
        arms = gateway.started([gateway_arms.Direct, Gateway], port, directory, {})
        try:
            for number in range(options.rounds):
                for arm in arms:
                    rows.setdefault(arm.name, []).append(measure(arm, options.seconds))
                    say(f"  round {number + 1}, {arm.name}: {json.dumps(rows[arm.name][-1])}")
        finally:
            for arm in arms:
                arm.stop()
            gateway_arms.stop(upstream)
    results = {"date": datetime.date.today().isoformat(), "commit": environment.commit(), "machine": environment.machine(),
               "command": "bench/run overload " + shlex.join(sys.argv[1:]), "rounds": options.rounds,
               "figures": {name: summary(values) for name, values in rows.items()}}
    print_table(results)
    if not options.no_write:
        environment.publish("overload", results, draw(results))


if __name__ == "__main__":
    main()
