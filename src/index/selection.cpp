#include "index/selection.h"

#include <algorithm>

#include "base/check.h"

namespace ragtime::index {
namespace {

// Both ends included.
void set_bits(Selection::Block& block, std::size_t first, std::size_t last) {
  constexpr auto kAll = ~std::uint64_t{0};
  for (std::size_t word = first / 64; word <= last / 64; ++word) {
    const std::uint64_t from = word == first / 64 ? kAll << first % 64 : kAll;
    const std::uint64_t to = word == last / 64 ? kAll >> (63 - last % 64) : kAll;
    block[word] |= from & to;
  }
}

// `ids` ascend. Each word is stored once: loading what was stored just before would wait for it.
void set_each(Selection::Block& block, std::span<const std::uint16_t> ids) {
  std::size_t word = 0;
  std::uint64_t bits = 0;
  for (const std::uint16_t id : ids) {
    bits = id / 64u == word ? bits : 0;
    word = id / 64u;
    bits |= std::uint64_t{1} << id % 64;
    block[word] = bits;
  }
}

}  // namespace

void Selection::add(ChunkId id) {
  RAGTIME_CHECK(id >= 0);
  const auto value = static_cast<std::uint64_t>(id);
  if (value >> 32 == 0) {
    low_.add(static_cast<std::uint32_t>(value));
  } else {
    high_.add(value);
  }
}

void Selection::add(std::span<const ChunkId> ids) {
  std::vector<std::uint32_t> low;
  low.reserve(ids.size());
  for (const ChunkId id : ids) {
    if (id >= 0 && id >> 32 == 0) {
      low.push_back(static_cast<std::uint32_t>(id));
    } else {
      add(id);
    }
  }
  low_.addMany(low.size(), low.data());
}

void Selection::add_range(ChunkId first, ChunkId last) {
  RAGTIME_CHECK(first >= 0);
  constexpr ChunkId kLowEnd = ChunkId{1} << 32;
  const ChunkId low_end = std::min(last + 1, kLowEnd);
  if (first < low_end) low_.addRange(static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(low_end));
  for (ChunkId id = std::max(first, kLowEnd); id <= last; ++id) high_.add(static_cast<std::uint64_t>(id));
}

std::vector<ChunkId> Selection::ids() const {
  std::vector<ChunkId> ids;
  ids.reserve(size());
  for (const std::uint32_t id : low_) ids.push_back(id);
  for (const std::uint64_t id : high_) ids.push_back(static_cast<ChunkId>(id));
  return ids;
}

// By way of the containers: the library reads members one by one only.
const std::uint64_t* Selection::block(std::size_t number, Block& room) const {
  const roaring_array_t& blocks = low_.roaring.high_low_container;
  const auto* end = blocks.keys + blocks.size;
  const auto* found = std::lower_bound(static_cast<const std::uint16_t*>(blocks.keys), end, number);
  if (found == end || *found != number) return nullptr;
  const auto at = found - blocks.keys;
  std::uint8_t type = blocks.typecodes[at];
  const void* container = container_unwrap_shared(blocks.containers[at], &type);
  if (type == BITSET_CONTAINER_TYPE_CODE) return static_cast<const bitset_container_t*>(container)->array;
  room.fill(0);
  if (type == ARRAY_CONTAINER_TYPE_CODE) {
    const auto* members = static_cast<const array_container_t*>(container);
    set_each(room, {members->array, static_cast<std::size_t>(members->cardinality)});
    return room.data();
  }
  const auto* runs = static_cast<const run_container_t*>(container);
  for (const rle16_t run : std::span(runs->runs, static_cast<std::size_t>(runs->n_runs))) {
    set_bits(room, run.value, std::size_t{run.value} + run.length);
  }
  return room.data();
}

}  // namespace ragtime::index
