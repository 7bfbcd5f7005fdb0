#!/usr/bin/env python3
"""Retrieval quality end to end: every paragraph of a set ingested as a document through the command line, then questions
through POST /v1/vector_stores/{id}/search of a running server.

usage: bench/retrieval_quality.py [--questions N] [--seed N] [--json FILE] [SET[:lexical|:hybrid] ...]

Sets are folders with corpus.jsonl.gz, queries.jsonl.gz and qrels.tsv (BEIR layout) under RAGTIME_DATA or the folder
shared/data beside the checkout. Default: squad-dev:hybrid squad-dev:lexical cmrc2018:lexical.
"""

import argparse
import csv
import gzip
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/functional"))
import conftest  # noqa: E402

DATA = pathlib.Path(os.environ.get("RAGTIME_DATA", ROOT.parent / "shared/data"))


def read_lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_corpus(folder, target):
    """One text file per paragraph, named by its id, the title as its first line."""
    target.mkdir(parents=True, exist_ok=True)
    corpus = read_lines(folder / "corpus.jsonl.gz")
    for row in corpus:
        title = row.get("title", "").replace("_", " ")
        (target / (row["_id"] + ".txt")).write_text(f"{title}\n\n{row['text']}" if title else row["text"], encoding="utf-8")
    return len(corpus)


def sample_questions(folder, count, seed):
    queries = {row["_id"]: row["text"] for row in read_lines(folder / "queries.jsonl.gz")}
    with open(folder / "qrels.tsv", newline="") as rows:
        relevant = {}
        for row in csv.DictReader(rows, delimiter="\t"):
            relevant.setdefault(row["query-id"], set()).add(row["corpus-id"])
    ids = sorted(relevant)
    random.Random(seed).shuffle(ids)
    return [(queries[i], relevant[i]) for i in ids[:count]]


def measure(folder, work, with_model, questions=200, seed=1):
    """Ingests and asks; returns a dictionary of figures."""
    documents = work / "documents"
    count = write_corpus(folder, documents)
    server = conftest.Server(work / "data", with_model=with_model)
    started = time.monotonic()
    server.run("ingest", str(documents), "--json")
    ingest_s = time.monotonic() - started
    server.start()
    try:
        store = next(s["id"] for s in server.call("GET", "/v1/vector_stores")[2]["data"] if s["name"] == "default")
        in_1 = in_5 = asked = 0
        latencies = []
        for question, relevant in sample_questions(folder, questions, seed):
            started = time.monotonic()
            reply = server.call("POST", f"/v1/vector_stores/{store}/search", {"query": question, "max_num_results": 5})
            latencies.append((time.monotonic() - started) * 1000)
            found = [hit["filename"].removesuffix(".txt") for hit in reply[2]["data"]]
            in_1 += bool(found) and found[0] in relevant
            in_5 += any(name in relevant for name in found[:5])
            asked += 1
    finally:
        server.stop()
    return {"set": folder.name, "arms": "hybrid" if with_model else "lexical", "documents": count,
            "ingest_s": round(ingest_s, 1), "questions": asked, "seed": seed, "found_in_1": round(in_1 / asked, 4),
            "found_in_5": round(in_5 / asked, 4), "search_ms_median": round(statistics.median(latencies), 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=["squad-dev:hybrid", "squad-dev:lexical", "cmrc2018:lexical"])
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures here")
    arguments = parser.parse_args()
    results = []
    print(f"{'set':<12} {'arms':<8} {'documents':>9} {'ingest s':>9} {'questions':>9} {'in 1':>7} {'in 5':>7} {'search ms':>9}")
    for choice in arguments.sets:
        name, _, arms = choice.partition(":")
        with tempfile.TemporaryDirectory(prefix="ragtime-quality-") as work:
            r = measure(DATA / name, pathlib.Path(work), arms != "lexical", arguments.questions, arguments.seed)
        results.append(r)
        print(f"{r['set']:<12} {r['arms']:<8} {r['documents']:>9} {r['ingest_s']:>9} {r['questions']:>9} "
              f"{r['found_in_1']:>7.1%} {r['found_in_5']:>7.1%} {r['search_ms_median']:>9}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
