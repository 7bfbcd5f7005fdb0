// Delivery: brings a model's stream to the caller: text without markers, citations between, time of the first token.
//
// Thread safety: belongs to one answer and its coroutine.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "rag/answer.h"
#include "rag/citations.h"

namespace ragtime::rag {

class Delivery {
 public:
  // The arguments and the sources outlive the delivery.
  Delivery(std::vector<const engine::SearchHit*> sources, AnswerEvents& events, RequestContext& context);

  // An llm::ChatSink. Errors: those of the events.
  Task<Result<void>> take(std::string_view delta);
  // The model ended well: delivers what was held back and stops the clock.
  Task<Result<void>> finish();

  // Whether the caller has got anything, after which nothing can be taken back.
  bool began() const { return began_; }
  // Whether the events refused something: the caller is gone.
  bool refused() const { return refused_; }

  const std::string& text() const { return stream_.text(); }
  std::vector<Citation> citations() const { return citations_; }

 private:
  Task<Result<void>> deliver(std::vector<CitationEvent> happened);
  Task<Result<void>> deliver_one(CitationEvent happened);

  CitationStream stream_;
  AnswerEvents& events_;
  RequestContext& context_;
  std::vector<Citation> citations_;
  std::optional<StageTimer> first_token_;
  std::optional<StageTimer> generate_;
  bool began_ = false;
  bool refused_ = false;
};

}  // namespace ragtime::rag
