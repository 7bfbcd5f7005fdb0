// Answerer: question in, streamed answer with checked citations out. Retrieval, prompt, model, citations.
//
// The events of one answer, in order: on_search_start, on_search_done, then deltas with citations between them; the
// returned Answer repeats the whole. Thread safety: every member may be called from any thread; the events of one
// answer come from one coroutine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "engine/engine.h"
#include "llm/chat_model.h"
#include "rag/citation.h"

namespace ragtime::rag {

// The name of the built-in model, which answers with sentences of the documents themselves.
inline constexpr std::string_view kExtractiveModel = "ragtime-extractive";

struct AnswerRequest {
  std::string model;                            // A configured model or kExtractiveModel; empty: the default.
  std::vector<llm::ChatMessage> messages;       // The conversation; the last user message is the question.
  std::string instructions;                     // The caller's system prompt, or empty.
  std::optional<engine::SearchRequest> search;  // Engaged: answer over documents. `queries` empty: derived.
  llm::ChatRequest sampling;                    // Its messages are ignored.
};

struct Answer {
  std::string model;                 // Which one really answered.
  std::string text;                  // Without internal markers.
  std::vector<Citation> citations;   // By index.
  std::vector<std::string> queries;  // What was searched for.
  engine::SearchResults search;
  llm::FinishReason finish_reason = llm::FinishReason::stop;
  llm::ChatUsage usage;
  std::vector<std::string> degraded;  // What a fallback replaced, for example "model:chat→ragtime-extractive".
};

class AnswerEvents {
 public:
  virtual ~AnswerEvents() = default;
  // An error stops the answer (the client is gone).
  virtual Task<Result<void>> on_search_start(const std::vector<std::string>& queries) = 0;
  virtual Task<Result<void>> on_search_done(const engine::SearchResults& results) = 0;
  virtual Task<Result<void>> on_delta(std::string_view text) = 0;
  virtual Task<Result<void>> on_citation(const Citation& citation) = 0;
};

struct AnswererConfig {
  std::size_t context_tokens_max = 6000;  // Budget for numbered sources in the prompt.
  std::size_t sentences_max = 4;          // Of an extractive answer.
};

struct ModelInfo {
  std::string name;
  bool built_in = false;
};

class Answerer {
 public:
  // `models` in order of configuration: the first is the default; the extractive model is always there.
  // Arguments outlive the answerer.
  static std::unique_ptr<Answerer> create(AnswererConfig config, engine::Engine& engine,
                                          std::vector<std::unique_ptr<llm::ChatModel>> models,
                                          async::ThreadPool& compute);
  virtual ~Answerer() = default;

  virtual std::vector<ModelInfo> models() const = 0;
  virtual const std::string& default_model() const = 0;

  // When a configured model fails before its first word and there are search results, the extractive model stands in
  // and `degraded` says so. Errors: not_found (model, store), invalid_argument (no user message), those of the model.
  // Stages in the timings: those of the search, prompt, first_token, generate.
  virtual Task<Result<Answer>> answer(AnswerRequest request, AnswerEvents& events, RequestContext& context) = 0;
};

}  // namespace ragtime::rag
