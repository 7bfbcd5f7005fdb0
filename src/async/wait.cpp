#include "async/wait.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace ragtime::async {

// Touched on the executor only, except for the posts, which carry a reference to it there.
struct Watch::State {
  State(asio::any_io_executor loop, std::function<void()> on_fire)
      : executor(std::move(loop)), deadline_timer(executor), abort(std::move(on_fire)) {}

  void fire(ErrorCode code) {
    if (!abort) return;
    reason = code;
    std::exchange(abort, nullptr)();
  }

  asio::any_io_executor executor;
  asio::steady_timer deadline_timer;
  std::function<void()> abort;
  std::optional<ErrorCode> reason;
};

Watch::Watch(asio::any_io_executor executor, const RequestContext& context, Deadline deadline,
             std::function<void()> abort)
    : state_(std::make_shared<State>(std::move(executor), std::move(abort))),
      on_cancel_(context.stop_token(),
                 [state = state_] { asio::post(state->executor, [state] { state->fire(ErrorCode::cancelled); }); }) {
  const auto when = std::min(deadline.when(), context.deadline().when());
  if (when == Deadline::never().when()) return;
  state_->deadline_timer.expires_at(when);
  state_->deadline_timer.async_wait([state = state_](boost::system::error_code error) {
    if (!error) state->fire(ErrorCode::deadline_exceeded);
  });
}

Watch::~Watch() {
  state_->abort = nullptr;
  state_->deadline_timer.cancel();
}

Result<void> Watch::status() const {
  if (!state_->reason) return {};
  if (*state_->reason == ErrorCode::cancelled) return make_error(ErrorCode::cancelled, "the request was cancelled");
  return make_error(ErrorCode::deadline_exceeded, "the time for this step is over");
}

struct Event::State {
  explicit State(asio::any_io_executor loop)
      : executor(std::move(loop)), changed(executor, asio::steady_timer::time_point::max()) {}

  asio::any_io_executor executor;
  asio::steady_timer changed;  // Never expires by itself; cancelled to wake the waiters.
  bool set = false;
};

Event::Event(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

void Event::set() {
  // A copy, because the waiter may have gone, and the event with it, before post() returns.
  const auto kept = state_;
  asio::post(kept->executor, [state = kept] {
    state->set = true;
    state->changed.cancel();
  });
}

Task<Result<void>> Event::wait(RequestContext& context) {
  const auto state = state_;
  Watch watch(state->executor, context, context.deadline(), [&state] { state->changed.cancel(); });
  while (!state->set) {
    RAGTIME_CO_TRY_DONE(watch.status());
    co_await state->changed.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_return Result<void>();
}

Task<Result<void>> sleep_for(std::chrono::milliseconds duration, RequestContext& context) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, duration);
  Watch watch(executor, context, context.deadline(), [&timer] { timer.cancel(); });
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return watch.status();
}

}  // namespace ragtime::async
