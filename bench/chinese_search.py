#!/usr/bin/env python3
"""Chinese questions by words alone: our analysis beside single characters, bigrams, ICU's words and jieba's words.

usage: bench/run chinese-search [--k1 X] [--b X] [--no-write]

Sets: cmrc2018, xquad-zh, and the documents and questions of both in one store. Every analysis gets the same texts, folded alike (case, width,
traditional characters), title and text as one field, and the same ranking: BM25 as in src/index/lexical_index.h, written here once more.
The measure is MRR@10. Reads the sets from RAGTIME_DATA or shared/data beside the checkout, needs build/release/src/text/analysis_bench,
and writes chinese-search.json and its figures of retrieval.md in docs/performance/.
"""

import argparse
import collections
import gzip
import heapq
import json
import math
import re
import subprocess
import sys

import encoder_report
import environment
from environment import DATA, ROOT, say

SETS = ["cmrc2018", "xquad-zh"]
TOOL = ROOT / "build/release/src/text/analysis_bench"
REQUIREMENTS = ROOT / "bench/requirements-chinese.txt"
RUN = re.compile("[\u3400-\u9fff]+|[a-z0-9]+")
OURS = "Ragtime"
K = 10

# Runs in the environment of the peers: a line of words for each line of text.
JIEBA = """
import logging, sys
import jieba
jieba.setLogLevel(logging.ERROR)
cut = jieba.cut_for_search if sys.argv[1] == "search" else jieba.cut
for line in sys.stdin:
    print(" ".join(word for word in cut(line.rstrip("\\n")) if word.strip()))
"""


def is_chinese(run):
    return run[0] >= "\u3400"


def characters(text):
    return [term for run in RUN.findall(text) for term in (run if is_chinese(run) else [run])]


def bigrams(text):
    pairs = lambda run: [run[i:i + 2] for i in range(len(run) - 1)] or [run]
    return [term for run in RUN.findall(text) for term in (pairs(run) if is_chinese(run) else [run])]


def filtered(command, texts):
    done = subprocess.run(command, input="\n".join(texts) + "\n", capture_output=True, text=True, check=True, timeout=600)
    lines = done.stdout.split("\n")[:-1]
    assert len(lines) == len(texts), f"{command[0]}: {len(lines)} lines for {len(texts)}"
    return lines


def words_of(line):
    return [word for word in line.split() if RUN.search(word)]


def analyses():
    """By name, what makes lists of terms of texts: of documents, of queries."""
    python = environment.peers_python(environment.cache_directory() / "chinese", REQUIREMENTS, "about 40 MB")
    fold = lambda texts: filtered([str(TOOL), "folded"], texts)
    by_rule = lambda rule: lambda texts: [rule(text) for text in fold(texts)]
    by_tool = lambda how: lambda texts: [line.split() for line in filtered([str(TOOL), how], texts)]
    by_jieba = lambda how: lambda texts: [words_of(line) for line in filtered([str(python), "-c", JIEBA, how], fold(texts))]
    same = lambda function: (function, function)
    return {"single characters": same(by_rule(characters)), "bigrams": same(by_rule(bigrams)),
            "ICU words": same(lambda texts: [words_of(line) for line in filtered([str(TOOL), "words"], texts)]),
            "jieba words": same(by_jieba("words")), "jieba words, search mode": same(by_jieba("search")),
            OURS: (by_tool("documents"), by_tool("queries"))}


def read_set(name):
    """Documents and questions with the ids of their relevant documents, all ids with the set's name before them."""
    rows = lambda file: [json.loads(line) for line in gzip.open(DATA / name / file, "rt", encoding="utf-8")]
    line_of = lambda *parts: " ".join(" ".join(parts).split())
    documents = {f"{name}/{row['_id']}": line_of(row.get("title", ""), row["text"]) for row in rows("corpus.jsonl.gz")}
    relevant = collections.defaultdict(set)
    for line in (DATA / name / "qrels.tsv").read_text().splitlines()[1:]:
        question, document, grade = line.split("\t")
        if float(grade) > 0:
            relevant[question].add(f"{name}/{document}")
    questions = [(line_of(row["text"]), relevant[row["_id"]]) for row in rows("queries.jsonl.gz") if row["_id"] in relevant]
    return documents, questions


