#include "rag/delivery.h"

#include <utility>

namespace ragtime::rag {

Delivery::Delivery(std::vector<const engine::SearchHit*> sources, AnswerEvents& events, RequestContext& context)
    : stream_(std::move(sources)), events_(events), context_(context) {
  first_token_.emplace(context_, "first_token");
}

Task<Result<void>> Delivery::take(std::string_view delta) {
  if (!delta.empty() && !generate_) {
    first_token_->stop();
    generate_.emplace(context_, "generate");
  }
  co_return co_await deliver(stream_.feed(delta));
}

Task<Result<void>> Delivery::finish() {
  auto done = co_await deliver(stream_.finish());
  if (generate_) generate_->stop();
  co_return done;
}

Task<Result<void>> Delivery::deliver(std::vector<CitationEvent> happened) {
  for (CitationEvent& one : happened) {
    auto delivered = co_await deliver_one(std::move(one));
    refused_ = refused_ || delivered.has_error();
    RAGTIME_CO_TRY_DONE(std::move(delivered));
  }
  co_return Result<void>();
}

Task<Result<void>> Delivery::deliver_one(CitationEvent happened) {
  began_ = true;
  if (!happened.citation) co_return co_await events_.on_delta(happened.text);
  citations_.push_back(*happened.citation);
  co_return co_await events_.on_citation(*happened.citation);
}

}  // namespace ragtime::rag
