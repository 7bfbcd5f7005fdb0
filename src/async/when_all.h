// when_all: runs tasks side by side on the caller's executor and returns all results, in the order of the tasks.
//
// Every task runs to its end, also when another one fails; then the first exception, if any, is rethrown. An error in a
// Result is a value like any other.
// Thread safety: the tasks share the caller's executor, so they interleave but never run at the same moment.
#pragma once

#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/asio/this_coro.hpp>

#include "async/task.h"
#include "async/task_group.h"

namespace ragtime::async {

inline Task<> when_all(std::vector<Task<>> tasks) {
  TaskGroup group(co_await asio::this_coro::executor);
  for (auto& task : tasks) group.spawn(std::move(task));
  co_await group.join();
}

template <class T>
Task<std::vector<T>> when_all(std::vector<Task<T>> tasks) {
  std::vector<std::optional<T>> slots(tasks.size());
  std::vector<Task<>> stored;
  for (std::size_t i = 0; i < tasks.size(); ++i) stored.push_back(store_result(std::move(tasks[i]), slots[i]));
  co_await when_all(std::move(stored));
  std::vector<T> results;
  results.reserve(slots.size());
  for (auto& slot : slots) results.push_back(std::move(*slot));
  co_return results;
}

template <class A, class B>
Task<std::tuple<A, B>> when_all(Task<A> first, Task<B> second) {
  std::optional<A> first_slot;
  std::optional<B> second_slot;
  std::vector<Task<>> stored;
  stored.push_back(store_result(std::move(first), first_slot));
  stored.push_back(store_result(std::move(second), second_slot));
  co_await when_all(std::move(stored));
  co_return std::tuple<A, B>(std::move(*first_slot), std::move(*second_slot));
}

}  // namespace ragtime::async
