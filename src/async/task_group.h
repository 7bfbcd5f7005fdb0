// TaskGroup: owns coroutines that run beside their creator, and joins them.
//
// The creator must co_await join() before the group dies. An exception in a member is remembered and rethrown by
// join(), after all others have ended.
// Thread safety: spawn() and join() belong to the group's executor.
#pragma once

#include <cstddef>
#include <exception>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "async/task.h"

namespace ragtime::async {

class TaskGroup {
 public:
  explicit TaskGroup(asio::any_io_executor executor);
  ~TaskGroup();  // Checks that the group has been joined.
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(Task<> task);
  // Waits until every member has ended; also in use again afterwards.
  Task<> join();
  std::size_t size() const { return running_; }

 private:
  asio::any_io_executor executor_;
  asio::steady_timer done_;  // Never expires by itself; cancelled when the last member ends.
  std::size_t running_ = 0;
  std::exception_ptr failure_;
};

}  // namespace ragtime::async
