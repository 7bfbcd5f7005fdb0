#include "api/limits.h"

#include <algorithm>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "base/check.h"

namespace ragtime::api {
namespace {

constexpr std::size_t kSubjectsMax = 10'000;
constexpr std::array<std::string_view, 3> kLevels = {"key", "tenant", "server"};
constexpr std::array<std::string_view, 3> kOwners = {"This API key", "This tenant", "This server"};

std::chrono::milliseconds rounded_up(std::chrono::nanoseconds wait) {
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(wait), std::chrono::milliseconds(1));
}

LimitSet with_defaults(const storage::KeyLimits& own, const LimitSet& defaults) {
  LimitSet set;
  set.requests_per_minute = own.requests_per_minute.value_or(defaults.requests_per_minute);
  set.tokens_per_minute = own.tokens_per_minute.value_or(defaults.tokens_per_minute);
  set.streams = own.streams.value_or(defaults.streams);
  set.concurrent_requests = own.concurrent_requests.value_or(defaults.concurrent_requests);
  return set;
}

void keep_tighter(std::optional<Gcra::State>& kept, const std::optional<Gcra>& bucket, Gcra::Time now) {
  if (!bucket) return;
  const Gcra::State state = bucket->state(now);
  if (!kept || state.remaining < kept->remaining) kept = state;
}

}  // namespace

std::optional<llm::Priority> parse_priority(std::string_view name) {
  if (name == "low") return llm::Priority::low;
  if (name == "normal") return llm::Priority::normal;
  if (name == "high") return llm::Priority::high;
  return std::nullopt;
}

std::string_view name(llm::Priority priority) {
  switch (priority) {
    case llm::Priority::low:
      return "low";
    case llm::Priority::normal:
      return "normal";
    case llm::Priority::high:
      return "high";
  }
  return "normal";
}

Limiter::Subject::Subject(const LimitSet& set) : limits(set) {
  if (set.requests_per_minute > 0) requests.emplace(set.requests_per_minute);
  if (set.tokens_per_minute > 0) tokens.emplace(set.tokens_per_minute);
}

bool Limiter::Subject::idle(Gcra::Time now) const {
  return running == 0 && (!requests || requests->full(now)) && (!tokens || tokens->full(now));
}

Limiter::Admission::Admission(Limiter& limiter, std::array<SubjectPtr, 3> subjects, Need need)
    : limiter_(limiter), subjects_(std::move(subjects)), need_(need), started_(limiter.now_()) {}

void Limiter::Admission::settle(std::int64_t tokens) {
  if (!std::exchange(settled_, true)) limiter_.settle(*this, tokens);
}

void Limiter::Admission::finish() {
  if (!std::exchange(finished_, true)) limiter_.finish(*this);
}

Limiter::Limiter(LimitsConfig config, telemetry::Metrics& metrics, Now now)
    : config_(config),
      metrics_(metrics),
      now_(std::move(now)),
      running_gauge_(metrics.gauge("ragtime_requests_running", "Requests that hold one of the server's places.")),
      waiting_gauge_(metrics.gauge("ragtime_requests_waiting", "Requests that wait for a place.")),
      wait_seconds_(metrics.histogram("ragtime_admission_wait_seconds", "Time that requests waited for a place.")),
      total_(std::make_shared<Subject>(config.total)),
      unlimited_(std::make_shared<Subject>(LimitSet{})) {}

Limiter::~Limiter() {
  RAGTIME_CHECK(waiting_ == 0);
}

Task<Result<std::shared_ptr<Limiter::Admission>>> Limiter::admit(Caller caller, Need need, RequestContext& context) {
  RAGTIME_CO_TRY_DONE(context.check());
  std::array<SubjectPtr, 3> subjects;
  bool placed = false;
  {
    const std::lock_guard lock(mutex_);
    subjects = subjects_of(caller);
    if (auto refused = refuse(subjects, need)) co_return std::move(*refused);
    placed = has_place(need.priority);
    if (!placed && !make_room(need.priority)) co_return overloaded("queue_full");
    charge(subjects, need, 1);
    occupy(subjects, need, 1);
    if (placed) ++places_taken_;
    update_gauges();
  }
  if (!placed) {
    auto waited = co_await wait_for_place(need.priority, context);
    if (waited.has_error()) {
      const std::lock_guard lock(mutex_);
      charge(subjects, need, -1);
      occupy(subjects, need, -1);
      update_gauges();
      co_return std::move(waited).error();
    }
  }
  co_return std::make_shared<Admission>(*this, std::move(subjects), need);
}

