// The monitor against servers on loopback.
#include "llm/pool_monitor.h"

#include <condition_variable>
#include <functional>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/server_fixture.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ServerRoot, IsTheUrlWithoutItsVersion) {
  EXPECT_EQ(server_root("http://h:1/v1"), "http://h:1");
  EXPECT_EQ(server_root("http://h:1/v1/"), "http://h:1");
  EXPECT_EQ(server_root("http://h:1/"), "http://h:1");
  EXPECT_EQ(server_root("http://h:1/models/v1"), "http://h:1/models");
  EXPECT_EQ(server_root("http://h:1/av1"), "http://h:1/av1");
}

// Names what the test wants it to, and says when it was asked.
class ScriptedSource final : public EndpointSource {
 public:
  Task<Result<std::vector<EndpointConfig>>> list(RequestContext&) override {
    const std::lock_guard lock(mutex_);
    ++asked_;
    changed_.notify_all();
    co_return answer_;
  }
  std::string description() const override { return "script"; }

  void answer(Result<std::vector<EndpointConfig>> next) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(next);
  }
  bool wait_until_asked(int times) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(10), [&] { return asked_ >= times; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int asked_ = 0;
  Result<std::vector<EndpointConfig>> answer_ = std::vector<EndpointConfig>();
};

class PoolMonitorTest : public http::ServerFixture {
 public:
  // The server ends before what its routes use.
  ~PoolMonitorTest() override {
    monitor_.reset();
    server_.reset();
  }
  void serve(std::string path, int status, std::string body = {}) {
    route("GET", std::move(path), [this, status, body](http::Request&, RequestContext&) -> Task<http::Response> {
      http::Response response;
      response.status = status;
      response.body = body;
      const std::lock_guard lock(mutex_);
      ++asked_;
      changed_.notify_all();
      co_return response;
    });
  }
  bool wait_until_asked(int times) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(10), [&] { return asked_ >= times; });
  }
  bool is_up(const std::string& path = {}) {
    RequestContext context("req", "tenant", Deadline::after(seconds(5)));
    return async::sync_wait(endpoint_is_up(client_, {url("/v1"), "m", "", 1}, path, context));
  }
  // Until `done`, for as long as there may be something to wait for.
  template <class Done>
  bool eventually(Done done) {
    const Deadline deadline = Deadline::after(seconds(10));
    while (!done() && !deadline.expired()) std::this_thread::yield();
    return done();
  }
  PoolMonitor& monitor() {
    if (!monitor_) monitor_.emplace(client_, *log_, nullptr);
    return *monitor_;
  }

  http::Client client_;
  std::unique_ptr<telemetry::Logger> log_ = telemetry::Logger::null();
  std::mutex mutex_;
  std::condition_variable changed_;
  int asked_ = 0;
  std::optional<BalancedPool> pool_;
  std::optional<PoolMonitor> monitor_;  // Stops before the pool goes.
};

TEST_F(PoolMonitorTest, HealthDecidesWhereThereIsOne) {
  serve("/health", 200);
  start();
  EXPECT_TRUE(is_up());
  EXPECT_FALSE(is_up("/other"));
}

TEST_F(PoolMonitorTest, AnUnhealthyServerIsNotUpThoughItListsModels) {
  serve("/health", 503);
  serve("/v1/models", 200);
  start();
  EXPECT_FALSE(is_up());
}

TEST_F(PoolMonitorTest, TheListOfModelsDecidesWhereThereIsNoHealth) {
  serve("/v1/models", 401);
  start();
  EXPECT_TRUE(is_up()) << "who refuses a key is there";
}

TEST_F(PoolMonitorTest, NobodyIsNotUp) {
  RequestContext context("req", "tenant", Deadline::after(seconds(5)));
  EXPECT_FALSE(async::sync_wait(endpoint_is_up(client_, {"http://127.0.0.1:1/v1", "m", "", 1}, "", context)));
}

WatchConfig quick() {
  WatchConfig out;
  out.check_interval = milliseconds(0);
  out.poll_interval = milliseconds(0);
  out.look_interval = std::chrono::hours(1);
  return out;
}

TEST_F(PoolMonitorTest, ChecksEjectADeadEndpointAndLeaveLeasesAlone) {
  serve("/health", 200);
  start();
  EndpointPoolConfig config;
  config.model = "chat";
  config.endpoints = {{url("/v1"), "m", "", 1}, {"http://127.0.0.1:1/v1", "m", "", 1}};
  pool_.emplace(config);
  RequestContext context("req", "tenant", Deadline::after(seconds(20)));
  const std::vector<std::string> living = {url("/v1")};
  const auto lease = async::sync_wait(pool_->acquire({.excluded_urls = living}, context));
  WatchConfig watch = quick();
  watch.check_interval = milliseconds(5);
  monitor().watch(*pool_, watch);
  monitor().start();
  EXPECT_TRUE(eventually([&] { return pool_->status().endpoints[1].state == HealthState::ejected; }));
  monitor().stop();
  EXPECT_EQ(pool_->status().endpoints[0].state, HealthState::closed);
  EXPECT_EQ(pool_->status().endpoints[1].in_flight, 1u);
}

