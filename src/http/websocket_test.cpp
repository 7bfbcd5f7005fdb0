#include "http/websocket.h"

#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/wait.h"
#include "http/server_fixture.h"
#include "http/websocket_cases.h"
#include "http/websocket_frame.h"
#include "http/websocket_handshake.h"

namespace ragtime::http {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using websocket_case_rules::close_frame;
using websocket_case_rules::frame;

constexpr std::string_view kHandshake =
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

// What the reader makes of these bytes, fed in pieces: the messages, and the code of the end.
std::pair<std::vector<std::string>, int> read(std::string_view bytes, const std::function<std::size_t()>& piece) {
  WebSocketReader reader(1 << 20);
  std::vector<std::string> messages;
  while (!bytes.empty()) {
    std::string_view input = bytes.substr(0, piece());
    bytes.remove_prefix(input.size());
    while (true) {
      const auto event = reader.next(input);
      if (event == WebSocketReader::Event::message) messages.push_back(reader.payload());
      if (event == WebSocketReader::Event::failure || event == WebSocketReader::Event::close) {
        const int code = reader.close_code();
        return {messages, code == 1005 ? 1000 : code};
      }
      if (event == WebSocketReader::Event::more) break;
    }
    EXPECT_TRUE(input.empty());
  }
  return {messages, 0};
}

TEST(WebSocketFrames, AreReadAsTheyShouldHoweverTheyAreSplit) {
  constexpr unsigned kSeed = 11;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  const auto cases = websocket_cases();
  EXPECT_GE(cases.size(), 250u);
  for (const auto& each : cases) {
    const std::pair expected(each.messages, each.close_code);
    EXPECT_EQ(read(each.bytes, [&] { return each.bytes.size(); }), expected) << each.id;
    if (each.bytes.size() < 10'000) {
      EXPECT_EQ(read(each.bytes, [] { return std::size_t{1}; }), expected) << each.id;
    }
    EXPECT_EQ(read(each.bytes, [&] { return 1 + random() % 4000; }), expected) << each.id;
  }
}

TEST(WebSocketFrames, AreWrittenInTheShortestForm) {
  EXPECT_EQ(format_websocket_frame(WebSocketOpcode::text, "hi"), "\x81\x02hi");
  EXPECT_THAT(format_websocket_frame(WebSocketOpcode::binary, std::string(126, 'x')), StartsWith(std::string("\x82\x7e\x00\x7e", 4)));
  EXPECT_THAT(format_websocket_frame(WebSocketOpcode::text, std::string(65536, 'x')),
              StartsWith(std::string("\x81\x7f\0\0\0\0\0\1\0\0", 10)));
  EXPECT_EQ(format_websocket_close(WebSocketClose::going_away, "bye"), std::string("\x88\x05\x03\xe9") + "bye");
  EXPECT_EQ(format_websocket_close(WebSocketClose::normal, std::string(122, 'x') + "\xc3\xa9").size(), 2u + 2 + 122);
}

class WebSocketServer : public ServerFixture {
 protected:
  WebSocketServer() {
    config_.threads = 1;
    serve([](WebSocket& socket, RequestContext&) -> Task<> {
      while (auto message = co_await socket.receive()) co_await socket.send(message->data);
    });
  }

  using Serve = std::function<Task<>(WebSocket&, RequestContext&)>;
  void serve(Serve handler) {
    routes_.clear();
    route("GET", "/ws", [handler](Request& request, RequestContext& context) -> Task<Response> {
      Response response;
      const auto offered = offered_subprotocols(request.headers);
      if (!offered.empty()) response.subprotocol = offered.front();
      response.websocket = [handler, &context](WebSocket& socket) { return handler(socket, context); };
      co_return response;
    }).timeout = std::chrono::hours(1);
  }

  // Everything up to the end of the next frame: its opcode as a hexadecimal digit, then its payload.
  static std::string next_frame(RawClient& client) {
    const std::string head = client.read(2);
    if (head.size() < 2) return "end";
    std::size_t size = static_cast<unsigned char>(head[1]);
    const int extra = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (extra > 0) {
      size = 0;
      for (const char byte : client.read(static_cast<std::size_t>(extra))) size = size << 8 | static_cast<unsigned char>(byte);
    }
    return "0123456789abcdef"[head[0] & 0x0f] + client.read(size);
  }

  static int close_code(const std::string& frame) {
    if (frame.size() < 3 || frame[0] != '8') return 0;
    return static_cast<unsigned char>(frame[1]) << 8 | static_cast<unsigned char>(frame[2]);
  }

