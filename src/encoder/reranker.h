// Reranker: the seam that scores documents against a query. In process a cross-encoder on oneDNN; also a remote server.
//
// Thread safety: every member may be called from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"

namespace ragtime::encoder {

struct RerankerInfo {
  std::string model;
  std::size_t tokens_max = 0;  // Of a pair, special tokens included; longer pairs are cut.
};

struct RerankScores {
  std::vector<float> logits;     // One per document, in their order; sigmoid gives 0..1.
  std::size_t tokens = 0;        // Of all pairs, after truncation.
};

class Reranker {
 public:
  virtual ~Reranker() = default;
  virtual const RerankerInfo& info() const = 0;

  // Errors: cancelled, deadline_exceeded, resource_exhausted, unavailable (remote).
  virtual Task<Result<RerankScores>> score(std::string query, std::vector<std::string> documents,
                                           RequestContext& context) = 0;
};

}  // namespace ragtime::encoder
