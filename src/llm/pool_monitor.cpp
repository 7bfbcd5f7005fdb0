#include "llm/pool_monitor.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "async/wait.h"
#include "async/when_all.h"
#include "base/id.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kWorthWatching = 2;  // Endpoints of a pool.
constexpr std::chrono::seconds kLookTimeout{15};
// How long a server that has no /metrics is not asked for them again.
constexpr std::chrono::minutes kNoMetricsPause{1};

enum class PollResult { known, unknown, unsupported };

http::ClientRequest get(const EndpointConfig& endpoint, std::string url) {
  http::ClientRequest out;
  out.url = std::move(url);
  if (!endpoint.api_key.empty()) out.headers.set("Authorization", "Bearer " + endpoint.api_key);
  return out;
}

bool has_no_such_route(int status) {
  return status == 404 || status == 405 || status == 501;
}

struct Polled {
  PollResult result = PollResult::unknown;
  EngineSample sample;
};

Task<Polled> poll_endpoint(http::Client& client, EndpointConfig endpoint, milliseconds timeout,
                           RequestContext& context) {
  RequestContext limited(context, Deadline::after(timeout));
  auto request = get(endpoint, server_root(endpoint.url) + "/metrics");
  const auto reply = co_await client.send(std::move(request), limited);
  Polled out;
  if (reply.has_error()) co_return out;
  if (has_no_such_route(reply->status)) out.result = PollResult::unsupported;
  if (reply->status != 200) co_return out;
  out.sample = parse_engine_metrics(reply->body);
  out.result = out.sample.known() ? PollResult::known : PollResult::unsupported;
  co_return out;
}

Task<bool> check_endpoint(http::Client& client, EndpointConfig endpoint, WatchConfig config, RequestContext& context) {
  RequestContext limited(context, Deadline::after(config.check_timeout));
  co_return co_await endpoint_is_up(client, endpoint, config.check_path, limited);
}

}  // namespace

std::string server_root(const std::string& url) {
  std::string_view root = url;
  const auto drop = [&root](std::string_view ending) {
    if (root.ends_with(ending)) root.remove_suffix(ending.size());
  };
  drop("/");
  drop("/v1");
  drop("/");
  return std::string(root);
}

Task<bool> endpoint_is_up(http::Client& client, const EndpointConfig& endpoint, const std::string& path,
                          RequestContext& context) {
  auto request = get(endpoint, server_root(endpoint.url) + (path.empty() ? "/health" : path));
  auto reply = co_await client.send(std::move(request), context);
  if (path.empty() && reply.has_value() && has_no_such_route(reply->status)) {
    auto second = get(endpoint, endpoint.url + (endpoint.url.ends_with('/') ? "models" : "/models"));
    reply = co_await client.send(std::move(second), context);
    // Whoever refuses a key is there.
    co_return reply.has_value() && reply->status < 500;
  }
  co_return reply.has_value() && reply->status >= 200 && reply->status < 300;
}

struct PoolMonitor::Watched {
  Watched(BalancedPool& watched, WatchConfig settings, std::unique_ptr<EndpointSource> from, asio::io_context& loop)
      : pool(watched), config(std::move(settings)), source(std::move(from)), sooner(loop) {}

  BalancedPool& pool;
  WatchConfig config;
  const std::unique_ptr<EndpointSource> source;
  asio::steady_timer sooner;  // Cancelled to look at once.
  std::string last_problem;
  std::map<std::string, SteadyTime> without_metrics;  // By url, until when.
  telemetry::Counter* look_errors = nullptr;
};

PoolMonitor::PoolMonitor(http::Client& client, telemetry::Logger& log, telemetry::Metrics* metrics)
    : client_(client),
      log_(log),
      metrics_(metrics),
      life_(make_id("mon-"), "", Deadline::never()),
      random_(std::random_device()()) {}

PoolMonitor::~PoolMonitor() {
  stop();
}

void PoolMonitor::watch(BalancedPool& pool, WatchConfig config, std::unique_ptr<EndpointSource> source) {
  watched_.push_back(std::make_unique<Watched>(pool, std::move(config), std::move(source), loop_));
  if (metrics_ == nullptr || !watched_.back()->source) return;
  watched_.back()->look_errors = &metrics_->counter(
      "ragtime_pool_discovery_errors_total", "Times that endpoints could not be found.", {{"model", pool.model()}});
}