  std::unique_ptr<RawClient> open() {
    auto client = std::make_unique<RawClient>(port());
    client->send(kHandshake);
    EXPECT_THAT(client->read_until("\r\n\r\n"), StartsWith("HTTP/1.1 101 "));
    return client;
  }
};

TEST_F(WebSocketServer, ShakesHands) {
  start();
  RawClient client(port());
  client.send(kHandshake);
  const std::string reply = client.read_until("\r\n\r\n");
  EXPECT_THAT(reply, AllOf(HasSubstr("\r\nUpgrade: websocket\r\n"), HasSubstr("\r\nConnection: Upgrade\r\n"),
                           HasSubstr("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")));
  EXPECT_EQ(reply.find("Content-Length"), std::string::npos);
  EXPECT_EQ(reply.find("Sec-WebSocket-Protocol"), std::string::npos);
}

std::string with(std::string_view field, std::string_view replacement) {
  std::string out(kHandshake);
  const auto start = out.find(field);
  out.replace(start, out.find("\r\n", start) + 2 - start, replacement);
  return out;
}

TEST_F(WebSocketServer, RefusesBadHandshakes) {
  start();
  const std::vector<std::pair<std::string, int>> requests = {
      {with("Upgrade:", ""), 426},
      {with("Upgrade:", "Upgrade: h2c\r\n"), 426},
      {with("Connection:", ""), 400},
      {with("Connection:", "Connection: keep-alive\r\n"), 400},
      {with("Sec-WebSocket-Version:", ""), 426},
      {with("Sec-WebSocket-Version:", "Sec-WebSocket-Version: 8\r\n"), 426},
      {with("Sec-WebSocket-Version:", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n"), 426},
      {with("Sec-WebSocket-Key:", ""), 400},
      {with("Sec-WebSocket-Key:", "Sec-WebSocket-Key: short\r\n"), 400},
      {with("Sec-WebSocket-Key:", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ!!\r\n"), 400},
      {with("Sec-WebSocket-Key:",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
       400},
      {with("GET", "GET /ws HTTP/1.0\r\n"), 400},
      {with("Sec-WebSocket-Version:", "Sec-WebSocket-Version: 13\r\nContent-Length: 2\r\n") + "ab", 400},
      {with("GET", "POST /ws HTTP/1.1\r\n"), 405},
  };
  for (const auto& [request, status] : requests) {
    RawClient client(port());
    client.send(request);
    const std::string reply = client.read_until("\r\n\r\n");
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 " + std::to_string(status))) << request;
    if (status == 426) {
      EXPECT_THAT(reply, HasSubstr("Sec-WebSocket-Version: 13")) << request;
    }
  }
}

TEST_F(WebSocketServer, AnswersTheSubprotocolThatTheHandlerChose) {
  start();
  RawClient client(port());
  client.send(with("Upgrade:", "Upgrade: websocket\r\nSec-WebSocket-Protocol: a.b, c\r\n"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("\r\nSec-WebSocket-Protocol: a.b\r\n"));
}

TEST_F(WebSocketServer, AnswersEveryCaseAsItShould) {
  start();
  for (const auto& each : websocket_cases()) {
    auto client = open();
    client->send(each.bytes);
    std::vector<std::string> messages;
    std::string last;
    while (each.close_code == 0 && messages.size() < each.messages.size() && (last = next_frame(*client)) != "end") {
      if (last[0] == '1') messages.push_back(last.substr(1));
    }
    if (each.close_code == 0) client->send(frame(8, ""));
    while ((last = next_frame(*client)) != "end" && last[0] != '8') {
      if (last[0] == '1') messages.push_back(last.substr(1));
    }
    EXPECT_EQ(close_code(last), each.close_code == 0 ? 1000 : each.close_code) << each.id;
    // What came before a failure may be dropped with it.
    if (each.close_code == 0) {
      EXPECT_EQ(messages, each.messages) << each.id;
    }
    EXPECT_TRUE(client->closed()) << each.id;
  }
}

TEST_F(WebSocketServer, AnswersPingsAndTakesFramesBehindTheHandshake) {
  start();
  RawClient client(port());
  client.send(std::string(kHandshake) + frame(9, "hello") + frame(1, "text"));
  client.read_until("\r\n\r\n");
  EXPECT_EQ(next_frame(client), "ahello");
  EXPECT_EQ(next_frame(client), "1text");
}

TEST_F(WebSocketServer, PingsASilentClientAndDropsOneThatDoesNotAnswer) {
  config_.websocket.ping_interval = milliseconds(30);
  start();
  auto client = open();
  EXPECT_EQ(next_frame(*client), "9");
  client->send(frame(10, ""));
  EXPECT_EQ(next_frame(*client), "9");
  EXPECT_TRUE(client->closed());
  EXPECT_THAT(log_.wait_for("websocket_closed"), HasSubstr("reason=no_pong"));
}

TEST_F(WebSocketServer, AHandlerThatReturnsOrThrowsClosesIt) {
  serve([](WebSocket& socket, RequestContext&) -> Task<> {
    auto message = co_await socket.receive();
    if (message && message->data == "throw") throw std::runtime_error("as asked");
    if (message && message->data == "policy") socket.close(WebSocketClose::policy, "no");
  });
  start();
  for (const auto& [text, code] : {std::pair("return", 1000), std::pair("policy", 1008), std::pair("throw", 1011)}) {
    auto client = open();
    client->send(frame(1, text));
    EXPECT_EQ(close_code(next_frame(*client)), code);
    client->send(close_frame(1000));
    EXPECT_TRUE(client->closed());
  }
  EXPECT_THAT(log_.wait_for("websocket_failed"), HasSubstr("error=as asked"));
}

TEST_F(WebSocketServer, AClientThatDoesNotCloseIsNotWaitedForLong) {
  config_.websocket.close_timeout = milliseconds(30);
  serve([](WebSocket&, RequestContext&) -> Task<> { co_return; });
  start();
  auto client = open();
  EXPECT_EQ(close_code(next_frame(*client)), 1000);
  EXPECT_TRUE(client->closed());
}

TEST_F(WebSocketServer, ALeavingClientCancelsTheContext) {
  Flag cancelled[2];
  Flag asked[2];
  serve([&](WebSocket& socket, RequestContext& context) -> Task<> {
    auto message = co_await socket.receive();
    const int i = message->data == "reset" ? 1 : 0;
    asked[i].raise();
    co_await async::sleep_for(std::chrono::hours(1), context);
    cancelled[i].raise();
  });
  start();
  for (int i = 0; i < 2; ++i) {
    auto client = open();
    client->send(frame(1, i == 0 ? "close" : "reset"));
    EXPECT_TRUE(asked[i].wait());
    i == 0 ? client->close() : client->reset();
    EXPECT_TRUE(cancelled[i].wait());
  }
}

TEST_F(WebSocketServer, TheProducerWaitsForASlowReaderWhoIsDroppedInTheEnd) {
  config_.write_timeout = milliseconds(100);
  std::atomic<std::size_t> sent = 0;
  serve([&](WebSocket& socket, RequestContext&) -> Task<> {
    const std::string text(10'000, 'x');
    for (int i = 0; i < 100'000; ++i) {
      auto result = co_await socket.send(text);
      if (result.has_error()) co_return;
      sent += text.size();
    }
  });
  start();
  RawClient client;
  client.socket().set_option(boost::asio::socket_base::receive_buffer_size(16 << 10));
  client.connect(port());
  client.send(kHandshake);
  EXPECT_THAT(log_.wait_for("websocket_closed"), HasSubstr("reason=slow_reader"));
  // Its buffer and the kernel's, not the thousand million bytes of the producer.
  EXPECT_LT(sent, 32u << 20);
}

TEST_F(WebSocketServer, FullQueuesStopTheReading) {
  Flag go_on;
  config_.websocket.incoming_messages_max = 2;
  serve([&](WebSocket& socket, RequestContext&) -> Task<> {
    EXPECT_TRUE(go_on.wait());  // The only loop stands still meanwhile, which is what a slow handler looks like.
    while (auto message = co_await socket.receive()) co_await socket.send(message->data);
  });
  start();
  auto client = open();
  for (int i = 0; i < 50; ++i) client->send(frame(1, std::to_string(i)));
  go_on.raise();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(next_frame(*client), "1" + std::to_string(i));
}

TEST_F(WebSocketServer, DrainSaysGoingAwayOnceTheHandlerIsDone) {
  Flag asked;
  Flag answer;
  config_.threads = 2;
  serve([&](WebSocket& socket, RequestContext& context) -> Task<> {
    while (auto message = co_await socket.receive()) {
      asked.raise();
      while (!answer.raised()) co_await async::sleep_for(milliseconds(1), context);
      co_await socket.send("answered");
    }
  });
  start();
  auto idle = open();
  auto busy = open();
  busy->send(frame(1, "x"));
  EXPECT_TRUE(asked.wait());
  std::thread drainer([&] { server_->drain(); });
  EXPECT_EQ(close_code(next_frame(*idle)), 1001);
  answer.raise();
  EXPECT_EQ(next_frame(*busy), "1answered");
  EXPECT_EQ(close_code(next_frame(*busy)), 1001);
  for (RawClient* client : {idle.get(), busy.get()}) client->send(close_frame(1001));
  drainer.join();
}

}  // namespace
}  // namespace ragtime::http