RateState Limiter::rates(const Caller& caller) {
  const std::lock_guard lock(mutex_);
  RateState state;
  if (caller.unmetered) return state;
  const Gcra::Time now = now_();
  for (const SubjectPtr& subject : subjects_of(caller)) {
    keep_tighter(state.requests, subject->requests, now);
    keep_tighter(state.tokens, subject->tokens, now);
  }
  return state;
}

std::size_t Limiter::running() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(places_taken_);
}

std::size_t Limiter::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

// The key, the tenant and the server; the first two without limits for unmetered callers.
std::array<Limiter::SubjectPtr, 3> Limiter::subjects_of(const Caller& caller) {
  if (caller.unmetered) return {unlimited_, unlimited_, unlimited_};
  return {subject(keys_, caller.tenant + '\n' + caller.key_id, with_defaults(caller.limits, config_.per_key)),
          subject(tenants_, caller.tenant, config_.per_tenant), total_};
}

Limiter::SubjectPtr Limiter::subject(std::map<std::string, SubjectPtr>& map, const std::string& name,
                                     const LimitSet& limits) {
  if (const auto found = map.find(name); found != map.end()) return found->second;
  if (map.size() >= kSubjectsMax) forget_idle(map);
  return map.emplace(name, std::make_shared<Subject>(limits)).first->second;
}

void Limiter::forget_idle(std::map<std::string, SubjectPtr>& map) {
  const Gcra::Time now = now_();
  std::erase_if(map, [&](const auto& entry) { return entry.second.use_count() == 1 && entry.second->idle(now); });
}

std::optional<Error> Limiter::refuse(const std::array<SubjectPtr, 3>& subjects, const Need& need) {
  for (std::size_t level = 0; level < 2; ++level) {  // The server's places have their queue.
    const Subject& subject = *subjects[level];
    const auto retry = std::chrono::duration<double>(mean_seconds_);
    const auto wait = std::chrono::duration_cast<std::chrono::nanoseconds>(retry);
    if (subject.limits.concurrent_requests > 0 && subject.running >= subject.limits.concurrent_requests) {
      return refusal("concurrent_requests", level,
                     fmt::format("may have {} requests at a time", subject.limits.concurrent_requests), wait);
    }
  }
  for (std::size_t level = 0; need.stream && level < 3; ++level) {
    const Subject& subject = *subjects[level];
    if (subject.limits.streams > 0 && subject.streams >= subject.limits.streams) {
      return refusal("streams", level, fmt::format("may have {} streams at a time", subject.limits.streams),
                     std::chrono::seconds(1));
    }
  }
  return refuse_rates(subjects, need);
}

std::optional<Error> Limiter::refuse_rates(const std::array<SubjectPtr, 3>& subjects, const Need& need) {
  const Gcra::Time now = now_();
  for (std::size_t level = 0; level < 3; ++level) {
    const Subject& subject = *subjects[level];
    if (subject.requests) {
      const Gcra::Decision decision = subject.requests->check(1, now);
      if (!decision.allowed) {
        return refusal("requests_per_minute", level,
                       fmt::format("may make {} requests a minute", subject.requests->limit()), decision.retry_after);
      }
    }
    if (subject.tokens && need.tokens > 0) {
      const Gcra::Decision decision = subject.tokens->check(need.tokens, now);
      if (!decision.allowed) {
        return refusal("tokens_per_minute", level,
                       fmt::format("may use {} tokens a minute; this request needs about {}", subject.tokens->limit(),
                                   need.tokens),
                       decision.retry_after);
      }
    }
  }
  return std::nullopt;
}

Error Limiter::refusal(std::string_view limit, std::size_t level, std::string message, std::chrono::nanoseconds wait) {
  count_refusal(limit, kLevels[level]);
  Error error = make_error(ErrorCode::resource_exhausted,
                           fmt::format("{} {}. Try again in {}.", kOwners[level], message, reset_text(wait)));
  error.retry_after = rounded_up(wait);
  return error;
}

Error Limiter::overloaded(std::string_view reason) {
  count_refusal(reason, kLevels[2]);
  Error error = make_error(ErrorCode::unavailable,
                           fmt::format("The server is answering {} requests and takes no more at the moment. Try again "
                                       "later.",
                                       places_taken_));
  error.retry_after = overload_retry();
  return error;
}

