"""One peer of bench/vector_search.py as a process: builds, then reads a command per line and answers with JSON.

usage (by bench/vector_search.py, with the peers' interpreter): vector_peers.py ENGINE VECTORS.f32 DIMENSIONS
ENGINE: hnswlib, faiss-hnsw, faiss-ivfpq, usearch-f32, usearch-i8, lancedb, qdrant-local. All take inner products of unit
vectors, one thread.

Commands: search QUERIES.f32 OUT.i32 SETTING K SELECTED    as index_bench's, SETTING being one of those in the first answer;
                                                           a file of ids for those alone that say takes_ids
          churn ROUNDS SEED
Queries are given at once, so that Python's part is small; faiss may then share work among them. LanceDB and Qdrant are
databases and are asked one query at a time, as their users do. Seconds are processor time.
"""

import ctypes
import datetime
import gc
import json
import os
import pathlib
import sys
import tempfile
import time
import warnings

import numpy as np

os.environ.setdefault("LANCE_INCLUDE_VECTOR_CENTROIDS", "false")  # Or it warns of a change to come, at length.
STEPS = (2, 3, 5, 10, 20, 100, 1000)  # Selections that the databases keep attributes for.


class Hnswlib:
    """M 16 and ef_construction 200, as its documents recommend.

    What is added again has a new label: it loses labels that are removed and added while it replaces deleted elements.
    """

    settings = [*range(10, 21), 22, 25, 30, 37, 45, 60, 90, 120, 180, 250, 350, 500, 800]
    filtered = takes_ids = True

    def __init__(self, vectors):
        import hnswlib
        self.index = hnswlib.Index(space="ip", dim=vectors.shape[1])
        self.index.init_index(max_elements=len(vectors), M=16, ef_construction=200, random_seed=1, allow_replace_deleted=True)
        self.index.set_num_threads(1)
        self.ids = np.arange(len(vectors))  # By label.
        self.label_of = self.ids.copy()  # By id.
        self.index.add_items(vectors, self.ids, num_threads=1)

    def search(self, queries, setting, k, selected):
        labels = self.search_labels(queries, setting, k, self.accept(selected)).astype(np.int64)
        return np.where(labels < 0, -1, self.ids[labels])

    def accept(self, selected):
        """A selection before the first removal alone, while labels are ids."""
        if isinstance(selected, int):
            return (lambda label: label % selected == 0) if selected > 1 else None
        is_selected = np.zeros(len(self.ids), dtype=bool)
        is_selected[selected] = True
        return is_selected.tolist().__getitem__

    def search_labels(self, queries, setting, k, accept):
        self.index.set_ef(max(setting, k))
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
        for label in self.label_of[ids]:
            self.index.mark_deleted(int(label))

    def add(self, vectors, ids):
        self.label_of[ids] = np.arange(len(self.ids), len(self.ids) + len(ids))
        self.ids = np.concatenate([self.ids, ids])
        self.index.add_items(vectors, self.label_of[ids], num_threads=1, replace_deleted=True)


