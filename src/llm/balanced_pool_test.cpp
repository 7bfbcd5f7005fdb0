#include "llm/balanced_pool.h"

#include <atomic>
#include <deque>
#include <functional>
#include <set>
#include <stdexcept>
#include <thread>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/task_group.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr std::uint64_t kSeed = 20261127;

std::vector<EndpointConfig> replicas(std::size_t count) {
  std::vector<EndpointConfig> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back({"http://replica-" + std::to_string(i) + "/v1", "m", "", 1});
  return out;
}

class BalancedPoolTest : public testing::Test {
 public:
  BalancedPool& open(std::size_t endpoints, Balance balance = Balance::least_load) {
    config_.model = "chat";
    config_.endpoints = replicas(endpoints);
    config_.balance = balance;
    config_.seed = kSeed;
    config_.now = [this] { return now_; };
    pool_.emplace(config_);
    return *pool_;
  }

  Result<std::unique_ptr<Lease>> try_acquire(const Demand& demand = {}) {
    return async::sync_wait(pool_->acquire(demand, context_));
  }
  std::unique_ptr<Lease> acquire(const Demand& demand = {}) {
    auto lease = try_acquire(demand);
    EXPECT_TRUE(lease.has_value()) << lease.error().message;
    return lease.has_value() ? std::move(*lease) : nullptr;
  }
  std::unique_ptr<Lease> acquire_at(std::size_t place) {
    std::vector<std::string> others;
    for (std::size_t i = 0; i < config_.endpoints.size(); ++i) {
      if (i != place) others.push_back(config_.endpoints[i].url);
    }
    return acquire({.excluded_urls = others});
  }
  EndpointStatus status(std::size_t place) const { return pool_->status().endpoints.at(place); }
  void fail(std::size_t place, int times) {
    for (int i = 0; i < times; ++i) acquire_at(place)->finish(Outcome::failed);
  }

  RequestContext context_{"req", "tenant", Deadline::after(seconds(30))};
  EndpointPoolConfig config_;
  SteadyTime now_{std::chrono::hours(1)};
  std::optional<BalancedPool> pool_;
};

