// What the dialects of /rerank have in common, read from any of them. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace ragtime::api {

struct RerankRequest {
  std::string model;  // Empty: the first there is.
  std::string query;
  std::vector<std::string> documents;
  std::optional<std::size_t> results_max;  // top_n
  bool return_documents = false;
  bool raw_scores = false;
  bool bare = false;  // TEI's shape: "texts" in, a bare array out.
};

// `allow_bare`: TEI's shape is understood. Errors: invalid_argument, naming the field.
Result<RerankRequest> read_rerank_request(const std::string& body, bool allow_bare);

}  // namespace ragtime::api
