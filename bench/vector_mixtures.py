"""Vectors for sizes beyond those of the texts: the texts' own, then mixtures of two of them, w · a + (1 − w) · b with w from .5 to .9.

usage (by bench/vector_search.py, with the peers' interpreter): vector_mixtures.py ROWS.f32 SKIPPED COUNT DIMENSIONS OUT.f32
Writes COUNT unit rows: those of ROWS after the first SKIPPED, then mixtures of these. The same input gives the same output.
"""

import sys

import numpy as np

AT_ONCE = 50_000


def main():
    rows, skipped, count, dimensions, out = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
    own = np.fromfile(rows, dtype=np.float32).reshape(-1, dimensions)[skipped:]
    random = np.random.default_rng(1)
    with open(out, "wb") as file:
        own[:count].tofile(file)
        for begin in range(len(own), count, AT_ONCE):
            size = min(AT_ONCE, count - begin)
            first, second = (random.integers(0, len(own), size) for _ in range(2))
            weight = random.uniform(0.5, 0.9, size).astype(np.float32)[:, None]
            mixed = weight * own[first] + (1 - weight) * own[second]
            (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32).tofile(file)


if __name__ == "__main__":
    main()
