// For tests of the gateway: upstreams that do exactly what a test tells them, and a client that reads one answer.
//
// Thread safety: one test, one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/scripted_server.h"
#include "http/server_fixture.h"
#include "llm/gateway.h"
#include "llm/scripted_pool.h"

namespace ragtime::llm {

inline std::string sse(std::string_view data) {
  return "data: " + std::string(data) + "\n\n";
}

inline std::string http_chunk(std::string_view bytes) {
  std::array<char, 24> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  return size.data() + std::string(bytes) + "\r\n";
}

inline std::string text_delta(std::string_view text) {
  return sse(R"({"choices":[{"index":0,"delta":{"content":")" + std::string(text) + R"("}}]})");
}

inline const std::string kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
inline const std::string kRoleEvent = sse(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})");
inline const std::string kStopEvent = sse(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
inline const std::string kUsageEvent = sse(R"({"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":2}})");
inline const std::string kDoneEvent = sse("[DONE]");
inline const std::string kLastChunk = "0\r\n\r\n";
inline const std::string kWhole =
    R"({"object":"chat.completion","choices":[{"index":0,"message":{"content":"whole"},"finish_reason":"stop"}],)"
    R"("usage":{"prompt_tokens":3,"completion_tokens":1}})";

inline std::string http_reply(int status, std::string_view body, std::string_view fields = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " Status\r\nContent-Type: application/json\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

// A good streamed answer that says "hello".
inline std::string good_stream() {
  return kStreamHead + http_chunk(kRoleEvent) + http_chunk(text_delta("hello")) + http_chunk(kStopEvent) +
         http_chunk(kUsageEvent) + http_chunk(kDoneEvent) + kLastChunk;
}

// What the client sees of "hello", usage not asked for.
inline const std::string kHello = kRoleEvent + text_delta("hello") + kStopEvent + kDoneEvent;

// What one connection of an upstream does after it has read the head of a request.
struct Act {
  std::string bytes;
  bool silent = false;  // Then says nothing until the client leaves; otherwise hangs up.
};

inline Act says(std::string bytes) {
  return {std::move(bytes)};
}
inline Act stalls(std::string bytes = {}) {
  return {std::move(bytes), true};
}

// An upstream whose connections act in turn; the last act is repeated.
class ActingServer {
 public:
  explicit ActingServer(std::vector<Act> acts)
      : acts_(std::move(acts)), server_([this](http::ScriptedConnection& connection, int number) {
          const Act& act = acts_[std::min(static_cast<std::size_t>(number), acts_.size() - 1)];
          const std::string head = connection.read_head();
          if (head.empty()) return;
          ++asked_;
          connection.write(act.bytes);
          while (act.silent && !connection.read_head().empty()) {
          }
        }) {}

  std::string url() const { return server_.url("/v1"); }
  int asked() const { return asked_; }

 private:
  std::vector<Act> acts_;
  std::atomic<int> asked_ = 0;
  http::ScriptedServer server_;
};

class GatewayFixture : public http::ServerFixture {
 protected:
  struct Answer {
    std::optional<Error> error;  // Instead of an answer.
    int status = 0;
    std::string content_type;
    std::string body;
    std::optional<Error> broken;  // After `body`.
    GatewayReport report;
  };

  GatewayFixture() {
    quick_.connect = std::chrono::seconds(5);
    retry_.pause_first = std::chrono::milliseconds(5);
    retry_.pause_max = std::chrono::milliseconds(20);
  }

  Gateway& gateway() {
    if (!gateway_) {
      GatewayModel chat{&chat_, quick_, retry_, {}, hedge_, coalesce_};
      if (with_fallback_) chat.fallbacks = {"backup"};
      gateway_ = make_gateway({chat, GatewayModel{&backup_, quick_, retry_, {}}}, client_, metrics_);
    }
    return *gateway_;
  }

  static std::string body_of(bool stream, std::string_view more = {}) {
    return R"({"model":"chat","messages":[{"role":"user","content":"hi"}])" +
           std::string(stream ? R"(,"stream":true)" : "") + std::string(more) + "}";
  }

  static Task<Answer> read_answer(Gateway& gateway, GatewayRequest request, RequestContext& context) {
    Answer answer;
    auto stream = co_await gateway.chat(std::move(request), context);
    if (stream.has_error()) {
      answer.error = std::move(stream).error();
      co_return answer;
    }
    answer.status = (*stream)->status();
    answer.content_type = (*stream)->content_type();
    while (true) {
      auto piece = co_await (*stream)->read_some(context);
      if (piece.has_error()) answer.broken = std::move(piece).error();
      if (answer.broken || piece->empty()) break;
      answer.body += *piece;
    }
    answer.report = (*stream)->report();
    co_return answer;
  }

  Answer ask(GatewayRequest request) { return async::sync_wait(read_answer(gateway(), std::move(request), context_)); }
  Answer ask(bool stream, std::string_view more = {}) {
    GatewayRequest request;
    request.model = "chat";
    request.body = body_of(stream, more);
    return ask(std::move(request));
  }

  std::vector<Outcome> outcomes(const ScriptedPool& pool) {
    std::vector<Outcome> out;
    for (const auto& ended : pool.ended()) out.push_back(ended.outcome);
    return out;
  }

  double metric(std::string_view name, telemetry::Labels labels) {
    return metrics_.counter(name, "", std::move(labels)).value();
  }

  ScriptedPool chat_{"chat"};
  ScriptedPool backup_{"backup"};
  GatewayTimeouts quick_;
  GatewayRetry retry_;
  bool with_fallback_ = false;
  bool hedge_ = false;
  bool coalesce_ = false;
  http::Client client_;
  std::unique_ptr<Gateway> gateway_;
  RequestContext context_{"req-1", "tenant", Deadline::after(std::chrono::minutes(5))};
};

}  // namespace ragtime::llm
