// Waiting with an end: every wait of the project stops at a deadline or when its request is cancelled.
//
// Watch guards an operation of Asio, Event lets another thread wake a coroutine, sleep_for passes time.
// Thread safety: Event::set() may be called from any thread and contexts may be cancelled from any thread; everything
// else belongs to the executor. That executor must be a loop run by one thread (or a strand).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>

#include <boost/asio/any_io_executor.hpp>

#include "async/task.h"
#include "base/clock.h"
#include "base/request_context.h"
#include "base/result.h"

namespace ragtime::async {

// While it lives: calls `abort` at most once, on `executor`, when the context is cancelled or the deadline passes.
// `abort` makes the guarded operation end (closes the socket, cancels the timer); it never runs after the destructor,
// so it may refer to the owner's locals.
class Watch {
 public:
  Watch(asio::any_io_executor executor, const RequestContext& context, Deadline deadline, std::function<void()> abort);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // The reason once `abort` has been called: cancelled or deadline_exceeded.
  Result<void> status() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::stop_callback<std::function<void()>> on_cancel_;
};

// Set once, by anybody; waited for by coroutines of one executor.
class Event {
 public:
  explicit Event(asio::any_io_executor executor);

  // The executor's loop must still exist.
  void set();
  // Errors: deadline_exceeded, cancelled.
  Task<Result<void>> wait(RequestContext& context);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Errors: deadline_exceeded as soon as the context's deadline passes, cancelled.
Task<Result<void>> sleep_for(std::chrono::milliseconds duration, RequestContext& context);

}  // namespace ragtime::async
