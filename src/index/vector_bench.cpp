// Measures vector indexes on one thread: build time, memory, and queries per second at rising effort.
//
// usage: vector_bench VECTORS.f32 QUERIES.f32 DIMENSIONS [KIND…]     files of raw little-endian floats
//        vector_bench --synthetic COUNT DIMENSIONS [KIND…]           clusters with a power-law spectrum
// Prints a line for each kind and effort: recall of the first ten against exact search, and the median of three rounds,
// in processor time.

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <string>

#include <time.h>

#include "index/vector_segment.h"
#include "index/vector_test_data.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kWanted = 10;
constexpr std::size_t kQueries = 500;

// Of this thread: other programs on the machine count less than on the wall's clock.
double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

TestVectors read_vectors(const std::string& file, std::size_t dimensions) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  TestVectors vectors{dimensions, std::vector<float>(static_cast<std::size_t>(in.tellg()) / sizeof(float))};
  in.seekg(0);
  in.read(reinterpret_cast<char*>(vectors.values.data()),
          static_cast<std::streamsize>(vectors.values.size() * sizeof(float)));
  return vectors;
}

using Truth = std::vector<std::vector<Hit>>;

std::vector<Hit> search(const VectorSegment& segment, std::span<const float> query, std::size_t effort) {
  const OrdinalFilter open(segment.ids(), nullptr, nullptr);
  TopK best(kWanted);
  segment.search({.vector = query, .effort = effort, .filter = &open}, best);
  return std::move(best).take_sorted();
}

double recall(const Truth& truth, const std::vector<std::vector<Hit>>& found) {
  std::size_t right = 0;
  for (std::size_t q = 0; q < truth.size(); ++q) {
    for (const Hit& hit : found[q]) {
      right += std::any_of(truth[q].begin(), truth[q].end(), [&](const Hit& best) { return best.id == hit.id; });
    }
  }
  return static_cast<double>(right) / static_cast<double>(truth.size() * kWanted);
}

void measure(const VectorSegment& segment, const TestVectors& queries, const Truth& truth) {
  const auto range = segment.effort_range();
  for (std::size_t effort = range.least; effort <= range.most; effort = std::max(effort + 1, effort * 14 / 10)) {
    std::vector<std::vector<Hit>> found(truth.size());
    std::vector<double> rounds;
    for (int round = 0; round < 3; ++round) {
      const double start = thread_seconds();
      for (std::size_t q = 0; q < truth.size(); ++q) found[q] = search(segment, queries[q], effort);
      rounds.push_back(thread_seconds() - start);
    }
    std::sort(rounds.begin(), rounds.end());
    std::printf("  effort %5zu  recall %.4f  %9.0f queries/s\n", effort, recall(truth, found),
                static_cast<double>(truth.size()) / rounds[1]);
    std::fflush(stdout);
    if (recall(truth, found) > 0.998 && effort > range.least) break;
  }
}

void run(const TestVectors& vectors, const TestVectors& queries, std::span<char* const> kinds) {
  std::vector<ChunkId> ids(vectors.size());
  std::iota(ids.begin(), ids.end(), ChunkId{0});
  const MemoryRows rows(vectors.dimensions, ids, vectors.values);
  const auto flat = vector_segment_factory(VectorKind::flat)->build(rows, {});
  Truth truth;
  for (std::size_t q = 0; q < std::min(queries.size(), kQueries); ++q) truth.push_back(search(*flat, queries[q], 0));
  for (const auto& factory : vector_segment_factories()) {
    const std::string_view name = vector_kind_name(factory.kind);
    if (!kinds.empty() && std::none_of(kinds.begin(), kinds.end(), [&](const char* k) { return name == k; })) continue;
    const double start = thread_seconds();
    const auto segment = factory.build(rows, {.seed = 1});
    const double built = thread_seconds() - start;
    std::printf("%s: %zu vectors, built in %.2f s, %.0f bytes each\n", std::string(name).c_str(), vectors.size(), built,
                static_cast<double>(segment->bytes()) / static_cast<double>(vectors.size()));
    measure(*segment, queries, truth);
  }
}

std::size_t number(std::string_view text) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace
}  // namespace ragtime::index

int main(int argc, char** argv) {
  using namespace ragtime::index;
  if (argc < 4) {
    std::fprintf(stderr, "usage: vector_bench VECTORS.f32 QUERIES.f32 DIMENSIONS [KIND...]\n");
    return 2;
  }
  const std::size_t dimensions = number(argv[3]);
  const auto kinds = std::span(argv, static_cast<std::size_t>(argc)).subspan(4);
  if (std::string_view(argv[1]) != "--synthetic") {
    run(read_vectors(argv[1], dimensions), read_vectors(argv[2], dimensions), kinds);
    return 0;
  }
  const auto all = embedding_like(number(argv[2]) + kQueries, dimensions, 1);
  const auto border = all.values.end() - static_cast<std::ptrdiff_t>(kQueries * dimensions);
  run({dimensions, {all.values.begin(), border}}, {dimensions, {border, all.values.end()}}, kinds);
  return 0;
}
