#!/usr/bin/env python3
"""Quality of search on every set: `ragtime eval` by arm, and what each second stage changes.

usage: bench/run retrieval-quality [--rerankers LIST] [--rerank-queries N] [--seed N] [--no-write] [SET ...]

Sets are folders in BEIR layout under RAGTIME_DATA or shared/data beside the checkout (default: all). Runs build/release/ragtime (or
RAGTIME_BINARY) with default settings, one set at a time. Second stages are measured on at most N questions of each set (default 200),
with a budget that they do not reach. Writes retrieval-quality.json and the figures of retrieval.md in docs/performance/.
"""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

import encoder_report
import environment
from environment import DATA, ROOT, say

BINARY = pathlib.Path(os.environ.get("RAGTIME_BINARY", ROOT / "build/release/ragtime"))
SETS = ["nfcorpus", "cranfield", "vaswani", "squad-dev", "xquad-en", "cmrc2018", "xquad-zh"]
GAIN_GOAL = 0.02


class Evaluator:
    def __init__(self, work):
        self.work = pathlib.Path(work)
        self.config = self.work / "ragtime.toml"
        self.config.write_text(f'[encoder]\nmodel = "{environment.MODEL}"\n[retrieval]\nrerank_budget_ms = 60000\n')

    def run(self, name, *options):
        """What `ragtime eval` reports about one set."""
        report = self.work / "report.json"
        command = [str(BINARY), "eval", str(DATA / name), "--keep", "--quiet", "--json", str(report), "--config", str(self.config),
                   "--data-dir", str(self.work / "data"), *map(str, options)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} exited with {done.returncode}: {done.stderr}")
        return json.loads(report.read_text())


def measure(arguments):
    results, stages = [], []
    with tempfile.TemporaryDirectory(prefix="ragtime-quality-") as work:
        evaluator = Evaluator(work)
        for name in arguments.sets:
            say(name)
            report = evaluator.run(name, "--seed", arguments.seed)
            settings = report["settings"] | {"encoder": environment.MODEL.name}
            results.append(report["sets"][0])
            for reranker in arguments.rerankers:
                say(f"{name} with {reranker}")
                of_stage = evaluator.run(name, "--seed", arguments.seed, "--queries", arguments.rerank_queries, "--reranker", reranker)
                stages.append({"reranker": reranker, **of_stage["sets"][0]})
    return {"benchmark": "retrieval-quality", "command": "bench/run retrieval-quality " + shlex.join(sys.argv[1:]),
            "commit": environment.commit(), "machine": environment.machine(), "settings": settings, "sets": results, "second_stages": stages}


def signed(value):
    return f"{value:+.4f}"


def arms_table(sets):
    rows = []
    for figures in sets:
        arms, against = figures["arms"], figures["hybrid_against"][0]
        better = arms[against["arm"]]["ndcg@10"]
        cells = [" / ".join(f"{arms[arm][m]:.4f}" for m in ("ndcg@10", "recall@10", "mrr@10", "map@100", "recall@100"))
                 for arm in ("lexical", "dense", "hybrid")]
        low, high = against["interval"]
        rows.append([figures["name"], f"{figures['documents']:,}", f"{figures['queries']:,}", *cells,
                     f"{signed(against['gain'])} ({against['gain'] / better:+.1%}) [{signed(low)}, {signed(high)}]"])
    heads = ["set", "documents", "questions", "lexical", "dense", "hybrid", "hybrid against the better arm, nDCG@10"]
    return encoder_report.table(heads, rows)


def mean_line(sets):
    mean = lambda values: sum(values) / len(values)
    better = mean([max(s["arms"]["lexical"]["ndcg@10"], s["arms"]["dense"]["ndcg@10"]) for s in sets])
    hybrid = mean([s["arms"]["hybrid"]["ndcg@10"] for s in sets])
    behind = [s["name"] for s in sets if s["hybrid_against"][0]["gain"] < 0]
    goal = "met" if hybrid / better - 1 >= GAIN_GOAL and not behind else "missed"
    return (f"Mean nDCG@10 of {len(sets)} sets: lexical {mean([s['arms']['lexical']['ndcg@10'] for s in sets]):.4f}, dense "
            f"{mean([s['arms']['dense']['ndcg@10'] for s in sets]):.4f}, each set's better arm {better:.4f}, hybrid {hybrid:.4f} "
            f"({hybrid / better - 1:+.1%}). Behind the better arm on: {', '.join(behind) or 'none'}. "
            f"Goal (never behind, +2 % on the mean): {goal}.")


def stages_table(stages):
    rows = []
    for figures in stages:
        fused, hybrid = (figures["arms"][arm]["ndcg@10"] for arm in ("fused", "hybrid"))
        against = next(each for each in figures["hybrid_against"] if each["arm"] == "fused")
        low, high = against["interval"]
        rows.append([figures["reranker"], figures["name"], str(figures["queries"]), f"{fused:.4f}", f"{hybrid:.4f}", signed(against["gain"]),
                     f"{signed(low)} to {signed(high)}", "yes" if against["significant"] else "no"])
    heads = ["second stage", "set", "questions", "without", "with", "change of nDCG@10", "95 % interval", "significant"]
    return encoder_report.table(heads, rows)


def report(results):
    parts = [f"`{results['command'].strip()}` at {results['commit']}.",
             "Each cell: nDCG@10 / recall@10 / MRR@10 / MAP@100 / recall@100.", arms_table(results["sets"]), mean_line(results["sets"])]
    if results["second_stages"]:
        parts += ["### Second stages", stages_table(results["second_stages"])]
    return "\n\n".join(parts)


def main():
    parser = argparse.ArgumentParser(prog="bench/run retrieval-quality", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--rerankers", type=lambda text: [name for name in text.split(",") if name],
                        default=["lexical_overlap", "late_interaction"], help="separated by commas; '' for none")
    parser.add_argument("--rerank-queries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", dest="write", action="store_false")
    arguments = parser.parse_args()
    if not environment.MODEL.exists():
        sys.exit(f"{environment.MODEL} is missing: scripts/fetch_model.sh gets it")
    results = measure(arguments)
    print(report(results))
    if arguments.write:
        folder = ROOT / "docs/performance"
        (folder / "retrieval-quality.json").write_text(json.dumps(results, indent=1) + "\n")
        encoder_report.replace_figures(folder / "retrieval.md", "retrieval-quality", report(results))


if __name__ == "__main__":
    main()