class Bm25:
    def __init__(self, documents, k1, b):
        self.size, self.k1 = len(documents), k1
        mean = sum(map(len, documents)) / len(documents)
        self.norms = [k1 * (1 - b + b * len(terms) / mean) for terms in documents]
        self.postings = collections.defaultdict(list)
        for number, terms in enumerate(documents):
            for term, count in collections.Counter(terms).items():
                self.postings[term].append((number, count))

    def best(self, query):
        scores = collections.defaultdict(float)
        for term, times in collections.Counter(query).items():
            found = self.postings.get(term, [])
            weight = times * math.log(1 + (self.size - len(found) + 0.5) / (len(found) + 0.5)) * (self.k1 + 1)
            for number, count in found:
                scores[number] += weight * count / (count + self.norms[number])
        return heapq.nsmallest(K, scores, key=lambda number: (-scores[number], number))


def reciprocal_rank(ids, found, relevant):
    return next((1 / rank for rank, number in enumerate(found, 1) if ids[number] in relevant), 0.0)


def mrr(documents, questions, of_documents, of_queries, options):
    ids = list(documents)
    index = Bm25(of_documents(list(documents.values())), options.k1, options.b)
    queries = of_queries([text for text, _ in questions])
    ranks = [reciprocal_rank(ids, index.best(terms), relevant) for terms, (_, relevant) in zip(queries, questions)]
    return sum(ranks) / len(ranks)


def measure(options):
    sets = {name: read_set(name) for name in SETS}
    sets["both in one store"] = ({k: v for documents, _ in sets.values() for k, v in documents.items()},
                                 [question for _, questions in sets.values() for question in questions])
    figures = {}
    for name, (of_documents, of_queries) in analyses().items():
        figures[name] = {each: round(mrr(*sets[each], of_documents, of_queries, options), 4) for each in sets}
        say(name, figures[name])
    return {"benchmark": "chinese-search", "command": " ".join(["bench/run chinese-search", *sys.argv[1:]]), "commit": environment.commit(),
            "k1": options.k1, "b": options.b, "sets": {name: {"documents": len(d), "questions": len(q)} for name, (d, q) in sets.items()},
            "mrr@10": figures}


def report(results):
    sets, figures = results["sets"], results["mrr@10"]
    rows = [[name, *(f"{values[each]:.4f}" for each in sets)] for name, values in figures.items()]
    best = {each: max(values[each] for name, values in figures.items() if name != OURS) for each in sets}
    behind = [each for each in sets if figures[OURS][each] < best[each]]
    heads = ["analysis", *(f"{name} ({counts['documents']:,} documents, {counts['questions']:,} questions)" for name, counts in sets.items())]
    verdict = f"Goal (at least as good as the best of the others on every set): {'missed on ' + ', '.join(behind) if behind else 'met'}."
    intro = f"`{results['command']}` at {results['commit']}: MRR@10 by words alone, k1 = {results['k1']}, b = {results['b']}."
    return "\n\n".join([intro, encoder_report.table(heads, rows), verdict])


def main():
    parser = argparse.ArgumentParser(prog="bench/run chinese-search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k1", type=float, default=0.9)
    parser.add_argument("--b", type=float, default=0.4)
    parser.add_argument("--no-write", dest="write", action="store_false")
    options = parser.parse_args()
    results = measure(options)
    print(report(results))
    if options.write:
        folder = ROOT / "docs/performance"
        (folder / "chinese-search.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        encoder_report.replace_figures(folder / "retrieval.md", "chinese-search", report(results))


if __name__ == "__main__":
    main()
