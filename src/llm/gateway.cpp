#include "llm/gateway.h"

#include <algorithm>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "async/task_group.h"
#include "async/wait.h"
#include "base/check.h"
#include "llm/attempt.h"
#include "llm/gateway_model.h"
#include "llm/single_flight.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;

// How the endpoints of one model took a request.
struct Asked {
  std::unique_ptr<Attempt> attempt;  // Committed without a fault; with one, the last attempt.
  std::optional<UpstreamFault> fault;
  std::optional<Error> error;  // Of the pool, or the request's own end.
  std::size_t attempts = 0;
  bool committed() const { return !fault && !error; }
};

// Attempts that run side by side until one of them is committed.
struct Race {
  struct Runner {
    std::unique_ptr<Attempt> attempt;
    std::optional<Attempt::End> end;
  };

  explicit Race(const asio::any_io_executor& executor) : changed(executor) {}
  bool decided() const {
    return (first.end && first.end->committed()) || (second.end && second.end->committed()) ||
           (first.end && (!second.attempt || second.end));
  }

  Runner first;
  Runner second;
  asio::steady_timer changed;  // Cancelled when one has ended.
};

Task<> run(Race& race, Race::Runner& runner, RelayJob& job, std::vector<std::string> excluded) {
  try {
    runner.end = co_await runner.attempt->open(job, excluded);
  } catch (const std::exception& failure) {
    runner.end = Attempt::End{{}, make_error(ErrorCode::internal, failure.what())};
  }
  race.changed.cancel();
}

class StoredStream final : public GatewayStream {
 public:
  explicit StoredStream(SingleFlight::Shared answer) : answer_(std::move(answer)) {}
  int status() const override { return answer_->status; }
  std::string_view content_type() const override { return answer_->content_type; }
  Task<Result<std::string>> read_some(RequestContext&) override {
    std::string body;
    if (!std::exchange(taken_, true)) body = answer_->body;
    co_return body;
  }
  const GatewayReport& report() const override { return answer_->report; }

 private:
  const SingleFlight::Shared answer_;
  bool taken_ = false;
};

class RelayGateway final : public Gateway {
 public:
  RelayGateway(std::vector<GatewayModel> models, http::Client& client, telemetry::Metrics& metrics)
      : client_(client), overhead_(metrics) {
    for (auto& model : models) models_.push_back(std::make_unique<ModelState>(std::move(model), metrics));
    for (const auto& model : models_) {
      for (const auto& name : model->config.fallbacks) RAGTIME_CHECK(find(name) != nullptr);
    }
  }

  bool has_model(std::string_view name) const override { return find(name) != nullptr; }

  Task<Result<std::unique_ptr<GatewayStream>>> chat(GatewayRequest request, RequestContext& context) override {
    const auto start = std::chrono::steady_clock::now();
    if (!request.parsed) {
      RAGTIME_CO_TRY(request.parsed, read_chat_body(request.body));
    }
    ModelState* const model = find(request.model);
    if (model == nullptr) {
      co_return make_error(ErrorCode::not_found, "The model '" + request.model + "' does not exist.", "model");
    }
    RelayJob job{std::move(request), {}, start};
    job.parsed = std::move(*job.request.parsed);
    job.total = Deadline::after(model->config.timeouts.total);
    const bool shared = (job.request.coalesce || model->config.coalesce) && !job.parsed.stream;
    job.timings = &context.timings();
    job.running = std::make_unique<RunningRequest>(model->metrics.running);
    Result<std::unique_ptr<GatewayStream>> answer = std::unique_ptr<GatewayStream>();
    if (shared) {
      answer = co_await share(*model, job, context);
    } else {
      answer = co_await relay(*model, job, context);
    }
    if (answer.has_error()) {
      (answer.error().code == ErrorCode::cancelled ? model->metrics.cancelled : model->metrics.failed).add();
    }
    co_return answer;
  }

 private:
  ModelState* find(std::string_view name) const {
    const auto found = std::find_if(models_.begin(), models_.end(), [&](const auto& m) { return m->name() == name; });
    return found == models_.end() ? nullptr : found->get();
  }

  std::unique_ptr<Attempt> make_attempt(ModelState& model, const RelayJob& job, RequestContext& context,
                                        const asio::any_io_executor& executor) {
    return std::make_unique<Attempt>(Attempt::Shared{client_, model, overhead_}, job, context, executor);
  }

