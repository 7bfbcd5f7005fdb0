#include "http/guard.h"

#include <utility>

#include <boost/asio/post.hpp>

namespace ragtime::http {

// Touched on the executor only, except for the posts, which carry a reference to it there.
struct Guard::State {
  State(asio::any_io_executor loop, std::function<void()> on_fire)
      : executor(std::move(loop)), abort(std::move(on_fire)) {}

  void fire(ErrorCode code) {
    if (!abort) return;
    reason = code;
    std::exchange(abort, nullptr)();
  }

  asio::any_io_executor executor;
  std::function<void()> abort;
  std::optional<ErrorCode> reason;
};

Guard::Guard(asio::any_io_executor executor, std::function<void()> abort)
    : state_(std::make_shared<State>(executor, std::move(abort))),
      limit_(std::move(executor), [state = state_] { state->fire(ErrorCode::deadline_exceeded); }) {}

Guard::~Guard() {
  state_->abort = nullptr;
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

std::optional<ErrorCode> Guard::reason() const {
  return state_->reason;
}

}  // namespace ragtime::http
