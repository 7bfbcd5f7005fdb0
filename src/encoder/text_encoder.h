// open_embedder: an Embedder that runs a Hugging Face or sentence-transformers model directory in this process.
//
// Needs config.json, model.safetensors and tokenizer.json or vocab.txt; modules.json and its parts when present.
// Texts of a call are spread over the pool in small groups, so that calls share it and use every core.
// Thread safety: as Embedder.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "async/thread_pool.h"
#include "base/result.h"
#include "encoder/embedder.h"

namespace ragtime::encoder {

// `name` is what clients call the model. `compute` must outlive the embedder.
// Errors: not_found, corrupt, unsupported; the message names the file and, where one is at fault, the tensor or key.
Result<std::unique_ptr<Embedder>> open_embedder(const std::filesystem::path& directory, std::string name,
                                                async::ThreadPool& compute);

}  // namespace ragtime::encoder
