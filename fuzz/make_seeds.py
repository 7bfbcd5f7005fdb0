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


def checksum(data):
    """That of src/index/crc32c.h."""
    def add(crc, byte):
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        return crc

    rounds = len(data) // 32
    lanes = [0xFFFFFFFF] * 4
    for begin in range(0, 32 * rounds, 8):
        for byte in data[begin:begin + 8]:
            lanes[begin // 8 % 4] = add(lanes[begin // 8 % 4], byte)
    crc = 0xFFFFFFFF
    for byte in struct.pack("<4I", *lanes) + data[32 * rounds:]:
        crc = add(crc, byte)
    return crc ^ 0xFFFFFFFF


def snapshot():
    """Files of no, one and two columns."""
    for columns in ({}, {"a": bytes(range(1, 6))}, {"a": bytes(range(1, 60)), "b": b"\1\2\3"}):
        file = b"RTSNAPSH" + struct.pack("<IHHQ", 1, 0x0102, 8, 0)
        directory = b""
        for name, content in columns.items():
            file += bytes(-len(file) % 4096)
            directory += struct.pack("<QQIIQ", len(file), len(content), 1, checksum(content), len(name)) + name.encode()
            file += content
        trailer = struct.pack("<QQII", len(file), len(directory), checksum(directory), len(columns))
        yield file + directory + b"RTSNAPEN" + trailer


def lexical_index():
    """Changes of one column each: what fuzz/edited_columns.h reads."""
    for column in range(11):
        for operation, value in ((0, 3), (1, 7), (2, 255), (3, 0)):
            yield struct.pack(">BBHH", column, operation, 5 + column, value)


def vector_segment():
    for kind in range(8):
        yield bytes([kind])
        for column in range(0, 14, 2):
            yield bytes([kind]) + struct.pack(">BBHH", column, 1 + column % 3, column, 300)


def http_request():
    yield b"GET /a?b=%20c HTTP/1.1\r\nHost: a:80\r\n\r\nGET / HTTP/1.0\r\n\r\n"
    yield b"POST / HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
    yield b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n"


def http_response():
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    yield b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n0\r\n\r\n"


def websocket():
    for head in (b"\x81", b"\x01", b"\x80", b"\x89", b"\x88"):
        yield head + b"\x85" + bytes(4) + b"hello"
    yield b"\x82\xfe\x00\x7e" + bytes(4) + bytes(126)


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__.strip())
    for target in (safetensors, tokenizer_json, vocabulary, tokenisation, snapshot, lexical_index, vector_segment,
                   http_request, http_response, websocket):
        folder = pathlib.Path(sys.argv[1]) / target.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(target()):
            (folder / f"seed-{number}").write_bytes(content)


if __name__ == "__main__":
    main()
