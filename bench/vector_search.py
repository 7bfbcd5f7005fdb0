#!/usr/bin/env python3
"""Vector search side by side with hnswlib, faiss, usearch, LanceDB and Qdrant: queries per second by recall, filters, churn, memory.

usage: bench/run vector-search [--data text,mnist784] [--sizes 10000,100000] [--rounds N] [--queries N] [--engines a,b]
                               [--selections 50,10,near10,far10 | --no-filters] [--churn ROUNDS] [--no-write]

text: MiniLM's embeddings of sliding windows over the evaluation texts, made once by this program with embed_lines; beyond
100,000 vectors mixtures of two of them.
mnist784: its images as unit vectors, at most 60,000. Queries are held out; the truth is an exact search of all vectors.
Every engine runs on one thread and is measured in processor time. First each setting of each engine is tried, which gives
the curve; then, in rounds and in random order, the fastest setting that reaches recall@10 of .90, .95 and .99, and the
.95 setting under selections, with how much slower than that of all it is. Figures are medians over the rounds, with the smallest and largest.
Selections are per cent of all: evenly spread, or (near10, far5) those nearest to the first question or farthest from it, while
all questions ask. The latter are for engines that take a list of ids, and not measured unless asked for.
Resident memory is what a process grows by while it builds, the input dropped. --churn removes a random half of the
vectors and adds it again, so many times. Writes vector-search.json and vector-search.svg to docs/performance/; there a
run replaces what it measured and leaves other data and sizes, each of which names its command and commit.
"""

import argparse
import array
import collections
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
import tempfile

import chart
import environment
from environment import ROOT, say, spread

REQUIREMENTS = ROOT / "bench/requirements-vector.txt"
PROGRAM = ROOT / "build/release/src/index/index_bench"
EMBED = ROOT / "build/release/src/encoder/embed_lines"
SETS = ["squad-dev", "nfcorpus", "cranfield", "vaswani", "xquad-en"]
PEERS = ["hnswlib", "faiss-hnsw", "faiss-ivfpq", "usearch-f32", "usearch-i8", "lancedb", "qdrant-local"]
OURS = ["flat", "rabitq", "hnsw", "ivf", "ivf_pq", "auto"]
TARGETS = [0.60, 0.70, 0.75, *(percent / 100 for percent in range(80, 100)), 0.995, 1.0]
USEFUL_RECALL = 0.89  # Below it an engine is not compared with.
RECALLS = [0.90, 0.95, 0.99]
WHOLE = "recall 0.95"  # What selections are compared with.
SELECTIONS = "50,33,20,10,5,1,.1"
K = 10
WORDS, STEP = 40, 7  # Of a window of text.
EMBEDDED_MOST = 100_000  # Windows; embedding them takes minutes.


