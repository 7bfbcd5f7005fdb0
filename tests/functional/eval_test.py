"""`ragtime eval`: known rankings, measures beside an implementation of their own, mistakes, and floors on real questions."""

import collections
import csv
import gzip
import json
import math
import os
import signal
import statistics
import subprocess
import time

import pytest
from conftest import DATA, MODEL, Server

ANIMALS = {"d1": "The otter sleeps on its back.", "d2": "An otter, an otter, and another otter.", "d3": "The fox is clever.",
           "d4": "Foxes and otters live near rivers.", "d5": "Bears like honey."}


def write_set(folder, documents, queries, qrels, compressed=False):
    folder.mkdir(parents=True)
    lines = lambda rows: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    files = {"corpus.jsonl": lines({"_id": name, "title": "", "text": text} for name, text in documents.items()),
             "queries.jsonl": lines({"_id": name, "text": text} for name, text in queries.items())}
    for name, content in files.items():
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    rows = "".join(f"{query}\t{document}\t{grade}\n" for query, document, grade in qrels)
    (folder / "qrels").mkdir()
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)
    return folder


@pytest.fixture()
def ragtime(tmp_path):
    return Server(tmp_path / "data")


def evaluate(server, *arguments):
    """The JSON report and what was printed."""
    report = server.data_dir.parent / "report.json"
    done = server.run("eval", *map(str, arguments), "--json", str(report), "--quiet")
    return json.loads(report.read_text()), done.stdout


def test_a_known_ranking(ragtime, tmp_path):
    folder = write_set(tmp_path / "animals", ANIMALS, {"q1": "honey", "q2": "clever fox", "q3": "otter", "q4": "whale"},
                       [("q1", "d5", 1), ("q2", "d4", 1), ("q3", "d2", 2), ("q3", "d3", 1), ("q4", "d1", 1), ("q1", "d1", 0)])
    report, printed = evaluate(ragtime, folder)
    lexical = report["sets"][0]["arms"]["lexical"]
    # Ranks of the relevant ones: 1; 2 behind d3; 1 with d3 not found; none.
    second = 1 / math.log2(3)
    assert lexical["ndcg@10"] == pytest.approx((1 + second + 2 / (2 + second) + 0) / 4)
    assert lexical["recall@10"] == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert lexical["mrr@10"] == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    assert lexical["map@100"] == pytest.approx((1 + 0.5 + 0.5 + 0) / 4)
    assert set(report["sets"][0]["arms"]) == {"lexical"} and "no embedding model" in printed
    assert "5 documents" in printed and "4 questions" in printed


def test_your_stores_stay_as_they_are(ragtime, tmp_path):
    folder = write_set(tmp_path / "animals", ANIMALS, {"q1": "honey"}, [("q1", "d5", 1)])
    evaluate(ragtime, folder)
    assert not ragtime.data_dir.exists()
    evaluate(ragtime, folder, "--keep")
    kept = list((ragtime.data_dir / "eval").iterdir())
    assert len(kept) == 1 and kept[0].name.startswith("animals-")
    before = (kept[0] / "ragtime.db").stat().st_ino
    report, _ = evaluate(ragtime, folder, "--keep")
    assert report["sets"][0]["arms"]["lexical"]["ndcg@10"] == 1
    assert [path.name for path in (ragtime.data_dir / "eval").iterdir()] == [kept[0].name]
    assert (kept[0] / "ragtime.db").stat().st_ino == before


def test_mistakes_name_file_and_line(ragtime, tmp_path):
    folder = write_set(tmp_path / "animals", ANIMALS, {"q1": "honey"}, [("q1", "d9", 1)])
    done = ragtime.run("eval", str(folder), check=False)
    assert done.returncode == 2
    assert f"{folder}/qrels/test.tsv:2: there is no document \"d9\" in corpus.jsonl" in done.stderr
    done = ragtime.run("eval", str(tmp_path), check=False)
    assert done.returncode == 2 and "there is no corpus.jsonl" in done.stderr
    assert ragtime.run("eval", str(folder), "--k", "0", check=False).returncode == 2


def test_an_interruption_is_clean(ragtime, tmp_path):
    documents = {f"d{i}": f"word{i} " * 50 for i in range(20_000)}
    folder = write_set(tmp_path / "many", documents, {"q1": "word1"}, [("q1", "d1", 1)])
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(ragtime.command("eval", str(folder)), stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "TMPDIR": str(temporary)})
    deadline = time.monotonic() + 60
    while not list(temporary.glob("ragtime-eval-*/ragtime.db")):
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert not list(temporary.iterdir())


# An implementation of its own: from the run files and judgements, by the definitions in the papers.

