"""Real paragraphs and questions through `ragtime ingest` and POST /v1/vector_stores/{id}/search: is the paragraph in the first five?

tests/functional/eval_test.py measures rankings themselves; this is about the whole way there.
"""

import csv
import gzip
import json
import random

import pytest
from conftest import DATA, MODEL, Server


def read_lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_corpus(folder, target):
    """One text file per paragraph, named by its id, the title as its first line."""
    target.mkdir(parents=True)
    for row in read_lines(folder / "corpus.jsonl.gz"):
        title = row.get("title", "").replace("_", " ")
        (target / (row["_id"] + ".txt")).write_text(f"{title}\n\n{row['text']}" if title else row["text"], encoding="utf-8")


def sample_questions(folder, count, seed):
    queries = {row["_id"]: row["text"] for row in read_lines(folder / "queries.jsonl.gz")}
    relevant = {}
    with open(folder / "qrels.tsv", newline="") as rows:
        for row in csv.DictReader(rows, delimiter="\t"):
            relevant.setdefault(row["query-id"], set()).add(row["corpus-id"])
    ids = sorted(relevant)
    random.Random(seed).shuffle(ids)
    return [(queries[i], relevant[i]) for i in ids[:count]]


def share_in_first_five(server, store, questions):
    found = 0
    for question, relevant in questions:
        reply = server.call("POST", f"/v1/vector_stores/{store}/search", {"query": question, "max_num_results": 5})
        found += any(hit["filename"].removesuffix(".txt") in relevant for hit in reply[2]["data"])
    return found / len(questions)


@pytest.mark.parametrize("name, with_model, goal", [("squad-dev", True, 0.92), ("cmrc2018", False, 0.98)])
def test_the_paragraph_is_in_the_first_five(directory, name, with_model, goal):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is absent; RAGTIME_DATA names another place")
    if with_model and not MODEL.exists():
        pytest.skip(f"{MODEL} is missing; scripts/fetch_model.sh gets it")
    write_corpus(DATA / name, directory / name)
    server = Server(directory / f"data-{name}", with_model=with_model)
    server.run("ingest", str(directory / name), "--json")
    server.start()
    try:
        store = next(s["id"] for s in server.call("GET", "/v1/vector_stores")[2]["data"] if s["name"] == "default")
        assert share_in_first_five(server, store, sample_questions(DATA / name, 200, seed=1)) >= goal
    finally:
        server.stop()
