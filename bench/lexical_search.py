#!/usr/bin/env python3
"""BM25 search and indexing of texts that are already terms, side by side with tantivy, bm25s, Lucene, SQLite FTS5, Xapian.

usage: bench/run lexical-search [--sizes 10000,100000,1000000] [--rounds N] [--queries N] [--engines a,b] [--no-write]

Documents are windows of 40 to 160 words resampled from the English sets of evaluation data; queries are runs of 3 to 6
and of 15 to 20 words of the same texts, so with their frequent words. Every engine gets the same terms, answers with the
best ten on one thread, and stays alive over the run. Each round runs every engine over every set of queries once, in
random order; figures are medians over the rounds with the smallest and largest, ratios are formed within a round.
Indexing is measured once per size: one thread where the engine lets one say so, from lines of terms to searchable.
Lucene comes from Maven and Xapian from Debian's packages, both kept in the cache; engines that cannot be had are named.
From 50,000 documents on SQLite and Xapian stay out, and from 500,000 on a fifth of the queries is asked, or a round would take minutes.
Writes lexical-search.json, lexical-search.svg, lexical-search-growth.svg and the figures of lexical-search.md to docs/performance/.
"""

import argparse
import datetime
import gzip
import json
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys

import chart
import encoder_report
import environment
from environment import ROOT, say, spread

SETS = ["squad-dev", "nfcorpus", "cranfield", "vaswani"]
KINDS = {"short": (3, 6), "long": (15, 20)}
NAMES = {"fts5": "SQLite FTS5", "xapian": "Xapian", "lucene": "Lucene", "tantivy": "tantivy", "bm25s": "bm25s", "ragtime": "Ragtime"}
LUCENE = "org.apache.lucene:{}:9.12.1"
REQUIREMENTS = ROOT / "bench/requirements-lexical.txt"
OUTPUT = ROOT / "docs/performance"
FIGURES = OUTPUT / "lexical-search.json"
SLOW_SECONDS = 60
LARGE, HUGE = 50_000, 500_000
SMALL_ONLY = ["fts5", "xapian"]
# bm25s first: it needs the most memory while it indexes.
START_ORDER = ["bm25s", "ragtime", "lucene", "tantivy", "xapian", "fts5"]


def source_texts():
    texts = []
    for name in SETS:
        with gzip.open(environment.DATA / name / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                texts.append(re.findall("[a-z0-9]+", f"{row['title']} {row['text']}".lower()))
    return [text for text in texts if len(text) > 20]


def resampled(texts, rng):
    """A window of one text, filled up from another where it ends early."""
    length = rng.randint(40, 160)
    text = rng.choice(texts)
    begin = rng.randrange(len(text) - 20)
    window = text[begin:begin + length]
    return window + rng.choice(texts)[:length - len(window)]


def run_of(texts, low, high, rng):
    length = rng.randint(low, high)
    text = rng.choice([text for text in rng.choices(texts, k=20) if len(text) > length])
    begin = rng.randrange(len(text) - length)
    return text[begin:begin + length]


def write_lines(path, rows):
    unfinished = path.with_suffix(".unfinished")
    with open(unfinished, "w", encoding="utf-8") as file:
        file.writelines(" ".join(row) + "\n" for row in rows)
    unfinished.replace(path)


def make_inputs(size, queries, directory):
    texts = source_texts()
    documents = directory / f"{size}.documents"
    rng = random.Random(size)
    if not documents.exists():  # Of another run: they are the same, and a million take minutes.
        write_lines(documents, (resampled(texts, rng) for _ in range(size)))
    paths = {}
    for kind, (low, high) in KINDS.items():
        paths[kind] = directory / f"{size}.{kind}"
        rng = random.Random(f"{size} {kind}")
        write_lines(paths[kind], (run_of(texts, low, high, rng) for _ in range(queries)))
    return documents, paths


def lucene_classpath():
    where = environment.cache_directory() / "lucene"
    for artifact in ("lucene-core", "lucene-analysis-common"):
        if not list(where.glob(f"{artifact}-*.jar")):
            command = ["mvn", "-q", "dependency:copy", f"-Dartifact={LUCENE.format(artifact)}", f"-DoutputDirectory={where}"]
            subprocess.run(command, check=True, stdout=sys.stderr, cwd=environment.cache_directory(), timeout=300)
    return ":".join(map(str, sorted(where.glob("*.jar"))))


def xapian_environment():
    """Debian's packages, unpacked in the cache without installing them."""
    where = environment.cache_directory() / "xapian"
    if not (where / "usr").exists():
        where.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "python3-xapian", "libxapian30"], check=True, stdout=sys.stderr, cwd=where, timeout=120)
        for package in where.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(where)], check=True)
    libraries = ":".join(str(path.parent) for path in where.glob("usr/lib/*/libxapian.so.30"))
    return {**os.environ, "PYTHONPATH": str(where / "usr/lib/python3/dist-packages"), "LD_LIBRARY_PATH": libraries}


