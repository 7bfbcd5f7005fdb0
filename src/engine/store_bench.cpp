// Makes a data directory with a large store through the database and the engine, and measures on the way.
//
// usage: store_bench DIRECTORY TEXTS VECTORS.f32 CHUNKS [KIND]   lines of text, and raw little-endian floats of 384 each
// A line is a chunk, ten are a document with an attribute. Beyond what the files give, a chunk is halves of two lines
// with the vector between theirs. Rows are committed to ragtime.db (skipped when it is there), the indexes are built
// from them as at a start without snapshots, merged and saved to index/; then a twentieth of CHUNKS, at most 20,000, is
// put through the engine, eight documents at a time. Prints a line of JSON: seconds of each, of the rebuild in processor
// time as well, chunks put per second, bytes of the indexes in memory and of the files. Over a directory that is there
// already "rebuild" is a start from its snapshots, and nothing is put. KIND as in the configuration; "auto" if left out.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <time.h>

#include "base/hash.h"
#include "engine/engine.h"
#include "engine/normalise.h"

namespace ragtime::engine {
namespace {

constexpr std::size_t kDimensions = 384;
constexpr std::size_t kChunksPerDocument = 10;
constexpr std::size_t kPutMost = 20'000;
constexpr std::size_t kWriters = 8;
constexpr const char* kStore = "vs_bench";
constexpr const char* kModel = "all-MiniLM-L6-v2";

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Of all threads: other programs on the machine count less than on the wall's clock.
double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class T>
T or_die(Result<T> result) {
  if (result.has_value()) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

void done_or_die(const Result<void>& result) {
  if (result.has_error()) std::fprintf(stderr, "%s\n", result.error().message.c_str());
  if (result.has_error()) std::exit(1);
}

// Chunks by number, without end.
class Source {
 public:
  Source(const std::string& texts, const std::string& vectors) {
    std::ifstream lines(texts);
    for (std::string line; std::getline(lines, line);) texts_.push_back(std::move(line));
    std::ifstream in(vectors, std::ios::binary | std::ios::ate);
    values_.resize(static_cast<std::size_t>(in.tellg()) / sizeof(float) / kDimensions * kDimensions);
    in.seekg(0);
    in.read(reinterpret_cast<char*>(values_.data()), static_cast<std::streamsize>(values_.size() * sizeof(float)));
    rows_ = std::min(texts_.size(), values_.size() / kDimensions);
    if (rows_ == 0) done_or_die(make_error(ErrorCode::invalid_argument, "no texts or no vectors"));
  }

  std::string text(std::size_t number) const {
    if (number < rows_) return texts_[number];
    const auto [a, b] = parents(number);
    return texts_[a].substr(0, middle_of(texts_[a])) + " " + texts_[b].substr(middle_of(texts_[b]));
  }

  std::vector<float> vector(std::size_t number) const {
    const auto [a, b] = number < rows_ ? std::pair(number, number) : parents(number);
    std::vector<float> mixed(kDimensions);
    for (std::size_t i = 0; i < kDimensions; ++i) {
      mixed[i] = 0.6f * values_[a * kDimensions + i] + 0.4f * values_[b * kDimensions + i];
    }
    return normalised(mixed);
  }

 private:
  std::pair<std::size_t, std::size_t> parents(std::size_t number) const {
    std::mt19937_64 random(number);
    const std::size_t a = random() % rows_;
    return {a, random() % rows_};
  }
  static std::size_t middle_of(const std::string& text) {
    const auto space = text.find(' ', text.size() / 2);
    return space == std::string::npos ? text.size() : space;
  }

  std::vector<std::string> texts_;
  std::vector<float> values_;
  std::size_t rows_ = 0;
};

// Gives vectors one after the other, whatever the texts are.
class GivenVectors final : public encoder::Embedder {
 public:
  GivenVectors(const Source& source, std::size_t first) : source_(source), next_(first) {
    info_.model = kModel;
    info_.dimensions = kDimensions;
    info_.tokens_max = 256;
  }
  const encoder::EmbedderInfo& info() const override { return info_; }
  Task<Result<encoder::Embeddings>> embed(std::vector<std::string> texts, encoder::EmbedPurpose,
                                          RequestContext&) override {
    encoder::Embeddings rows;
    rows.dimensions = kDimensions;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto vector = source_.vector(next_++);
      rows.values.insert(rows.values.end(), vector.begin(), vector.end());
      rows.token_counts.push_back(1);
    }
    co_return rows;
  }

 private:
  const Source& source_;
  std::atomic<std::size_t> next_;
  encoder::EmbedderInfo info_;
};

storage::FileRecord file_of(std::size_t document) {
  storage::FileRecord file;
  file.id = "file-bench" + std::to_string(document);
  file.filename = "bench" + std::to_string(document) + ".txt";
  file.sha256 = sha256_hex(file.id);
  file.purpose = "assistants";
  file.tenant = "default";
  return file;
}

storage::DocumentRecord record_of(std::size_t document) {
  storage::DocumentRecord record;
  record.store_id = kStore;
  record.file_id = file_of(document).id;
  record.attributes = {{"group", static_cast<double>(document % 100)}};
  return record;
}

std::size_t code_points(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

// Calls `work` with each number below `count`, on several threads.
template <class Work>
void in_parallel(std::size_t count, const Work& work) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kWriters; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = next++; i < count; i = next++) work(i);
    });
  }
  for (auto& thread : threads) thread.join();
}

