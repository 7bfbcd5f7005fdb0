#include "http/guard.h"

#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace ragtime::http {

// Touched on the executor only, except for the posts, which carry a reference to it there.
struct Guard::State {
  State(asio::any_io_executor loop, std::function<void()> on_fire)
      : executor(std::move(loop)), timer(executor), abort(std::move(on_fire)) {}

  void fire(ErrorCode code) {
    if (!abort) return;
    reason = code;
    std::exchange(abort, nullptr)();
  }

  static void arm(const std::shared_ptr<State>& state) {
    state->armed_for = state->deadline;
    state->timer.expires_at(state->deadline);
    state->timer.async_wait([state](boost::system::error_code error) {
      if (error || !state->abort) return;
      state->armed_for = Time::max();
      if (state->deadline <= std::chrono::steady_clock::now()) return state->fire(ErrorCode::deadline_exceeded);
      if (state->deadline != Time::max()) arm(state);
    });
  }

  asio::any_io_executor executor;
  asio::steady_timer timer;
  std::function<void()> abort;
  std::optional<ErrorCode> reason;
  Time deadline = Time::max();
  Time armed_for = Time::max();  // When the pending timer fires.
};

Guard::Guard(asio::any_io_executor executor, std::function<void()> abort)
    : state_(std::make_shared<State>(std::move(executor), std::move(abort))) {}

Guard::~Guard() {
  state_->abort = nullptr;
  state_->timer.cancel();
}

void Guard::follow(const RequestContext& context) {
  const auto token = context.stop_token();
  if (token == followed_[0] || token == followed_[1]) return;
  // The first one stays: it is the context that the stream was opened with.
  const std::size_t place = on_cancel_[0] ? 1 : 0;
  on_cancel_[place].reset();
  followed_[place] = token;
  on_cancel_[place].emplace(token, [state = state_] {
    asio::post(state->executor, [state] { state->fire(ErrorCode::cancelled); });
  });
}

void Guard::expire_at(Time deadline) {
  state_->deadline = deadline;
  if (deadline < state_->armed_for) State::arm(state_);
}

void Guard::never_expire() {
  state_->deadline = Time::max();
}

std::optional<ErrorCode> Guard::reason() const {
  return state_->reason;
}

}  // namespace ragtime::http
