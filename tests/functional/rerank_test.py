"""Reranking by the dialects' own clients and shapes, and the embedding cache, on a real server."""

import base64
import struct

import pytest
from conftest import Server

QUERY = "How often is the oil filter of the turbine replaced?"
DOCUMENTS = ["A recipe for tomato soup with basil.",
             "The oil filter of the turbine is replaced every 250 operating hours.",
             "The rotor reaches its idle speed after ninety seconds."]


@pytest.mark.parametrize("client_name", ["Client", "ClientV2"])
def test_cohere_client(server_with_model, client_name):
    cohere = pytest.importorskip("cohere")
    client = getattr(cohere, client_name)(api_key="unused", base_url=server_with_model.url)
    answer = client.rerank(model="ragtime-embedding-rerank", query=QUERY, documents=DOCUMENTS, top_n=2)
    assert [result.index for result in answer.results][0] == 1 and len(answer.results) == 2
    scores = [result.relevance_score for result in answer.results]
    assert 1 >= scores[0] > scores[1] >= 0
    assert answer.id and answer.meta.api_version.version == ("1" if client_name == "Client" else "2")


def test_jina_shape(server_with_model):
    status, _, body = server_with_model.call("POST", "/v1/rerank", {
        "model": "ragtime-embedding-rerank", "query": QUERY, "documents": [{"text": text} for text in DOCUMENTS],
        "return_documents": True})
    assert status == 200, body
    assert body["results"][0]["index"] == 1 and body["results"][0]["document"] == {"text": DOCUMENTS[1]}
    assert sorted(result["index"] for result in body["results"]) == [0, 1, 2]
    assert body["usage"]["total_tokens"] > 20 and body["model"] == "ragtime-embedding-rerank"


def test_text_embeddings_inference_shape(server_with_model):
    status, _, body = server_with_model.call("POST", "/rerank", {
        "query": QUERY, "texts": DOCUMENTS, "return_text": True, "truncate": True})
    assert status == 200, body
    assert body[0]["index"] == 1 and body[0]["text"] == DOCUMENTS[1]
    assert [result["score"] for result in body] == sorted((r["score"] for r in body), reverse=True)


def test_the_model_is_listed(server_with_model):
    models = {model["id"]: model["task"] for model in server_with_model.call("GET", "/v1/models")[2]["data"]}
    assert models["ragtime-embedding-rerank"] == "rerank" and models["all-MiniLM-L6-v2"] == "embedding"


def test_without_a_model(server):
    status, _, body = server.call("POST", "/v1/rerank", {"query": "q", "documents": ["a"]})
    assert status == 404 and body["error"]["param"] == "model"


def test_one_server_is_the_model_server_of_another(server_with_model, directory):
    """Embeddings and scores through a second server that has no model of its own."""
    remote = server_with_model.url + "/v1"
    config = f'''
[[models]]
name = "far"
task = "embedding"
dimensions = 384
endpoints = [{{ url = "{remote}", model = "all-MiniLM-L6-v2" }}]
[[models]]
name = "far-rerank"
task = "rerank"
endpoints = [{{ url = "{remote}", model = "ragtime-embedding-rerank" }}]
'''
    near = Server(directory / "near", config)
    near.config.write_text(near.config.read_text().replace('model = ""', 'model = "far"', 1))
    near.start()
    try:
        here = near.call("POST", "/v1/embeddings", {"model": "far", "input": ["one", "two"]})[2]["data"]
        there = server_with_model.call("POST", "/v1/embeddings", {
            "model": "all-MiniLM-L6-v2", "input": ["one", "two"], "encoding_format": "base64"})[2]["data"]
        for a, b in zip(here, there):
            b = struct.unpack("<384f", base64.b64decode(b["embedding"]))
            assert sum(x * y for x, y in zip(a["embedding"], b)) > 0.999
        ranked = near.call("POST", "/v1/rerank", {"model": "far-rerank", "query": QUERY, "documents": DOCUMENTS})[2]
        assert ranked["results"][0]["index"] == 1, ranked
        for name in ("first", "second"):
            store = near.call("POST", "/v1/vector_stores", {"name": name})[2]["id"]
            status, _, body = near.call("PUT", f"/v1/vector_stores/{store}/documents/a.txt", DOCUMENTS[1].encode(),
                                        {"Content-Type": "text/plain"})
            assert status in (200, 201), body
        metrics = near.call("GET", "/metrics")[2].decode()
        assert 'ragtime_embedding_cache_requests_total{result="hit"} 1' in metrics, metrics
    finally:
        assert near.stop() == 0, near.log_text()[-3000:]
