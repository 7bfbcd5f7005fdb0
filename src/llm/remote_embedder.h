// An embedding model behind OpenAI-compatible /embeddings endpoints (vLLM, TEI, Ollama, a hosted API).
#pragma once

#include <cstddef>
#include <memory>

#include "encoder/embedder.h"
#include "llm/remote_call.h"

namespace ragtime::llm {

struct RemoteEmbedderConfig {
  RemoteCallConfig call;
  std::size_t dimensions = 0;  // 0: unknown; info() says so too, and the first answer decides.
  std::size_t tokens_max = 8192;
  std::size_t batch_texts_max = 128;
  std::size_t batch_tokens_max = 100'000;  // Estimated.
};

// `parts` outlive the embedder. An answer of the wrong count, order or dimension, or with values that are no
// numbers, is unavailable; so is a server that does not answer in time. 429 is resource_exhausted.
std::unique_ptr<encoder::Embedder> make_remote_embedder(RemoteEmbedderConfig config, RemoteCallParts parts);

}  // namespace ragtime::llm
