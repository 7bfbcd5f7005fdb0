#include "encoder/text_tokens.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "async/task_group.h"

namespace ragtime::encoder {
namespace {

constexpr std::size_t kBytesAtOnce = 2048;  // Some 0.2 ms, which is less than a way to the pool and back under load.
constexpr std::size_t kTextsPerJob = 32;

std::size_t total_bytes(const std::vector<std::string>& texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  return bytes;
}

}  // namespace

// One call: the texts, and the slots that jobs fill, each its own.
struct TextTokens::Work {
  std::string first;
  std::vector<std::string> texts;
  bool pairs = false;
  TokenizedTexts out;
  std::size_t next = 0;  // The first text that no job has taken; used on the caller's executor only.
  std::optional<Error> failure;
};

void TextTokens::encode_range(Work& work, std::size_t begin, std::size_t end) const {
  for (std::size_t i = begin; i < end; ++i) {
    if (work.pairs) {
      TokenPair pair = tokenizer_.encode_pair(work.first, work.texts[i], tokens_max_);
      work.out.sequences[i] = std::move(pair.ids);
      work.out.types[i] = std::move(pair.types);
    } else if (work.first.empty()) {
      work.out.sequences[i] = tokenizer_.encode(work.texts[i], tokens_max_);
    } else {
      work.out.sequences[i] = tokenizer_.encode(work.first + work.texts[i], tokens_max_);
    }
  }
}

// Takes groups of texts until none is left or one has failed.
Task<> TextTokens::take_groups(Work& work, RequestContext& context) const {
  while (work.next < work.texts.size() && !work.failure) {
    const std::size_t begin = work.next;
    const std::size_t end = std::min(begin + kTextsPerJob, work.texts.size());
    work.next = end;
    auto job = [this, &work, begin, end]() -> Result<void> {
      encode_range(work, begin, end);
      return {};
    };
    const Result<void> done = co_await compute_.run(context, std::move(job));
    if (done.has_error() && !work.failure) work.failure = done.error();
  }
}

Task<Result<TokenizedTexts>> TextTokens::encode_all(std::string first, std::vector<std::string> texts, bool pairs,
                                                    RequestContext& context) const {
  RAGTIME_CO_TRY_DONE(context.check());
  Work work;
  work.first = std::move(first);
  work.texts = std::move(texts);
  work.pairs = pairs;
  work.out.sequences.resize(work.texts.size());
  if (pairs) work.out.types.resize(work.texts.size());
  const std::size_t firsts = pairs ? work.first.size() * work.texts.size() : 0;
  if (total_bytes(work.texts) + firsts <= kBytesAtOnce) {
    encode_range(work, 0, work.texts.size());
    co_return std::move(work.out);
  }
  const std::size_t jobs = (work.texts.size() + kTextsPerJob - 1) / kTextsPerJob;
  async::TaskGroup workers(co_await asio::this_coro::executor);
  for (std::size_t i = 0; i < std::min(jobs, compute_.threads()); ++i) workers.spawn(take_groups(work, context));
  co_await workers.join();
  if (work.failure) co_return std::move(*work.failure);
  co_return std::move(work.out);
}

Task<Result<TokenizedTexts>> TextTokens::encode(std::string prompt, std::vector<std::string> texts,
                                                RequestContext& context) const {
  return encode_all(std::move(prompt), std::move(texts), false, context);
}

Task<Result<TokenizedTexts>> TextTokens::encode_pairs(std::string first, std::vector<std::string> texts,
                                                      RequestContext& context) const {
  return encode_all(std::move(first), std::move(texts), true, context);
}

}  // namespace ragtime::encoder
