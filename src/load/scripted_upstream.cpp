#include "load/scripted_upstream.h"

#include <algorithm>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "base/check.h"
#include "load/scripted_upstream_state.h"
#include "load/upstream_session.h"

namespace ragtime::load {
namespace {

using asio::ip::tcp;
using std::chrono::steady_clock;

constexpr std::size_t kCachedRepliesMax = 256;

Result<void> check_script(const std::string& script) {
  if (script.empty()) return {};
  RAGTIME_TRY(const auto spec, ScriptSpec::parse(script));
  if (is_script(spec.name)) return {};
  return make_error(ErrorCode::invalid_argument,
                    "there is no script '" + spec.name + "'; `ragtime bench upstream --list` names them");
}

// One write for everything that nothing separates.
Reply joined(Reply reply) {
  Reply out = reply;
  out.steps.clear();
  for (std::size_t i = 0; i < reply.steps.size(); ++i) {
    auto& step = reply.steps[i];
    const bool joins = !out.steps.empty() && i != reply.repeat_from && step.kind == Step::Kind::send && !step.apart &&
                       step.wait.count() == 0 && step.pace == Step::Pace::none &&
                       out.steps.back().kind == Step::Kind::send;
    if (i == reply.repeat_from) out.repeat_from = out.steps.size();
    if (joins) {
      out.steps.back().bytes += step.bytes;
    } else {
      out.steps.push_back(std::move(step));
    }
  }
  if (reply.repeat_from == reply.steps.size()) out.repeat_from = out.steps.size();
  return out;
}

}  // namespace

ScriptedUpstream::State::State(UpstreamConfig config_value)
    : config(std::move(config_value)),
      log(config.instant ? 0 : config.records_max, config.body_bytes_max),
      engine(config.engine),
      script(config.script) {}

Result<void> ScriptedUpstream::State::bind() {
  boost::system::error_code error;
  const auto failed = [&] {
    return make_error(ErrorCode::unavailable,
                      fmt::format("cannot listen on {}:{}: {}", config.address, config.port, error.message()));
  };
  const auto address = asio::ip::make_address(config.address, error);
  if (error) return failed();
  // A port that was chosen once stays, also over a time of refusing.
  const tcp::endpoint endpoint(address, bound_port != 0 ? bound_port : config.port);
  acceptor.emplace(loop);
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed();
  if (bound_port == 0) bound_port = acceptor->local_endpoint().port();  // Before there are threads that read it.
  return {};
}

Task<> ScriptedUpstream::State::live() {
  tasks.spawn(accept_connections());
  while (!stopping) co_await stopped.async_wait(asio::as_tuple(asio::use_awaitable));
  boost::system::error_code ignored;
  acceptor->close(ignored);
  pause.cancel();
  for (auto* session : sessions) session->stop();
  co_await tasks.join();
}

Task<> ScriptedUpstream::State::accept_connections() {
  while (!stopping) {
    if (refusing) {
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      if (stopping) co_return;
      refusing = bind().has_error();
      if (refusing) pause.expires_after(std::chrono::milliseconds(5));
      continue;
    }
    auto [error, socket] = co_await acceptor->async_accept(loop, asio::as_tuple(asio::use_awaitable));
    if (!error) tasks.spawn(serve(tcp::socket(std::move(socket))));
  }
}

void ScriptedUpstream::State::refuse_for(std::chrono::microseconds time) {
  refusing = true;
  pause.expires_after(time);
  boost::system::error_code ignored;
  acceptor->close(ignored);
}

bool ScriptedUpstream::State::resets_connections() {
  const std::lock_guard lock(mutex);
  return script == "reset-accept";
}

Task<> ScriptedUpstream::State::serve(tcp::socket socket) {
  log.connection_opened();
  if (resets_connections()) {
    boost::system::error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
  } else {
    UpstreamSession session(std::move(socket), *this, log.totals().connections);
    sessions.insert(&session);
    if (!stopping) co_await session.run();
    sessions.erase(&session);
    std::erase(waiting, &session);
  }
  log.connection_closed();
}

std::optional<ScriptSpec> ScriptedUpstream::State::forced_script(std::optional<std::string_view> header) {
  std::string text(header.value_or(std::string_view()));
  if (text.empty()) {
    const std::lock_guard lock(mutex);
    if (!queued.empty()) {
      text = std::move(queued.front());
      queued.pop_front();
    } else {
      text = script;
    }
  }
  auto spec = ScriptSpec::parse(text);
  if (text.empty() || spec.has_error()) return std::nullopt;
  return std::move(*spec);
}

ScriptSpec ScriptedUpstream::State::choose_script(const ScriptRequest& request,
                                                  std::optional<std::string_view> header) {
  if (auto forced = forced_script(header)) return decide(std::move(*forced));
  auto named = ScriptSpec::parse(request.model);
  if (named.has_error() || !is_script(named->name)) return ScriptSpec();
  return decide(std::move(*named));
}

ScriptSpec ScriptedUpstream::State::decide(ScriptSpec spec) {
  if (spec.name != "error-once" && spec.name != "flap") return spec;
  std::string key = spec.name;
  for (const auto& [name, value] : spec.values) key += "," + name + "=" + value;
  bool fails = false;
  if (spec.name == "error-once") {
    fails = seen[key]++ < spec.number("n", 1);
  } else {
    const auto now = steady_clock::now();
    const auto start = first_seen.try_emplace(key, now).first->second;
    const auto up = std::chrono::milliseconds(spec.number("up_ms", 1000));
    const auto period = up + std::chrono::milliseconds(std::max<std::size_t>(1, spec.number("down_ms", 1000)));
    fails = (now - start) % period >= up;
  }
  ScriptSpec out = spec;
  out.name = !fails ? "plain" : spec.name == "flap" ? "unavailable" : "error";
  return out;
}

std::shared_ptr<const Reply> ScriptedUpstream::State::cached_reply(const ScriptSpec& spec,
                                                                   const ScriptRequest& request) {
  std::string key = fmt::format("{}|{}|{}|{}|{}", spec.name, int(request.operation), request.stream,
                                request.include_usage, request.model);
  for (const auto& [name, value] : spec.values) key += "|" + name + "=" + value;
  auto& slot = replies[key];
  if (!slot) {
    if (replies.size() > kCachedRepliesMax) replies.clear();
    auto fresh = std::make_shared<const Reply>(joined(make_reply(spec, request)));
    replies[key] = fresh;
    return fresh;
  }
  return slot;
}

std::string ScriptedUpstream::State::metrics_text() {
  const std::lock_guard lock(mutex);
  if (metrics_mode == "garbage") return "vllm:num_requests_running{ this is <html> not a metric\n\xff\n";
  const std::string now = engine.metrics(config.models.empty() ? "scripted" : config.models.front(),
                                         metrics_mode == "old");
  if (metrics_mode != "frozen") return now;
  if (!frozen_metrics) frozen_metrics = now;
  return *frozen_metrics;
}

void ScriptedUpstream::State::wake_waiting() {
  if (!waiting.empty() && engine.has_room(waiting.front()->work())) waiting.front()->wake();
}

ScriptedUpstream::ScriptedUpstream(UpstreamConfig config) : state_(std::make_unique<State>(std::move(config))) {}

ScriptedUpstream::~ScriptedUpstream() {
  stop();
}

Result<void> ScriptedUpstream::start() {
  RAGTIME_CHECK(!state_->thread.joinable());
  RAGTIME_TRY_DONE(check_script(state_->config.script));
  RAGTIME_TRY_DONE(state_->bind());
  asio::co_spawn(state_->loop, state_->live(), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  state_->thread = std::thread([this] { state_->loop.run(); });
  return {};
}

void ScriptedUpstream::stop() {
  if (!state_->thread.joinable()) return;
  asio::post(state_->loop, [this] {
    state_->stopping = true;
    state_->stopped.cancel();
  });
  state_->thread.join();
}

std::uint16_t ScriptedUpstream::port() const {
  return state_->bound_port;
}

std::string ScriptedUpstream::url() const {
  return fmt::format("http://{}:{}/v1", state_->config.address, port());
}

Result<void> ScriptedUpstream::set_script(const std::string& script) {
  RAGTIME_TRY_DONE(check_script(script));
  const std::lock_guard lock(state_->mutex);
  state_->script = script;
  return {};
}

Result<void> ScriptedUpstream::queue_scripts(const std::vector<std::string>& scripts) {
  for (const auto& script : scripts) RAGTIME_TRY_DONE(check_script(script));
  const std::lock_guard lock(state_->mutex);
  state_->queued.insert(state_->queued.end(), scripts.begin(), scripts.end());
  return {};
}

void ScriptedUpstream::set_health(int status) {
  const std::lock_guard lock(state_->mutex);
  state_->health = status;
}

Result<void> ScriptedUpstream::set_metrics_mode(const std::string& mode) {
  constexpr std::string_view kModes[] = {"", "old", "missing", "garbage", "frozen"};
  if (std::find(std::begin(kModes), std::end(kModes), mode) == std::end(kModes)) {
    return make_error(ErrorCode::invalid_argument, "metrics are old, missing, garbage or frozen, or empty");
  }
  const std::lock_guard lock(state_->mutex);
  state_->metrics_mode = mode;
  state_->frozen_metrics.reset();
  return {};
}

UpstreamLog& ScriptedUpstream::log() {
  return state_->log;
}

}  // namespace ragtime::load
