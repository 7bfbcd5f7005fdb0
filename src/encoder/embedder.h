// Embedder: the seam between text and vectors. In process it is a transformer on oneDNN; later also a remote server.
//
// Thread safety: every member may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"

namespace ragtime::encoder {

enum class EmbedPurpose { query, document };  // Some models prepend a different prompt to each.

struct EmbedderInfo {
  std::string model;  // The name clients use: "all-MiniLM-L6-v2".
  std::size_t dimensions = 0;
  std::size_t tokens_max = 0;  // Longer texts are truncated, as sentence-transformers does.
  bool covers_cjk = false;     // Whether the vocabulary covers Chinese well enough for dense search to be trusted.
};

struct Embeddings {
  std::size_t dimensions = 0;
  std::vector<float> values;              // Row-major, one row per text, normalised when the model says so.
  std::vector<std::size_t> token_counts;  // Per text, special tokens included, after truncation.

  std::size_t size() const { return token_counts.size(); }
  std::span<const float> row(std::size_t i) const { return {values.data() + i * dimensions, dimensions}; }
};

// One vector per token of each text, without the model's special tokens: last hidden states of length 1.
struct TokenVectors {
  std::size_t dimensions = 0;
  std::vector<float> values;      // Row-major, text after text.
  std::vector<std::size_t> ends;  // Per text: the row behind its last one.

  std::size_t size() const { return ends.size(); }
  // The rows of a text, one after the other; empty when the text has no tokens.
  std::span<const float> rows(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends[i - 1];
    return {values.data() + begin * dimensions, (ends[i] - begin) * dimensions};
  }
};

class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual const EmbedderInfo& info() const = 0;

  // One row per text, in order. An empty text is allowed and embeds as the model embeds "".
  // Errors: cancelled, deadline_exceeded, resource_exhausted.
  virtual Task<Result<Embeddings>> embed(std::vector<std::string> texts, EmbedPurpose purpose,
                                         RequestContext& context) = 0;

  // As embed(), of texts given as token ids of the model's own vocabulary, without its special tokens; no prompt is
  // put before them. Errors: as embed(); invalid_argument for an id outside the vocabulary, which the message names;
  // unsupported by embedders that take texts only.
  virtual Task<Result<Embeddings>> embed_ids(std::vector<std::vector<std::int32_t>> texts, RequestContext& context);

  // Whether embed_tokens() works.
  virtual bool has_token_vectors() const { return false; }
  // For late interaction. `purpose` chooses the prompt, whose tokens count as the text's; texts are truncated as by
  // embed(). Goes with queries before documents that wait to be embedded, as somebody waits for the ranking.
  // Errors: as embed(); unsupported by embedders that give one vector per text only.
  virtual Task<Result<TokenVectors>> embed_tokens(std::vector<std::string> texts, EmbedPurpose purpose,
                                                  RequestContext& context);
};

}  // namespace ragtime::encoder
