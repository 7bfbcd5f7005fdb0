"""What the benchmarks of models share: the peers' virtual environment outside the checkout, the model, the machine."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(os.environ.get("RAGTIME_DATA", ROOT.parent / "shared/data"))
MODEL = ROOT / "build/models/all-MiniLM-L6-v2"
REQUIREMENTS = ROOT / "bench/requirements-encoder.txt"
OUTPUT = ROOT / "docs/performance"


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def cache_directory():
    base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return base / "ragtime-bench"


def peers_python(where=None, requirements=REQUIREMENTS, size="about 6 GB, some minutes the first time"):
    """The interpreter of an environment that holds exactly the pinned peers; makes it when it is missing or outdated."""
    where = pathlib.Path(where) if where else cache_directory() / "encoder"
    python, stamp = where / "bin/python", where / "requirements.sha256"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    say(f"installing peers in {where} ({size})")
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", str(where)], check=True, stdout=sys.stderr)
    subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(requirements)], check=True, stdout=sys.stderr)
    stamp.write_text(wanted)
    say(f"installed in {time.monotonic() - started:.0f} s")
    return python


def peers_environment(threads_max):
    """Environment variables for a peer's process: no network, no more threads than the machine's share."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "OMP_NUM_THREADS": str(threads_max), "RAYON_NUM_THREADS": str(threads_max), "CUDA_VISIBLE_DEVICES": ""}


def long_model(model, tokens_max=512):
    """A copy of a sentence-transformers directory that reads `tokens_max` tokens: links, except for that one setting."""
    target = cache_directory() / "models" / f"{model.name}-{tokens_max}"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for entry in model.iterdir():
        if entry.name != "sentence_bert_config.json":
            (target / entry.name).symlink_to(entry.resolve())
    settings = json.loads((model / "sentence_bert_config.json").read_text())
    settings["max_seq_length"] = tokens_max
    (target / "sentence_bert_config.json").write_text(json.dumps(settings))
    return target


def publish(name, results, drawing):
    """Figures as JSON and their chart, where the documents find them."""
    (OUTPUT / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (OUTPUT / f"{name}.svg").write_text(drawing)


def publish_part(name, key, part, identity, draw):
    """Keeps beside `part`, under `key`, what other runs measured: all whose `identity`, which also orders them, differs."""
    path = OUTPUT / f"{name}.json"
    former = json.loads(path.read_text())[key] if path.exists() else []
    results = {key: sorted([*(p for p in former if identity(p) != identity(part)), part], key=identity)}
    publish(name, results, draw(results))


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def machine():
    """Processor, cores and the instruction sets that matter here."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    field = lambda name: next(iter(re.findall(rf"^{name}\s*: (.*)$", text, re.M)), "unknown")
    flags = set(field("flags").split())
    known = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8")
    memory_kib = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1))
    return {"processor": f"{field('model name')} (family {field('cpu family')}, model {field('model')})",
            "cores": os.cpu_count(), "memory_gib": round(memory_kib / 2**20), "instruction_sets": [f for f in known if f in flags]}


def commit():
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    return head.stdout.strip() or "unknown"