// By when a place should be free: the work in front of a newcomer, spread over all places.
std::chrono::milliseconds Limiter::overload_retry() const {
  const double places = static_cast<double>(std::max<std::int64_t>(1, config_.total.concurrent_requests));
  const double seconds = mean_seconds_ * (1 + static_cast<double>(waiting_) / places);
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::clamp(seconds, 0.5, 30.0) * 1000));
}

void Limiter::count_refusal(std::string_view limit, std::string_view level) {
  metrics_
      .counter("ragtime_limit_refusals_total", "Requests refused by a limit.",
               {{"limit", std::string(limit)}, {"level", std::string(level)}})
      .add();
}

void Limiter::charge(const std::array<SubjectPtr, 3>& subjects, const Need& need, std::int64_t sign) {
  const Gcra::Time now = now_();
  for (const SubjectPtr& subject : subjects) {
    if (subject->requests) subject->requests->correct(sign, now);
    if (subject->tokens) subject->tokens->correct(sign * need.tokens, now);
  }
}

void Limiter::occupy(const std::array<SubjectPtr, 3>& subjects, const Need& need, std::int64_t sign) {
  for (const SubjectPtr& subject : subjects) {
    subject->running += sign;
    if (need.stream) subject->streams += sign;
  }
}

bool Limiter::has_place(llm::Priority priority) const {
  const std::int64_t places = config_.total.concurrent_requests;
  if (places == 0) return true;
  const std::int64_t kept_free = priority == llm::Priority::low ? places / 5 : 0;
  return places_taken_ < places - kept_free;
}

// Whether a newcomer may wait: there is room, or someone of lower priority leaves.
bool Limiter::make_room(llm::Priority priority) {
  if (waiting_ < config_.waiting_max) return true;
  for (std::size_t lower = 0; lower < static_cast<std::size_t>(priority); ++lower) {
    if (queues_[lower].empty()) continue;
    Waiter* last = queues_[lower].back();
    queues_[lower].pop_back();
    --waiting_;
    last->evicted = true;
    last->decided.set();
    return true;
  }
  return false;
}

void Limiter::grant_waiting() {
  for (std::size_t i = kPriorities; i-- > 0;) {
    while (!queues_[i].empty() && has_place(static_cast<llm::Priority>(i))) {
      Waiter* next = queues_[i].front();
      queues_[i].pop_front();
      --waiting_;
      ++places_taken_;
      next->granted = true;
      next->decided.set();  // Under the lock: leave() takes it too, so the waiter cannot be gone yet.
    }
  }
}

Task<Result<void>> Limiter::wait_for_place(llm::Priority priority, RequestContext& context) {
  Waiter waiter(co_await asio::this_coro::executor);
  const auto began = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    queues_[static_cast<std::size_t>(priority)].push_back(&waiter);
    ++waiting_;
    grant_waiting();
    update_gauges();
  }
  RequestContext patience(context, context.deadline().sooner(config_.wait_max));
  auto outcome = co_await waiter.decided.wait(patience);
  wait_seconds_.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  const bool left = leave(waiter, priority);
  if (!left && waiter.granted) co_return Result<void>();
  RAGTIME_CO_TRY_DONE(context.check());
  const std::lock_guard lock(mutex_);
  co_return overloaded(waiter.evicted ? "evicted" : "queue_timeout");
}

// False when the waiter had been granted a place or turned out already.
bool Limiter::leave(Waiter& waiter, llm::Priority priority) {
  const std::lock_guard lock(mutex_);
  if (waiter.granted || waiter.evicted) return false;
  queues_[static_cast<std::size_t>(priority)].remove(&waiter);
  --waiting_;
  update_gauges();
  return true;
}

void Limiter::settle(Admission& admission, std::int64_t tokens) {
  const std::lock_guard lock(mutex_);
  const Gcra::Time now = now_();
  for (const SubjectPtr& subject : admission.subjects_) {
    if (subject->tokens) subject->tokens->correct(tokens - admission.need_.tokens, now);
  }
}

void Limiter::finish(Admission& admission) {
  constexpr double kWeightOfLast = 0.1;
  const std::lock_guard lock(mutex_);
  occupy(admission.subjects_, admission.need_, -1);
  --places_taken_;
  const double seconds = std::chrono::duration<double>(now_() - admission.started_).count();
  mean_seconds_ += kWeightOfLast * (seconds - mean_seconds_);
  grant_waiting();
  update_gauges();
}

void Limiter::update_gauges() {
  running_gauge_.set(static_cast<double>(places_taken_));
  waiting_gauge_.set(static_cast<double>(waiting_));
}

}  // namespace ragtime::api
