// TextTokens: texts to token sequences: short calls at once, longer ones on the pool, spread over its threads.
//
// Thread safety: every member may be called from any thread. Tokenizer and pool must outlive the object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "async/task.h"
#include "async/thread_pool.h"
#include "base/request_context.h"
#include "base/result.h"
#include "encoder/tokenizer.h"

namespace ragtime::encoder {

struct TokenizedTexts {
  std::vector<TokenSequence> sequences;
  std::vector<std::vector<std::int32_t>> types;  // Of pairs only.
};

class TextTokens {
 public:
  // `tokens_max` limits each sequence, special tokens included.
  TextTokens(const Tokenizer& tokenizer, std::size_t tokens_max, async::ThreadPool& compute)
      : tokenizer_(tokenizer), tokens_max_(tokens_max), compute_(compute) {}

  // One sequence per text, in order: `prompt` and the text, or `first` and the text as a pair.
  // Errors: cancelled, deadline_exceeded, resource_exhausted.
  Task<Result<TokenizedTexts>> encode(std::string prompt, std::vector<std::string> texts,
                                      RequestContext& context) const;
  Task<Result<TokenizedTexts>> encode_pairs(std::string first, std::vector<std::string> texts,
                                            RequestContext& context) const;

 private:
  struct Work;
  Task<Result<TokenizedTexts>> encode_all(std::string first, std::vector<std::string> texts, bool pairs,
                                          RequestContext& context) const;
  Task<> take_groups(Work& work, RequestContext& context) const;
  void encode_range(Work& work, std::size_t begin, std::size_t end) const;

  const Tokenizer& tokenizer_;
  const std::size_t tokens_max_;
  async::ThreadPool& compute_;
};

}  // namespace ragtime::encoder
