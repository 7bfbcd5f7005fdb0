// One vector index as bench/vector_search.py measures it, through VectorIndex, on one thread.
//
// usage: index_bench VECTORS.f32 DIMENSIONS KIND [BASE]   KIND as in the configuration, "auto" included
// Builds over the first BASE vectors, or all, prints a line of JSON, reads commands and answers each with such a line:
//   search QUERIES.f32 OUT.i32 TARGET K SELECTED  ids, K for each query, −1 where there are fewer, go to OUT; SELECTED
//                                                 is 1 for all, a number for the ids that it divides, or a file of ids
//   add N                                         the next N of VECTORS, without a merge
//   merge                                         whether due or not
//   churn ROUNDS SEED                             each round removes a random half and adds it again
//   save FILE, load FILE                          a snapshot
// Seconds are processor time, so that other programs on the machine count less. Ids are the vectors' positions.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <numeric>
#include <optional>
#include <random>
#include <sstream>
#include <string>

#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include "index/snapshot.h"
#include "index/vector_index.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kAddedAtOnce = 1000;

double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  std::size_t resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// As many of `most` values behind the first `first` as there are.
template <class T>
std::vector<T> read_values(const std::string& path, std::size_t first = 0, std::size_t most = SIZE_MAX) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(file.tellg(), 0)) / sizeof(T);
  std::vector<T> values(std::min(most, size - std::min(first, size)));
  file.seekg(static_cast<std::streamoff>(first * sizeof(T)));
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
  return values;
}

std::vector<float> read_floats(const std::string& path) { return read_values<float>(path); }

// Of ids 0 … count − 1, as `search` says; nothing for all.
std::optional<Selection> read_selection(const std::string& selected, std::size_t count) {
  Selection selection;
  ChunkId every = 0;
  const auto [end, error] = std::from_chars(selected.data(), selected.data() + selected.size(), every);
  if (error != std::errc() || end != selected.data() + selected.size()) {
    for (const std::int32_t id : read_values<std::int32_t>(selected)) selection.add(id);
    return selection;
  }
  if (every <= 1) return std::nullopt;
  for (ChunkId id = 0; id < static_cast<ChunkId>(count); id += every) selection.add(id);
  return selection;
}

class Bench {
 public:
  Bench(std::string path, std::size_t dimensions, VectorIndexOptions options)
      : path_(std::move(path)), dimensions_(dimensions), options_(options), index_(dimensions, options) {}

  void build(std::size_t base);
  bool answer(const std::string& line);

 private:
  // `values` are those of ids from `first_id` on.
  void add(std::span<const float> values, std::span<const ChunkId> ids, ChunkId first_id = 0);
  void add(std::istream& arguments);
  void merge_now();
  void merge() { index_.adopt(index_.merge(*index_.view())); }
  void report(double seconds) const;
  void search(std::istream& arguments) const;
  void churn(std::istream& arguments);
  void save(std::istream& arguments) const;
  void load(std::istream& arguments);

  std::string path_;
  std::size_t dimensions_;
  VectorIndexOptions options_;
  VectorIndex index_;
  std::size_t resident_before_ = resident_bytes();
};

void Bench::add(std::span<const float> values, std::span<const ChunkId> ids, ChunkId first_id) {
  for (std::size_t first = 0; first < ids.size(); first += kAddedAtOnce) {
    std::vector<VectorIndex::Addition> additions;
    for (const ChunkId id : ids.subspan(first, std::min(kAddedAtOnce, ids.size() - first))) {
      additions.push_back({id, values.subspan(static_cast<std::size_t>(id - first_id) * dimensions_, dimensions_)});
    }
    index_.apply({}, additions);
  }
}

void Bench::build(std::size_t base) {
  auto values = read_values<float>(path_, 0, base < SIZE_MAX / dimensions_ ? base * dimensions_ : SIZE_MAX);
  std::vector<ChunkId> ids(values.size() / dimensions_);
  std::iota(ids.begin(), ids.end(), ChunkId{0});
  const double start = processor_seconds();
  add(values, ids);
  merge();
  if (index_.merge_due()) merge();  // What "auto" took first was a step.
  const double seconds = processor_seconds() - start;
  values = std::vector<float>();  // An empty list would keep the memory.
  report(seconds);
}

void Bench::add(std::istream& arguments) {
  std::size_t count = 0;
  arguments >> count;
  const std::size_t before = index_.view()->size();
  auto values = read_values<float>(path_, before * dimensions_, count * dimensions_);
  std::vector<ChunkId> ids(values.size() / dimensions_);
  std::iota(ids.begin(), ids.end(), static_cast<ChunkId>(before));
  const double start = processor_seconds();
  add(values, ids, static_cast<ChunkId>(before));
  const double seconds = processor_seconds() - start;
  values = std::vector<float>();  // An empty list would keep the memory.
  report(seconds);
}

void Bench::merge_now() {
  const double start = processor_seconds();
  merge();
  report(processor_seconds() - start);
}