  // The model, then its fallbacks.
  Task<Result<std::unique_ptr<GatewayStream>>> relay(ModelState& model, RelayJob& job, RequestContext& context) {
    const auto& fallbacks = model.config.fallbacks;
    Asked first = co_await ask(model, job, context, !fallbacks.empty());
    if (first.committed()) co_return hand_over(job, std::move(first), {}, 0);
    std::size_t attempts = first.attempts;
    const bool replaceable = !first.fault || judge(*first.fault).other_model;
    for (std::size_t i = 0; replaceable && i < fallbacks.size(); ++i) {
      RAGTIME_CO_TRY_DONE(context.check());
      if (job.total.expired()) break;
      ModelState& fallback = *find(fallbacks[i]);
      model.metrics.fallbacks.add();
      Asked next = co_await ask(fallback, job, context, i + 1 < fallbacks.size());
      attempts += next.attempts;
      if (!next.committed()) continue;
      next.attempts = 0;
      co_return hand_over(job, std::move(next), "model:" + model.name() + "→" + fallback.name(), attempts);
    }
    RAGTIME_CO_TRY_DONE(context.check());
    // What went wrong with the model that was asked for, not what a fallback thought of the request.
    if (first.error) co_return std::move(*first.error);
    if (!judge(*first.fault).relay) co_return client_error(*first.fault, model.name());
    first.attempt->relay_refusal(std::move(*first.fault));
    first.attempts = 0;
    co_return hand_over(job, std::move(first), {}, attempts);
  }

  static std::unique_ptr<GatewayStream> hand_over(RelayJob& job, Asked asked, std::string degraded,
                                                  std::size_t attempts_before) {
    asked.attempt->keep(std::move(job.running));
    job.timings->add("queue", std::chrono::duration<double, std::milli>(job.waited).count());
    GatewayReport& report = asked.attempt->mutable_report();
    report.attempts = attempts_before + asked.attempts;
    if (!degraded.empty()) report.degraded.push_back(std::move(degraded));
    return std::move(asked.attempt);
  }

  // One endpoint after the other; the same one again only when there is no other.
  Task<Asked> ask(ModelState& model, RelayJob& job, RequestContext& context, bool has_fallback) {
    const auto executor = co_await asio::this_coro::executor;
    model.quota.count_request();
    model.hedging.count_request();
    std::vector<std::string> tried;
    std::vector<std::string> closed;  // Not to be asked again at all.
    Asked last;
    for (std::size_t pauses = 0;;) {
      auto attempt = make_attempt(model, job, context, executor);
      const bool may_hedge = model.config.hedge && last.attempts == 0 && job.parsed.stream;
      Attempt::End end;
      if (may_hedge) {
        end = co_await hedge(model, job, context, attempt);
      } else {
        end = co_await attempt->open(job, tried);
      }
      last.attempts += attempt->sent() ? 1 : 0;
      if (end.committed()) {
        last.attempt = std::move(attempt);
        last.fault.reset();
        co_return last;
      }
      if (end.error) {
        const bool all_tried = last.fault && !attempt->sent() && end.error->code == ErrorCode::unavailable;
        if (!all_tried) {
          last.error = std::move(end.error);
          co_return last;
        }
        const auto pause = pause_before(model, job, *last.fault, has_fallback, pauses++);
        if (closed.size() == tried.size() || !pause) co_return last;
        auto slept = co_await async::sleep_for(*pause, context);
        if (slept.has_error()) {
          last.error = std::move(slept).error();
          co_return last;
        }
        tried = closed;
        continue;
      }
      attempt->settle(*end.fault);
      const FaultVerdict verdict = judge(*end.fault);
      tried.push_back(attempt->url());
      if (!verdict.same_endpoint) closed.push_back(attempt->url());
      last.attempt = std::move(attempt);
      last.fault = std::move(end.fault);
      const bool again = verdict.other_endpoint && last.attempts < model.config.retry.attempts_max;
      if (!again || !model.quota.take_retry()) co_return last;
      model.metrics.retries.add();
    }
  }

