#include "encoder/service_bench.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <utility>

#include "async/task.h"
#include "async/thread_pool.h"
#include "base/request_context.h"
#include "encoder/bench_words.h"
#include "encoder/text_encoder.h"

namespace ragtime::encoder {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kCallsMin = 3;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// `call` gives the tokens that it took.
template <class Call>
Result<ServiceFigures> repeat(const ServiceBench& bench, Call call) {
  ServiceFigures out;
  RAGTIME_TRY(out.precision, choose_precision(bench.precision));
  RAGTIME_TRY_DONE(call());
  const auto start = Clock::now();
  while (seconds_since(start) < bench.seconds || out.milliseconds.size() < kCallsMin) {
    const auto before = Clock::now();
    RAGTIME_TRY(out.tokens, call());
    out.milliseconds.push_back(seconds_since(before) * 1e3);
  }
  out.seconds = seconds_since(start);
  std::sort(out.milliseconds.begin(), out.milliseconds.end());
  return out;
}

Result<std::vector<std::string>> read_lines(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) return make_error(ErrorCode::not_found, "cannot read " + path.string());
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(std::move(line));
  if (lines.empty()) return make_error(ErrorCode::invalid_argument, path.string() + " has no lines");
  return lines;
}

}  // namespace

Result<ServiceFigures> measure_texts(const ServiceBench& bench, const std::filesystem::path& file) {
  RAGTIME_TRY(const auto texts, read_lines(file));
  async::ThreadPool pool({.name = "compute", .threads = bench.threads});
  RAGTIME_TRY(const auto embedder, open_embedder(bench.model, "bench", pool, {.precision = bench.precision}));
  RAGTIME_TRY(auto out, repeat(bench, [&]() -> Result<std::size_t> {
                RequestContext context("bench", "bench", Deadline::never());
                RAGTIME_TRY(const auto done, async::sync_wait(embedder->embed(texts, EmbedPurpose::document, context)));
                std::size_t tokens = 0;
                for (std::size_t count : done.token_counts) tokens += count;
                return tokens;
              }));
  out.texts = texts.size();
  return out;
}

Result<ServiceFigures> measure_rerank(const ServiceBench& bench) {
  constexpr std::size_t kPairs = 50;
  constexpr std::size_t kQueryWords = 10;
  constexpr std::size_t kDocumentWords = 160 - 3 - kQueryWords;
  async::ThreadPool pool({.name = "compute", .threads = bench.threads});
  RAGTIME_TRY(const auto reranker, open_reranker(bench.model, "bench", pool, {.precision = bench.precision}));
  BenchWords words(1);
  const std::string query = words.text(kQueryWords);
  std::vector<std::string> documents;
  while (documents.size() < kPairs) documents.push_back(words.text(kDocumentWords));
  RAGTIME_TRY(auto out, repeat(bench, [&]() -> Result<std::size_t> {
                RequestContext context("bench", "bench", Deadline::never());
                RAGTIME_TRY(const auto done, async::sync_wait(reranker->score(query, documents, context)));
                return done.tokens;
              }));
  out.texts = kPairs;
  return out;
}

double quantile(const std::vector<double>& ascending, double q) {
  return ascending[static_cast<std::size_t>(q * static_cast<double>(ascending.size() - 1))];
}

}  // namespace ragtime::encoder
