// Task<T>: the coroutine type of the project (Asio's awaitable), and how to run one from plain code.
//
// Rules: no `detached` (a TaskGroup owns and joins); a coroutine is a named function that takes what it keeps by
// value; a lambda coroutine captures nothing that could die before it ends.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace ragtime {

namespace asio = boost::asio;

template <class T = void>
using Task = asio::awaitable<T>;

namespace async {

// Runs `task` on an event loop of its own on this thread and returns its value, or throws its exception.
// For main(), the command line and tests; never call it from a coroutine.
template <class T>
T sync_wait(Task<T> task) {
  asio::io_context loop(1);
  std::optional<T> value;
  std::exception_ptr failure;
  asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error, T result) {
    failure = error;
    if (!error) value.emplace(std::move(result));
  });
  loop.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*value);
}

inline void sync_wait(Task<void> task) {
  asio::io_context loop(1);
  std::exception_ptr failure;
  asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error) { failure = error; });
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace async
}  // namespace ragtime
