// Hit: one result of a search arm, and the condition that arms test candidates with.
#pragma once

#include <cstdint>
#include <functional>

namespace ragtime::index {

using ChunkId = std::int64_t;

struct Hit {
  ChunkId id = 0;
  float score = 0;  // Higher is better; the scale is the arm's own.
};

// Called for candidates during the search, never after it; empty accepts everything.
using Accept = std::function<bool(ChunkId)>;

}  // namespace ragtime::index
