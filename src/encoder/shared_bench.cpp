// Queries beside documents: an event loop on one thread, as in the server, with coroutines for clients and ingest.
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/resource.h>

#include "async/task.h"
#include "async/task_group.h"
#include "async/thread_pool.h"
#include "base/request_context.h"
#include "encoder/bench_words.h"
#include "encoder/service_bench.h"
#include "encoder/text_encoder.h"

namespace ragtime::encoder {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t kBulkCalls = 8;  // At once, each of kBulkTexts documents.
constexpr std::size_t kBulkTexts = 4;
constexpr double kWarmUpSeconds = 0.3;

// One measurement: what clients and ingest share. Used on the event loop only.
struct Phase {
  Embedder& embedder;
  const SharedLoad& load;
  bool paced = true;
  Clock::time_point begin;  // What ends before does not count.
  Clock::time_point end;
  std::vector<double> query_ms{};
  std::size_t document_tokens = 0;
  double cpu_seconds = 0;  // Of the process, from `begin` to `end`.
  std::optional<Error> failure{};

  bool over() const { return Clock::now() >= end || failure; }
  double seconds() const { return Seconds(end - begin).count(); }
  DocumentFigures documents() const {
    return {static_cast<double>(document_tokens) / seconds(), cpu_seconds / seconds()};
  }
};

double process_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Task<> count_cpu(Phase& phase) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_at(phase.begin);
  co_await timer.async_wait(asio::use_awaitable);
  const double before = process_cpu_seconds();
  timer.expires_at(phase.end);
  co_await timer.async_wait(asio::use_awaitable);
  phase.cpu_seconds = process_cpu_seconds() - before;
}

Clock::duration gap(Phase& phase, std::mt19937& random) {
  const double mean = static_cast<double>(phase.load.clients) / phase.load.queries_per_s;
  std::exponential_distribution<double> exponential(1 / mean);
  return std::chrono::duration_cast<Clock::duration>(Seconds(exponential(random)));
}

Task<> ask_queries(Phase& phase, std::uint32_t seed) {
  BenchWords words(seed);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  Clock::time_point due = Clock::now();
  while (!phase.over()) {
    if (phase.paced) {
      due += gap(phase, words.random());
      timer.expires_at(due);
      co_await timer.async_wait(asio::use_awaitable);
    } else {
      due = Clock::now();
    }
    RequestContext context("query", "bench", Deadline::never());
    std::vector<std::string> texts(1, words.text(6 + words.random()() % 9));
    const auto done = co_await phase.embedder.embed(std::move(texts), EmbedPurpose::query, context);
    if (done.has_error()) phase.failure = done.error();
    const auto now = Clock::now();
    if (due >= phase.begin && due < phase.end) {
      phase.query_ms.push_back(Seconds(now - due).count() * 1e3);
    }
  }
}

Task<> embed_documents(Phase& phase, std::uint32_t seed) {
  BenchWords words(seed);
  while (!phase.over()) {
    std::vector<std::string> texts;
    while (texts.size() < kBulkTexts) texts.push_back(words.text(20 + words.random()() % 240));
    RequestContext context("ingest", "bench", Deadline::never());
    const auto done = co_await phase.embedder.embed(std::move(texts), EmbedPurpose::document, context);
    if (done.has_error()) {
      phase.failure = done.error();
      break;
    }
    const auto now = Clock::now();
    if (now < phase.begin || now >= phase.end) continue;
    for (std::size_t count : done->token_counts) phase.document_tokens += count;
  }
}

Task<> run_all(Phase& phase, bool queries, bool documents) {
  async::TaskGroup group(co_await asio::this_coro::executor);
  for (std::uint32_t i = 0; queries && i < phase.load.clients; ++i) group.spawn(ask_queries(phase, i));
  for (std::uint32_t i = 0; documents && i < kBulkCalls; ++i) group.spawn(embed_documents(phase, 1000 + i));
  group.spawn(count_cpu(phase));
  co_await group.join();
}

Result<Phase> run_phase(Embedder& embedder, const ServiceBench& bench, const SharedLoad& load, bool paced, bool queries,
                        bool documents) {
  const auto begin = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(kWarmUpSeconds));
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(Seconds(bench.seconds));
  Phase phase{embedder, load, paced, begin, end};
  async::sync_wait(run_all(phase, queries, documents));
  if (phase.failure) return std::move(*phase.failure);
  if (queries && phase.query_ms.empty()) return make_error(ErrorCode::invalid_argument, "no query fell into --seconds");
  std::sort(phase.query_ms.begin(), phase.query_ms.end());
  return phase;
}

QueryFigures query_figures(const Phase& phase) {
  return {static_cast<double>(phase.query_ms.size()) / phase.seconds(), quantile(phase.query_ms, 0.5),
          quantile(phase.query_ms, 0.99)};
}

Result<SharedFigures::Pace> measure_pace(Embedder& embedder, const ServiceBench& bench, const SharedLoad& load,
                                         bool paced) {
  SharedFigures::Pace out;
  RAGTIME_TRY(const auto idle, run_phase(embedder, bench, load, paced, true, false));
  RAGTIME_TRY(const auto busy, run_phase(embedder, bench, load, paced, true, true));
  out.idle = query_figures(idle);
  out.busy = query_figures(busy);
  out.documents = busy.documents();
  return out;
}

}  // namespace

Result<SharedFigures> measure_shared(const ServiceBench& bench, const SharedLoad& load) {
  SharedFigures out;
  RAGTIME_TRY(out.precision, choose_precision(bench.precision));
  async::ThreadPool pool({.name = "compute", .threads = bench.threads});
  RAGTIME_TRY(const auto embedder, open_embedder(bench.model, "bench", pool, {.precision = bench.precision}));
  RAGTIME_TRY(const auto alone, run_phase(*embedder, bench, load, true, false, true));
  out.alone = alone.documents();
  RAGTIME_TRY(out.paced, measure_pace(*embedder, bench, load, true));
  RAGTIME_TRY(out.closed_loop, measure_pace(*embedder, bench, load, false));
  return out;
}

}  // namespace ragtime::encoder