  // How long to leave the endpoints alone; nothing when that is too long.
  static std::optional<milliseconds> pause_before(const ModelState& model, const RelayJob& job,
                                                  const UpstreamFault& fault, bool has_fallback, std::size_t pauses) {
    const GatewayRetry& retry = model.config.retry;
    const milliseconds pause = retry_pause(retry.pause_first, retry.pause_max, pauses);
    const milliseconds wished = fault.retry_after.value_or(milliseconds(0));
    if (wished > (has_fallback ? retry.retry_after_fallback : retry.retry_after_max)) return std::nullopt;
    const milliseconds wait = std::max(pause, wished);
    if (wait >= job.total.remaining()) return std::nullopt;
    return wait;
  }

  // Asks a second endpoint when the first takes longer than usual. `attempt` becomes the one that counts.
  Task<Attempt::End> hedge(ModelState& model, RelayJob& job, RequestContext& context,
                           std::unique_ptr<Attempt>& attempt) {
    const auto delay = model.hedging.delay();
    if (!delay) {
      auto end = co_await attempt->open(job, {});
      co_return end;
    }
    const auto executor = co_await asio::this_coro::executor;
    constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
    Race race(executor);
    race.first.attempt = std::move(attempt);
    race.changed.expires_after(*delay);
    async::TaskGroup group(executor);
    group.spawn(run(race, race.first, job, {}));
    if (!race.first.end) co_await race.changed.async_wait(kAwait);
    if (!race.first.end && race.first.attempt->sent() && model.hedging.take_hedge()) {
      model.metrics.hedges.add();
      race.second.attempt = make_attempt(model, job, context, executor);
      group.spawn(run(race, race.second, job, {race.first.attempt->url()}));
    }
    while (!race.decided()) {
      race.changed.expires_at(asio::steady_timer::time_point::max());
      co_await race.changed.async_wait(kAwait);
    }
    for (Race::Runner* runner : {&race.first, &race.second}) {
      if (runner->attempt && !runner->end) runner->attempt->abandon();
    }
    co_await group.join();
    Race::Runner* winner = &race.first;
    if (!race.first.end->committed() && race.second.end && race.second.end->committed()) winner = &race.second;
    Race::Runner& loser = winner == &race.first ? race.second : race.first;
    if (loser.end && loser.end->fault) loser.attempt->settle(*loser.end->fault);
    attempt = std::move(winner->attempt);
    co_return std::move(*winner->end);
  }

  Task<Result<std::unique_ptr<GatewayStream>>> share(ModelState& model, RelayJob& job, RequestContext& context) {
    std::string key = context.tenant() + '\n' + model.name() + '\n';
    key += std::to_string(static_cast<int>(job.request.api)) + '\n' + job.request.body;
    RAGTIME_CO_TRY(SingleFlight::Turn turn, co_await flights_.enter(std::move(key), context));
    if (turn.answer) {
      model.metrics.coalesced.add();
      co_return std::make_unique<StoredStream>(std::move(turn.answer));
    }
    auto answer = co_await whole(model, job, context);
    const bool own_end = answer.has_error() && (answer.error().code == ErrorCode::cancelled ||
                                                answer.error().code == ErrorCode::deadline_exceeded);
    if (!own_end) turn.lead->publish(answer);
    RAGTIME_CO_TRY(SingleFlight::Shared stored, std::move(answer));
    co_return std::make_unique<StoredStream>(std::move(stored));
  }

  Task<Result<SingleFlight::Shared>> whole(ModelState& model, RelayJob& job, RequestContext& context) {
    RAGTIME_CO_TRY(const auto stream, co_await relay(model, job, context));
    auto answer = std::make_shared<WholeAnswer>();
    while (true) {
      RAGTIME_CO_TRY(const std::string piece, co_await stream->read_some(context));
      if (piece.empty()) break;
      answer->body += piece;
    }
    answer->status = stream->status();
    answer->content_type = stream->content_type();
    answer->report = stream->report();
    co_return SingleFlight::Shared(std::move(answer));
  }

  http::Client& client_;
  OverheadMetrics overhead_;
  std::vector<std::unique_ptr<ModelState>> models_;
  SingleFlight flights_;
};

}  // namespace

std::unique_ptr<Gateway> make_gateway(std::vector<GatewayModel> models, http::Client& client,
                                      telemetry::Metrics& metrics) {
  return std::make_unique<RelayGateway>(std::move(models), client, metrics);
}

}  // namespace ragtime::llm