void Bench::report(double seconds) const {
  ::malloc_trim(0);
  const auto report = index_.view()->report();
  std::printf(R"({"seconds":%.3f,"vectors":%zu,"bytes":%zu,"file_bytes":%zu,"resident":%zu,"kind":"%s","recall":%.4f})"
              "\n",
              seconds, report.vectors, report.bytes, report.file_bytes, resident_bytes() - resident_before_,
              std::string(vector_kind_name(report.kind)).c_str(), report.recall.value_or(1));
}

void Bench::search(std::istream& arguments) const {
  std::string queries_path, out_path, selected;
  double target = 0;
  std::size_t k = 0;
  arguments >> queries_path >> out_path >> target >> k >> selected;
  const auto queries = read_floats(queries_path);
  const auto view = index_.view();
  const auto selection = read_selection(selected, view->size());
  const auto search_one = [&](std::size_t first) {
    return view->search({.vector = std::span(queries).subspan(first, dimensions_),
                         .k = k,
                         .selection = selection ? &*selection : nullptr,
                         .recall_target = target});
  };
  std::vector<std::int32_t> found;
  found.reserve(queries.size() / dimensions_ * k);
  // All without a look at the clock in between, which takes a fiftieth of a search; then each.
  const double begin = processor_seconds();
  for (std::size_t first = 0; first < queries.size(); first += dimensions_) {
    const auto hits = search_one(first);
    for (std::size_t i = 0; i < k; ++i) found.push_back(i < hits.size() ? static_cast<std::int32_t>(hits[i].id) : -1);
  }
  const double sum = processor_seconds() - begin;
  std::vector<double> seconds;
  for (std::size_t first = 0; first < queries.size(); first += dimensions_) {
    const double start = processor_seconds();
    search_one(first);
    seconds.push_back(processor_seconds() - start);
  }
  std::ofstream(out_path, std::ios::binary)
      .write(reinterpret_cast<const char*>(found.data()),
             static_cast<std::streamsize>(found.size() * sizeof(std::int32_t)));
  std::sort(seconds.begin(), seconds.end());
  std::printf(R"({"seconds":%.6f,"p50_us":%.1f,"p99_us":%.1f})"
              "\n",
              sum, seconds[seconds.size() / 2] * 1e6, seconds[seconds.size() * 99 / 100] * 1e6);
}

void Bench::churn(std::istream& arguments) {
  std::size_t rounds = 0;
  std::uint64_t seed = 0;
  arguments >> rounds >> seed;
  auto values = read_floats(path_);
  std::vector<ChunkId> order(values.size() / dimensions_);
  std::iota(order.begin(), order.end(), ChunkId{0});
  std::mt19937_64 random(seed);
  const double start = processor_seconds();
  for (std::size_t round = 0; round < rounds; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    const auto half = std::span<const ChunkId>(order).first(order.size() / 2);
    index_.apply(half, {});
    if (index_.merge_due()) merge();
    add(values, half);
    if (index_.merge_due()) merge();
  }
  const double seconds = processor_seconds() - start;
  values = std::vector<float>();  // An empty list would keep the memory.
  report(seconds);
}

void Bench::save(std::istream& arguments) const {
  std::string file;
  arguments >> file;
  const double start = processor_seconds();
  auto writer = SnapshotWriter::create(file).value();
  index_.save(*writer);
  writer->finish().value();
  report(processor_seconds() - start);
}

void Bench::load(std::istream& arguments) {
  std::string file;
  arguments >> file;
  const double start = processor_seconds();
  const auto reader = SnapshotReader::open(file).value();
  index_ = VectorIndex::load(*reader, dimensions_, options_).value();
  report(processor_seconds() - start);
}

bool Bench::answer(const std::string& line) {
  std::istringstream words(line);
  std::string command;
  words >> command;
  if (command == "search") {
    search(words);
  } else if (command == "add") {
    add(words);
  } else if (command == "merge") {
    merge_now();
  } else if (command == "churn") {
    churn(words);
  } else if (command == "save") {
    save(words);
  } else if (command == "load") {
    load(words);
  } else {
    return false;
  }
  std::fflush(stdout);
  return true;
}

}  // namespace
}  // namespace ragtime::index

int main(int argc, char** argv) {
  using namespace ragtime::index;
  if (argc != 4 && argc != 5) {
    std::fprintf(stderr, "usage: index_bench VECTORS.f32 DIMENSIONS KIND [BASE]\n");
    return 2;
  }
  const auto kind = parse_vector_kind(argv[3]);
  if (!kind) {
    std::fprintf(stderr, "%s\n", kind.error().message.c_str());
    return 2;
  }
  const auto files = std::filesystem::absolute(argv[1]).parent_path();
  Bench bench(argv[1], std::strtoul(argv[2], nullptr, 10), {.kind = *kind, .files = files});
  bench.build(argc == 5 ? std::strtoul(argv[4], nullptr, 10) : SIZE_MAX);
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    if (!bench.answer(line)) return 2;
  }
  return 0;
}
