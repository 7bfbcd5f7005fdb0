// Adding an embedding model to a data directory: from a directory, or by name from a Hugging Face style hub.
//
// A model appears under `models_directory` whole or not at all: it is put together beside its place, loaded once to
// prove that it works, and renamed. An interrupted download is kept there and continued by the next call.
// One call at a time per models directory; files are read and written on the calling thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "http/client.h"

namespace ragtime::server {

struct ModelSummary {
  std::string name;  // What `encoder.model` and clients call it.
  std::filesystem::path directory;
  std::size_t dimensions = 0;
  std::size_t tokens_max = 0;
  bool covers_cjk = false;
  std::uint64_t bytes = 0;  // Of all its files.
};

// Copies the model at `source`, which is loaded first. The name is the directory's; for a snapshot in a Hugging Face
// cache (models--ORG--NAME/snapshots/REVISION) it is NAME.
// Errors: not_found, corrupt, unsupported (from loading, naming the file), conflict (the name is taken), unavailable
// (copying failed).
Result<ModelSummary> add_model_directory(const std::filesystem::path& source,
                                         const std::filesystem::path& models_directory);

// Bytes over all files of the model; `total` is 0 when the hub does not say.
using DownloadProgress = std::function<void(std::uint64_t done, std::uint64_t total, std::string_view file)>;

struct HubDownload {
  std::string name;  // "sentence-transformers/all-MiniLM-L6-v2"
  std::filesystem::path models_directory;
  std::string hub_url = "https://huggingface.co";
  DownloadProgress progress;                  // May be empty.
  std::chrono::milliseconds retry_wait{500};  // Before the second attempt at a file; doubles with each further one.
};

// Fetches what an encoder needs of the model's main revision. Sizes and SHA-256 sums are checked where the hub gives
// them. Errors: invalid_argument (the name), not_found, permission_denied (private, gated or, as hubs do not tell these
// apart without a key, unknown), unsupported (no model.safetensors, another architecture), corrupt (a checksum, or a
// hub that names files outside the model), conflict (the name is taken), unavailable, deadline_exceeded, cancelled.
Task<Result<ModelSummary>> add_model_from_hub(HubDownload download, http::Client& client, RequestContext& context);

}  // namespace ragtime::server
