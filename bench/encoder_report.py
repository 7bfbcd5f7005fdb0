"""Tables and charts of `bench/run encoder` from its results."""

import json
import re

import chart

NAMES = {"torch-f32": "torch f32", "torch-bf16": "torch bf16", "onnx-f32": "ONNX f32", "onnx-int8": "ONNX int8",
         "ragtime-f32": "Ragtime f32", "ragtime-bf16": "Ragtime bf16", "ragtime-int8": "Ragtime int8"}


def engines_of(results):
    present = {name for case in results["cases"] for name in case["engines"]}
    return [name for name in NAMES if name in present]


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def rate(value):
    return f"{value / 1000:.1f}k"


def ratio(spread):
    return f"{spread['median']:.2f} ({spread['min']:.2f}–{spread['max']:.2f})"


def figure(case, name):
    engine = case["engines"].get(name)
    if engine is None:
        return "–"
    if case["mode"] == "bulk":
        return rate(engine["tokens_per_s"]["median"])
    return f"{engine['p50_ms']['median']:.2f} / {engine['p99_ms']['median']:.2f}"


def label(case):
    return [str(case["threads"]), str(case["shape"]) if case["mode"] != "rerank" else "160"]


def figures_table(results, mode):
    names = engines_of(results)
    rows = [label(case) + [figure(case, name) for name in names] for case in results["cases"] if case["mode"] == mode]
    return table(["threads", "tokens", *(NAMES[name] for name in names)], rows)


def ratio_table(results, mode):
    ours = [name for name in engines_of(results) if name.startswith("ragtime")]
    heads = [f"{NAMES[name].split()[1]} / torch f32" for name in ours] + [f"{NAMES[name].split()[1]} / best peer" for name in ours]
    rows = []
    for case in results["cases"]:
        if case["mode"] != mode:
            continue
        cells = [ratio(case["engines"][name][over]) if name in case["engines"] else "–"
                 for over in ("over_torch_f32", "over_best_peer") for name in ours]
        rows.append(label(case) + cells + [NAMES[case["best_peer"]]])
    return table(["threads", "tokens", *heads, "best peer"], rows)


SECTIONS = [("bulk", "Bulk, tokens per second", "Median of the rounds; padding does not count as tokens."),
            ("single", "One query, p50 / p99 in milliseconds", "One sequence per call; medians of the rounds. Ragtime uses one thread for a query whatever the limit."),
            ("rerank", "Reranking 50 pairs of 160 tokens, p50 / p99 of a call in milliseconds",
             "A cross-encoder of the same shape with random weights, from text to scores.")]


def tables(results):
    parts = [provenance(results)]
    for mode, title, note in SECTIONS:
        if any(case["mode"] == mode for case in results["cases"]):
            parts += [f"### {title}", note, figures_table(results, mode)]
            if any(name.startswith("ragtime") for name in engines_of(results)):
                parts += ["Times as fast, formed within each round: median (smallest–largest).", ratio_table(results, mode)]
    return "\n\n".join(parts)


def provenance(results):
    machine, foreign = results["machine"], results["foreign_cores"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(results["versions"].items()))
    products = ", ".join(f"{name.replace(' x', ' on ')} thread(s) {value}" for name, value in results["matrix_product_gflops"].items())
    return (f"`{results['command'].strip()}` at {results['commit']}, {results['date']}; {results['rounds']} rounds.  \n"
            f"Machine: {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; "
            f"{', '.join(machine['instruction_sets'])}.  \n"
            f"Peers: {versions}.  \n"
            f"Other processes used {foreign['median']} cores in the median measurement, {foreign['p95']} at the 95th percentile.  \n"
            f"A plain product of 2048 × 384 by 384 × 1536 in torch, GFLOP/s: {products}.")


def speed_chart(results, mode, title):
    panels = []
    for threads in sorted({case["threads"] for case in results["cases"]}):
        cases = [case for case in results["cases"] if case["mode"] == mode and case["threads"] == threads]
        point = lambda case, name: tuple(case["engines"][name]["over_torch_f32"][k] for k in ("median", "min", "max"))
        series = {NAMES[name]: [point(case, name) if name in case["engines"] else None for case in cases]
                  for name in engines_of(results) if any(name in case["engines"] for case in cases)}
        groups = [f"{case['shape']} tokens" if isinstance(case["shape"], int) else str(case["shape"]) for case in cases]
        plural = "one thread" if threads == 1 else f"{threads} threads"
        panels.append(chart.Panel(plural, groups, series, "times as fast as torch f32"))
    return chart.bars(title, panels)


def write(results, folder):
    (folder / "encoder.json").write_text(json.dumps(compact(results), indent=1) + "\n")
    (folder / "encoder-bulk.svg").write_text(speed_chart(results, "bulk", "Embedding in bulk, all-MiniLM-L6-v2"))
    (folder / "encoder-single.svg").write_text(speed_chart(results, "single", "Embedding one query, all-MiniLM-L6-v2"))
    replace_figures(folder / "encoder.md", "encoder", tables(results))


def compact(value):
    """Four significant digits: more would only be noise in the history."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: compact(item) for key, item in value.items()}
    return [compact(item) for item in value] if isinstance(value, list) else value


def replace_figures(path, name, content):
    """Puts `content` between the markers of `name` in a document; the prose around them is kept."""
    begin, end = f"<!-- figures of bench/run {name} -->", f"<!-- end of figures of bench/run {name} -->"
    block = f"{begin}\n\n{content}\n\n{end}"
    old = path.read_text() if path.exists() else f"{begin}\n{end}\n"
    path.write_text(re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: block, old, flags=re.S))