def command_of(name):
    """The command and environment of an engine."""
    peers = str(ROOT / "bench/lexical_peers.py")
    if name == "ragtime":
        return [str(ROOT / "build/release/src/index/lexical_bench")], None
    if name == "lucene":
        return ["java", "-XX:+UseSerialGC", "-Xmx3g", "-cp", lucene_classpath(), str(ROOT / "bench/LexicalLucene.java")], None
    if name == "xapian":
        return ["/usr/bin/python3", peers, name], xapian_environment()
    python = environment.peers_python(environment.cache_directory() / "lexical", REQUIREMENTS, "about 200 MB")
    return [str(python), peers, name], environment.peers_environment(1)


class Engine:
    """A process that has indexed the documents and answers sets of queries."""

    def __init__(self, name, documents, queries):
        self.name = name
        command, variables = command_of(name)
        command += ["--documents", str(documents)]
        for kind, path in queries.items():
            command += ["--queries", f"{kind}={path}"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables)
        self.indexing = self.receive()

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.receive()

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def start(names, documents, queries, missing):
    engines = []
    for name in names:
        try:
            engines.append(Engine(name, documents, queries))
            say(f"  {name}: indexed in {engines[-1].indexing['seconds']:.2f} s")
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            missing[name] = str(error)
            say(f"  {name} is missing: {error}")
    return engines


def agreement(engines, kind):
    """Share of the first ten of our results that each peer returns as well, over 50 queries."""
    tops = {engine.name: engine.ask("top", kind, 50) for engine in engines}
    shared = lambda a, b: sum(len(set(x) & set(y)) for x, y in zip(a, b)) / max(1, sum(len(x) for x in b))
    return {name: shared(top, tops["ragtime"]) for name, top in tops.items()} if "ragtime" in tops else {}


def measure(engines, rounds, queries, rng):
    samples = {(engine.name, kind): [] for engine in engines for kind in KINDS}
    slow = set()
    for _ in range(rounds + 1):  # The first warms up.
        for engine, kind in rng.sample([(e, k) for e in engines for k in KINDS], len(engines) * len(KINDS)):
            if (engine.name, kind) in slow:
                continue
            reply = engine.ask("measure", kind)
            samples[engine.name, kind].append({**reply, "qps": queries / reply["seconds"]})
            if reply["seconds"] > SLOW_SECONDS:
                slow.add((engine.name, kind))
    return {key: values[1:] or values for key, values in samples.items()}


def summary(samples):
    figures = {"qps": spread([sample["qps"] for sample in samples])}
    for name in ("p50_us", "p99_us"):
        if samples[0][name] is not None:
            figures[name] = spread([sample[name] for sample in samples])
    return figures


def case_of(size, kind, engines, samples, agreements):
    case = {"documents": size, "queries": kind, "engines": {e.name: summary(samples[e.name, kind]) for e in engines}}
    for name, share in agreements[kind].items():
        case["engines"][name]["agreement"] = round(share, 4)
    peers = [e.name for e in engines if e.name != "ragtime"]
    if peers and "ragtime" in case["engines"]:
        best = max(peers, key=lambda name: case["engines"][name]["qps"]["median"])
        case["best_peer"] = best
        pairs = zip(samples["ragtime", kind], samples[best, kind])
        case["rounds"] = [round(ours["qps"] / theirs["qps"], 3) for ours, theirs in pairs]
        case["over_best_peer"] = spread(case["rounds"])
    return case


def run_size(size, options, results):
    say(f"{size} documents")
    directory = environment.cache_directory() / "lexical-inputs"
    directory.mkdir(parents=True, exist_ok=True)
    count = options.queries if size < HUGE else options.queries // 5
    names = [name for name in START_ORDER if name in options.engines and (size < LARGE or name not in SMALL_ONLY)]
    documents, queries = make_inputs(size, count, directory)
    engines = start(names, documents, queries, results["missing"])
    agreements = {kind: agreement(engines, kind) for kind in KINDS}
    samples = measure(engines, options.rounds, count, random.Random(size))
    for kind in KINDS:
        results["cases"].append({**case_of(size, kind, engines, samples, agreements), "query_count": count})
        say_case(results["cases"][-1])
    results["indexing"].append({"documents": size, "documents_per_s": {e.name: size / e.indexing["seconds"] for e in engines},
                                "bytes": {e.name: e.indexing["bytes"] for e in engines if "bytes" in e.indexing},
                                "load": os.getloadavg()[0], **{key: results[key] for key in ("command", "commit", "date", "rounds")}})
    for engine in engines:
        engine.close()


def say_case(case):
    say(f"  {case['queries']}:")
    for name, figures in case["engines"].items():
        p50 = f", p50 {figures['p50_us']['median']:.1f} µs, p99 {figures['p99_us']['median']:.1f} µs" if "p50_us" in figures else ""
        say(f"    {NAMES[name]:12} {figures['qps']['median']:10.0f} queries/s{p50}, agreement {figures.get('agreement', 1):.3f}")
    if "over_best_peer" in case:
        say(f"    {case['over_best_peer']['median']:.2f} times {NAMES[case['best_peer']]}")


