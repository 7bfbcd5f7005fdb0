#include "load/load_run.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "async/task_group.h"
#include "load/answer_reader.h"
#include "load/load_exchange.h"

namespace ragtime::load {
namespace {

using std::chrono::steady_clock;
using Time = steady_clock::time_point;

constexpr std::chrono::milliseconds kTick{100};
constexpr std::size_t kErrorBodyBytes = 4096;
constexpr std::size_t kErrorSampleBytes = 200;

double milliseconds(steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

class Runner {
 public:
  Runner(const LoadRoute& route, const LoadConfig& config, const std::vector<std::string>& bodies,
         const std::function<void(const LoadProgress&)>& on_progress, const std::atomic<bool>& stop)
      : route_(route), config_(config), bodies_(bodies), on_progress_(on_progress), stop_(stop) {}

  LoadResult run() {
    asio::co_spawn(loop_, live(), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
    loop_.run();
    const Time end = by_time() && !stop_ ? end_ : last_end_;
    result_.work.seconds = std::max(1e-9, std::chrono::duration<double>(end - counted_from_).count());
    return std::move(result_);
  }

 private:
  struct Active {
    LoadExchange* exchange = nullptr;
    bool timed_out = false;
  };
  struct Times {
    steady_clock::duration ttft_role{};
    steady_clock::duration ttft{};
    std::optional<steady_clock::duration> tpot;
    steady_clock::duration e2e{};
  };
  struct Exchanged {
    std::string failure;  // Its kind; empty: good.
    std::string detail;
  };

  bool by_time() const { return config_.requests == 0; }
  bool over(Time now) const {
    if (stop_) return true;
    return by_time() ? now >= end_ : started_ >= config_.requests + warm_up_started_;
  }
  bool counts(Time scheduled) const { return scheduled >= counted_from_; }

  Task<> live();
  Task<> tick();
  Task<> closed_worker(std::size_t number);
  Task<> open_arrivals();
  Task<> open_request(std::size_t index, Time scheduled);
  Task<> request(std::unique_ptr<LoadExchange>& exchange, std::size_t index, Time scheduled);
  Task<Exchanged> exchange_once(LoadExchange& exchange, Active& active, AnswerReader& reader, std::size_t index);
  void note(const Exchanged& outcome, const AnswerReader& reader, Time scheduled, Time sent);
  Times times_of(const AnswerReader& reader, Time from, Time end) const;
  bool is_good(const Times& times) const;
  void note_good(const AnswerReader& reader, const Times& times, Time end);
  TimelineSecond& second_of(Time when);

  const LoadRoute& route_;
  const LoadConfig& config_;
  const std::vector<std::string>& bodies_;
  const std::function<void(const LoadProgress&)>& on_progress_;
  const std::atomic<bool>& stop_;
  asio::io_context loop_{1};
  http::Client client_{http::ClientConfig{}};
  async::TaskGroup tasks_{loop_.get_executor()};
  asio::steady_timer ticker_{loop_};
  asio::steady_timer arrival_{loop_};
  std::multimap<Time, Active*> deadlines_;
  std::vector<std::unique_ptr<LoadExchange>> idle_;
  LoadResult result_;
  Time begin_ = steady_clock::now();
  Time counted_from_ = begin_ + config_.warm_up;
  Time end_ = counted_from_ + config_.duration;
  Time last_end_ = counted_from_;
  std::size_t started_ = 0;
  std::size_t warm_up_started_ = 0;
  std::size_t in_flight_ = 0;
  bool finished_ = false;
};

Task<> Runner::live() {
  asio::co_spawn(loop_, tick(), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  if (config_.rate > 0) {
    tasks_.spawn(open_arrivals());
  } else {
    for (std::size_t i = 0; i < config_.concurrency; ++i) tasks_.spawn(closed_worker(i));
  }
  co_await tasks_.join();
  finished_ = true;
  ticker_.cancel();
}

Task<> Runner::tick() {
  while (!finished_) {
    ticker_.expires_after(kTick);
    co_await ticker_.async_wait(asio::as_tuple(asio::use_awaitable));
    const Time now = steady_clock::now();
    for (auto& [deadline, active] : deadlines_) {
      if (deadline > now && !stop_) break;
      active->timed_out = true;
      active->exchange->abort();
    }
    if (stop_) arrival_.cancel();
    if (on_progress_ && !finished_) {
      on_progress_({std::chrono::duration_cast<std::chrono::milliseconds>(now - begin_), result_.ok, result_.failed,
                    in_flight_, now < counted_from_});
    }
  }
}

Task<> Runner::closed_worker(std::size_t number) {
  if (config_.ramp.count() > 0 && number > 0) {
    asio::steady_timer start(loop_, begin_ + config_.ramp * number / config_.concurrency);
    co_await start.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  std::unique_ptr<LoadExchange> exchange;
  std::size_t index = number;
  while (!over(steady_clock::now())) {
    co_await request(exchange, index, steady_clock::now());
    index += config_.concurrency;
    if (config_.fresh_connections) exchange.reset();
  }
}

Task<> Runner::open_arrivals() {
  std::mt19937_64 random(config_.seed);
  std::exponential_distribution<double> gap(config_.rate);
  Time scheduled = begin_;
  for (std::size_t index = 0; !over(scheduled); ++index) {
    if (scheduled > steady_clock::now()) {
      arrival_.expires_at(scheduled);
      co_await arrival_.async_wait(asio::as_tuple(asio::use_awaitable));
      if (stop_) break;
    }
    if (in_flight_ >= config_.in_flight_max) {
      if (counts(scheduled)) result_.fail("not_sent", "too many requests in flight");
    } else {
      tasks_.spawn(open_request(index, scheduled));
    }
    const double seconds = config_.poisson ? gap(random) : 1 / config_.rate;
    scheduled += std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(seconds));
  }
}

Task<> Runner::open_request(std::size_t index, Time scheduled) {
  std::unique_ptr<LoadExchange> exchange;
  if (!idle_.empty()) {
    exchange = std::move(idle_.back());
    idle_.pop_back();
  }
  co_await request(exchange, index, scheduled);
  if (exchange && !config_.fresh_connections) idle_.push_back(std::move(exchange));
}

Task<> Runner::request(std::unique_ptr<LoadExchange>& exchange, std::size_t index, Time scheduled) {
  if (!exchange) exchange = make_exchange(route_, client_, config_.timeout);
  ++started_;
  if (!counts(scheduled)) {
    ++warm_up_started_;
  } else {
    ++second_of(scheduled).started;
  }
  ++in_flight_;
  AnswerReader reader(config_.operation, config_.stream, config_.reference.has_value());
  Active active{exchange.get()};
  const auto place = deadlines_.emplace(steady_clock::now() + config_.timeout, &active);
  const Time sent = steady_clock::now();
  const auto outcome = co_await exchange_once(*exchange, active, reader, index);
  deadlines_.erase(place);
  --in_flight_;
  const bool interrupted = stop_ && active.timed_out;
  if (!interrupted) note(outcome, reader, scheduled, sent);
  if (!exchange->reusable()) exchange.reset();
}

Task<Runner::Exchanged> Runner::exchange_once(LoadExchange& exchange, Active& active, AnswerReader& reader,
                                              std::size_t index) {
  const auto failed = [&](std::string_view kind, const Error& error) {
    return active.timed_out ? Exchanged{"timeout", fmt::format("no end within {} ms", config_.timeout.count())}
                            : Exchanged{std::string(kind), error.message};
  };
  auto status = co_await exchange.start(bodies_[index % bodies_.size()]);
  if (status.has_error()) co_return failed("connection", status.error());
  std::string error_body;
  while (true) {
    auto piece = co_await exchange.read_some();
    if (piece.has_error()) co_return failed("cut", piece.error());
    if (piece->empty()) break;
    result_.bytes += piece->size();
    if (*status == 200) {
      reader.feed(*piece, steady_clock::now());
    } else if (error_body.size() < kErrorBodyBytes) {
      error_body += *piece;
    }
  }
  if (*status != 200) co_return Exchanged{fmt::format("http_{}", *status), error_body.substr(0, kErrorSampleBytes)};
  std::string fault = reader.finish();
  if (fault.empty() && config_.reference && reader.text() != *config_.reference) {
    co_return Exchanged{"mismatch", "the text is not the reference"};
  }
  co_return Exchanged{std::move(fault), reader.error()};
}

TimelineSecond& Runner::second_of(Time when) {
  const double seconds = std::max(0.0, std::chrono::duration<double>(when - counted_from_).count());
  const auto index = static_cast<std::size_t>(seconds);
  if (index >= result_.timeline.size()) result_.timeline.resize(index + 1);
  return result_.timeline[index];
}

void Runner::note(const Exchanged& outcome, const AnswerReader& reader, Time scheduled, Time sent) {
  const Time now = steady_clock::now();
  last_end_ = std::max(last_end_, now);
  const Times times = times_of(reader, config_.rate > 0 ? scheduled : sent, now);
  const bool in_window = by_time() ? now >= counted_from_ && now < end_ : counts(scheduled);
  if (outcome.failure.empty() && in_window) {
    ++result_.work.ok;
    result_.work.tokens += reader.output_tokens();
    if (is_good(times)) ++result_.work.good;
  }
  if (!counts(scheduled)) return;
  if (config_.rate > 0) result_[Measure::send_delay].record(sent - scheduled);
  if (!outcome.failure.empty()) {
    if (outcome.failure == "http_429" || outcome.failure == "http_503") result_[Measure::refusal].record(now - sent);
    result_.fail(outcome.failure, outcome.detail);
    ++second_of(now).failed;
    return;
  }
  note_good(reader, times, now);
}

Runner::Times Runner::times_of(const AnswerReader& reader, Time from, Time end) const {
  const Time last = reader.first_chunk() ? reader.last_chunk() : end;
  Times out;
  out.e2e = last - from;
  out.ttft_role = reader.first_chunk().value_or(last) - from;
  out.ttft = config_.stream ? reader.first_content().value_or(last) - from : out.e2e;
  const std::size_t tokens = reader.output_tokens();
  if (config_.stream && tokens > 1) out.tpot = (out.e2e - out.ttft) / static_cast<std::int64_t>(tokens - 1);
  return out;
}

bool Runner::is_good(const Times& times) const {
  const auto within = [](const std::optional<double>& limit, steady_clock::duration time) {
    return !limit || milliseconds(time) <= *limit;
  };
  return within(config_.slo.ttft_ms, times.ttft) && within(config_.slo.tpot_ms, times.tpot.value_or(steady_clock::duration())) &&
         within(config_.slo.e2e_ms, times.e2e);
}

void Runner::note_good(const AnswerReader& reader, const Times& times, Time end) {
  ++result_.ok;
  result_.output_tokens += reader.output_tokens();
  if (is_good(times)) ++result_.good;
  result_[Measure::e2e].record(times.e2e);
  if (config_.stream) {
    result_[Measure::ttft_role].record(times.ttft_role);
    result_[Measure::ttft].record(times.ttft);
    for (const auto gap : reader.gaps()) result_[Measure::itl].record(gap);
    if (times.tpot) result_[Measure::tpot].record(*times.tpot);
  }
  auto& second = second_of(end);
  ++second.ok;
  second.tokens += reader.output_tokens();
  second.ttft_ms_sum += milliseconds(times.ttft);
}

}  // namespace

Result<LoadResult> run_load(const LoadTarget& target, const LoadConfig& config, const std::vector<std::string>& bodies,
                            const std::function<void(const LoadProgress&)>& on_progress,
                            const std::atomic<bool>& stop) {
  RAGTIME_TRY(const auto route, LoadRoute::of(target, config));
  Runner runner(route, config, bodies, on_progress, stop);
  return runner.run();
}

}  // namespace ragtime::load
