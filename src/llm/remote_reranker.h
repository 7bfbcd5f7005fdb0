// A reranking model behind /rerank endpoints (Jina, Cohere, vLLM, TEI and the many that speak like one of them).
#pragma once

#include <cstddef>
#include <memory>

#include "encoder/reranker.h"
#include "llm/remote_call.h"

namespace ragtime::llm {

// How the request is put; an answer is understood in any of the shapes.
enum class RerankDialect { jina, cohere_v1, cohere_v2, tei };

struct RemoteRerankerConfig {
  RemoteCallConfig call;
  RerankDialect dialect = RerankDialect::jina;
  std::size_t tokens_max = 8192;
  std::size_t batch_documents_max = 128;
};

// `parts` outlive the reranker. Scores within 0..1 are turned into logits; others are taken as logits. An answer that
// leaves a document out, names one twice or has a score that is no number is unavailable. 429 is resource_exhausted.
std::unique_ptr<encoder::Reranker> make_remote_reranker(RemoteRerankerConfig config, RemoteCallParts parts);

}  // namespace ragtime::llm
