// Guard: ends the operations of one stream when its deadline passes or a request is cancelled.
//
// Unlike async::Watch it lives as long as the stream and its deadline moves: a timer is set only when none is pending
// or the new deadline is earlier, so that a stream of many short waits sets one now and then.
// Thread safety: belongs to its executor's loop; contexts may be cancelled from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include <boost/asio/any_io_executor.hpp>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"

namespace ragtime::http {

class Guard {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `abort` is called at most once, on the executor, and never after the destructor.
  Guard(asio::any_io_executor executor, std::function<void()> abort);
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // Aborts when this context is cancelled, as well as those that were given before.
  void follow(const RequestContext& context);
  void expire_at(Time deadline);
  void never_expire();

  // Why it was aborted: cancelled or deadline_exceeded.
  std::optional<ErrorCode> reason() const;

 private:
  struct State;
  using Callback = std::stop_callback<std::function<void()>>;

  std::shared_ptr<State> state_;
  std::stop_token followed_[2];
  std::optional<Callback> on_cancel_[2];
};

}  // namespace ragtime::http
