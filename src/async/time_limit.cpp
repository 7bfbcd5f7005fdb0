#include "async/time_limit.h"

#include <utility>

namespace ragtime::async {

struct TimeLimit::State {
  State(asio::any_io_executor executor, std::function<void()> on_pass)
      : timer(std::move(executor)), call(std::move(on_pass)) {}

  asio::steady_timer timer;
  std::function<void()> call;
  Time when = Time::max();
  Time armed = Time::max();  // What the timer waits for, never later than `when`.
  bool passed = false;
};

TimeLimit::TimeLimit(asio::any_io_executor executor, std::function<void()> on_pass)
    : state_(std::make_shared<State>(std::move(executor), std::move(on_pass))) {}

TimeLimit::~TimeLimit() {
  state_->call = nullptr;
  state_->timer.cancel();
}

void TimeLimit::set(Time when) {
  state_->when = when;
  if (when < state_->armed) arm(state_);
}

bool TimeLimit::passed() const {
  return state_->passed;
}

void TimeLimit::arm(const std::shared_ptr<State>& state) {
  state->armed = state->when;
  state->timer.expires_at(state->armed);
  state->timer.async_wait([state](boost::system::error_code error) {
    if (error || !state->call) return;
    state->armed = Time::max();
    if (std::chrono::steady_clock::now() < state->when) {
      if (state->when != Time::max()) arm(state);
      return;
    }
    state->passed = true;
    std::exchange(state->call, nullptr)();
  });
}

}  // namespace ragtime::async