void PoolMonitor::start() {
  if (watched_.empty() || thread_.joinable()) return;
  thread_ = std::thread([this] {
    asio::co_spawn(loop_, live(), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
    loop_.run();
  });
}

void PoolMonitor::stop() {
  life_.cancel();
  if (thread_.joinable()) thread_.join();
}

void PoolMonitor::look_again() {
  asio::post(loop_, [this] {
    for (const auto& watched : watched_) watched->sooner.cancel();
  });
}

void PoolMonitor::set_fixed(BalancedPool& pool, std::vector<EndpointConfig> endpoints) {
  for (const auto& watched : watched_) {
    if (&watched->pool != &pool) continue;
    if (!watched->source) {
      if (!endpoints.empty()) pool.set_endpoints(std::move(endpoints));
      return;
    }
    asio::post(loop_, [&known = *watched, fixed = std::move(endpoints)]() mutable {
      known.config.fixed = std::move(fixed);
      known.sooner.cancel();
    });
    return;
  }
}

Task<> PoolMonitor::live() {
  async::TaskGroup group(loop_.get_executor());
  for (const auto& watched : watched_) {
    if (watched->source) group.spawn(look(*watched));
    if (watched->config.check_interval.count() > 0) group.spawn(check(*watched));
    if (watched->config.poll_interval.count() > 0) group.spawn(poll(*watched));
  }
  co_await group.join();
}

Task<bool> PoolMonitor::pause(milliseconds interval) {
  std::uniform_real_distribution<double> jitter(0.8, 1.2);
  const auto jittered = milliseconds(static_cast<std::int64_t>(static_cast<double>(interval.count()) * jitter(random_)));
  const auto passed = co_await async::sleep_for(jittered, life_);
  co_return passed.has_value();
}

Task<bool> PoolMonitor::pause_for_look(Watched& watched) {
  watched.sooner.expires_after(watched.config.look_interval);
  const async::Watch watch(loop_.get_executor(), life_, Deadline::never(), [&watched] { watched.sooner.cancel(); });
  co_await watched.sooner.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return !life_.cancelled();
}

Task<> PoolMonitor::look(Watched& watched) {
  bool living = !life_.cancelled();
  while (living) {
    co_await look_once(watched);
    living = co_await pause_for_look(watched);
  }
}

Task<> PoolMonitor::look_once(Watched& watched) {
  RequestContext limited(life_, Deadline::after(kLookTimeout));
  auto found = co_await watched.source->list(limited);
  if (life_.cancelled()) co_return;
  std::string problem = found.has_error() ? found.error().message : found->empty() ? "names no endpoint" : "";
  if (problem.empty()) {
    std::vector<EndpointConfig> all = watched.config.fixed;
    all.insert(all.end(), std::make_move_iterator(found->begin()), std::make_move_iterator(found->end()));
    watched.pool.set_endpoints(std::move(all));
  } else {
    if (watched.look_errors != nullptr) watched.look_errors->add();
    if (problem != watched.last_problem) {
      const std::string source = watched.source->description();
      log_.warning("endpoints_not_found", {{"model", std::string_view(watched.pool.model())},
                                           {"source", std::string_view(source)},
                                           {"message", std::string_view(problem)}});
    }
  }
  watched.last_problem = std::move(problem);
}

Task<> PoolMonitor::check(Watched& watched) {
  bool living = !life_.cancelled();
  while (living) {
    const auto endpoints = watched.pool.endpoints();
    std::vector<Task<bool>> checks;
    for (const EndpointConfig& endpoint : endpoints) {
      if (endpoints.size() < kWorthWatching) break;
      checks.push_back(check_endpoint(client_, endpoint, watched.config, life_));
    }
    const auto passed = co_await async::when_all(std::move(checks));
    for (std::size_t i = 0; i < passed.size() && !life_.cancelled(); ++i) {
      watched.pool.on_check(endpoints[i], passed[i]);
    }
    living = co_await pause(watched.config.check_interval);
  }
}

Task<> PoolMonitor::poll(Watched& watched) {
  bool living = !life_.cancelled();
  while (living) {
    const auto now = Deadline::SteadyClock::now();
    std::vector<EndpointConfig> endpoints = watched.pool.endpoints();
    if (endpoints.size() < kWorthWatching) endpoints.clear();
    std::erase_if(watched.without_metrics, [now](const auto& entry) { return entry.second <= now; });
    std::erase_if(endpoints, [&](const auto& endpoint) { return watched.without_metrics.contains(endpoint.url); });
    std::vector<Task<Polled>> polls;
    for (const EndpointConfig& endpoint : endpoints) {
      polls.push_back(poll_endpoint(client_, endpoint, watched.config.poll_timeout, life_));
    }
    const auto polled = co_await async::when_all(std::move(polls));
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].result == PollResult::known) watched.pool.on_sample(endpoints[i], polled[i].sample);
      if (polled[i].result == PollResult::unsupported) watched.without_metrics[endpoints[i].url] = now + kNoMetricsPause;
    }
    watched.pool.refresh();
    living = co_await pause(watched.config.poll_interval);
  }
}

}  // namespace ragtime::llm
