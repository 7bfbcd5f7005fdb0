#!/usr/bin/env python3
"""Quality of our embeddings beside sentence-transformers in f32: cosine of every text, and nDCG@10 of dense retrieval.

usage: bench/run embedding-quality [--precision f32,bf16,int8] [--documents N] [--no-write] [SET ...]

Sets are folders in BEIR layout under RAGTIME_DATA or shared/data beside the checkout (default: nfcorpus squad-dev
xquad-en). Ours come from POST /v1/embeddings of build/release/ragtime (or RAGTIME_BINARY), started once per precision;
the reference is kept in the cache directory. Search is exact. Writes embedding-quality.json and the figures of
encoder.md in docs/performance/. --documents N takes only the first N of each set: a look, not a result.
"""

import argparse
import base64
import csv
import gzip
import hashlib
import json
import math
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

import environment
import encoder_report
from environment import ROOT, say

BATCH = 128
GOALS = {"f32": 0.9999, "bf16": 0.9995, "int8": 0.99}
NDCG_DIFFERENCE_MAX = 0.005


def read_set(name, documents_max):
    folder = environment.DATA / name
    rows = lambda file: [json.loads(line) for line in gzip.open(folder / file, "rt", encoding="utf-8")]
    corpus = rows("corpus.jsonl.gz")[:documents_max]
    relevant = {}
    with open(folder / "qrels.tsv", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            relevant.setdefault(row["query-id"], {})[row["corpus-id"]] = float(row["score"])
    queries = [row for row in rows("queries.jsonl.gz") if row["_id"] in relevant]
    titled = lambda row: f"{row.get('title', '')} {row['text']}".strip()
    return {"name": name, "ids": [row["_id"] for row in corpus], "documents": [titled(row) for row in corpus],
            "query_ids": [row["_id"] for row in queries], "queries": [row["text"] for row in queries], "relevant": relevant}


def ndcg_at_10(data, documents, queries):
    """Mean over the queries, linear gain; `documents` and `queries` are normalised rows of numpy."""
    import numpy as np
    total = 0.0
    for start in range(0, len(queries), 512):
        scores = queries[start:start + 512] @ documents.T
        nearest = np.argpartition(-scores, min(10, scores.shape[1] - 1), axis=1)[:, :10]
        for row, found in enumerate(nearest):
            gains = data["relevant"][data["query_ids"][start + row]]
            ranked = [data["ids"][i] for i in sorted(found, key=lambda i: -scores[row, i])]
            ideal = sorted(gains.values(), reverse=True)[:10]
            gain = sum(gains.get(name, 0) / math.log2(rank + 2) for rank, name in enumerate(ranked))
            total += gain / sum(value / math.log2(rank + 2) for rank, value in enumerate(ideal))
    return total / len(queries)


class Reference:
    """sentence-transformers in f32; vectors are kept by content, for they take minutes."""

    def __init__(self, model, threads):
        from encoder_peers import TorchPeer
        import torch
        torch.set_num_threads(threads)
        self.peer = TorchPeer("f32", str(model), None)
        self.folder = environment.cache_directory() / "reference"
        self.folder.mkdir(parents=True, exist_ok=True)

    def embed(self, texts):
        import numpy as np
        path = self.folder / (hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24] + ".npy")
        if not path.exists():
            np.save(path, self.peer.embed(texts, 32))
        return np.load(path)


class ServerEmbedder:
    """Our embeddings, as a client gets them."""

    def __init__(self, precision, work):
        sys.path.insert(0, str(ROOT / "tests/functional"))
        import conftest
        self.server = conftest.Server(pathlib.Path(work) / precision, config=f'precision = "{precision}"\n', with_model=True).start()
        self.model = environment.MODEL.name

    def embed(self, texts):
        import numpy as np
        rows = []
        for start in range(0, len(texts), BATCH):
            body = {"model": self.model, "input": texts[start:start + BATCH], "encoding_format": "base64"}
            status, _, reply = self.server.call("POST", "/v1/embeddings", body)
            if status != 200:
                raise RuntimeError(f"/v1/embeddings answered {status}: {reply}")
            rows += [np.frombuffer(base64.b64decode(item["embedding"]), np.float32) for item in reply["data"]]
        return np.stack(rows)

    def close(self):
        self.server.stop()


