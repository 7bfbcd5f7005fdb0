// TimeLimit: one timer for a wait whose limit moves with every step. Moving it later costs no timer operation; unlike
// Watch it does not end with one operation.
//
// Thread safety: belongs to its executor.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "async/task.h"

namespace ragtime::async {

class TimeLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `on_pass` is called at most once, on `executor`, and never after the destructor.
  TimeLimit(asio::any_io_executor executor, std::function<void()> on_pass);
  ~TimeLimit();
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

  void set(Time when);  // Time::max(): none.
  bool passed() const;

 private:
  struct State;
  static void arm(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

}  // namespace ragtime::async
