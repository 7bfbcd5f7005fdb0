#include "index/flat_vector_index.h"

#include <array>
#include <unordered_map>

#include "base/check.h"
#include "index/top_k.h"

// Each loop is compiled for several instruction sets and chosen at load time. Sanitizers cannot follow the resolver.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define RAGTIME_VECTORISED __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define RAGTIME_VECTORISED
#endif

namespace ragtime::index {
namespace {

// Independent partial sums let the compiler vectorise without reordering floating-point additions.
constexpr std::size_t kLanes = 32;

RAGTIME_VECTORISED float inner_product(const float* a, const float* b, std::size_t dimensions) {
  std::array<float, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= dimensions; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::size_t lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  }
  for (; i < dimensions; ++i) sums[0] += a[i] * b[i];
  return sums[0];
}

}  // namespace

struct FlatVectorIndex::State {
  explicit State(std::size_t size) : dimensions(size) {}

  const float* row(std::size_t index) const { return values.data() + index * dimensions; }
  float* row(std::size_t index) { return values.data() + index * dimensions; }

  void return_space() {
    if (values.size() * 2 >= values.capacity()) return;
    values.shrink_to_fit();
    ids.shrink_to_fit();
  }

  std::size_t dimensions;
  std::vector<float> values;  // One row per vector, without gaps.
  std::vector<ChunkId> ids;   // Of the rows.
  std::unordered_map<ChunkId, std::size_t> rows;
};

FlatVectorIndex::FlatVectorIndex(std::size_t dimensions) : state_(std::make_unique<State>(dimensions)) {}
FlatVectorIndex::~FlatVectorIndex() = default;
FlatVectorIndex::FlatVectorIndex(FlatVectorIndex&&) noexcept = default;
FlatVectorIndex& FlatVectorIndex::operator=(FlatVectorIndex&&) noexcept = default;

void FlatVectorIndex::add(ChunkId id, std::span<const float> vector) {
  RAGTIME_CHECK(vector.size() == state_->dimensions);
  const bool is_new = state_->rows.emplace(id, state_->ids.size()).second;
  RAGTIME_CHECK(is_new);
  state_->values.insert(state_->values.end(), vector.begin(), vector.end());
  state_->ids.push_back(id);
}

void FlatVectorIndex::remove(ChunkId id) {
  const auto found = state_->rows.find(id);
  if (found == state_->rows.end()) return;
  const std::size_t hole = found->second;
  const std::size_t last = state_->ids.size() - 1;
  if (hole != last) {
    std::copy_n(state_->row(last), state_->dimensions, state_->row(hole));
    state_->ids[hole] = state_->ids[last];
    state_->rows[state_->ids[hole]] = hole;
  }
  state_->values.resize(last * state_->dimensions);
  state_->ids.pop_back();
  state_->rows.erase(id);
  state_->return_space();
}

std::vector<Hit> FlatVectorIndex::search(std::span<const float> query, std::size_t k, const Accept& accept) const {
  RAGTIME_CHECK(query.size() == state_->dimensions);
  TopK best(k);
  for (std::size_t row = 0; row < state_->ids.size(); ++row) {
    const Hit hit{state_->ids[row], inner_product(query.data(), state_->row(row), state_->dimensions)};
    if (best.would_keep(hit) && (!accept || accept(hit.id))) best.offer(hit);
  }
  return std::move(best).take_sorted();
}

std::vector<float> FlatVectorIndex::scores(std::span<const float> query, const std::vector<ChunkId>& ids) const {
  RAGTIME_CHECK(query.size() == state_->dimensions);
  std::vector<float> result;
  result.reserve(ids.size());
  for (const ChunkId id : ids) {
    const auto found = state_->rows.find(id);
    const bool is_present = found != state_->rows.end();
    result.push_back(is_present ? inner_product(query.data(), state_->row(found->second), state_->dimensions) : 0.0f);
  }
  return result;
}

std::size_t FlatVectorIndex::dimensions() const {
  return state_->dimensions;
}
std::size_t FlatVectorIndex::size() const {
  return state_->ids.size();
}

}  // namespace ragtime::index