def compare(data, reference, ours):
    """Figures of one set at one precision."""
    import numpy as np
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
    theirs = [unit(reference.embed(data[kind])) for kind in ("documents", "queries")]
    mine = [unit(ours.embed(data[kind])) for kind in ("documents", "queries")]
    cosines = np.concatenate([(a * b).sum(1) for a, b in zip(theirs, mine)])
    expected, found = ndcg_at_10(data, *theirs), ndcg_at_10(data, *mine)
    return {"set": data["name"], "texts": len(cosines), "cosine_min": float(cosines.min()), "cosine_mean": float(cosines.mean()),
            "ndcg_10": found, "ndcg_10_sentence_transformers": expected, "difference": found - expected}


def measure(arguments):
    reference = Reference(environment.MODEL, os.cpu_count())
    sets = [read_set(name, arguments.documents) for name in arguments.sets]
    results = []
    with tempfile.TemporaryDirectory(prefix="ragtime-embedding-") as work:
        for precision in arguments.precision.split(","):
            ours = ServerEmbedder(precision, work)
            try:
                for data in sets:
                    say(f"{precision}: {data['name']}, {len(data['documents'])} documents, {len(data['queries'])} queries")
                    results.append({"precision": precision, **compare(data, reference, ours)})
            finally:
                ours.close()
    return {"benchmark": "embedding-quality", "command": "bench/run embedding-quality " + shlex.join(sys.argv[1:]),
            "commit": environment.commit(), "machine": environment.machine(), "versions": reference.peer.versions,
            "model": environment.MODEL.name, "results": results}


def report(results):
    rows = []
    for r in results["results"]:
        good = abs(r["difference"]) <= NDCG_DIFFERENCE_MAX and r["cosine_min"] >= GOALS[r["precision"]]
        rows.append([r["set"], r["precision"], str(r["texts"]), f"{r['cosine_min']:.5f}", f"{r['cosine_mean']:.5f}", f"{r['ndcg_10']:.4f}",
                     f"{r['ndcg_10_sentence_transformers']:.4f}", f"{r['difference']:+.4f}", "met" if good else "missed"])
    heads = ["set", "precision", "texts", "least cosine", "mean cosine", "nDCG@10", "sentence-transformers", "difference", "goals"]
    return f"`{results['command'].strip()}` at {results['commit']}.\n\n" + encoder_report.table(heads, rows)


def with_peers_interpreter():
    """Starts again in the environment of the peers, which has numpy and sentence-transformers."""
    python = environment.peers_python()
    if pathlib.Path(sys.prefix).resolve() != python.parent.parent.resolve():
        done = subprocess.run([str(python), *sys.argv], env=environment.peers_environment(os.cpu_count()))
        sys.exit(done.returncode)


def main():
    parser = argparse.ArgumentParser(prog="bench/run embedding-quality", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=["nfcorpus", "squad-dev", "xquad-en"])
    parser.add_argument("--precision", default="f32,bf16,int8")
    parser.add_argument("--documents", type=int)
    parser.add_argument("--no-write", dest="write", action="store_false")
    arguments = parser.parse_args()
    if not environment.MODEL.exists():
        sys.exit(f"{environment.MODEL} is missing: scripts/fetch_model.sh gets it")
    with_peers_interpreter()
    results = measure(arguments)
    print(report(results))
    if arguments.write and not arguments.documents:
        folder = ROOT / "docs/performance"
        (folder / "embedding-quality.json").write_text(json.dumps(results, indent=1) + "\n")
        encoder_report.replace_figures(folder / "encoder.md", "embedding-quality", report(results))


if __name__ == "__main__":
    main()