def text_windows():
    """Windows in a fixed random order, so that every prefix is a sample of the whole."""
    texts = []
    for name in SETS:
        with gzip.open(environment.DATA / name / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
            texts += [re.findall(r"\S+", json.loads(line)["text"]) for line in lines]
    places = [(t, begin) for t, words in enumerate(texts) for begin in range(0, max(len(words) - WORDS // 2, 1), STEP)]
    random.Random(1).shuffle(places)
    for t, begin in places:
        yield " ".join(texts[t][begin:begin + WORDS])


def embed_text(count, directory):
    """A file of at least `count` embeddings, kept in the cache."""
    path = directory / f"text-{count}.f32"
    for made in [path, *sorted(directory.glob("text-*.f32"))]:
        if re.fullmatch(r"text-\d+\.f32", made.name) and made.exists() and made.stat().st_size >= count * 384 * 4:
            return made
    say(f"  embedding {count} windows of text")
    windows = text_windows()
    with open(directory / "windows", "w", encoding="utf-8") as file:
        file.writelines(next(windows) + "\n" for _ in range(count))
    partial = path.with_suffix(".partial")
    with open(directory / "windows") as lines, open(partial, "wb") as out:
        subprocess.run([EMBED, environment.MODEL, "2", "int8"], stdin=lines, stdout=out, check=True)
    partial.rename(path)
    return path


def mnist_rows(name, count):
    with gzip.open(environment.DATA / "mnist784" / name, "rb") as file:
        pixels = file.read(count * 784)
    return array.array("f", list(pixels))


def write_unit_rows(values, dimensions, path):
    out = array.array("f")
    for begin in range(0, len(values), dimensions):
        row = values[begin:begin + dimensions]
        length = sum(v * v for v in row) ** 0.5 or 1.0
        out.extend(v / length for v in row)
    path.write_bytes(out.tobytes())


def make_data(name, size, queries, directory, python):
    """Paths of vectors and of queries, and dimensions."""
    base, held_out = (directory / f"{name}-{size}-{queries}.{part}.f32" for part in ("base", "queries"))
    dimensions = 784 if name == "mnist784" else 384
    if base.exists() and held_out.exists():
        return base, held_out, dimensions
    if name == "mnist784":
        write_unit_rows(mnist_rows("base.u8.gz", size), dimensions, base)
        write_unit_rows(mnist_rows("query.u8.gz", queries), dimensions, held_out)
    else:
        own = embed_text(min(size, EMBEDDED_MOST) + queries, directory)
        with open(own, "rb") as rows:
            held_out.write_bytes(rows.read(queries * dimensions * 4))
        mixtures = [python, ROOT / "bench/vector_mixtures.py", own, queries, size, dimensions, base]
        subprocess.run([str(word) for word in mixtures], check=True)
    return base, held_out, dimensions


class Engine:
    """A process that has built one index and answers searches."""

    def __init__(self, name, python, data, directory):
        base, self.queries, dimensions = data
        self.name, self.out = name, directory / f"{name}.i32"
        peers = [str(python), str(ROOT / "bench/vector_peers.py"), name]
        command = (peers if name in PEERS else [str(PROGRAM)]) + [str(base), str(dimensions)]
        if name not in PEERS:
            command.append(name)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment.peers_environment(1))
        self.built = self.receive()
        self.settings = [json.dumps(s, separators=(",", ":")) for s in self.built.pop("settings", TARGETS)]
        self.filtered, self.takes_ids, self.churns = (self.built.pop(key, True) for key in ("filtered", "takes_ids", "churns"))

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.receive()

    def search(self, setting, selected=1):
        """Of all, of every so many'th, or of the ids in a file."""
        reply = self.ask("search", self.queries, self.out, setting, K, selected)
        found = array.array("i", self.out.read_bytes())
        return reply, [found[i:i + K] for i in range(0, len(found), K)]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


class Truth:
    """The best ids of each query by exact search, for each selection."""

    def __init__(self, python, data, directory):
        self.exact, self.ids = Engine("flat", python, data, directory), {}

    def around_first(self, dimensions, size):
        """All ids, those nearest to the first question first."""
        with tempfile.NamedTemporaryFile() as question:
            with open(self.exact.queries, "rb") as questions:
                question.write(questions.read(dimensions * 4))
            question.flush()
            self.exact.ask("search", question.name, self.exact.out, 1, size, 1)
        return array.array("i", self.exact.out.read_bytes())

    def recall(self, found, selected=1):
        if selected not in self.ids:
            self.ids[selected] = [set(row) - {-1} for row in self.exact.search(1, selected)[1]]
        asked = self.ids[selected][:len(found)]
        return sum(len(truth & set(row)) for truth, row in zip(asked, found)) / max(sum(map(len, asked)), 1)


def start(names, python, data, directory, missing):
    engines = []
    for name in names:
        try:
            engines.append(Engine(name, python, data, directory))
            built = engines[-1].built
            say(f"  {name}: built in {built['seconds']:.1f} s, {built['resident'] / 2**20:.0f} MiB")
        except (OSError, RuntimeError) as error:
            missing[name] = str(error)
            say(f"  {name}: missing, {error}")
    return engines


def point(engine, truth, setting):
    """(recall, queries per second, setting)."""
    reply, found = engine.search(setting)
    return truth.recall(found), len(found) / reply["seconds"], setting


def curve(engine, truth):
    """The points of all settings, ending where recall is whole."""
    points = []
    for setting in engine.settings:
        points.append(point(engine, truth, setting))
        if points[-1][0] >= 0.9995:
            break
    return points


def fastest(points, recall):
    enough = [point for point in points if point[0] >= recall]
    return max(enough, key=lambda point: point[1])[2] if enough else None


def selections_of(words, around_first, directory):
    """By case, what engines search among: every so many'th id, or a file of those at one end of what `around_first` gives."""
    selections, around = {}, None
    for word in words:
        side, percent = re.fullmatch(r"(near|far|)([\d.]+)", word).groups()
        if not side:
            selections[f"selected {percent} %"] = round(100 / float(percent))
            continue
        around = around or around_first()
        count = max(round(len(around) * float(percent) / 100), 1)
        path = directory / f"{word}.i32"
        path.write_bytes(array.array("i", sorted(around[:count] if side == "near" else around[-count:])).tobytes())
        selections[f"selected {side} {percent} %"] = path
    return selections


def cases_of(engines, curves, selections):
    """What the rounds measure: (case, engine, setting, what is selected)."""
    cases = []
    for engine in engines:
        for recall in RECALLS:
            setting = fastest(curves[engine.name], recall)
            if setting is not None:
                cases.append((f"recall {recall:.2f}", engine, setting, 1))
        setting = fastest(curves[engine.name], 0.95)
        for case, selected in selections.items():
            if engine.filtered and setting is not None and (engine.takes_ids or isinstance(selected, int)):
                cases.append((case, engine, setting, selected))
    return cases


def measure(cases, truth, rounds, rng):
    samples = collections.defaultdict(list)
    for _ in range(rounds):
        for case, engine, setting, selected in rng.sample(cases, len(cases)):
            reply, found = engine.search(setting, selected)
            samples[case, engine.name].append({"qps": len(found) / reply["seconds"], "recall": truth.recall(found, selected),
                                               **{key: reply[key] for key in ("p50_us", "p99_us") if key in reply}})
    return samples


def summary(samples):
    return {key: spread([sample[key] for sample in samples]) for key in samples[0]}


def best(engines, samples, case, among):
    """The fastest of those whose recall is of use, which under selections it is not for all."""
    measured = [(summary(samples[case, e.name]), e.name) for e in engines if (case, e.name) in samples and (e.name in PEERS) == among]
    useful = [(figures["qps"]["median"], name) for figures, name in measured if figures["recall"]["median"] >= USEFUL_RECALL]
    return max(useful)[1] if useful else None


def table(engines, samples):
    """Figures by case, with the ratio of our best engine to the best peer, formed within each round."""
    rows = []
    for case in dict.fromkeys(case for case, _ in samples):
        row = {"case": case, "engines": {e.name: summary(samples[case, e.name]) for e in engines if (case, e.name) in samples}}
        for name, figures in row["engines"].items() if case.startswith("selected") else ():
            pairs = zip(samples[WHOLE, name], samples[case, name])
            figures["slower"] = spread([whole["qps"] / selected["qps"] for whole, selected in pairs])
        ours, peer = best(engines, samples, case, False), best(engines, samples, case, True)
        if ours and peer:
            ratios = [a["qps"] / b["qps"] for a, b in zip(samples[case, ours], samples[case, peer])]
            row |= {"best": ours, "best_peer": peer, "ratio": spread(ratios)}
        rows.append(row)
        say_row(row)
    return rows


def say_row(row):
    say(f"  {row['case']}:")
    for name, figures in row["engines"].items():
        slower = f", {figures['slower']['median']:.2f} × slower than of all" if "slower" in figures else ""
        say(f"    {name:12} {figures['qps']['median']:9.0f} queries/s, recall {figures['recall']['median']:.4f}{slower}")
    if "ratio" in row:
        say(f"    {row['best']} is {row['ratio']['median']:.2f} times as fast as {row['best_peer']}")


def churn(engines, curves, truth, rounds):
    """Recall and speed of the .95 setting before and after, and memory; an index that cannot remove is left out.

    Ours is asked for .95, whatever a lower target reached before: it calibrates itself again as it changes, and may take
    another effort for the same promise.
    """
    rows = []
    for engine in engines:
        setting = fastest(curves[engine.name], 0.95) if engine.name in PEERS else 0.95
        if not engine.churns or setting is None:
            continue
        before, qps_before, _ = point(engine, truth, setting)
        reply = engine.ask("churn", rounds, 1)
        after, qps_after, _ = point(engine, truth, setting)
        rows.append({"engine": engine.name, "recall_before": before, "recall_after": after, "seconds": reply["seconds"],
                     "qps_before": qps_before, "qps_after": qps_after,
                     "resident_before": engine.built["resident"], "resident_after": reply["resident"],
                     "bytes_before": engine.built.get("bytes"), "bytes_after": reply.get("bytes")})
        say(f"  {engine.name}: recall {before:.4f} → {after:.4f}, {qps_before:.0f} → {qps_after:.0f} queries/s, "
            f"{rounds} rounds in {reply['seconds']:.0f} s")
    return rows


def run(name, size, options, python, directories):
    """One data set at one size, with the circumstances it was measured in."""
    say(f"{name}, {size} vectors")
    missing = {}
    inputs, scratch = directories
    data = make_data(name, size, options.queries, inputs, python)
    truth = Truth(python, data, scratch)
    engines = start(options.engines, python, data, scratch, missing)
    curves = {engine.name: curve(engine, truth) for engine in engines}
    for engine in engines:
        say(f"  {engine.name}: " + ", ".join(f"{recall:.3f} {qps:.0f}/s" for recall, qps, _ in curves[engine.name]))
    selections = selections_of(options.selections, lambda: truth.around_first(data[2], size), scratch)
    samples = measure(cases_of(engines, curves, selections), truth, options.rounds, random.Random(size))
    part = {
        "name": name, "vectors": size, "dimensions": data[2], "command": "bench/run vector-search " + shlex.join(sys.argv[1:]),
        "date": datetime.date.today().isoformat(), "commit": environment.commit(), "machine": environment.machine(),
        "rounds": options.rounds, "queries": options.queries, "load": os.getloadavg()[0], "missing": missing,
        "built": {e.name: e.built for e in engines},
        "curves": {n: [{"recall": r, "qps": q, "setting": s} for r, q, s in points] for n, points in curves.items()},
        "cases": table(engines, samples),
        "churn": churn(engines, curves, truth, options.churn) if options.churn else []}
    for engine in [*engines, truth.exact]:
        engine.close()
    return part


def write(part):
    """Replaces what was measured before of the same data and size."""
    identity = lambda p: (p["name"] != "text", p["name"], p["vectors"])
    environment.publish_part("vector-search", "data", part, identity, draw)


def frontier(points):
    """Settings that no other one beats in recall and speed, by recall."""
    best = []
    for point in sorted(points, key=lambda p: (-p["recall"], -p["qps"])):
        if not best or point["qps"] > best[-1][1]:
            best.append((point["recall"], point["qps"]))
    return best[::-1]


def draw(results):
    """Speed by recall for each data set; if there are several sizes of one, speed by size at recall .95."""
    panels, growth = [], collections.defaultdict(lambda: collections.defaultdict(list))
    for part in results["data"]:
        series = {name: [p for p in frontier(points) if p[0] >= 0.8] for name, points in part["curves"].items()}
        title = f"{part['name']}, {part['vectors']:,} × {part['dimensions']}"
        panels.append(chart.Curves(title, {name: points for name, points in series.items() if points}, "recall@10", "queries/s"))
        for row in part["cases"]:
            for name, figures in row["engines"].items() if row["case"] == WHOLE else ():
                growth[part["name"]][name].append((part["vectors"], figures["qps"]["median"]))
    for name, series in growth.items():
        if max(map(len, series.values())) > 1:
            panels.append(chart.Curves(f"{name} by size, recall .95", series, "vectors", "queries/s", log_x=True))
    return chart.curves("Vector search, best ten, one thread", panels)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="text,mnist784")
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--engines", default=",".join(PEERS + OURS))
    parser.add_argument("--selections", default=SELECTIONS)
    parser.add_argument("--no-filters", dest="selections", action="store_const", const="")
    parser.add_argument("--churn", type=int, default=0)
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    options.data, options.engines = options.data.split(","), options.engines.split(",")
    options.selections = [word for word in options.selections.split(",") if word]
    options.sizes = [int(size) for size in options.sizes.split(",")]
    return options


def main():
    options = parse()
    directory = environment.cache_directory() / "vector-inputs"
    directory.mkdir(parents=True, exist_ok=True)
    python = environment.peers_python(environment.cache_directory() / "vector", REQUIREMENTS, "about 600 MB")
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.data:
            for size in dict.fromkeys(min(size, 60_000 if name == "mnist784" else size) for size in options.sizes):
                part = run(name, size, options, python, (directory, pathlib.Path(scratch)))
                if not options.no_write:
                    write(part)


if __name__ == "__main__":
    main()
