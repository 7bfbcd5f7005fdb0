// open_embedder and open_reranker: models of Hugging Face or sentence-transformers directories that run in this
// process.
//
// They need config.json, model.safetensors and a tokenizer's files; modules.json and its parts when present.
// Calls share a model through a Batcher; texts are tokenised on the pool as well, unless they are short.
// Thread safety: as Embedder and Reranker.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "async/thread_pool.h"
#include "base/result.h"
#include "encoder/embedder.h"
#include "encoder/encoder_config.h"
#include "encoder/reranker.h"

namespace ragtime::encoder {

// `name` is what clients call the model. `compute` must outlive the embedder.
// Errors: not_found, corrupt, unsupported; the message names the file and, where one is at fault, the tensor or key.
Result<std::unique_ptr<Embedder>> open_embedder(const std::filesystem::path& directory, std::string name,
                                                async::ThreadPool& compute, const EncoderConfig& config = {});

// A cross-encoder: a `…ForSequenceClassification` model with one label.
Result<std::unique_ptr<Reranker>> open_reranker(const std::filesystem::path& directory, std::string name,
                                                async::ThreadPool& compute, const EncoderConfig& config = {});

}  // namespace ragtime::encoder
