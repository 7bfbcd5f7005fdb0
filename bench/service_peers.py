"""One peer of `bench/run search-service` as an HTTP server: a text in, the ten best chunks out.

usage (by bench/search_service.py, with the peers' interpreter): service_peers.py ENGINE MODEL TEXTS VECTORS COUNT CACHE
ENGINE: faiss-bm25-torch, faiss-bm25-onnx   FastAPI; FAISS (HNSW) and rank-bm25 over everything, reciprocal rank fusion
        chroma-onnx                         FastAPI, with the vectors in Chroma's server; no lexical search
        qdrant-onnx                         FastAPI, with the vectors in Qdrant's local mode; no lexical search
torch: sentence-transformers; onnx: ONNX Runtime on the exported model. Both f32, on the threads of OMP_NUM_THREADS.
Prints "ready PORT" once it listens.
"""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")
DIMENSIONS, K, CANDIDATES, RRF_K = 384, 10, 100, 60
BATCH = 5000  # Of chunks that are added to a server.


class TorchModel:
    def __init__(self, model, cache):
        import sentence_transformers
        import torch
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.model = sentence_transformers.SentenceTransformer(model, device="cpu")

    def embed(self, text):
        return self.model.encode([text], normalize_embeddings=True, show_progress_bar=False)


class OnnxModel:
    def __init__(self, model, cache):
        import encoder_peers
        if not (pathlib.Path(cache) / "embed-f32.onnx").exists():
            export_model(model, pathlib.Path(cache))
        self.peer = encoder_peers.OnnxPeer("f32", model, cache)
        self.peer.set_threads(int(os.environ["OMP_NUM_THREADS"]))

    def embed(self, text):
        return self.peer.embed([text], 1).astype(np.float32)


def export_model(model, cache):
    import encoder_peers
    import torch
    from transformers import AutoModel
    ids = torch.randint(1000, 20000, (2, 16))
    mask = torch.ones_like(ids)

    def pooled(x, mask):
        weights = mask[:, :, None].to(x.dtype)
        return torch.nn.functional.normalize((x * weights).sum(1) / weights.sum(1))

    bert = AutoModel.from_pretrained(model).eval().requires_grad_(False)
    encoder_peers.export(encoder_peers.plain_bert(bert, pooled), (ids, mask, torch.zeros_like(ids)), cache / "embed", ["output"])


class FaissBm25:
    def __init__(self, texts, vectors):
        import faiss
        import rank_bm25
        faiss.omp_set_num_threads(os.cpu_count())  # For building alone.
        self.index = faiss.IndexHNSWFlat(DIMENSIONS, 32, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = 100
        self.index.add(vectors)
        self.index.hnsw.efSearch = 64
        faiss.omp_set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.words = re.compile(r"\w+")
        self.lexical = rank_bm25.BM25Okapi([self.words.findall(text.lower()) for text in texts])

    def search(self, text, vector):
        dense = self.index.search(vector, CANDIDATES)[1][0]
        scores = self.lexical.get_scores(self.words.findall(text.lower()))
        lexical = np.argpartition(-scores, CANDIDATES)[:CANDIDATES]
        lexical = lexical[np.argsort(-scores[lexical])]
        fused = {}
        for ranking in (dense, lexical):
            for rank, row in enumerate(ranking):
                fused[int(row)] = fused.get(int(row), 0) + 1 / (RRF_K + rank + 1)
        return sorted(fused.items(), key=lambda item: -item[1])[:K]


class Chroma:
    def __init__(self, texts, vectors):
        import chromadb
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = pathlib.Path(sys.executable).with_name("chroma")
        settings = {**os.environ, "ANONYMIZED_TELEMETRY": "False"}
        path = pathlib.Path(os.environ["SERVICE_WORK"]) / "chroma"
        subprocess.Popen([command, "run", "--path", path, "--host", "127.0.0.1", "--port", str(port)],
                         env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client = chromadb.HttpClient(host="127.0.0.1", port=port,
                                                  settings=chromadb.Settings(anonymized_telemetry=False))
                break
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        space = {"hnsw": {"space": "cosine", "ef_search": 64}}
        self.collection = self.client.create_collection("bench", configuration=space, embedding_function=None)
        for begin in range(0, len(texts), BATCH):
            end = min(begin + BATCH, len(texts))
            self.collection.add(ids=[str(i) for i in range(begin, end)], embeddings=vectors[begin:end],
                                documents=texts[begin:end])

    def search(self, text, vector):
        found = self.collection.query(query_embeddings=vector, n_results=K, include=["documents", "distances"])
        return [(int(i), 1 - d) for i, d in zip(found["ids"][0], found["distances"][0])]


class Qdrant:
    def __init__(self, texts, vectors):
        from qdrant_client import QdrantClient, models
        self.client = QdrantClient(":memory:")
        self.client.create_collection("bench", models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE))
        self.client.upload_collection("bench", vectors, ids=range(len(texts)))

    def search(self, text, vector):
        found = self.client.query_points("bench", query=vector[0], limit=K).points
        return [(point.id, point.score) for point in found]


ENGINES = {"faiss-bm25-torch": (TorchModel, FaissBm25), "faiss-bm25-onnx": (OnnxModel, FaissBm25),
           "chroma-onnx": (OnnxModel, Chroma), "qdrant-onnx": (OnnxModel, Qdrant)}


def serve(app):
    import uvicorn
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    print(f"ready {listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])


def main():
    engine, model, texts_file, vectors_file, count, cache = sys.argv[1:7]
    count = int(count)
    with open(texts_file, encoding="utf-8") as lines:
        texts = [line.rstrip("\n") for _, line in zip(range(count), lines)]
    vectors = np.fromfile(vectors_file, np.float32, count * DIMENSIONS).reshape(count, DIMENSIONS)
    make_model, make_index = ENGINES[engine]
    encoder, index = make_model(model, cache), make_index(texts, vectors)

    import fastapi
    import pydantic

    class Search(pydantic.BaseModel):
        query: str

    app = fastapi.FastAPI()

    @app.post("/search")
    def search(request: Search):
        hits = index.search(request.query, encoder.embed(request.query))
        return {"data": [{"id": row, "score": float(score), "text": texts[row]} for row, score in hits]}

    serve(app)


if __name__ == "__main__":
    main()