def point_of(case, name):
    qps = case["engines"].get(name, {}).get("qps")
    return (qps["median"], qps["min"], qps["max"]) if qps else None


def draw_growth(results):
    sizes = sorted({case["documents"] for case in results["cases"]})
    panels = []
    for kind, (low, high) in KINDS.items():
        cases = [next(case for case in results["cases"] if (case["documents"], case["queries"]) == (size, kind)) for size in sizes]
        series = {title: [point_of(case, name) for case in cases] for name, title in NAMES.items()}
        series = {title: points for title, points in series.items() if any(points)}
        panels.append(chart.Panel(f"{low}–{high} terms", [f"{size:,} documents" for size in sizes], series, "queries/s"))
    return chart.growth("BM25, best ten, one thread, as the collection grows", panels)


def case_row(case):
    low, high = KINDS[case["queries"]]
    cells = [f"{case['engines'][name]['qps']['median']:,.0f}" if name in case["engines"] else "" for name in NAMES]
    ratio = case["over_best_peer"]
    ours = case["engines"]["ragtime"]
    return [f"{case['documents']:,}", f"{low}–{high}", *cells, f"{NAMES[case['best_peer']]}: **{ratio['median']:.2f}** ({ratio['min']:.2f} to {ratio['max']:.2f})",
            " ".join(f"{each:.2f}" for each in case["rounds"]), f"{ours['p50_us']['median']:,.0f} / {ours['p99_us']['median']:,.0f} µs"]


def report(results):
    heads = ["documents", "terms", *(f"{title}, queries/s" for title in NAMES.values()), "over the best peer, median (spread)", "each round", "our p50 / p99"]
    rows = [case_row(case) for case in results["cases"] if "over_best_peer" in case]
    indexing = [[f"{row['documents']:,}", *(f"{row['documents_per_s'][name]:,.0f}" if name in row["documents_per_s"] else "" for name in NAMES)]
                for row in results["indexing"]]
    commands = "\n".join(f"- {row['documents']:,}: `{row['command'].strip()}` at {row['commit']} on {row['date']}, {row['rounds']} rounds, load {row['load']:.0f}"
                         for row in results["indexing"])
    missed = [f"{case['documents']:,} documents, {case['queries']} queries" for case in results["cases"] if case.get("over_best_peer", {}).get("median", 2) <= 1]
    goal = f"Goal (ahead of the best of tantivy, bm25s and Lucene at each size): {'missed at ' + '; '.join(missed) if missed else 'met'}."
    return "\n\n".join([commands, encoder_report.table(heads, rows), goal, "Documents indexed per second, once, one thread:",
                        encoder_report.table(["documents", *NAMES.values()], indexing)])


def merged(results, former):
    """What was measured now, with former figures of other sizes."""
    sizes = {row["documents"] for row in results["indexing"]}
    for key in ("cases", "indexing"):
        kept = [row for row in former.get(key, []) if row["documents"] not in sizes]
        results[key] = sorted(kept + results[key], key=lambda row: row["documents"])
    return results


def draw(results):
    names = [name for name in NAMES if any(name in case["engines"] for case in results["cases"])]
    panels = []
    for case in results["cases"]:
        low, high = KINDS[case["queries"]]
        series = {NAMES[name]: [point_of(case, name)] for name in names}
        panels.append(chart.Panel(f"{case['documents']:,} documents, {low}–{high} terms", [""], series, "queries/s"))
    return chart.bars("BM25, best ten, one thread", panels)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--engines", default=",".join(NAMES))
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    options.sizes = [int(size) for size in options.sizes.split(",")]
    options.engines = options.engines.split(",")
    return options


def main():
    options = parse()
    results = {"command": "bench/run lexical-search " + shlex.join(sys.argv[1:]), "date": datetime.date.today().isoformat(),
               "commit": environment.commit(), "machine": environment.machine(), "rounds": options.rounds,
               "queries": options.queries, "load": os.getloadavg()[0], "missing": {}, "cases": [], "indexing": []}
    for size in options.sizes:
        run_size(size, options, results)
    for row in results["indexing"]:
        say(f"indexing {row['documents']}: " + ", ".join(f"{NAMES[n]} {v:.0f}/s" for n, v in row["documents_per_s"].items()))
    if not options.no_write:
        write(merged(results, json.loads(FIGURES.read_text()) if FIGURES.exists() else {}))


def write(results):
    FIGURES.write_text(json.dumps(results, indent=1) + "\n")
    (OUTPUT / "lexical-search.svg").write_text(draw(results))
    (OUTPUT / "lexical-search-growth.svg").write_text(draw_growth(results))
    encoder_report.replace_figures(OUTPUT / "lexical-search.md", "lexical-search", report(results))


if __name__ == "__main__":
    main()
