#include "base/processors.h"

#include <algorithm>
#include <thread>

#include <sched.h>

namespace ragtime {

std::size_t available_processors() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
  return std::max(1u, std::thread::hardware_concurrency());  // More processors than the set has room for.
}

}  // namespace ragtime
