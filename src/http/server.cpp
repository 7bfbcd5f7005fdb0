#include "http/server.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "base/processors.h"
#include "http/loop.h"

namespace ragtime::http {
namespace {

using asio::ip::tcp;

constexpr std::chrono::milliseconds kAcceptBackoff{100};
constexpr std::chrono::milliseconds kCancelGrace{1'000};
constexpr std::size_t kRefusalsMax = 128;

// How many connections there are, of those that are served and those that are told that they are one too many.
class ConnectionCount {
 public:
  ConnectionCount(std::size_t connections_max, std::size_t per_address_max)
      : connections_max_(connections_max), per_address_max_(per_address_max) {}

  // Empty when not even a refusal has room, or the address has its share.
  std::optional<Loop::Admission> admit(const asio::ip::address& address) {
    const std::lock_guard lock(mutex_);
    if (per_address_max_ != 0) {
      const auto found = by_address_.find(address);
      if (found != by_address_.end() && found->second >= per_address_max_) return std::nullopt;
    }
    const bool served = served_ < connections_max_;
    if (!served && refused_ >= kRefusalsMax) return std::nullopt;
    ++(served ? served_ : refused_);
    if (per_address_max_ != 0) ++by_address_[address];
    return served ? Loop::Admission::serve : Loop::Admission::refuse;
  }

  void release(const asio::ip::address& address, Loop::Admission admission) {
    const std::lock_guard lock(mutex_);
    --(admission == Loop::Admission::serve ? served_ : refused_);
    const auto found = by_address_.find(address);
    if (found != by_address_.end() && --found->second == 0) by_address_.erase(found);
    if (served_ + refused_ == 0) none_left_.notify_all();
  }

  bool wait_for_none(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    return none_left_.wait_for(lock, timeout, [this] { return served_ + refused_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_left_;
  const std::size_t connections_max_;
  const std::size_t per_address_max_;
  std::size_t served_ = 0;
  std::size_t refused_ = 0;
  std::map<asio::ip::address, std::size_t> by_address_;  // Empty without a limit per address.
};

Response plain_error(int status, const Error& error) {
  Response response;
  response.status = status;
  response.headers.set("Content-Type", "text/plain; charset=utf-8");
  response.body = error.message + "\n";
  return response;
}

ServerHooks with_error_hook(ServerHooks hooks) {
  if (!hooks.error) hooks.error = plain_error;
  return hooks;
}

}  // namespace

struct Server::State {
  State(ServerConfig config_value, Router router_value, ServerHooks hooks_value, telemetry::Logger& logger,
        telemetry::Metrics& registry)
      : config(std::move(config_value)),
        router(std::move(router_value)),
        hooks(with_error_hook(std::move(hooks_value))),
        log(logger),
        metrics(registry) {}

  Result<void> bind();
  Task<> accept_connections();
  Task<bool> survive_accept_error(boost::system::error_code error);
  void stop_accepting();

  const ServerConfig config;
  const Router router;
  const ServerHooks hooks;
  telemetry::Logger& log;
  telemetry::Metrics& metrics;
  const SessionShared shared{config, router, hooks, log};

  ConnectionCount connections{config.connections_max, config.connections_per_address_max};
  std::vector<std::unique_ptr<Loop>> loops;
  std::optional<tcp::acceptor> acceptor;  // On the first loop, as is its timer.
  std::optional<asio::steady_timer> backoff;
  std::vector<std::thread> threads;
  std::uint16_t bound_port = 0;
};

Result<void> Server::State::bind() {
  boost::system::error_code error;
  const auto failed = [&](std::string_view step) {
    return make_error(ErrorCode::unavailable, "cannot listen on " + config.address + ":" + std::to_string(config.port) +
                                                  ": " + std::string(step) + error.message());
  };
  const auto address = asio::ip::make_address(config.address, error);
  if (error) return failed("not an IP address: ");
  const tcp::endpoint endpoint(address, config.port);
  acceptor.emplace(loops.front()->executor());
  acceptor->open(endpoint.protocol(), error);
  if (error) return failed("");
  acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed("");
  bound_port = acceptor->local_endpoint().port();
  return {};
}

Task<> Server::State::accept_connections() {
  std::size_t next = 0;
  while (acceptor->is_open()) {
    Loop& loop = *loops[next++ % loops.size()];
    auto [error, socket] = co_await acceptor->async_accept(loop.executor(), asio::as_tuple(asio::use_awaitable));
    if (error) {
      const bool go_on = co_await survive_accept_error(error);
      if (!go_on) co_return;
      continue;
    }
    const auto address = socket.remote_endpoint(error).address();
    const auto admission = connections.admit(address);
    if (!admission) continue;  // The socket's destructor closes it.
    loop.adopt(tcp::socket(std::move(socket)), *admission,
               [this, address, kind = *admission] { connections.release(address, kind); });
  }
}

Task<bool> Server::State::survive_accept_error(boost::system::error_code error) {
  if (!acceptor->is_open()) co_return false;
  if (error == asio::error::connection_aborted) co_return true;
  // Out of file descriptors or memory, most likely: trying again at once would only burn the processor.
  log.warning("accept_failed", {{"error", error.message()}});
  backoff->expires_after(kAcceptBackoff);
  co_await backoff->async_wait(asio::as_tuple(asio::use_awaitable));
  co_return acceptor->is_open();
}

void Server::State::stop_accepting() {
  if (loops.empty()) return;
  asio::post(loops.front()->executor(), [this] {
    boost::system::error_code ignored;
    acceptor->close(ignored);
    backoff->cancel();
  });
}

Server::Server(ServerConfig config, Router router, ServerHooks hooks, telemetry::Logger& log,
               telemetry::Metrics& metrics)
    : state_(std::make_unique<State>(std::move(config), std::move(router), std::move(hooks), log, metrics)) {}

Server::~Server() {
  stop();
}

Result<void> Server::start() {
  RAGTIME_CHECK(state_->threads.empty());
  const std::size_t threads =
      state_->config.threads != 0 ? state_->config.threads : available_processors();
  for (std::size_t i = 0; i < threads; ++i) {
    state_->loops.push_back(std::make_unique<Loop>(state_->shared, state_->metrics));
  }
  if (auto bound = state_->bind(); bound.has_error()) {
    state_->acceptor.reset();
    state_->loops.clear();
    return bound;
  }
  state_->backoff.emplace(state_->loops.front()->executor());
  state_->loops.front()->spawn(state_->accept_connections());
  for (auto& loop : state_->loops) {
    state_->threads.emplace_back([&loop = *loop] { loop.run(); });
  }
  return {};
}

std::uint16_t Server::port() const {
  return state_->bound_port;
}

void Server::drain() {
  if (state_->threads.empty()) return;
  state_->stop_accepting();
  for (auto& loop : state_->loops) loop->drain();
  if (state_->connections.wait_for_none(state_->config.drain_grace)) return;
  for (auto& loop : state_->loops) loop->cancel_requests();
  state_->connections.wait_for_none(kCancelGrace);
}

void Server::stop() {
  if (state_->threads.empty()) return;
  state_->stop_accepting();
  for (auto& loop : state_->loops) loop->stop();
  for (auto& thread : state_->threads) thread.join();
  state_->threads.clear();
  state_->acceptor.reset();
  state_->backoff.reset();
  state_->loops.clear();
}

}  // namespace ragtime::http
