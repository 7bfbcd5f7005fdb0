#include "async/task.h"

#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace ragtime::async {

void sync_wait(Task<void> task) {
  asio::io_context loop(1);
  // A timer makes the loop wait in its reactor, where another thread's post() is done with the loop before the loop
  // goes on. Waiting on the loop's condition variable would let it be destroyed while that thread still signals it.
  asio::steady_timer reactor(loop);
  std::exception_ptr failure;
  asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error) { failure = error; });
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace ragtime::async
