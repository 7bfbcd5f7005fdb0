// Limiter: who may start how much: rates, concurrency and streams of a key, of a tenant and of the server.
//
// A request is admitted when every level allows it: requests and tokens per minute (base/gcra.h), requests and streams
// at a time. Over the server's concurrency it waits a little in a bounded queue, higher priorities first; low ones run
// only while a fifth of the places is free, and are turned out of a full queue first. Whoever is refused learns at once
// when to come back, so that an overloaded server goes on answering those it can.
// Thread safety: every member may be called from any thread; a waiter resumes on its own executor. The limiter outlives
// its admissions.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "api/service.h"
#include "async/task.h"
#include "async/wait.h"
#include "base/gcra.h"
#include "base/request_context.h"
#include "base/result.h"
#include "http/message.h"
#include "llm/chat_model.h"
#include "llm/endpoint_pool.h"
#include "storage/records.h"
#include "telemetry/metrics.h"

namespace ragtime::api {

// "low", "normal", "high".
std::optional<llm::Priority> parse_priority(std::string_view name);
std::string_view name(llm::Priority priority);

// Who asks, as authentication found it.
struct Caller {
  std::string key_id;  // Empty: no key, or the command line's token.
  std::string tenant;
  storage::KeyLimits limits;  // Of the key; what it leaves open comes from the configuration.
  bool unmetered = false;     // Only the server's concurrency counts.
};

// What a request is going to need, before it is known.
struct Need {
  bool stream = false;
  std::int64_t tokens = 0;  // Estimated, of prompt and answer.
  llm::Priority priority = llm::Priority::normal;
};

// The tightest level of each kind, for the x-ratelimit headers.
struct RateState {
  std::optional<Gcra::State> requests;
  std::optional<Gcra::State> tokens;
};

class Limiter {
 public:
  using Now = std::function<Gcra::Time()>;

 private:
  // A key, a tenant, or the server. Guarded by the limiter's mutex.
  struct Subject {
    explicit Subject(const LimitSet& set);
    bool idle(Gcra::Time now) const;

    LimitSet limits;
    std::optional<Gcra> requests;
    std::optional<Gcra> tokens;
    std::int64_t running = 0;
    std::int64_t streams = 0;
  };
  using SubjectPtr = std::shared_ptr<Subject>;

 public:
  // One admitted request. finish(), or its death, gives its places back. Belongs to one request.
  class Admission {
   public:
    Admission(Limiter& limiter, std::array<SubjectPtr, 3> subjects, Need need);
    ~Admission() { finish(); }
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;

    llm::Priority priority() const { return need_.priority; }
    // Replaces the estimate by what was really used. At most once counts.
    void settle(std::int64_t tokens);
    void finish();

   private:
    friend class Limiter;
    Limiter& limiter_;
    const std::array<SubjectPtr, 3> subjects_;
    const Need need_;
    const Gcra::Time started_;
    bool settled_ = false;
    bool finished_ = false;
  };

  Limiter(LimitsConfig config, telemetry::Metrics& metrics, Now now = std::chrono::steady_clock::now);
  ~Limiter();
  Limiter(const Limiter&) = delete;
  Limiter& operator=(const Limiter&) = delete;

  // Errors: resource_exhausted (a limit of the key, the tenant or of rates) and unavailable (the server is full), both
  // with retry_after; cancelled, deadline_exceeded.
  Task<Result<std::shared_ptr<Admission>>> admit(Caller caller, Need need, RequestContext& context);
  RateState rates(const Caller& caller);

  std::size_t running() const;
  std::size_t waiting() const;

 private:
  struct Waiter {
    explicit Waiter(asio::any_io_executor executor) : decided(std::move(executor)) {}
    async::Event decided;
    bool granted = false;  // Guarded by mutex_, as is `evicted`; a decided waiter is in no queue any more.
    bool evicted = false;
  };
  static constexpr std::size_t kPriorities = 3;

  std::array<SubjectPtr, 3> subjects_of(const Caller& caller);
  SubjectPtr subject(std::map<std::string, SubjectPtr>& map, const std::string& name, const LimitSet& limits);
  std::optional<Error> refuse(const std::array<SubjectPtr, 3>& subjects, const Need& need);
  std::optional<Error> refuse_rates(const std::array<SubjectPtr, 3>& subjects, const Need& need);
  void charge(const std::array<SubjectPtr, 3>& subjects, const Need& need, std::int64_t sign);
  void occupy(const std::array<SubjectPtr, 3>& subjects, const Need& need, std::int64_t sign);
  bool has_place(llm::Priority priority) const;
  bool make_room(llm::Priority priority);
  void grant_waiting();
  Task<Result<void>> wait_for_place(llm::Priority priority, RequestContext& context);
  bool leave(Waiter& waiter, llm::Priority priority);
  std::chrono::milliseconds overload_retry() const;
  Error overloaded(std::string_view reason);
  Error refusal(std::string_view limit, std::size_t level, std::string message, std::chrono::nanoseconds wait);
  void count_refusal(std::string_view limit, std::string_view level);
  void finish(Admission& admission);
  void settle(Admission& admission, std::int64_t tokens);
  void forget_idle(std::map<std::string, SubjectPtr>& map);
  void update_gauges();

  const LimitsConfig config_;
  telemetry::Metrics& metrics_;
  const Now now_;
  telemetry::Gauge& running_gauge_;
  telemetry::Gauge& waiting_gauge_;
  telemetry::Histogram& wait_seconds_;
  mutable std::mutex mutex_;
  std::map<std::string, SubjectPtr> keys_;     // Guarded by mutex_, as is everything below.
  std::map<std::string, SubjectPtr> tenants_;
  SubjectPtr total_;
  SubjectPtr unlimited_;  // Of unmetered callers.
  std::int64_t places_taken_ = 0;
  std::array<std::list<Waiter*>, kPriorities> queues_;
  std::size_t waiting_ = 0;
  double mean_seconds_ = 0.1;  // How long requests take, smoothed.
};

// What http::Request::attachment holds between authentication and the end of the request.
struct RequestAccount {
  Caller caller;
  std::shared_ptr<Limiter::Admission> admission;  // Null on routes without limits.
};

// Null where the request was not limited.
std::shared_ptr<Limiter::Admission> admission_of(const http::Request& request);
llm::Priority priority_of(const http::Request& request);
// Tells what an answer really cost; nothing when `admission` is null.
void settle_usage(const std::shared_ptr<Limiter::Admission>& admission, const llm::ChatUsage& usage);

// The priority that the header asks for, within what the key allows.
llm::Priority allowed_priority(const http::Request& request, const Caller& caller);

enum class TokenUse { none, prompt, prompt_and_answer };
// Guesses by the text of the JSON body, without parsing it: a quarter token per byte and the answer's allowance.
Need estimate_need(std::string_view body, TokenUse use);

// x-ratelimit-{limit,remaining,reset}-{requests,tokens}
void set_rate_headers(http::Headers& headers, const RateState& rates);
// As OpenAI writes it: "1s", "6m0s", "120ms".
std::string reset_text(std::chrono::nanoseconds duration);

}  // namespace ragtime::api
