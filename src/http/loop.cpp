#include "http/loop.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http/connection.h"

namespace ragtime::http {
namespace {

// How often deadlines are looked at: often enough that a timeout is late by an eighth at most.
std::chrono::milliseconds tick_for(const ServerConfig& config) {
  auto shortest = std::min({config.idle_timeout, config.header_timeout, config.write_timeout,
                            config.websocket.ping_interval, config.websocket.close_timeout});
  if (config.heartbeat_interval.count() > 0) shortest = std::min(shortest, config.heartbeat_interval);
  return std::clamp(shortest / 8, std::chrono::milliseconds(1), std::chrono::milliseconds(250));
}

}  // namespace

Loop::Loop(const SessionShared& server, telemetry::Metrics& metrics)
    : server_(server),
      tick_(tick_for(server.config)),
      shared_(metrics),
      tasks_(context_.get_executor()),
      tick_timer_(context_) {
  asio::co_spawn(context_, live(), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

void Loop::run() {
  context_.run();
}

Task<> Loop::live() {
  while (!stopping_) {
    tick_timer_.expires_after(tick_);
    co_await tick_timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto now = std::chrono::steady_clock::now();
    for (Session* session : sessions_) session->expire(now);
    ConnectionPool::of(context_.get_executor()).sweep();
  }
  co_await tasks_.join();
}

void Loop::spawn(Task<> task) {
  asio::post(context_, [this, task = std::move(task)]() mutable { tasks_.spawn(std::move(task)); });
}

void Loop::adopt(asio::ip::tcp::socket socket, Admission admission, std::function<void()> on_end) {
  spawn(serve(std::move(socket), admission, std::move(on_end)));
}

Task<> Loop::serve(asio::ip::tcp::socket socket, Admission admission, std::function<void()> on_end) {
  {
    Session session(std::move(socket), server_, shared_);
    sessions_.insert(&session);
    shared_.metrics.connections.add(1);
    if (stopping_) session.stop();
    if (admission == Admission::serve) {
      co_await session.run();
    } else {
      co_await session.refuse();
    }
    shared_.metrics.connections.add(-1);
    sessions_.erase(&session);
  }
  on_end();
}

void Loop::drain() {
  asio::post(context_, [this] {
    shared_.draining = true;
    for (Session* session : sessions_) session->drain();
  });
}

void Loop::cancel_requests() {
  asio::post(context_, [this] {
    for (Session* session : sessions_) session->cancel();
  });
}

void Loop::stop() {
  asio::post(context_, [this] {
    shared_.draining = true;
    stopping_ = true;
    tick_timer_.cancel();
    for (Session* session : sessions_) session->stop();
  });
}

}  // namespace ragtime::http