class FaissHnsw:
    """M 16, efConstruction 200, f32 vectors: the same graph as hnswlib's."""

    settings = Hnswlib.settings
    filtered = takes_ids = True

    def __init__(self, vectors):
        import faiss
        faiss.omp_set_num_threads(1)
        self.faiss = faiss
        self.index = faiss.IndexHNSWFlat(vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = 200
        self.index.add(vectors)
        self.count = len(vectors)

    def selector(self, selected):
        if isinstance(selected, int):
            return self.faiss.IDSelectorBatch(np.arange(0, self.count, selected)) if selected > 1 else None
        return self.faiss.IDSelectorBatch(selected)

    def search(self, queries, setting, k, selected):
        parameters = self.faiss.SearchParametersHNSW(sel=self.selector(selected), efSearch=max(setting, k))
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


def divides(ids, steps):
    """Attributes for the databases' filters: by step, whether it divides an id."""
    return {f"step{step}": ids % step == 0 for step in steps}


class LanceDb:
    """A table on disk with a graph over 8-bit codes and a bitmap of each attribute; the filter goes ahead of the search."""

    settings = [(ef, factor) for ef in (10, 15, 25, 50, 100, 200, 400) for factor in (1, 2)]
    filtered = True
    queries_most = 200

    def __init__(self, vectors):
        import lancedb
        self.directory = tempfile.TemporaryDirectory()
        rows = self.rows(vectors, np.arange(len(vectors)))
        self.table = lancedb.connect(self.directory.name).create_table("vectors", rows)
        graph = lancedb.index.HnswSq(distance_type="cosine", num_partitions=1, m=16, ef_construction=200)
        self.table.create_index("vector", config=graph)
        for name in rows.column_names[2:]:
            self.table.create_index(name, config=lancedb.index.Bitmap())

    @staticmethod
    def rows(vectors, ids):
        import pyarrow
        column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), vectors.shape[1])
        return pyarrow.table({"id": ids, "vector": column, **divides(ids, STEPS)})

    def search(self, queries, setting, k, every):
        return np.stack([self.search_one(query, setting, k, every) for query in queries])

    def search_one(self, query, setting, k, every):
        search = self.table.search(query).distance_type("cosine").nprobes(1).ef(max(setting[0], k * setting[1])).limit(k)
        search = search.refine_factor(setting[1]) if setting[1] > 1 else search
        search = search.where(f"step{every}", prefilter=True) if every > 1 else search
        found = search.select(["id", "_distance"]).to_arrow()["id"].to_numpy()
        return np.concatenate([found, np.full(k - len(found), -1)])

    def remove(self, ids):
        self.table.delete(f"id IN ({','.join(map(str, ids))})")

    def add(self, vectors, ids):
        """Merges the new rows into the index and gives back what the old ones took."""
        self.table.add(self.rows(vectors, ids))
        warnings.simplefilter("ignore")  # It warns of other readers.
        self.table.optimize(cleanup_older_than=datetime.timedelta(0))

    def bytes(self):
        return sum(file.stat().st_size for file in pathlib.Path(self.directory.name).rglob("*") if file.is_file())


class QdrantLocal:
    """The local mode of its Python client, in memory: an exact search, and filters by Python over every point."""

    settings = [1]
    filtered = True
    queries_most = 50

    def __init__(self, vectors):
        import qdrant_client
        self.models = qdrant_client.models
        self.client = qdrant_client.QdrantClient(":memory:")
        parameters = self.models.VectorParams(size=vectors.shape[1], distance=self.models.Distance.COSINE)
        self.client.create_collection("vectors", parameters)
        self.add(vectors, np.arange(len(vectors)))

    def selection(self, every):
        condition = self.models.FieldCondition(key=f"step{every}", match=self.models.MatchValue(value=True))
        return self.models.Filter(must=[condition]) if every > 1 else None

    def search(self, queries, setting, k, every):
        found = np.full((len(queries), k), -1)
        for row, query in zip(found, queries):
            points = self.client.query_points("vectors", query=query, query_filter=self.selection(every), limit=k).points
            row[:len(points)] = [point.id for point in points]
        return found

    def remove(self, ids):
        self.client.delete("vectors", self.models.PointIdsList(points=ids.tolist()))

    def add(self, vectors, ids):
        attributes = divides(ids, STEPS)
        payload = [{name: bool(values[i]) for name, values in attributes.items()} for i in range(len(ids))]
        self.client.upload_collection("vectors", vectors, payload, ids.tolist())


ENGINES = {"lancedb": LanceDb, "qdrant-local": QdrantLocal, "hnswlib": Hnswlib, "faiss-hnsw": FaissHnsw, "faiss-ivfpq": FaissIvfPq,
           "usearch-f32": lambda vectors: Usearch(vectors, "f32"), "usearch-i8": lambda vectors: Usearch(vectors, "i8")}
LIBRARIES = {"lancedb": "lancedb", "qdrant-local": "qdrant_client", "hnswlib": "hnswlib", "usearch-f32": "usearch.index",
             "usearch-i8": "usearch.index"}


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
                    "takes_ids": getattr(engine, "takes_ids", False), "churns": hasattr(engine, "remove"), **size_of(engine)}


def size_of(engine):
    """What an index says of its size, or the processor's memory alone counts."""
    return {"bytes": engine.bytes()} if hasattr(engine, "bytes") else {}


def load_library(name):
    """So that its code does not count as memory of the index."""
    __import__(LIBRARIES.get(name, "faiss"))


def read_selection(selected):
    """A number as it is, or the ids in a file."""
    return int(selected) if selected.isdigit() else np.fromfile(selected, dtype=np.int32).astype(np.int64)


def search(engine, dimensions, queries_path, out, setting, k, selected):
    queries = read_rows(queries_path, dimensions)[:getattr(engine, "queries_most", None)]
    selection = read_selection(selected)
    start = time.process_time()
    found = engine.search(queries, json.loads(setting), int(k), selection)
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
    return {"seconds": seconds, "resident": resident(), **size_of(engine)}


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
