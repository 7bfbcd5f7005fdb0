#!/usr/bin/env python3
"""Queries beside a bulk ingest: what each costs the other when both share one encoder.

usage: bench/run encoder-shared [--rounds N] [--threads N] [--clients N] [--rate QPS] [--seconds S] [--precision bf16,int8]
                                [--no-write]

`encoder_bench --mode shared`: clients ask short queries through embedder and batcher, without and with documents embedded
in bulk; at a given rate of all clients with exponential gaps, and as fast as they get answers ("closed", a stress figure).
Figures are medians over the rounds with the smallest and largest. Writes encoder-shared.json and the figures of
encoder.md in docs/performance/ unless --no-write is given. A full run takes about three minutes on two idle cores.
"""

import argparse
import datetime
import json
import subprocess
import sys

import encoder
import encoder_report
import environment
from environment import ROOT, say, spread

GOALS = "p99 beside documents at most 3 times its idle value, documents keep at least 80 % of their speed"


def run_once(program, arguments, precision):
    command = [str(program), "--model", str(environment.MODEL), "--mode", "shared", "--precision", precision, "--json"]
    for name in ("threads", "clients", "rate", "seconds"):
        command += [f"--{name}", str(getattr(arguments, name))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + 20 * arguments.seconds)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} exited with {done.returncode}: {done.stderr[-1000:]}")
    return [json.loads(line) for line in done.stdout.strip().splitlines()]


def summarize(rows):
    """Of the rounds of one precision and pace."""
    paths = [("idle", "queries_per_s"), ("idle", "p50_ms"), ("idle", "p99_ms"), ("busy", "queries_per_s"), ("busy", "p50_ms"),
             ("busy", "p99_ms"), ("alone", "tokens_per_s"), ("alone", "cores"), ("shared", "tokens_per_s"), ("shared", "cores")]
    out = {key: rows[0][key] for key in ("precision", "threads", "pace", "clients")}
    out |= {f"{part}_{key}": spread([row[part][key] for row in rows]) for part, key in paths}
    return out | {key: spread([row[key] for row in rows]) for key in ("p99_ratio", "kept")}


def measure(program, arguments):
    samples = {}
    for index in range(arguments.rounds):
        for precision in arguments.precision.split(","):
            for row in run_once(program, arguments, precision):
                samples.setdefault((precision, row["pace"]), []).append(row)
        say(f"round {index + 1} of {arguments.rounds}")
    return {"benchmark": "encoder-shared", "command": " ".join(["bench/run encoder-shared", *sys.argv[1:]]),
            "commit": environment.commit(), "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "machine": environment.machine(), "rounds": arguments.rounds, "rate": arguments.rate,
            "cases": [summarize(rows) for rows in samples.values()]}


def tables(results):
    machine = results["machine"]
    middle = lambda case, name: f"{case[name]['median']:.2f}"
    rows = []
    for case in results["cases"]:
        rate = lambda part: f"{case[part + '_tokens_per_s']['median'] / 1000:.1f}k on {middle(case, part + '_cores')}"
        rows.append([case["precision"], str(case["threads"]), case["pace"], f"{case['busy_queries_per_s']['median']:.0f}",
                     *(f"{middle(case, part + '_p50_ms')} / {middle(case, part + '_p99_ms')}" for part in ("idle", "busy")),
                     encoder_report.ratio(case["p99_ratio"]), rate("alone"), rate("shared"), encoder_report.ratio(case["kept"])])
    heads = ["precision", "threads", "pace", "queries/s", "idle p50 / p99 ms", "busy p50 / p99 ms", "p99 busy / idle",
             "documents alone, tokens/s on cores", "beside queries", "kept"]
    return "\n\n".join([
        f"`{results['command']}` at {results['commit']}, {results['date']}; {results['rounds']} rounds.  \n"
        f"Machine: {machine['processor']}, {machine['cores']} cores; {', '.join(machine['instruction_sets'])}.  \n"
        f"{results['cases'][0]['clients']} clients, paced at {results['rate']:g} queries per second of all. Goals, paced: {GOALS}.  \n"
        "Cores below the number of threads: others used the rest, and the same queries then take a larger share.",
        encoder_report.table(heads, rows)])


def main():
    parser = argparse.ArgumentParser(prog="bench/run encoder-shared", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--precision", default="bf16,int8")
    parser.add_argument("--no-write", dest="write", action="store_false")
    arguments = parser.parse_args()
    program = encoder.find_program()
    if program is None:
        sys.exit("encoder_bench is missing: build it with `cmake --build --preset release --target encoder_bench`")
    if not environment.MODEL.exists():
        sys.exit(f"{environment.MODEL} is missing: scripts/fetch_model.sh gets it")
    results = measure(program, arguments)
    print(tables(results))
    if arguments.write:
        folder = ROOT / "docs/performance"
        (folder / "encoder-shared.json").write_text(json.dumps(encoder_report.compact(results), indent=1) + "\n")
        encoder_report.replace_figures(folder / "encoder.md", "encoder-shared", tables(results))


if __name__ == "__main__":
    main()
