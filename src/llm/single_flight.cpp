#include "llm/single_flight.h"

#include <algorithm>
#include <utility>

#include <boost/asio/this_coro.hpp>

#include "base/check.h"

namespace ragtime::llm {

SingleFlight::Lead::Lead(Lead&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), key_(std::move(other.key_)) {}

SingleFlight::Lead::~Lead() {
  if (owner_ != nullptr) owner_->end(key_, std::nullopt);
}

void SingleFlight::Lead::publish(Result<Shared> answer) {
  if (SingleFlight* const owner = std::exchange(owner_, nullptr)) owner->end(key_, std::move(answer));
}

Task<Result<SingleFlight::Turn>> SingleFlight::enter(std::string key, RequestContext& context) {
  const auto executor = co_await asio::this_coro::executor;
  while (true) {
    const auto event = std::make_shared<async::Event>(executor);
    std::shared_ptr<Flight> flight;
    {
      const std::lock_guard lock(mutex_);
      auto& place = flights_[key];
      if (!place) {
        place = std::make_shared<Flight>();
        Turn turn;
        turn.lead.emplace(Lead(*this, key));
        co_return turn;
      }
      flight = place;
      flight->waiters.push_back(event);
    }
    auto waited = co_await event->wait(context);
    const std::lock_guard lock(mutex_);
    std::erase(flight->waiters, event);
    if (flight->answer) {
      Turn turn;
      Result<Shared> answer = *flight->answer;  // The others need it too.
      RAGTIME_CO_TRY(turn.answer, std::move(answer));
      co_return turn;
    }
    RAGTIME_CO_TRY_DONE(std::move(waited));
  }
}

void SingleFlight::end(const std::string& key, std::optional<Result<Shared>> answer) {
  const std::lock_guard lock(mutex_);
  const auto found = flights_.find(key);
  RAGTIME_CHECK(found != flights_.end());
  const auto flight = found->second;
  flights_.erase(found);
  flight->answer = std::move(answer);
  // Under the lock, so that a waiter that leaves has left before its loop may end.
  for (const auto& waiter : flight->waiters) waiter->set();
}

}  // namespace ragtime::llm