void commit_rows(storage::Database& database, const Source& source, std::size_t chunks) {
  storage::VectorStoreRecord store;
  store.id = store.name = kStore;
  store.tenant = "default";
  store.embedding_model = kModel;
  store.embedding_dimensions = kDimensions;
  done_or_die(database.insert_store(store));
  in_parallel(chunks / kChunksPerDocument, [&](std::size_t document) {
    storage::Database::CommitDocument commit;
    commit.document = record_of(document);
    commit.file = file_of(document);
    commit.chunks.resize(kChunksPerDocument);
    for (std::size_t i = 0, end = 0; i < kChunksPerDocument; ++i, end += 2) {
      auto& record = commit.chunks[i];
      record.chunk.ordinal = static_cast<int>(i);
      record.chunk.text = source.text(document * kChunksPerDocument + i);
      record.chunk.begin = end;
      record.chunk.end = end += code_points(record.chunk.text);
      commit.text += record.chunk.text + "\n\n";
      record.embedding = source.vector(document * kChunksPerDocument + i);
    }
    or_die(database.commit_document(commit));
  });
}

PutDocument put_of(const Source& source, std::size_t document) {
  PutDocument put;
  put.tenant = "default";
  put.document = record_of(document);
  put.file = file_of(document);
  for (std::size_t i = 0, end = 0; i < kChunksPerDocument; ++i, end += 2) {
    const std::string text = source.text(document * kChunksPerDocument + i);
    text::Block block;
    block.begin = end;
    block.end = end += text.size();
    put.parsed.text += text + "\n\n";
    put.parsed.blocks.push_back(block);
  }
  return put;
}

// Chunks put per second.
double put_documents(Engine& engine, const Source& source, std::size_t first, std::size_t documents) {
  std::atomic<std::size_t> chunks = 0;
  const auto begin = std::chrono::steady_clock::now();
  in_parallel(documents, [&](std::size_t i) {
    RequestContext context{"bench", "default", Deadline::never()};
    chunks += or_die(async::sync_wait(engine.put_document(put_of(source, first + i), context))).chunks;
  });
  return static_cast<double>(chunks) / seconds_since(begin);
}

std::uintmax_t size_of(const std::filesystem::path& path) {
  std::uintmax_t size = 0;
  if (!std::filesystem::exists(path)) return size;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) size += entry.file_size();
  }
  return size;
}

EngineConfig config_of(const std::filesystem::path& directory, const std::string& kind) {
  EngineConfig config;
  config.chunking.size = 64;  // A line of forty words, not two.
  config.chunking.overlap = 0;
  config.index.directory = directory / "index";
  config.index.vectors.kind = or_die(index::parse_vector_kind(kind));
  config.embedding_cache.rows_max = 0;
  return config;
}

int run(const std::filesystem::path& directory, const Source& source, std::size_t chunks, const std::string& kind) {
  std::filesystem::create_directories(directory);
  const bool is_there = std::filesystem::exists(directory / "ragtime.db");
  const auto database = or_die(storage::open_sqlite(directory / "ragtime.db"));
  auto begin = std::chrono::steady_clock::now();
  if (!is_there) commit_rows(*database, source, chunks);
  const double commit_s = seconds_since(begin);
  GivenVectors embedder(source, chunks);
  async::ThreadPool compute({.name = "compute", .threads = 2});
  async::ThreadPool blocking({.name = "blocking", .threads = kWriters});
  begin = std::chrono::steady_clock::now();
  const double processor_begin = processor_seconds();
  auto engine = or_die(Engine::open(config_of(directory, kind), *database, &embedder, compute, blocking));
  const double load_s = seconds_since(begin);
  const double load_processor_s = processor_seconds() - processor_begin;
  begin = std::chrono::steady_clock::now();
  engine->settle();
  const double merge_s = seconds_since(begin);
  const IndexReport report = engine->index_report(kStore);
  const std::size_t documents = is_there ? 0 : std::min(kPutMost, chunks / 20) / kChunksPerDocument;
  const double put = documents == 0 ? 0 : put_documents(*engine, source, chunks / kChunksPerDocument, documents);
  engine->settle();
  std::printf(
      "{\"chunks\": %zu, \"commit_s\": %.2f, \"rebuild_s\": %.3f, \"rebuild_processor_s\": %.3f, "
      "\"merge_s\": %.2f, \"put_chunks_per_s\": %.0f, "
      "\"kind\": \"%s\", \"lexical_bytes\": %zu, \"vector_bytes\": %zu, \"database_bytes\": %ju, \"index_bytes\": %ju}\n",
      engine->statistics().chunks, commit_s, load_s, load_processor_s, merge_s, put,
      std::string(report.vectors ? index::vector_kind_name(report.vectors->kind) : "none").c_str(),
      report.lexical.bytes, report.vectors ? report.vectors->bytes : 0,
      std::filesystem::file_size(directory / "ragtime.db"), size_of(directory / "index"));
  return 0;
}

}  // namespace
}  // namespace ragtime::engine

int main(int count, char** arguments) {
  if (count < 5) {
    std::fprintf(stderr, "usage: store_bench DIRECTORY TEXTS VECTORS.f32 CHUNKS [KIND]\n");
    return 2;
  }
  const ragtime::engine::Source source(arguments[2], arguments[3]);
  return ragtime::engine::run(arguments[1], source, std::stoul(arguments[4]), count > 5 ? arguments[5] : "auto");
}
