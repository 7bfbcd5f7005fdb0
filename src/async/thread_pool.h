// ThreadPool: a fixed set of threads with a bounded queue, for work that must not run on an event loop:
// computation above about a millisecond, and blocking calls such as the database's.
//
// Thread safety: every member may be called from any thread. The pool must outlive the tasks that wait on it;
// the destructor finishes queued work first.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"

namespace ragtime::async {

struct ThreadPoolConfig {
  std::string name = "compute";
  std::size_t threads = 0;       // 0 = one per processor that the process may use.
  std::size_t queue_max = 1024;  // Waiting jobs; one more is refused with resource_exhausted.
};

class ThreadPool {
 public:
  explicit ThreadPool(ThreadPoolConfig config);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Runs `job` (a callable that returns Result<T>) on a pool thread and resumes the caller on its own executor.
  // Not started at all when the context is cancelled or late by then (cancelled, deadline_exceeded), or when the
  // queue is full (resource_exhausted). A job that has started always runs to its end before this returns, so it
  // may refer to the caller's locals. An exception from the job is rethrown in the caller.
  template <class Job>
  Task<std::invoke_result_t<Job>> run(RequestContext& context, Job job);

  // Queues plain work, which must not throw, without waiting for it. False when the queue is full.
  bool post(std::function<void()> work);

  std::size_t threads() const { return workers_.size(); }
  std::size_t queued() const;

 private:
  void work();

  const ThreadPoolConfig config_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  // Guarded by mutex_.
  bool stopping_ = false;                    // Guarded by mutex_.
  std::vector<std::thread> workers_;
};

template <class Job>
Task<std::invoke_result_t<Job>> ThreadPool::run(RequestContext& context, Job job) {
  using R = std::invoke_result_t<Job>;
  std::optional<R> result;
  std::exception_ptr failure;
  auto executor = co_await asio::this_coro::executor;
  // The frame of this coroutine stays suspended until the job has run, so the lambdas may refer to it.
  co_await asio::async_initiate<decltype(asio::use_awaitable), void()>(
      [&](auto handler) {
        // std::function needs a copyable target; Asio's handlers are move-only.
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        // The handler moves to the caller's loop, so that nothing of the caller is left to destroy on a pool thread.
        auto resume = [executor, shared] {
          asio::post(executor, [caller = std::move(*shared)]() mutable { std::move(caller)(); });
        };
        const bool queued = post([&, resume] {
          try {
            if (auto ready = context.check(); ready.has_error()) {
              result.emplace(ready.error());
            } else {
              result.emplace(job());
            }
          } catch (...) {
            failure = std::current_exception();
          }
          resume();
        });
        if (!queued) {
          result.emplace(make_error(ErrorCode::resource_exhausted, "the " + config_.name + " queue is full; retry"));
          resume();
        }
      },
      asio::use_awaitable);
  if (failure) std::rethrow_exception(failure);
  co_return std::move(*result);
}

}  // namespace ragtime::async
