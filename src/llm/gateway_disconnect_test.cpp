// Clients that leave at random, in every phase of a request, through a real server: the upstream is closed at once and
// every count returns to zero.

#include <map>
#include <random>

#include "async/wait.h"
#include "async/when_all.h"
#include "llm/gateway_fixture.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// When requests reached the upstream and when they ended there.
class AbortLog {
 public:
  void begun(const std::string& id) {
    const std::lock_guard lock(mutex_);
    ++running_;
    ended_.erase(id);
  }
  void ended(const std::string& id) {
    const std::lock_guard lock(mutex_);
    --running_;
    ended_[id] = steady_clock::now();
    changed_.notify_all();
  }
  bool wait_until_idle(milliseconds at_most) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, at_most, [this] { return running_ == 0; });
  }
  std::map<std::string, steady_clock::time_point> times() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int running_ = 0;
  std::map<std::string, steady_clock::time_point> ended_;
};

// How long this process was not run at most while it lives: a busy machine must not look like a slow gateway.
class StallWitness {
 public:
  StallWitness() : thread_([this] { watch(); }) {}
  ~StallWitness() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  steady_clock::duration longest() {
    const std::lock_guard lock(mutex_);
    return longest_;
  }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    auto last = steady_clock::now();
    while (!changed_.wait_for(lock, milliseconds(5), [this] { return over_; })) {
      const auto now = steady_clock::now();
      longest_ = std::max(longest_, now - last);
      last = now;
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  steady_clock::duration longest_{0};
  std::thread thread_;
};

// What the upstream does, by the request's "user".
enum Phase { queued, silent, head_only, role_only, streaming, whole, kPhases };

class DisconnectTest : public GatewayFixture {
 protected:
  DisconnectTest() {
    route("POST", "/v1/chat/completions",
          [this](http::Request& request, RequestContext& context) { return upstream(request, context); });
    start();
    chat_.add(url("/v1"));
    backup_.queue(true);
    backup_.add(url("/v1"));
    start_front();
  }

  ~DisconnectTest() override {
    front_->stop();
    server_->stop();  // Its handlers use the log, which dies before it.
  }

  // The upstream: nothing of its own ever ends a request here.
  Task<http::Response> upstream(http::Request& request, RequestContext& context) {
    const std::string id(request.headers.find("x-request-id").value_or(""));
    log_book_.begun(id);
    const int phase = request.body[request.body.find("\"user\":\"") + 8] - '0';
    http::Response response;
    if (phase == silent || phase == whole) {
      co_await async::sleep_for(std::chrono::hours(1), context);
      log_book_.ended(id);
      co_return response;
    }
    response.headers.set("Content-Type", "text/event-stream");
    response.stream = [this, id, phase, &context](http::StreamWriter& writer) {
      return talk(id, phase, context, writer);
    };
    co_return response;
  }

  Task<> talk(std::string id, int phase, RequestContext& context, http::StreamWriter& writer) {
    if (phase != head_only) co_await writer.write(kRoleEvent);
    while (phase == streaming && context.check().has_value()) {
      auto written = co_await writer.write(text_delta("word"));
      if (written.has_error()) break;
      co_await async::sleep_for(milliseconds(1), context);
    }
    co_await async::sleep_for(std::chrono::hours(1), context);
    log_book_.ended(id);
  }

  // What the API's route does.
  void start_front() {
    http::Router router;
    http::Route relay;
    relay.method = "POST";
    relay.pattern = "/chat";
    relay.handler = [this](http::Request& request, RequestContext& context) { return front(request, context); };
    router.add(std::move(relay));
    front_ = std::make_unique<http::Server>(config_, std::move(router), hooks_, log_, metrics_);
    ASSERT_TRUE(front_->start().has_value());
  }

  Task<http::Response> front(http::Request& request, RequestContext& context) {
    GatewayRequest asked;
    asked.model = request.body.find("\"user\":\"0\"") != std::string::npos ? "backup" : "chat";
    asked.body = std::move(request.body);
    http::Response response;
    auto stream = co_await gateway().chat(std::move(asked), context);
    if (stream.has_error()) {
      response.status = 503;
      co_return response;
    }
    response.stream = [stream = std::shared_ptr<GatewayStream>(std::move(*stream)),
                       &context](http::StreamWriter& writer) { return pass_on(stream, context, writer); };
    co_return response;
  }

  static Task<> pass_on(std::shared_ptr<GatewayStream> stream, RequestContext& context, http::StreamWriter& writer) {
    while (true) {
      auto piece = co_await stream->read_some(context);
      if (piece.has_error() || piece->empty()) co_return;
      auto written = co_await writer.write(*piece);
      if (written.has_error()) co_return;
    }
  }

  // One client that leaves after `patience`; returns when it left.
  Task<steady_clock::time_point> client(std::string id, int phase, milliseconds patience) {
    RequestContext context(id, "tenant", Deadline::after(patience));
    http::ClientRequest request;
    request.method = "POST";
    request.url = "http://127.0.0.1:" + std::to_string(front_->port()) + "/chat";
    request.headers.set("X-Request-Id", id);
    request.body = body_of(phase != whole, R"(,"user":")" + std::to_string(phase) + "\"");
    {
      auto stream = co_await client_.open(std::move(request), context);
      while (stream.has_value()) {
        auto piece = co_await (*stream)->read_some(context);
        if (piece.has_error()) break;
      }
    }
    co_return steady_clock::now();
  }

  AbortLog log_book_;
  std::unique_ptr<http::Server> front_;
};

TEST_F(DisconnectTest, AThousandInEveryPhase) {
  const auto seed = static_cast<std::mt19937::result_type>(std::random_device()());
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr int kRounds = 20;
  constexpr int kTogether = 50;
  gateway();
  std::map<std::string, steady_clock::time_point> left;
  StallWitness stalls;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::string> ids;
    std::vector<Task<steady_clock::time_point>> clients;
    for (int i = 0; i < kTogether; ++i) {
      ids.push_back("r" + std::to_string(round * kTogether + i));
      clients.push_back(client(ids.back(), i % kPhases, milliseconds(1 + random() % 40)));
    }
    const auto times = async::sync_wait(async::when_all(std::move(clients)));
    for (int i = 0; i < kTogether; ++i) left[ids[static_cast<std::size_t>(i)]] = times[static_cast<std::size_t>(i)];
  }
  EXPECT_TRUE(log_book_.wait_until_idle(std::chrono::seconds(10)));
  const auto ended = log_book_.times();
  const auto at_most = std::chrono::seconds(1) + 4 * stalls.longest();
  EXPECT_GT(ended.size(), 300u) << "too few requests reached the upstream for the test to mean anything";
  for (const auto& [id, when] : ended) EXPECT_LT(when - left.at(id), at_most) << id;
  front_->stop();
  EXPECT_EQ(chat_.in_flight() + backup_.in_flight(), 0u);
  for (const char* model : {"chat", "backup"}) {
    EXPECT_EQ(metrics_.gauge("ragtime_gateway_running", "", {{"model", model}}).value(), 0) << model;
  }
  for (const auto& end : chat_.ended()) EXPECT_EQ(end.outcome, Outcome::ignored);
  EXPECT_GT(
      metric("ragtime_gateway_tokens_total", {{"model", "chat"}, {"kind", "completion"}, {"source", "estimated"}}), 0);
}

}  // namespace
}  // namespace ragtime::llm
