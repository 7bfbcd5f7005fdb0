// Guard: ends the operations of one stream when its deadline passes or a request is cancelled.
//
// Unlike async::Watch it lives as long as the stream and its deadline moves.
// Thread safety: belongs to its executor's loop; contexts may be cancelled from any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include <boost/asio/any_io_executor.hpp>

#include "async/task.h"
#include "async/time_limit.h"
#include "base/request_context.h"
#include "base/result.h"

namespace ragtime::http {

class Guard {
 public:
  using Time = async::TimeLimit::Time;

  // `abort` is called at most once, on the executor, and never after the destructor.
  Guard(asio::any_io_executor executor, std::function<void()> abort);
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // Aborts when this context is cancelled, as well as those that were given before.
  void follow(const RequestContext& context);
  void expire_at(Time deadline) { limit_.set(deadline); }
  void never_expire() { limit_.set(Time::max()); }

  // Why it was aborted: cancelled or deadline_exceeded.
  std::optional<ErrorCode> reason() const;

 private:
  struct State;
  using Callback = std::stop_callback<std::function<void()>>;

  std::shared_ptr<State> state_;
  async::TimeLimit limit_;
  std::stop_token followed_[2];
  std::optional<Callback> on_cancel_[2];
};

}  // namespace ragtime::http
