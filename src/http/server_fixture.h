// A server on a free port for tests, with a log and metrics to look into.
//
// Thread safety: add routes before start(); the log may be read at any time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "http/raw_client.h"
#include "http/server.h"

namespace ragtime::http {

// Keeps every line as "event key=value …".
class LogRecorder final : public telemetry::Logger {
 public:
  void write(telemetry::LogLevel, std::string_view event, std::initializer_list<telemetry::LogField> fields) override {
    std::string line(event);
    for (const auto& field : fields) {
      line += " " + std::string(field.key) + "=";
      if (const auto* text = std::get_if<std::string_view>(&field.value)) line += *text;
      if (const auto* number = std::get_if<std::int64_t>(&field.value)) line += std::to_string(*number);
    }
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }

  // The first line that contains `text`, as soon as there is one; empty after ten seconds.
  std::string wait_for(std::string_view text) {
    std::unique_lock lock(mutex_);
    std::string found;
    changed_.wait_for(lock, std::chrono::seconds(60), [&] {
      for (const auto& line : lines_) {
        if (line.find(text) != std::string::npos) found = line;
      }
      return !found.empty();
    });
    return found;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

// Raised by a handler, awaited by the test.
class Flag {
 public:
  void raise() {
    const std::lock_guard lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [this] { return raised_; });
  }
  bool raised() {
    const std::lock_guard lock(mutex_);
    return raised_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

class ServerFixture : public testing::Test {
 protected:
  ServerFixture() {
    config_.port = 0;
    config_.threads = 2;
    hooks_.error = [](int status, const Error& error) {
      Response response;
      response.status = status;
      response.headers.set("Content-Type", "text/plain");
      response.body = "error: " + error.message;
      return response;
    };
  }

  Route& route(std::string method, std::string pattern, Handler handler) {
    Route& added = routes_.emplace_back();
    added.method = std::move(method);
    added.pattern = std::move(pattern);
    added.handler = std::move(handler);
    return added;
  }

  void start() {
    Router router;
    for (auto& added : routes_) router.add(std::move(added));
    server_ = std::make_unique<Server>(config_, std::move(router), hooks_, log_, metrics_);
    const auto started = server_->start();
    ASSERT_TRUE(started.has_value()) << started.error().message;
  }

  std::uint16_t port() const { return server_->port(); }
  std::string url(std::string_view path) const {
    return "http://127.0.0.1:" + std::to_string(port()) + std::string(path);
  }

  // The reply to one request on a connection of its own.
  std::string exchange(std::string_view request) {
    RawClient client(port());
    client.send(request);
    return client.read_reply();
  }

  LogRecorder log_;
  telemetry::Metrics metrics_;
  ServerConfig config_;
  ServerHooks hooks_;
  std::vector<Route> routes_;
  std::unique_ptr<Server> server_;
};

}  // namespace ragtime::http
