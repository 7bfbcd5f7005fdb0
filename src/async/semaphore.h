// Semaphore: at most N holders at a time, a bounded queue of waiters, first come first served.
//
// Thread safety: every member may be called from any thread; a waiter resumes on its own executor. The semaphore
// outlives its permits and waiters.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <utility>

#include "async/task.h"
#include "async/wait.h"
#include "base/request_context.h"
#include "base/result.h"

namespace ragtime::async {

class Semaphore {
 public:
  // Gives its place back when destroyed.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { reset(); }
    void reset();

   private:
    friend class Semaphore;
    explicit Permit(Semaphore& owner) : owner_(&owner) {}
    Semaphore* owner_ = nullptr;
  };

  Semaphore(std::size_t permits, std::size_t waiters_max);
  ~Semaphore();
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  // Errors: resource_exhausted when the queue is full, deadline_exceeded, cancelled.
  Task<Result<Permit>> acquire(RequestContext& context);
  std::size_t available() const;
  std::size_t waiting() const;

 private:
  struct Waiter {
    explicit Waiter(asio::any_io_executor executor) : granted_event(std::move(executor)) {}
    Event granted_event;
    bool granted = false;  // Guarded by mutex_; a granted waiter is not in waiters_ any more.
  };

  void release();
  bool leave(Waiter& waiter);  // False when the waiter had been granted a permit already.

  const std::size_t waiters_max_;
  const std::size_t permits_;
  mutable std::mutex mutex_;
  std::size_t available_;       // Guarded by mutex_.
  std::list<Waiter*> waiters_;  // Guarded by mutex_; each lives in the frame of its acquire().
};

}  // namespace ragtime::async
