// A pool before simulated replicas: one slow, one that comes and goes, one whose reported load is stale, one sound.
// Time is simulated, arrivals and service times come from a fixed seed, so every run is the same.
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "llm/balanced_pool.h"

namespace ragtime::llm {
namespace {

using Seconds = std::chrono::duration<double>;
using std::chrono::milliseconds;

constexpr std::uint64_t kSeed = 41;
constexpr std::size_t kSlots = 8;         // Requests that a replica works on at a time.
constexpr double kArrivalsPerSecond = 15;
constexpr double kServiceSeconds = 1;     // On average.
constexpr Seconds kSloTime{3};
constexpr Seconds kRun{240};

struct Request {
  std::unique_ptr<Lease> lease;
  SteadyTime arrived;
  double work = 0;  // Seconds on a sound replica.
};

struct Replica {
  double slowness = 1;
  bool flaps = false;
  bool reports_once = false;
  std::size_t running = 0;
  std::deque<Request> queue;
};

class Simulation {
 public:
  explicit Simulation(Balance balance) : pool_(config(balance)) {
    replicas_["http://slow/v1"].slowness = 4;
    replicas_["http://flapping/v1"].flaps = true;
    replicas_["http://stale/v1"].reports_once = true;
    replicas_["http://sound/v1"];
  }

  // Requests per second that were answered in time.
  double goodput() {
    schedule(Seconds(0), [this] { arrive(); });
    schedule(Seconds(0), [this] { poll(); });
    while (!events_.empty() && now_ - start_ < kRun) {
      auto first = events_.extract(events_.begin());
      now_ = first.key();
      first.mapped()();
    }
    return in_time_ / kRun.count();
  }

 private:
  EndpointPoolConfig config(Balance balance) {
    EndpointPoolConfig out;
    out.model = "chat";
    for (const char* url : {"http://slow/v1", "http://flapping/v1", "http://stale/v1", "http://sound/v1"}) {
      out.endpoints.push_back({url, "m", "", 1});
    }
    out.balance = balance;
    out.health.open = milliseconds(5'000);
    out.seed = kSeed;
    out.now = [this] { return now_; };
    return out;
  }

  void schedule(Seconds after, std::function<void()> what) {
    events_.emplace(now_ + std::chrono::duration_cast<SteadyTime::duration>(after), std::move(what));
  }

  bool is_down(const Replica& replica) const {
    return replica.flaps && static_cast<int>(Seconds(now_ - start_).count()) % 30 < 8;
  }

  void arrive() {
    schedule(Seconds(std::exponential_distribution<double>(kArrivalsPerSecond)(random_)), [this] { arrive(); });
    auto lease = async::sync_wait(pool_.acquire({.tokens = 500}, context_));
    ASSERT_TRUE(lease.has_value()) << lease.error().message;
    Replica& replica = replicas_.at((*lease)->endpoint().url);
    if (is_down(replica)) return (*lease)->finish(Outcome::failed);
    const double work = std::exponential_distribution<double>(1 / kServiceSeconds)(random_);
    replica.queue.push_back({std::move(*lease), now_, work});
    start_next(replica);
  }

  void start_next(Replica& replica) {
    if (replica.queue.empty() || replica.running >= kSlots) return;
    ++replica.running;
    auto request = std::make_shared<Request>(std::move(replica.queue.front()));
    replica.queue.pop_front();
    schedule(Seconds(request->work * replica.slowness), [this, &replica, request] {
      --replica.running;
      const bool cut = is_down(replica);
      request->lease->finish(cut ? Outcome::failed : Outcome::completed);
      if (!cut && now_ - request->arrived <= kSloTime) ++in_time_;
      start_next(replica);
    });
  }

  void poll() {
    schedule(Seconds(0.5), [this] { poll(); });
    for (auto& [url, replica] : replicas_) {
      if (is_down(replica) || (replica.reports_once && now_ != start_)) continue;
      pool_.on_sample({url, "m", "", 1}, {.running = static_cast<double>(replica.running),
                                          .waiting = static_cast<double>(replica.queue.size())});
    }
  }

  const SteadyTime start_{std::chrono::hours(1)};
  SteadyTime now_ = start_;
  Random random_{kSeed};
  RequestContext context_{"req", "tenant", Deadline::never()};
  BalancedPool pool_;
  std::map<std::string, Replica> replicas_;  // Their leases end before the pool does.
  std::multimap<SteadyTime, std::function<void()>> events_;
  int in_time_ = 0;
};

TEST(PoolSimulation, FollowingTheLoadBeatsTakingTurns) {
  const double turns = Simulation(Balance::round_robin).goodput();
  const double least = Simulation(Balance::least_load).goodput();
  const double two = Simulation(Balance::power_of_two).goodput();
  RecordProperty("round_robin", std::to_string(turns));
  RecordProperty("least_load", std::to_string(least));
  RecordProperty("power_of_two", std::to_string(two));
  std::printf("seed %d: answers in time per second: round robin %.2f, least load %.2f, power of two %.2f\n",
              static_cast<int>(kSeed), turns, least, two);
  EXPECT_GT(least, 1.15 * turns);
  EXPECT_GT(two, 1.15 * turns);
}

}  // namespace
}  // namespace ragtime::llm