TEST_F(PoolMonitorTest, ReportedLoadReachesThePool) {
  serve("/metrics", 200, "vllm:num_requests_running 12\nvllm:num_requests_waiting 3\n");
  start();
  EndpointPoolConfig config;
  config.model = "chat";
  config.endpoints = {{url("/v1"), "m", "", 1}, {"http://127.0.0.1:1/v1", "m", "", 1}};
  pool_.emplace(config);
  WatchConfig watch = quick();
  watch.poll_interval = milliseconds(5);
  monitor().watch(*pool_, watch);
  monitor().start();
  EXPECT_TRUE(eventually([&] { return pool_->status().endpoints[0].sample.has_value(); }));
  monitor().stop();
  EXPECT_EQ(pool_->status().endpoints[0].sample->waiting, 3);
  EXPECT_FALSE(pool_->status().endpoints[1].sample) << "nothing was heard, which is not a load of 0";
}

TEST_F(PoolMonitorTest, AServerWithoutMetricsIsNotAskedAgainAndAgain) {
  serve("/metrics", 404);
  serve("/health", 200);
  start();
  EndpointPoolConfig config;
  config.model = "chat";
  config.endpoints = {{url("/v1"), "m", "", 1}, {url("/v1/"), "other", "", 1}};
  pool_.emplace(config);
  WatchConfig watch = quick();
  watch.poll_interval = milliseconds(1);
  watch.check_interval = milliseconds(1);
  monitor().watch(*pool_, watch);
  monitor().start();
  // Two questions for metrics, then only checks.
  ASSERT_TRUE(wait_until_asked(20));
  monitor().stop();
  EXPECT_FALSE(pool_->status().endpoints[0].sample);
}

TEST_F(PoolMonitorTest, OneEndpointIsLeftInPeace) {
  serve("/health", 500);
  serve("/metrics", 200, "vllm:num_requests_running 12\n");
  start();
  auto owned = std::make_unique<ScriptedSource>();
  ScriptedSource& source = *owned;
  source.answer(std::vector<EndpointConfig>{{url("/v1"), "m", "", 1}});
  EndpointPoolConfig config;
  config.model = "chat";
  pool_.emplace(config);
  WatchConfig watch = quick();
  watch.check_interval = watch.poll_interval = watch.look_interval = milliseconds(1);
  monitor().watch(*pool_, watch, std::move(owned));
  monitor().start();
  ASSERT_TRUE(source.wait_until_asked(10));
  monitor().stop();
  EXPECT_EQ(asked_, 0);
}

TEST_F(PoolMonitorTest, EndpointsComeAndGoAndASourceThatFailsChangesNothing) {
  auto owned = std::make_unique<ScriptedSource>();
  ScriptedSource& source = *owned;
  const EndpointConfig first{"http://127.0.0.1:1/v1", "m", "", 1};
  const EndpointConfig second{"http://127.0.0.1:2/v1", "m", "", 1};
  source.answer(std::vector{first});
  EndpointPoolConfig config;
  config.model = "chat";
  pool_.emplace(config);
  monitor().watch(*pool_, quick(), std::move(owned));
  monitor().start();
  ASSERT_TRUE(eventually([&] { return pool_->endpoints().size() == 1; }));
  RequestContext context("req", "tenant", Deadline::after(seconds(20)));
  auto lease = async::sync_wait(pool_->acquire({}, context));
  source.answer(std::vector{second});
  ASSERT_TRUE(eventually([&] {
    monitor().look_again();
    return pool_->endpoints().at(0).url == second.url;
  }));
  EXPECT_EQ((*lease)->endpoint().url, first.url) << "the stream goes on";
  source.answer(make_error(ErrorCode::unavailable, "no name server"));
  ASSERT_TRUE(source.wait_until_asked(2));
  for (const bool empty : {false, true}) {
    if (empty) source.answer(std::vector<EndpointConfig>());
    monitor().look_again();
  }
  monitor().stop();
  EXPECT_EQ(pool_->endpoints().at(0).url, second.url);
}

TEST(DnsSource, EveryAddressOfAHostIsAnEndpoint) {
  async::ThreadPool blocking({.name = "blocking", .threads = 1, .queue_max = 4});
  const auto source = make_dns_source({.url = "http://localhost:9001/v1", .model = "m", .api_key = "k"}, blocking);
  RequestContext context("req", "tenant", Deadline::after(seconds(20)));
  const auto found = async::sync_wait(source->list(context));
  ASSERT_TRUE(found.has_value()) << found.error().message;
  const auto same = [](const EndpointConfig& e) { return e.url == "http://127.0.0.1:9001/v1" && e.api_key == "k"; };
  EXPECT_EQ(std::count_if(found->begin(), found->end(), same), 1);
}

}  // namespace
}  // namespace ragtime::llm
