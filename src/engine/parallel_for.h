// parallel_for: calls work(0) … work(count - 1), in any order, on this thread and on the pool's, and returns when all
// are done. An exception is rethrown here after the others have ended. Works, alone, also when the pool is busy.
#pragma once

#include <cstddef>
#include <functional>

#include "async/thread_pool.h"

namespace ragtime::engine {

void parallel_for(async::ThreadPool& pool, std::size_t count, const std::function<void(std::size_t)>& work);

}  // namespace ragtime::engine
