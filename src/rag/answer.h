// Answerer: question in, streamed answer with checked citations out. Retrieval, prompt, model, citations.
//
// The events of one answer, in order: on_search_start, on_search_done, then deltas with citations between them; the
// returned Answer repeats the whole. Thread safety: every member may be called from any thread; the events of one
// answer come from one coroutine.
#pragma once

#include <chrono>
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
#include "encoder/embedder.h"
#include "engine/engine.h"
#include "llm/chat_model.h"
#include "rag/citation.h"
#include "rag/complexity.h"

namespace ragtime::rag {

// The name of the built-in model, which answers with sentences of the documents themselves.
inline constexpr std::string_view kExtractiveModel = "ragtime-extractive";
// Named by an answer that is nothing but the configured message.
inline constexpr std::string_view kMessageModel = "ragtime-message";

struct AnswerRequest {
  std::string model;                            // A configured model, kExtractiveModel, kAutoModel; empty: the default.
  std::vector<llm::ChatMessage> messages;       // The conversation; the last user message is the question.
  std::string instructions;                     // The caller's system prompt, or empty.
  std::optional<engine::SearchRequest> search;  // Engaged: answer over documents. `queries` empty: derived.
  llm::ChatRequest sampling;                    // Its messages are ignored.
  std::optional<RouteChoice> route;             // Why `model` was chosen, when a caller has done that already.
  std::vector<std::string> degraded;            // What a fallback replaced before; begins the answer's list.
  std::optional<Error> model_failure;           // The model has failed the caller already: only a fallback is asked for.
};

struct Answer {
  std::string model;                 // Which one really answered.
  std::string text;                  // Without internal markers.
  std::vector<Citation> citations;   // By index.
  std::vector<std::string> queries;  // What was searched for.
  engine::SearchResults search;
  llm::FinishReason finish_reason = llm::FinishReason::stop;
  llm::ChatUsage usage;
  std::vector<std::string> degraded;  // What a fallback replaced, for example "llm_timeout:chat→ragtime-extractive".
  std::optional<RouteChoice> route;   // When the model was chosen by complexity.
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

// See answer_memory.h.
struct AnswerMemoryConfig {
  std::size_t entries_max = 1000;  // 0: no answer is remembered.
  std::size_t bytes_max = 8u << 20;
  std::chrono::seconds ttl{3600};
  double similarity = 0.9;  // Cosine of the two questions, at least.
};

// What stands in when a model, the search or the database fails before the first output; see fallbacks.h.
struct DegradationConfig {
  AnswerMemoryConfig memory{};
  std::string message;          // Said when nothing else can be; empty: the failure is an error.
  std::string message_chinese;  // The same for questions in Chinese; empty: `message`.
};

struct AnswererConfig {
  std::size_t context_tokens_max = 6000;  // Budget for numbered sources in the prompt.
  std::size_t sentences_max = 4;          // Of an extractive answer.
  RoutingConfig routing{};
  DegradationConfig degradation{};
  encoder::Embedder* embedder = nullptr;  // For comparing questions; may be null; outlives the answerer.
};

struct ModelInfo {
  std::string name;
  bool built_in = false;
  bool automatic = false;  // kAutoModel: stands for one of the others.
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
  // Whether a message is configured for when nothing can answer.
  virtual bool has_message() const = 0;
  // The model for kAutoModel, as far as it can be told before a search.
  virtual RouteChoice route(const std::vector<llm::ChatMessage>& messages) const = 0;

  // When the search or a configured model fails before the first word, a fallback stands in if there is one, and
  // `degraded` says which: an answer remembered from before, the extractive model (over search results), the configured
  // message. Errors: not_found (model, store), invalid_argument (no user message), those of the model.
  // Stages in the timings: those of the search, prompt, first_token, generate.
  virtual Task<Result<Answer>> answer(AnswerRequest request, AnswerEvents& events, RequestContext& context) = 0;
};

}  // namespace ragtime::rag
