"""Five questions in Chinese about real documents, answered without a chat model, the right source cited first."""

import json

import pytest
from conftest import MODEL, REFERENCE, Server

QUESTIONS = [
    ("HNSW 的 ef_construction 默认值是多少", ["200"], "rag-performance.md"),
    ("vLLM 的 max_num_seqs 设为多少", ["32"], "deep-research.md"),
    ("情感分析结果缓存多长时间", ["30分钟", "30 分钟", "1800"], "chat-performance.md"),
    ("混合检索中向量权重是多少", ["0.7"], "llm-module.md"),
    ("第一个Token延迟用什么指标表示", ["Time to First Token"], "rag-service.md"),
]


@pytest.fixture(scope="module", params=["lexical", "hybrid"])
def data(request, directory):
    if not REFERENCE.exists():
        pytest.skip(f"{REFERENCE} is absent; RAGTIME_REFERENCE names another place")
    if request.param == "hybrid" and not MODEL.exists():
        pytest.skip(f"{MODEL} is missing; scripts/fetch_model.sh gets it")
    server = Server(directory / request.param, with_model=request.param == "hybrid")
    server.run("ingest", *map(str, sorted(REFERENCE.glob("*.md"))))
    return server


@pytest.mark.parametrize("question, answers, filename", QUESTIONS)
def test_the_answer_and_its_first_citation(data, question, answers, filename):
    reply = json.loads(data.run("ask", question, "--json").stdout)
    assert any(answer in reply["text"] for answer in answers), reply
    first = reply["citations"][0]
    assert first["filename"] == filename, reply
    assert first["verified"] and first["quote"] in (REFERENCE / filename).read_text()