// Shipped elsewhere: the load rose only when the response began, so that all long prefills went to one server.
TEST_F(BalancedPoolTest, LoadRisesBeforeTheRequestIsSent) {
  open(4);
  std::vector<std::unique_ptr<Lease>> leases;
  std::set<std::string> used;
  for (int i = 0; i < 4; ++i) {
    leases.push_back(acquire({.tokens = 100'000}));
    used.insert(leases.back()->endpoint().url);
  }
  EXPECT_EQ(used.size(), 4u);
  EXPECT_EQ(pool_->in_flight(), 4u);
}

TEST_F(BalancedPoolTest, TokensCountBesideRequests) {
  open(2);
  const auto big = acquire({.tokens = 100 * 4'096});
  std::vector<std::unique_ptr<Lease>> small;
  for (int i = 0; i < 50; ++i) {
    small.push_back(acquire());
    EXPECT_NE(small.back()->endpoint().url, big->endpoint().url);
  }
}

TEST_F(BalancedPoolTest, ALeaseEndsOnceHoweverOftenItIsFinished) {
  open(1);
  {
    const auto lease = acquire({.tokens = 7});
    EXPECT_EQ(status(0).tokens_in_flight, 7u);
    lease->finish(Outcome::completed);
    lease->finish(Outcome::failed);
    lease->first_token(milliseconds(5));
    EXPECT_EQ(pool_->in_flight(), 0u);
  }
  EXPECT_EQ(status(0).in_flight, 0u);
  EXPECT_EQ(status(0).tokens_in_flight, 0u);
  EXPECT_THAT(status(0).outcomes, testing::ElementsAre(1, 0, 0, 0));
}

TEST_F(BalancedPoolTest, ADestroyedLeaseSaysNothingAboutItsEndpoint) {
  open(1);
  acquire().reset();
  EXPECT_THAT(status(0).outcomes, testing::ElementsAre(0, 0, 0, 1));
  EXPECT_EQ(pool_->in_flight(), 0u);
}

TEST_F(BalancedPoolTest, ExcludedEndpointsAreNotTriedAgain) {
  open(2);
  const std::vector<std::string> first = {config_.endpoints[0].url};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(acquire({.excluded_urls = first})->endpoint().url, config_.endpoints[1].url);
  const std::vector<std::string> both = {config_.endpoints[0].url, config_.endpoints[1].url};
  EXPECT_EQ(try_acquire({.excluded_urls = both}).error().code, ErrorCode::unavailable);
}

TEST_F(BalancedPoolTest, AnEmptyPoolSaysSo) {
  open(0);
  const auto lease = try_acquire();
  EXPECT_EQ(lease.error().code, ErrorCode::unavailable);
  EXPECT_THAT(lease.error().message, HasSubstr("no server of 'chat' is known"));
}

TEST_F(BalancedPoolTest, AFailingEndpointIsEjectedProbedAndReturnsSlowly) {
  open(2);
  fail(0, 5);
  EXPECT_EQ(status(0).state, HealthState::ejected);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(acquire()->endpoint().url, config_.endpoints[1].url);
  now_ += seconds(30);
  EXPECT_EQ(status(0).state, HealthState::half_open);
  const auto probe = acquire();
  EXPECT_EQ(probe->endpoint().url, config_.endpoints[0].url) << "the first request that could go elsewhere is the probe";
  EXPECT_EQ(acquire()->endpoint().url, config_.endpoints[1].url) << "one probe at a time";
  probe->finish(Outcome::completed);
  EXPECT_EQ(status(0).state, HealthState::closed);
  // With a tenth of the weight it takes nothing until the other has ten times its load.
  std::vector<std::unique_ptr<Lease>> leases;
  for (int i = 0; i < 8; ++i) {
    leases.push_back(acquire());
    EXPECT_EQ(leases.back()->endpoint().url, config_.endpoints[1].url);
  }
  now_ += seconds(10);
  EXPECT_EQ(acquire()->endpoint().url, config_.endpoints[0].url);
}

TEST_F(BalancedPoolTest, TheLastEndpointStaysInUse) {
  open(2);
  fail(0, 5);
  fail(1, 50);
  EXPECT_EQ(status(1).state, HealthState::closed);
  EXPECT_EQ(acquire()->endpoint().url, config_.endpoints[1].url);
}

TEST_F(BalancedPoolTest, EjectedEndpointsServeWhenNothingElseIsLeft) {
  open(2);
  fail(0, 5);
  pool_->set_endpoints({config_.endpoints[0]});
  EXPECT_EQ(acquire()->endpoint().url, config_.endpoints[0].url);
}

TEST_F(BalancedPoolTest, ARetryDoesNotGoToAnEjectedEndpoint) {
  open(2);
  fail(0, 5);
  const std::vector<std::string> tried = {config_.endpoints[1].url};
  EXPECT_EQ(try_acquire({.excluded_urls = tried}).error().code, ErrorCode::unavailable);
}

TEST_F(BalancedPoolTest, AnOverloadedEndpointIsLeftAloneForAsLongAsItAsked) {
  open(2);
  acquire_at(0)->finish(Outcome::overloaded, seconds(7));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(acquire()->endpoint().url, config_.endpoints[1].url);
  EXPECT_EQ(status(0).state, HealthState::closed);
  EXPECT_EQ(status(0).rests_for, seconds(7));
  acquire_at(1)->finish(Outcome::overloaded, seconds(20));
  const auto refused = try_acquire();
  EXPECT_EQ(refused.error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(refused.error().retry_after, seconds(7)) << "when the first of them is back";
  now_ += seconds(7);
  EXPECT_EQ(acquire()->endpoint().url, config_.endpoints[0].url);
}

// Shipped elsewhere: the health checker set the counters of requests in flight to 0.
TEST_F(BalancedPoolTest, ChecksAndPollsLeaveWhatLeasesCountAlone) {
  open(2);
  const auto kept = acquire_at(0);
  const auto also = acquire_at(0);
  for (int i = 0; i < 4; ++i) pool_->on_check(config_.endpoints[0], i % 2 == 0);
  for (int i = 0; i < 4; ++i) pool_->on_check(config_.endpoints[0], false);
  pool_->on_sample(config_.endpoints[0], {.running = 0.0, .waiting = 0.0});
  EXPECT_EQ(status(0).in_flight, 2u);
  EXPECT_EQ(pool_->in_flight(), 2u);
  EXPECT_EQ(status(0).state, HealthState::ejected);
}

// Shipped elsewhere: each of several gateways saw its own part of the load only.
TEST_F(BalancedPoolTest, RequestsOfOtherGatewaysCount) {
  open(2);
  pool_->on_sample(config_.endpoints[0], {.running = 40.0});
  std::vector<std::unique_ptr<Lease>> leases;
  for (int i = 0; i < 30; ++i) {
    leases.push_back(acquire());
    EXPECT_EQ(leases.back()->endpoint().url, config_.endpoints[1].url);
  }
  now_ += seconds(6);
  EXPECT_EQ(acquire()->endpoint().url, config_.endpoints[0].url) << "the figure is too old to be believed";
}

TEST_F(BalancedPoolTest, AnUnreadableSampleChangesNothing) {
  open(2);
  pool_->on_sample(config_.endpoints[0], {.running = 40.0});
  pool_->on_sample(config_.endpoints[0], {});
  EXPECT_EQ(status(0).sample->running, 40);
}

TEST_F(BalancedPoolTest, RoundRobinDoesNotCatchUpAfterAnAbsence) {
  open(2, Balance::round_robin);
  acquire_at(0)->finish(Outcome::overloaded, seconds(1));
  for (int i = 0; i < 50; ++i) acquire();
  now_ += seconds(1);
  int first = 0;
  for (int i = 0; i < 20; ++i) first += acquire()->endpoint().url == config_.endpoints[0].url;
  EXPECT_NEAR(first, 10, 1);
}

TEST_F(BalancedPoolTest, LeasesOfRemovedEndpointsLiveOn) {
  open(2);
  auto lease = acquire_at(0);
  pool_->set_endpoints({config_.endpoints[1]});
  EXPECT_EQ(lease->endpoint().url, config_.endpoints[0].url);
  EXPECT_EQ(pool_->in_flight(), 1u);
  EXPECT_EQ(pool_->status().endpoints.size(), 1u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(acquire()->endpoint().url, config_.endpoints[1].url);
  lease->finish(Outcome::failed);
  EXPECT_EQ(pool_->in_flight(), 0u);
}

TEST_F(BalancedPoolTest, EndpointsThatStayKeepWhatIsKnownOfThem) {
  open(2);
  const auto lease = acquire_at(0);
  fail(1, 5);
  auto changed = config_.endpoints;
  changed[0].api_key = "new";
  changed.push_back({"http://replica-2/v1", "m", "", 1});
  pool_->set_endpoints(changed);
  EXPECT_EQ(status(0).in_flight, 1u);
  EXPECT_EQ(status(1).state, HealthState::ejected);
  EXPECT_EQ(lease->endpoint().api_key, "") << "a request keeps what it was sent with";
  EXPECT_EQ(acquire_at(0)->endpoint().api_key, "new");
}

TEST_F(BalancedPoolTest, AWeightOfZeroDrains) {
  open(2);
  auto changed = config_.endpoints;
  changed[0].weight = 0;
  pool_->set_endpoints(changed);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(acquire()->endpoint().url, config_.endpoints[1].url);
}

TEST_F(BalancedPoolTest, MetricsFollowTheLeases) {
  telemetry::Metrics metrics;
  config_.metrics = &metrics;
  open(1);
  const auto lease = acquire({.tokens = 12});
  const std::string labels = "{endpoint=\"http://replica-0/v1\",model=\"chat\"} ";
  EXPECT_THAT(metrics.render(), HasSubstr("ragtime_endpoint_in_flight" + labels + "1\n"));
  EXPECT_THAT(metrics.render(), HasSubstr("ragtime_endpoint_tokens_in_flight" + labels + "12\n"));
  lease->finish(Outcome::overloaded);
  EXPECT_THAT(metrics.render(), HasSubstr("ragtime_endpoint_in_flight" + labels + "0\n"));
  EXPECT_THAT(metrics.render(), HasSubstr("outcome=\"overloaded\"} 1\n"));
}

// The queue: one endpoint with room for one request.
class PoolQueueTest : public BalancedPoolTest {
 public:
  BalancedPool& open_narrow(std::size_t waiting_max, milliseconds patience) {
    config_.limit.adaptive = false;
    config_.limit.initial = 1;
    config_.queue = {waiting_max, patience};
    return open(1);
  }

  Task<> wait_for_lease(std::string name, Priority priority, RequestContext& context) {
    const Demand demand{.priority = priority};
    auto lease = co_await pool_->acquire(demand, context);
    if (lease.has_error()) {
      errors_.push_back(lease.error());
    } else {
      served_.push_back(std::move(name));
      now_ += held_for_;
      (*lease)->finish(Outcome::completed);
    }
  }

  std::vector<std::string> served_;
  std::vector<Error> errors_;
  milliseconds held_for_{0};
};

Task<> turns(int count) {
  const auto executor = co_await asio::this_coro::executor;
  for (int i = 0; i < count; ++i) co_await asio::post(executor, asio::use_awaitable);
}

TEST_F(PoolQueueTest, TheUrgentComeFirstAndEqualsInTheirOrder) {
  open_narrow(10, seconds(10));
  auto blocker = acquire();
  const auto scenario = [](PoolQueueTest& test, std::unique_ptr<Lease>& first) -> Task<> {
    async::TaskGroup group(co_await asio::this_coro::executor);
    group.spawn(test.wait_for_lease("low", Priority::low, test.context_));
    co_await turns(3);
    group.spawn(test.wait_for_lease("normal 1", Priority::normal, test.context_));
    co_await turns(3);
    group.spawn(test.wait_for_lease("normal 2", Priority::normal, test.context_));
    co_await turns(3);
    group.spawn(test.wait_for_lease("high", Priority::high, test.context_));
    co_await turns(3);
    EXPECT_EQ(test.pool_->status().waiting, 4u);
    first->finish(Outcome::completed);
    co_await group.join();
  };
  async::sync_wait(scenario(*this, blocker));
  EXPECT_THAT(served_, testing::ElementsAre("high", "normal 1", "normal 2", "low"));
  EXPECT_EQ(pool_->in_flight(), 0u);
}

TEST_F(PoolQueueTest, WhoWouldWaitInVainIsRefusedAtOnce) {
  open_narrow(100, seconds(2));
  held_for_ = milliseconds(400);
  auto blocker = acquire();
  static constexpr int kPace = 20;
  const auto scenario = [](PoolQueueTest& test, std::unique_ptr<Lease>& first) -> Task<> {
    async::TaskGroup group(co_await asio::this_coro::executor);
    for (int i = 0; i < kPace; ++i) group.spawn(test.wait_for_lease("pace", Priority::normal, test.context_));
    co_await turns(5);
    first->finish(Outcome::completed);
    while (test.served_.size() < kPace) co_await turns(1);
    first = test.acquire();
    for (int i = 0; i < 4; ++i) group.spawn(test.wait_for_lease("normal", Priority::normal, test.context_));
    co_await turns(5);
    EXPECT_EQ(test.pool_->status().waiting, 3u) << "a lease ends every 300 to 400 ms, and a second may be waited";
    EXPECT_EQ(test.errors_.size(), 1u);
    group.spawn(test.wait_for_lease("high", Priority::high, test.context_));
    co_await turns(3);
    EXPECT_EQ(test.pool_->status().waiting, 4u) << "who goes first does not wait for the others";
    first->finish(Outcome::completed);
    co_await group.join();
  };
  async::sync_wait(scenario(*this, blocker));
  EXPECT_EQ(served_.size(), kPace + 4u);
  ASSERT_EQ(errors_.size(), 1u);
  EXPECT_EQ(errors_[0].code, ErrorCode::resource_exhausted);
  EXPECT_GT(errors_[0].retry_after.value(), milliseconds(1'000));
  EXPECT_LE(errors_[0].retry_after.value(), milliseconds(1'600));
}

TEST_F(PoolQueueTest, AFullQueueRefusesAndDisplacesTheLessUrgent) {
  open_narrow(2, seconds(10));
  auto blocker = acquire();
  const auto scenario = [](PoolQueueTest& test, std::unique_ptr<Lease>& first) -> Task<> {
    async::TaskGroup group(co_await asio::this_coro::executor);
    group.spawn(test.wait_for_lease("low", Priority::low, test.context_));
    group.spawn(test.wait_for_lease("normal", Priority::normal, test.context_));
    co_await turns(3);
    group.spawn(test.wait_for_lease("low 2", Priority::low, test.context_));
    co_await turns(3);
    EXPECT_EQ(test.errors_.size(), 1u) << "nobody is less urgent";
    group.spawn(test.wait_for_lease("high", Priority::high, test.context_));
    co_await turns(5);
    EXPECT_EQ(test.errors_.size(), 2u) << "the low one had to go";
    first.reset();
    co_await group.join();
  };
  async::sync_wait(scenario(*this, blocker));
  EXPECT_THAT(served_, testing::ElementsAre("high", "normal"));
  for (const Error& error : errors_) {
    EXPECT_EQ(error.code, ErrorCode::resource_exhausted);
    EXPECT_TRUE(error.retry_after);
  }
}

TEST_F(PoolQueueTest, WaitingEndsAfterAShortTime) {
  open_narrow(10, milliseconds(20));
  const auto blocker = acquire();
  const auto refused = try_acquire();
  EXPECT_EQ(refused.error().code, ErrorCode::resource_exhausted);
  EXPECT_GE(refused.error().retry_after.value(), milliseconds(20));
  EXPECT_EQ(pool_->status().waiting, 0u);
}

TEST_F(PoolQueueTest, TheClientsOwnDeadlineAndCancellationAreReportedAsSuch) {
  open_narrow(10, seconds(10));
  const auto blocker = acquire();
  RequestContext hurried("req", "tenant", Deadline::after(milliseconds(10)));
  EXPECT_EQ(async::sync_wait(pool_->acquire({}, hurried)).error().code, ErrorCode::deadline_exceeded);
  context_.cancel();
  EXPECT_EQ(try_acquire().error().code, ErrorCode::cancelled);
  EXPECT_EQ(pool_->status().waiting, 0u);
}

TEST_F(PoolQueueTest, ANewEndpointServesThoseWhoWait) {
  open_narrow(10, seconds(10));
  const auto blocker = acquire();
  const auto scenario = [](PoolQueueTest& test) -> Task<> {
    async::TaskGroup group(co_await asio::this_coro::executor);
    group.spawn(test.wait_for_lease("waiter", Priority::normal, test.context_));
    co_await turns(3);
    test.pool_->set_endpoints(replicas(2));
    co_await group.join();
  };
  async::sync_wait(scenario(*this));
  EXPECT_THAT(served_, testing::ElementsAre("waiter"));
}

TEST_F(PoolQueueTest, TheFirstEndpointsOfASourceAreWaitedFor) {
  config_.endpoints_follow = true;
  open(0);
  const auto scenario = [](PoolQueueTest& test) -> Task<> {
    async::TaskGroup group(co_await asio::this_coro::executor);
    group.spawn(test.wait_for_lease("waiter", Priority::normal, test.context_));
    co_await turns(3);
    test.pool_->set_endpoints(replicas(1));
    co_await group.join();
    test.pool_->set_endpoints({});
  };
  async::sync_wait(scenario(*this));
  EXPECT_THAT(served_, testing::ElementsAre("waiter"));
  EXPECT_EQ(try_acquire().error().code, ErrorCode::unavailable);
}

TEST_F(PoolQueueTest, WhoWaitsForARestIsServedWhenItIsOver) {
  config_.health.rest = milliseconds(30);
  open_narrow(10, seconds(10));
  config_.now = Deadline::SteadyClock::now;
  pool_.emplace(config_);
  acquire()->finish(Outcome::overloaded);
  EXPECT_EQ(acquire()->endpoint().url, config_.endpoints[0].url);
}

// Any mixture of ends, from several threads: what was counted up is counted down.
struct Storm {
  BalancedPool& pool;
  std::atomic<int> served = 0;

  Task<> request(std::uint64_t seed) {
    Random random(seed);
    RequestContext context("req", "tenant", Deadline::after(milliseconds(1 + random() % 50)));
    if (random() % 5 == 0) context.cancel();
    const Demand demand{.tokens = random() % 9'000, .priority = static_cast<Priority>(random() % 3)};
    auto lease = co_await pool.acquire(demand, context);
    if (lease.has_error()) co_return;
    ++served;
    co_await turns(static_cast<int>(random() % 4));
    if (random() % 6 == 0) throw std::runtime_error("something unexpected");
    if (random() % 2 == 0) (*lease)->first_token(milliseconds(random() % 300));
    if (random() % 6 != 0) (*lease)->finish(static_cast<Outcome>(random() % 4), milliseconds(random() % 3));
  }

  Task<> guarded(std::uint64_t seed) {
    try {
      co_await request(seed);
    } catch (const std::runtime_error& expected) {
      EXPECT_STREQ(expected.what(), "something unexpected");
    }
  }

  Task<> run(std::uint64_t seed) {
    async::TaskGroup group(co_await asio::this_coro::executor);
    for (std::uint64_t i = 0; i < 500; ++i) group.spawn(guarded(seed + i));
    co_await group.join();
  }
};

TEST_F(BalancedPoolTest, CountersAreBackAtZeroHoweverRequestsEnd) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  config_.limit = {.adaptive = true, .initial = 8, .minimum = 2, .maximum = 32};
  config_.queue = {64, milliseconds(20)};
  config_.health.open = milliseconds(2);
  config_.health.rest = milliseconds(1);
  for (const Balance balance : {Balance::least_load, Balance::power_of_two, Balance::round_robin, Balance::prefix}) {
    open(3, balance);
    config_.now = Deadline::SteadyClock::now;
    pool_.emplace(config_);
    Storm storm{*pool_};
    std::thread churn([&] {
      for (int i = 0; i < 200; ++i) pool_->set_endpoints(replicas(1 + i % 4));
    });
    std::thread other([&] { async::sync_wait(storm.run(seed + 1'000'000)); });
    async::sync_wait(storm.run(seed));
    churn.join();
    other.join();
    EXPECT_GT(storm.served, 0);
    EXPECT_EQ(pool_->in_flight(), 0u);
    const PoolStatus status = pool_->status();
    EXPECT_EQ(status.waiting, 0u);
    for (const auto& endpoint : status.endpoints) {
      EXPECT_EQ(endpoint.in_flight, 0u);
      EXPECT_EQ(endpoint.tokens_in_flight, 0u);
      EXPECT_EQ(endpoint.outcomes[0] + endpoint.outcomes[1] + endpoint.outcomes[2] + endpoint.outcomes[3],
                endpoint.taken);
    }
  }
}

}  // namespace
}  // namespace ragtime::llm
