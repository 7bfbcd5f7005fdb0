#!/usr/bin/env python3
"""Resident memory of the server over many encodes: a leak of 32 bytes per text would show.

usage: bench/run encoder-memory [--encodes N] [--precision P]

Sends N texts (default 1,000,000) of 1 to 8 random words, one in fifty of 100, through POST /v1/embeddings of
build/release/ragtime (or RAGTIME_BINARY) and reads the server's resident memory every 50,000. Ends with an error when
the last quarter's median is more than 16 MiB above the second quarter's (the first one warms allocator and buffers).
"""

import argparse
import pathlib
import random
import re
import statistics
import sys
import tempfile

from environment import MODEL, ROOT, say

BATCH = 256
SAMPLE_EVERY = 50_000
GROWTH_MAX_MIB = 16


def resident_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def soak(server, encodes, generator):
    """Resident MiB after every SAMPLE_EVERY texts."""
    words = ["".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=generator.randint(2, 6))) for _ in range(5000)]
    lengths = [1, 2, 3, 4, 6, 8] * 8 + [100]
    samples, sent = [], 0
    while sent < encodes:
        texts = [" ".join(generator.choices(words, k=generator.choice(lengths))) for _ in range(BATCH)]
        body = {"model": MODEL.name, "input": texts, "encoding_format": "base64"}
        status, _, reply = server.call("POST", "/v1/embeddings", body)
        if status != 200 or len(reply["data"]) != BATCH:
            raise RuntimeError(f"/v1/embeddings answered {status}: {reply}")
        if (sent + BATCH) // SAMPLE_EVERY > sent // SAMPLE_EVERY:
            samples.append(resident_mib(server.process.pid))
            say(f"{sent + BATCH} texts: {samples[-1]:.1f} MiB")
        sent += BATCH
    return samples


def main():
    parser = argparse.ArgumentParser(prog="bench/run encoder-memory", description=__doc__.split("\n")[0])
    parser.add_argument("--encodes", type=int, default=1_000_000)
    parser.add_argument("--precision", default="auto", choices=("auto", "f32", "bf16", "int8"))
    options = parser.parse_args()
    if options.encodes < 8 * SAMPLE_EVERY:
        parser.error(f"--encodes must be at least {8 * SAMPLE_EVERY}")
    sys.path.insert(0, str(ROOT / "tests/functional"))
    import conftest
    with tempfile.TemporaryDirectory(prefix="ragtime-memory-") as work:
        config = f'precision = "{options.precision}"\n'
        server = conftest.Server(pathlib.Path(work), config=config, with_model=True).start()
        try:
            samples = soak(server, options.encodes, random.Random(1))
        finally:
            server.stop()
    quarter = len(samples) // 4
    early, late = statistics.median(samples[quarter:2 * quarter]), statistics.median(samples[-quarter:])
    print(f"{options.encodes} texts: {early:.1f} MiB in the second quarter, {late:.1f} MiB in the last")
    if late - early > GROWTH_MAX_MIB:
        sys.exit(f"memory grew by {late - early:.1f} MiB, more than {GROWTH_MAX_MIB} MiB")


if __name__ == "__main__":
    main()
