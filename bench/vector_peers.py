"""One peer of bench/vector_search.py as a process: builds, then reads a command per line and answers with JSON.

usage (by bench/vector_search.py, with the peers' interpreter): vector_peers.py ENGINE VECTORS.f32 DIMENSIONS
ENGINE: hnswlib, faiss-hnsw, faiss-ivfpq, usearch-f32, usearch-i8. All take inner products of unit vectors, one thread.

Commands: search QUERIES.f32 OUT.i32 SETTING K EVERY    as index_bench's, SETTING being one of those in the first answer
          churn ROUNDS SEED
Queries are given at once, so that Python's part is small; faiss may then share work among them. Seconds are processor time.
"""

import ctypes
import gc
import json
import os
import sys
import time

import numpy as np


class Hnswlib:
    """M 16 and ef_construction 200, as its documents recommend."""

    settings = [10, 12, 14, 17, 20, 25, 30, 37, 45, 60, 90, 120, 180, 250, 350, 500, 800]
    filtered = True

    def __init__(self, vectors):
        import hnswlib
        self.index = hnswlib.Index(space="ip", dim=vectors.shape[1])
        self.index.init_index(max_elements=len(vectors), M=16, ef_construction=200, random_seed=1, allow_replace_deleted=True)
        self.index.set_num_threads(1)
        self.index.add_items(vectors, np.arange(len(vectors)), num_threads=1)

    def search(self, queries, setting, k, every):
        self.index.set_ef(max(setting, k))
        accept = (lambda label: label % every == 0) if every > 1 else None
        try:
            return self.index.knn_query(queries, k=k, num_threads=1, filter=accept)[0]
        except RuntimeError:  # It refuses all queries when one of them has fewer than k results.
            return np.stack([self.search_one(query, k, accept) for query in queries])

    def search_one(self, query, k, accept):
        for count in range(k, 0, -1):
            try:
                found = self.index.knn_query(query, k=count, num_threads=1, filter=accept)[0][0]
                return np.concatenate([found.astype(np.int64), np.full(k - count, -1)])
            except RuntimeError:
                continue
        return np.full(k, -1)

    def remove(self, ids):
        for i in ids:
            self.index.mark_deleted(int(i))

    def add(self, vectors, ids):
        self.index.add_items(vectors, ids, num_threads=1, replace_deleted=True)


class FaissHnsw:
    """M 16, efConstruction 200, f32 vectors: the same graph as hnswlib's."""

    settings = Hnswlib.settings
    filtered = True

    def __init__(self, vectors):
        import faiss
        faiss.omp_set_num_threads(1)
        self.faiss = faiss
        self.index = faiss.IndexHNSWFlat(vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = 200
        self.index.add(vectors)
        self.count = len(vectors)

    def selector(self, every):
        return self.faiss.IDSelectorBatch(np.arange(0, self.count, every)) if every > 1 else None

    def search(self, queries, setting, k, every):
        parameters = self.faiss.SearchParametersHNSW(sel=self.selector(every), efSearch=max(setting, k))
        return self.index.search(queries, k, params=parameters)[1]


class FaissIvfPq:
    """Fast scan with 4-bit codes of two dimensions each, re-ranked with 8-bit codes; lists are four times the root."""

    settings = [(nprobe, factor) for nprobe in (1, 2, 4, 8, 16, 32, 64, 128, 256) for factor in (4, 16)]
    filtered = False  # Its fast scan takes no selector of ids with re-ranking.

    def __init__(self, vectors):
        import faiss
        faiss.omp_set_num_threads(1)
        self.faiss = faiss
        lists = max(16, int(4 * len(vectors) ** 0.5))
        description = f"IVF{lists},PQ{vectors.shape[1] // 2}x4fs,Refine(SQ8)"
        self.index = faiss.index_factory(vectors.shape[1], description, faiss.METRIC_INNER_PRODUCT)
        self.index.train(vectors)
        self.index.add(vectors)

    def search(self, queries, setting, k, every):
        ivf = self.faiss.SearchParametersIVF(nprobe=setting[0])
        parameters = self.faiss.IndexRefineSearchParameters(k_factor=setting[1], base_index_params=ivf)
        return self.index.search(queries, k, params=parameters)[1]


class Usearch:
    """Connectivity 16, expansion 200 for adding; vectors as f32 or i8."""

    settings = Hnswlib.settings
    filtered = False  # Its Python package has no filters.

    def __init__(self, vectors, dtype):
        from usearch.index import Index
        self.index = Index(ndim=vectors.shape[1], metric="ip" if dtype == "f32" else "cos", dtype=dtype, connectivity=16,
                           expansion_add=200)
        self.index.add(np.arange(len(vectors)), vectors, threads=1)

    def search(self, queries, setting, k, every):
        self.index.expansion_search = max(setting, k)
        return self.index.search(queries, k, threads=1).keys.astype(np.int64)

    def remove(self, ids):
        self.index.remove(ids, threads=1)

    def add(self, vectors, ids):
        self.index.add(ids, vectors, threads=1)


ENGINES = {"hnswlib": Hnswlib, "faiss-hnsw": FaissHnsw, "faiss-ivfpq": FaissIvfPq,
           "usearch-f32": lambda vectors: Usearch(vectors, "f32"), "usearch-i8": lambda vectors: Usearch(vectors, "i8")}


def read_rows(path, dimensions):
    return np.fromfile(path, dtype=np.float32).reshape(-1, dimensions)


def resident():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def build(name, path, dimensions):
    engine_type = ENGINES[name]
    load_library(name)
    before = resident()
    vectors = read_rows(path, dimensions)
    start = time.process_time()
    engine = engine_type(vectors)
    seconds = time.process_time() - start
    del vectors
    return engine, {"seconds": seconds, "resident": resident() - before, "settings": engine.settings, "filtered": engine.filtered,
                    "churns": hasattr(engine, "remove")}


def load_library(name):
    """So that its code does not count as memory of the index."""
    __import__({"hnswlib": "hnswlib", "usearch-f32": "usearch.index", "usearch-i8": "usearch.index"}.get(name, "faiss"))


def search(engine, dimensions, queries_path, out, setting, k, every):
    queries = read_rows(queries_path, dimensions)
    start = time.process_time()
    found = engine.search(queries, json.loads(setting), int(k), int(every))
    seconds = time.process_time() - start
    np.where((found < 0) | (found > 2**31 - 1), -1, found).astype(np.int32).tofile(out)
    return {"seconds": seconds}


def churn(engine, path, dimensions, rounds, seed):
    vectors = read_rows(path, dimensions)
    random = np.random.default_rng(int(seed))
    start = time.process_time()
    for _ in range(int(rounds)):
        half = random.permutation(len(vectors))[:len(vectors) // 2]
        engine.remove(half)
        engine.add(vectors[half], half)
    seconds = time.process_time() - start
    del vectors
    return {"seconds": seconds, "resident": resident()}


def main():
    name, path, dimensions = sys.argv[1], sys.argv[2], int(sys.argv[3])
    engine, reply = build(name, path, dimensions)
    print(json.dumps(reply), flush=True)
    for line in sys.stdin:
        command, *arguments = line.split()
        reply = search(engine, dimensions, *arguments) if command == "search" else churn(engine, path, dimensions, *arguments)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
