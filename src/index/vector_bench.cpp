// Measures vector indexes on one thread: build time, memory, and queries per second at rising effort.
//
// usage: vector_bench VECTORS.f32 QUERIES.f32 DIMENSIONS [KIND…]     files of raw little-endian floats
//        vector_bench --synthetic COUNT DIMENSIONS [KIND…]           clusters with a power-law spectrum
// Prints a line for each kind and effort: recall of the first ten against exact search, and the median of three rounds,
// in processor time.
//        vector_bench --ingest VECTORS.f32 QUERIES.f32 DIMENSIONS FIRST ADDED RATE [KIND…]
// What merging costs: an index of the FIRST vectors gets ADDED more, RATE in a second if a merge has a core of its own,
// so that as many come during a merge as its processor time says. Prints for each kind the processor time of the first
// build and of merges for each vector added, the longest merge, the longest that a vector waited for the base and the
// most that did, and the median search after a merge and before its result is taken.

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
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

class Ingest {
 public:
  Ingest(const TestVectors& vectors, const TestVectors& queries, VectorIndexOptions options)
      : vectors_(vectors), queries_(queries), index_(vectors.dimensions, options) {}

  void run(std::size_t first, std::size_t added, double rate);

 private:
  void add(std::size_t count);
  // Seconds of a merge, and then nothing has changed yet.
  double merge();
  double search_us() const;

  const TestVectors& vectors_;
  const TestVectors& queries_;
  VectorIndex index_;
  std::shared_ptr<const VectorSegment> merged_;
  std::size_t next_ = 0;
};

void Ingest::add(std::size_t count) {
  for (const std::size_t end = std::min(next_ + count, vectors_.size()); next_ < end; ++next_) {
    const VectorIndex::Addition addition{static_cast<ChunkId>(next_), vectors_[next_]};
    index_.apply({}, {&addition, 1});
  }
}

double Ingest::merge() {
  const double start = thread_seconds();
  merged_ = index_.merge(*index_.view());
  return thread_seconds() - start;
}

double Ingest::search_us() const {
  std::vector<double> times;
  const auto view = index_.view();
  for (std::size_t q = 0; q < std::min(queries_.size(), kQueries); ++q) {
    const double start = thread_seconds();
    (void)view->search({.vector = queries_[q], .k = kWanted});
    times.push_back(thread_seconds() - start);
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2] * 1e6;
}

void Ingest::run(std::size_t first, std::size_t added, double rate) {
  constexpr std::size_t kAddedAtOnce = 64;
  add(first);
  const double built = merge();
  index_.adopt(std::move(merged_));
  const double quiet_us = search_us();
  double merging = 0, longest = 0, waited = 0, busiest_us = 0, since = 0;
  std::size_t merges = 0, most = 0;
  while (next_ < std::min(first + added, vectors_.size())) {
    add(kAddedAtOnce);
    since += static_cast<double>(kAddedAtOnce) / rate;
    if (!index_.merge_due()) continue;
    const double seconds = merge();
    add(static_cast<std::size_t>(seconds * rate));
    most = std::max(most, index_.view()->report().recent);
    busiest_us = std::max(busiest_us, search_us());
    index_.adopt(std::move(merged_));
    ++merges;
    merging += seconds;
    longest = std::max(longest, seconds);
    waited = std::max(waited, since + seconds);
    since = seconds;
  }
  const auto report = index_.view()->report();
  std::printf("%-8s %7zu first, built in %6.2f s; %zu added: %zu merges, %.0f us each vector, longest %.1f s, "
              "waited %.1f s, recent %zu; search %.0f us, busiest %.0f us, recall %.3f\n",
              std::string(vector_kind_name(report.kind)).c_str(), first, built, next_ - first, merges,
              merging / static_cast<double>(next_ - first) * 1e6, longest, waited, most, quiet_us, busiest_us,
              report.recall.value_or(1));
  std::fflush(stdout);
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
    const auto segment = factory.build(rows, {.seed = 1, .files = std::filesystem::temp_directory_path()});
    const double built = thread_seconds() - start;
    const auto count = static_cast<double>(vectors.size());
    std::printf("%s: %zu vectors, built in %.2f s, %.0f bytes each, %.0f in a file\n", std::string(name).c_str(),
                vectors.size(), built, static_cast<double>(segment->bytes()) / count,
                static_cast<double>(segment->file_bytes()) / count);
    measure(*segment, queries, truth);
  }
}

std::size_t number(std::string_view text) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Of the words behind "--ingest".
int run_ingest(std::span<char* const> words) {
  const std::size_t dimensions = number(words[2]);
  const std::size_t first = number(words[3]);
  const std::size_t added = number(words[4]);
  const auto queries = read_vectors(words[1], dimensions);
  const auto vectors = read_vectors(words[0], dimensions);
  for (const char* name : words.subspan(6)) {
    const auto kind = parse_vector_kind(name);
    if (!kind) return 2;
    Ingest(vectors, queries, {.kind = *kind}).run(first, added, static_cast<double>(number(words[5])));
  }
  return 0;
}

}  // namespace
}  // namespace ragtime::index

int main(int argc, char** argv) {
  using namespace ragtime::index;
  const auto words = std::span(argv, static_cast<std::size_t>(argc));
  if (argc > 7 && std::string_view(argv[1]) == "--ingest") return run_ingest(words.subspan(2));
  if (argc < 4) {
    std::fprintf(stderr, "usage: vector_bench VECTORS.f32 QUERIES.f32 DIMENSIONS [KIND...]\n");
    return 2;
  }
  const std::size_t dimensions = number(argv[3]);
  const auto kinds = words.subspan(4);
  if (std::string_view(argv[1]) != "--synthetic") {
    run(read_vectors(argv[1], dimensions), read_vectors(argv[2], dimensions), kinds);
    return 0;
  }
  const auto all = embedding_like(number(argv[2]) + kQueries, dimensions, 1);
  const auto border = all.values.end() - static_cast<std::ptrdiff_t>(kQueries * dimensions);
  run({dimensions, {all.values.begin(), border}}, {dimensions, {border, all.values.end()}}, kinds);
  return 0;
}