def read_judgements(folder):
    path = folder / "qrels.tsv" if (folder / "qrels.tsv").exists() else folder / "qrels/test.tsv"
    judged = collections.defaultdict(dict)
    with open(path, newline="") as lines:
        for query, document, grade in list(csv.reader(lines, delimiter="\t"))[1:]:
            judged[query][document] = int(grade)
    return judged


def read_run(path):
    ranked = collections.defaultdict(list)
    for line in path.read_text().splitlines():
        query, _, document, rank, score, _ = line.split(" ")
        ranked[query].append((int(rank), -float(score), document))
    for query, rows in ranked.items():
        assert sorted(rows) == sorted(rows, key=lambda row: row[1]), "scores must say the same as ranks"
    return {query: [document for _, _, document in sorted(rows)] for query, rows in ranked.items()}


def reference_measures(judged, ranking, k=10):
    relevant = {document for document, grade in judged.items() if grade > 0}
    gain = lambda documents: sum(max(judged.get(d, 0), 0) / math.log2(i + 2) for i, d in enumerate(documents[:k]))
    ideal = sorted(relevant, key=lambda document: -judged[document])
    hits = [rank for rank, document in enumerate(ranking, 1) if document in relevant]
    return {"ndcg@10": gain(ranking) / gain(ideal), "recall@10": sum(rank <= k for rank in hits) / len(relevant),
            "mrr@10": next((1 / rank for rank in hits if rank <= k), 0.0),
            "map@100": sum((i + 1) / rank for i, rank in enumerate(hits)) / len(relevant),
            "recall@100": len(hits) / len(relevant)}


def check_against_reference(report, folder, runs):
    judged = read_judgements(folder)
    for arm, figures in report["arms"].items():
        ranked = read_run(runs / f"{folder.name}.{arm}.run")
        asked = [query for query in judged if query in ranked] if report["queries"] < len(judged) else list(judged)
        rows = [reference_measures(judged[query], ranked.get(query, [])) for query in asked]
        for name in rows[0]:
            assert figures[name] == pytest.approx(statistics.mean(row[name] for row in rows), abs=1e-9), (arm, name)


@pytest.mark.parametrize("compressed", [False, True])
def test_measures_equal_those_of_the_reference(ragtime, tmp_path, compressed):
    words = ["otter", "fox", "bear", "wolf", "river", "honey", "forest"]
    documents = {f"d{i}": " ".join(words[j] for j in range(7) if i >> j & 1) + "." for i in range(1, 128)}
    queries = {f"q{i}": f"{words[i % 7]} {words[i * 3 % 7]}" for i in range(20)}
    qrels = [(f"q{i}", f"d{1 + (i * 37 + j * 11) % 127}", j % 4) for i in range(20) for j in range(9)]
    folder = write_set(tmp_path / "words", documents, queries, qrels, compressed)
    report, _ = evaluate(ragtime, folder, "--runs", tmp_path / "runs")
    check_against_reference(report["sets"][0], folder, tmp_path / "runs")


def folder_of(name):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is absent; RAGTIME_DATA names another place")
    return DATA / name


@pytest.mark.parametrize("name, floor", [("xquad-en", 0.96), ("xquad-zh", 0.96)])
def test_words_alone_on_real_questions(ragtime, tmp_path, name, floor):
    folder = folder_of(name)
    report, _ = evaluate(ragtime, folder, "--runs", tmp_path / "runs")
    figures = report["sets"][0]
    assert figures["queries"] == 1190 and figures["documents"] == 240
    assert figures["arms"]["lexical"]["ndcg@10"] >= floor
    check_against_reference(figures, folder, tmp_path / "runs")


def test_all_arms_on_real_questions(tmp_path):
    if not MODEL.exists():
        pytest.skip(f"{MODEL} is missing; scripts/fetch_model.sh gets it")
    folder = folder_of("xquad-en")
    server = Server(tmp_path / "data", with_model=True)
    report, printed = evaluate(server, folder, "--queries", "100", "--tune", "--runs", tmp_path / "runs")
    figures = report["sets"][0]
    assert set(figures["arms"]) == {"lexical", "dense", "hybrid"} and figures["queries"] == 100
    assert figures["arms"]["dense"]["ndcg@10"] >= 0.90 and figures["arms"]["hybrid"]["ndcg@10"] >= 0.96
    low, high = figures["arms"]["hybrid"]["intervals"]["ndcg@10"]
    assert low < figures["arms"]["hybrid"]["ndcg@10"] <= high
    check_against_reference(figures, folder, tmp_path / "runs")
    assert len(report["tuning"]["fusion"]["folds"]) == len(report["tuning"]["bm25"]["folds"]) == 5
    assert printed.count("held-out gain") == 2
