// Task<T>: the coroutine type of the project (Asio's awaitable), and how to run one from plain code.
//
// Rules: no `detached` (a TaskGroup owns and joins); a coroutine is a named function that takes what it keeps by
// value; a lambda coroutine captures nothing that could die before it ends.
#pragma once

#include <optional>
#include <utility>

#include <boost/asio/awaitable.hpp>

namespace ragtime {

namespace asio = boost::asio;

template <class T = void>
using Task = asio::awaitable<T>;

namespace async {

// Runs `task` on an event loop of its own on this thread and returns when it has ended, or throws its exception.
// For main(), the command line and tests; never call it from a coroutine.
void sync_wait(Task<void> task);

template <class T>
Task<void> store_result(Task<T> task, std::optional<T>& slot) {
  slot.emplace(co_await std::move(task));
}

// The same for a task with a value, which it returns.
template <class T>
T sync_wait(Task<T> task) {
  std::optional<T> value;
  sync_wait(store_result(std::move(task), value));
  return std::move(*value);
}

}  // namespace async
}  // namespace ragtime
