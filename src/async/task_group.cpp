#include "async/task_group.h"

#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"

namespace ragtime::async {

TaskGroup::TaskGroup(asio::any_io_executor executor)
    : executor_(std::move(executor)), done_(executor_, asio::steady_timer::time_point::max()) {}

TaskGroup::~TaskGroup() {
  RAGTIME_CHECK(running_ == 0);
}

void TaskGroup::spawn(Task<> task) {
  ++running_;
  asio::co_spawn(executor_, std::move(task), [this](std::exception_ptr error) {
    if (error && !failure_) failure_ = error;
    if (--running_ == 0) done_.cancel();
  });
}

Task<> TaskGroup::join() {
  while (running_ > 0) co_await done_.async_wait(asio::as_tuple(asio::use_awaitable));
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace ragtime::async
