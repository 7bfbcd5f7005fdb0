#include "api/limits.h"

#include <random>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include "async/task_group.h"

namespace ragtime::api {
namespace {

using namespace std::chrono_literals;
using Admission = std::shared_ptr<Limiter::Admission>;

class LimiterTest : public testing::Test {
 protected:
  Limiter& make(LimitsConfig config) {
    limiter_.emplace(config, metrics_, [this] { return now_; });
    return *limiter_;
  }

  Result<Admission> admit(const Caller& caller, Need need = {}) {
    return async::sync_wait(limiter_->admit(caller, need, context_));
  }

  static Caller caller(std::string key, std::string tenant = "t", storage::KeyLimits limits = {}) {
    return {std::move(key), std::move(tenant), std::move(limits), false};
  }

  telemetry::Metrics metrics_;
  Gcra::Time now_{std::chrono::hours(100)};
  RequestContext context_{"test", "t", Deadline::after(10s)};
  std::optional<Limiter> limiter_;
};

TEST_F(LimiterTest, AKeysRequestsPerMinuteAreKept) {
  make({});
  const Caller ann = caller("ann", "t", {.requests_per_minute = 3});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(admit(ann).has_value());
  const Result<Admission> refused = admit(ann);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(refused.error().retry_after, 20s);
  EXPECT_TRUE(admit(caller("bob")).has_value()) << "another key's limit";
  now_ += 20s;
  EXPECT_TRUE(admit(ann).has_value());
  EXPECT_NE(metrics_.render().find("ragtime_limit_refusals_total{level=\"key\",limit=\"requests_per_minute\"} 1"),
            std::string::npos)
      << metrics_.render();
}

TEST_F(LimiterTest, ConfiguredDefaultsHoldForKeysWithoutTheirOwn) {
  make({.per_key = {.requests_per_minute = 1}});
  EXPECT_TRUE(admit(caller("ann")).has_value());
  EXPECT_TRUE(admit(caller("ann")).has_error());
  const Caller free = caller("free", "t", {.requests_per_minute = 0});
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(admit(free).has_value());
}

TEST_F(LimiterTest, ATenantsKeysShareItsLimitAndAllShareTheServers) {
  make({.per_tenant = {.requests_per_minute = 2}, .total = {.requests_per_minute = 3, .concurrent_requests = 50}});
  EXPECT_TRUE(admit(caller("a1", "a")).has_value());
  EXPECT_TRUE(admit(caller("a2", "a")).has_value());
  EXPECT_TRUE(admit(caller("a3", "a")).has_error());
  EXPECT_TRUE(admit(caller("b1", "b")).has_value()) << "a refused request costs nobody anything";
  EXPECT_TRUE(admit(caller("b2", "b")).has_error());
}

TEST_F(LimiterTest, TokensAreEstimatedAndCorrected) {
  make({});
  const Caller ann = caller("ann", "t", {.tokens_per_minute = 1000});
  auto first = admit(ann, {.tokens = 900});
  ASSERT_TRUE(first.has_value());
  EXPECT_TRUE(admit(ann, {.tokens = 200}).has_error());
  (*first)->settle(100);
  (*first)->settle(5000);  // Counts once.
  EXPECT_EQ(limiter_->rates(ann).tokens->remaining, 900);
  EXPECT_TRUE(admit(ann, {.tokens = 200}).has_value());
  auto costly = admit(ann, {.tokens = 10});
  (*costly)->settle(2000);
  EXPECT_EQ(limiter_->rates(ann).tokens->remaining, 0);
  EXPECT_TRUE(admit(ann, {.tokens = 1}).has_error());
}

TEST_F(LimiterTest, ConcurrencyAndStreamsEndWithTheirRequests) {
  make({});
  const Caller ann = caller("ann", "t", {.streams = 1, .concurrent_requests = 2});
  auto stream = admit(ann, {.stream = true});
  ASSERT_TRUE(stream.has_value());
  EXPECT_TRUE(admit(ann, {.stream = true}).has_error());
  auto plain = admit(ann);
  ASSERT_TRUE(plain.has_value());
  EXPECT_TRUE(admit(ann).has_error());
  (*stream)->finish();
  (*stream)->finish();
  stream = admit(ann, {.stream = true});
  EXPECT_TRUE(stream.has_value());
  stream->reset();
  plain->reset();
  EXPECT_EQ(limiter_->running(), 0u);
}

TEST_F(LimiterTest, AFullServerRefusesAtOnceAndSaysWhenToComeBack) {
  make({.total = {.concurrent_requests = 1}, .waiting_max = 0});
  const auto running = admit(caller("ann"));
  const auto refused = admit(caller("bob"));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  EXPECT_GE(*refused.error().retry_after, 500ms);
}

TEST_F(LimiterTest, WhoWaitsTooLongIsRefused) {
  make({.total = {.concurrent_requests = 1}, .wait_max = 20ms});
  const auto running = admit(caller("ann"));
  EXPECT_EQ(admit(caller("bob")).error().code, ErrorCode::unavailable);
  EXPECT_EQ(limiter_->waiting(), 0u);
}

TEST_F(LimiterTest, LowPrioritiesLeaveAFifthOfThePlaces) {
  make({.total = {.concurrent_requests = 5}, .waiting_max = 0});
  std::vector<Result<Admission>> running;
  for (int i = 0; i < 4; ++i) running.push_back(admit(caller("ann"), {.priority = llm::Priority::low}));
  for (const auto& each : running) EXPECT_TRUE(each.has_value());
  EXPECT_TRUE(admit(caller("ann"), {.priority = llm::Priority::low}).has_error());
  EXPECT_TRUE(admit(caller("ann"), {.priority = llm::Priority::normal}).has_value());
}

TEST_F(LimiterTest, UnmeteredCallersOnlyNeedAPlace) {
  make({.per_key = {.requests_per_minute = 1}, .total = {.concurrent_requests = 1}, .waiting_max = 0});
  Caller command_line = caller("");
  command_line.unmetered = true;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(admit(command_line).has_value());
  const auto running = admit(command_line);
  EXPECT_TRUE(admit(command_line).has_error());
}

Task<> turns(int count) {
  for (int i = 0; i < count; ++i) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
}

Task<> ask(Limiter& limiter, RequestContext& context, llm::Priority priority, std::string label, std::string& log) {
  const Caller caller{.key_id = "k", .tenant = "t", .limits = {}};
  const Need need{.priority = priority};
  auto admission = co_await limiter.admit(caller, need, context);
  log += admission.has_value() ? label : "-" + label;
}

Task<> wait_in_order(Limiter& limiter, RequestContext& context, std::string& log) {
  const Caller caller{.key_id = "k", .tenant = "t", .limits = {}};
  const Need need;
  auto first = co_await limiter.admit(caller, need, context);
  async::TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(ask(limiter, context, llm::Priority::low, "l", log));
  group.spawn(ask(limiter, context, llm::Priority::low, "L", log));
  group.spawn(ask(limiter, context, llm::Priority::normal, "n", log));
  co_await turns(10);
  EXPECT_EQ(limiter.waiting(), 3u);
  group.spawn(ask(limiter, context, llm::Priority::high, "h", log));  // The queue holds three: the last low one goes.
  co_await turns(10);
  EXPECT_EQ(log, "-L");
  group.spawn(ask(limiter, context, llm::Priority::low, "x", log));
  co_await turns(10);
  EXPECT_EQ(log, "-L-x");
  (*first)->finish();
  co_await group.join();
}

TEST_F(LimiterTest, HigherPrioritiesAreServedFirstAndLowOnesTurnedOut) {
  make({.total = {.concurrent_requests = 1}, .waiting_max = 3, .wait_max = 5s});
  std::string log;
  async::sync_wait(wait_in_order(*limiter_, context_, log));
  EXPECT_EQ(log, "-L-xhnl");
  EXPECT_EQ(limiter_->running(), 0u);
}

Task<> leave_while_waiting(Limiter& limiter, RequestContext& context) {
  const Caller caller{.key_id = "k", .tenant = "t", .limits = {}};
  const Need need;
  auto first = co_await limiter.admit(caller, need, context);
  RequestContext impatient(context, Deadline::never());
  std::string log;
  async::TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(ask(limiter, impatient, llm::Priority::normal, "a", log));
  co_await turns(5);
  impatient.cancel();
  co_await group.join();
  EXPECT_EQ(log, "-a");
  EXPECT_EQ(limiter.waiting(), 0u);
}

TEST_F(LimiterTest, AClientThatLeavesTheQueueGivesBackWhatItTook) {
  make({.total = {.concurrent_requests = 1}, .wait_max = 5s});
  async::sync_wait(leave_while_waiting(*limiter_, context_));
  const Caller same = caller("k", "t", {});
  EXPECT_TRUE(admit(same).has_value());
}

// Whatever comes and goes: never more at a time than allowed, and nothing is left behind.
TEST_F(LimiterTest, RandomTrafficStaysWithinEveryLimit) {
  const std::uint32_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  make({.per_key = {.streams = 2, .concurrent_requests = 4}, .per_tenant = {.concurrent_requests = 7},
        .total = {.concurrent_requests = 10}, .waiting_max = 0});
  struct Running {
    std::size_t key;
    bool stream;
    Admission admission;
  };
  std::vector<Running> running;
  for (int i = 0; i < 5000; ++i) {
    if (!running.empty() && random() % 2 == 0) {
      std::swap(running[random() % running.size()], running.back());
      running.pop_back();
      continue;
    }
    const std::size_t key = random() % 6;
    const bool stream = random() % 2 == 0;
    auto admitted = admit(caller(std::to_string(key), key < 3 ? "a" : "b"), {.stream = stream});
    if (admitted.has_error()) continue;
    running.push_back({key, stream, std::move(*admitted)});
    const auto count = [&](auto of) { return std::count_if(running.begin(), running.end(), of); };
    ASSERT_LE(running.size(), 10u);
    ASSERT_LE(count([&](const Running& each) { return each.key == key; }), 4);
    ASSERT_LE(count([&](const Running& each) { return each.key == key && each.stream; }), 2);
    ASSERT_LE(count([&](const Running& each) { return (each.key < 3) == (key < 3); }), 7);
  }
  running.clear();
  EXPECT_EQ(limiter_->running(), 0u);
}

TEST(Need, IsGuessedFromTheBody) {
  const auto of = [](std::string_view body) { return estimate_need(body, TokenUse::prompt_and_answer); };
  EXPECT_TRUE(of(R"({"stream" : true})").stream);
  EXPECT_FALSE(of(R"({"stream":false})").stream);
  EXPECT_FALSE(of(R"({"content":"say \"stream\":true"})").stream);
  EXPECT_FALSE(of(R"({"options":{"stream":true}})").stream) << "of another object";
  EXPECT_TRUE(of(R"({"stream":true,)").stream) << "whatever comes then";
  EXPECT_EQ(of(R"({"max_tokens":1000})").tokens, 1000 + 19 / 4);
  EXPECT_EQ(of(R"({"max_output_tokens":1000})").tokens, 1000 + 26 / 4);
  EXPECT_EQ(of(R"({"content":"\"max_tokens\":1000"})").tokens, 256 + 32 / 4);
  EXPECT_GT(of("{}").tokens, 0);
  EXPECT_EQ(estimate_need(std::string(400, 'x'), TokenUse::prompt).tokens, 100);
  EXPECT_EQ(estimate_need(std::string(400, 'x'), TokenUse::none).tokens, 0);
}

TEST(Priority, StaysWithinWhatTheKeyAllows) {
  const auto allowed = [](std::string_view header, std::string key_priority, std::string key_id = "key_1") {
    http::Request request;
    if (!header.empty()) request.headers.set("X-Ragtime-Priority", header);
    return allowed_priority(request, {std::move(key_id), "t", {.priority = std::move(key_priority)}, false});
  };
  using enum llm::Priority;
  EXPECT_EQ(allowed("", ""), normal);
  EXPECT_EQ(allowed("high", ""), normal);
  EXPECT_EQ(allowed("low", "high"), low);
  EXPECT_EQ(allowed("", "high"), high);
  EXPECT_EQ(allowed("normal", "low"), low);
  EXPECT_EQ(allowed("nonsense", "low"), low);
  EXPECT_EQ(allowed("high", "", ""), high) << "no key exists that could forbid it";
}

TEST(RateHeaders, AreOpenAis) {
  http::Headers headers;
  set_rate_headers(headers, {.requests = Gcra::State{60, 12, 1500ms}, .tokens = std::nullopt});
  EXPECT_EQ(headers.find("x-ratelimit-limit-requests"), "60");
  EXPECT_EQ(headers.find("x-ratelimit-remaining-requests"), "12");
  EXPECT_EQ(headers.find("x-ratelimit-reset-requests"), "2s");
  EXPECT_FALSE(headers.find("x-ratelimit-limit-tokens"));
  EXPECT_EQ(reset_text(120ms), "120ms");
  EXPECT_EQ(reset_text(6min), "6m0s");
}

}  // namespace
}  // namespace ragtime::api
