#!/usr/bin/env python3
"""Writes inputs for the fuzzers to start from: without them a fuzzer hardly gets past the first length field.

usage: fuzz/make_seeds.py FOLDER     (makes FOLDER/TARGET/… for each target)
"""

import json
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKENIZERS = ROOT / "tests/data/tokenizer"


def safetensors():
    for tensors in ({"a": ("F32", [1, 2], 8)}, {"a": ("BF16", [2, 2], 8), "b": ("F16", [3], 6)}, {}):
        header, at = {"__metadata__": {"format": "pt"}}, 0
        for name, (dtype, shape, size) in tensors.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
            at += size
        text = json.dumps(header, separators=(",", ":")).encode()
        yield struct.pack("<Q", len(text)) + text + bytes(at)


def tokenizer_json():
    for path in sorted(TOKENIZERS.glob("*/tokenizer.json")):
        whole = json.loads(path.read_text(encoding="utf-8"))
        vocabulary = whole["model"]["vocab"]
        few = list(vocabulary.items())[:40] if isinstance(vocabulary, dict) else vocabulary[:40]
        whole["model"]["vocab"] = dict(few) if isinstance(vocabulary, dict) else few
        if "merges" in whole["model"]:
            whole["model"]["merges"] = []
        yield json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def vocabulary():
    model = (TOKENIZERS / "xlm_roberta/sentencepiece.bpe.model").read_bytes()
    yield from (model[:400], model[:4000], model[-20_000:])


def tokenisation():
    for tokenizer in range(3):
        yield bytes([tokenizer]) + "it's a café, 你好 <mask> 12\u0301  👍\n".encode()


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__.strip())
    for target in (safetensors, tokenizer_json, vocabulary, tokenisation):
        folder = pathlib.Path(sys.argv[1]) / target.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(target()):
            (folder / f"seed-{number}").write_bytes(content)


if __name__ == "__main__":
    main()
