// How many processors this process may run on.
#pragma once

#include <cstddef>

namespace ragtime {

// At least 1. By the affinity of the calling thread, as a container's or taskset's set of processors leaves it: two
// threads that share one processor wait for each other's time slices. Thread safe.
std::size_t available_processors();

}  // namespace ragtime
