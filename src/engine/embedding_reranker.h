// A Reranker without a cross-encoder: the cosine of query and document by an embedding model, mapped to 0..1.
#pragma once

#include <memory>
#include <string>

#include "encoder/embedder.h"
#include "encoder/reranker.h"

namespace ragtime::engine {

inline constexpr std::string_view kEmbeddingRerankModel = "ragtime-embedding-rerank";

// `embedder` outlives the reranker. Logits are those of (1 + cosine) / 2.
std::unique_ptr<encoder::Reranker> make_embedding_reranker(encoder::Embedder& embedder);

}  // namespace ragtime::engine
