// How long the server waits for slow clients, how many it takes, and what silent streams get.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/wait.h"
#include "http/server_fixture.h"

namespace ragtime::http {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

class HttpPatience : public ServerFixture {
 protected:
  void stream(std::string type, std::function<Task<>(StreamWriter&, RequestContext&)> body) {
    route("GET", "/", [type, body](Request&, RequestContext& context) -> Task<Response> {
      Response response;
      response.headers.set("Content-Type", type);
      response.stream = [body, &context](StreamWriter& out) { return body(out, context); };
      co_return response;
    });
  }
};

TEST_F(HttpPatience, SilentEventStreamsGetComments) {
  config_.heartbeat_interval = milliseconds(20);
  stream("text/event-stream; charset=utf-8", [](StreamWriter& out, RequestContext& context) -> Task<> {
    co_await async::sleep_for(milliseconds(100), context);
    co_await out.write("data: half");
    co_await async::sleep_for(milliseconds(100), context);
    co_await out.write(" an event\n\n");
    co_await async::sleep_for(milliseconds(100), context);
  });
  start();
  RawClient client(port());
  client.send(kGet);
  const std::string reply = client.read_until("0\r\n\r\n");
  const auto half = reply.find("data: half");
  const auto rest = reply.find(" an event");
  ASSERT_NE(half, std::string::npos);
  ASSERT_NE(rest, std::string::npos);
  constexpr const char* kComment = "3\r\n:\n\n\r\n";
  EXPECT_THAT(reply.substr(0, half), HasSubstr(kComment));
  EXPECT_EQ(reply.substr(half, rest - half).find(':', 5), std::string::npos) << "in the middle of an event";
  EXPECT_THAT(reply.substr(rest), HasSubstr(kComment));
}

TEST_F(HttpPatience, OtherStreamsGetNone) {
  config_.heartbeat_interval = milliseconds(10);
  stream("text/plain", [](StreamWriter& out, RequestContext& context) -> Task<> {
    co_await out.write("a\n\n");
    co_await async::sleep_for(milliseconds(100), context);
    co_await out.write("b");
  });
  start();
  EXPECT_THAT(exchange(std::string(kGet)), StartsWith("HTTP/1.1 200"));
  RawClient client(port());
  client.send(kGet);
  EXPECT_THAT(client.read_until("0\r\n\r\n"), HasSubstr("3\r\na\n\n\r\n1\r\nb\r\n"));
}

TEST_F(HttpPatience, TheHeadOfASilentStreamDoesNotWait) {
  Flag read;
  config_.heartbeat_interval = milliseconds(0);
  stream("text/event-stream", [&](StreamWriter&, RequestContext& context) -> Task<> {
    while (!read.raised()) co_await async::sleep_for(milliseconds(1), context);
  });
  start();
  RawClient client(port());
  client.send(kGet);
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  read.raise();
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "0\r\n\r\n");
}

TEST_F(HttpPatience, ABodyMustComeAtTheMinimumRate) {
  config_.header_timeout = milliseconds(40);
  config_.bytes_per_second_min = 1000;
  route("POST", "/", [](Request& request, RequestContext&) -> Task<Response> {
    Response response;
    response.body = std::to_string(request.body.size());
    co_return response;
  });
  start();
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n";
  RawClient slow(port());
  slow.send(head + "few");
  EXPECT_THAT(slow.read_all(), StartsWith("HTTP/1.1 408"));
  // What has come earns time: nine seconds for nine thousand bytes.
  RawClient quick(port());
  quick.send(head + std::string(9000, 'x'));
  RequestContext pause("pause", "", Deadline::never());
  ASSERT_TRUE(async::sync_wait(async::sleep_for(milliseconds(150), pause)).has_value());
  quick.send(std::string(999, 'x'));
  EXPECT_THAT(quick.read_reply(), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpPatience, AReaderMustTakeTheMinimumRate) {
  config_.write_timeout = milliseconds(50);
  config_.bytes_per_second_min = 100u << 20;
  Flag gave_up;
  stream("text/plain", [&](StreamWriter& out, RequestContext&) -> Task<> {
    const std::string piece(64 << 10, 'x');
    for (int i = 0; i < 100'000; ++i) {
      auto sent = co_await out.write(piece);
      if (sent.has_error()) break;
    }
    gave_up.raise();
  });
  start();
  RawClient client;
  client.socket().set_option(boost::asio::socket_base::receive_buffer_size(16 << 10));
  client.connect(port());
  client.send(kGet);
  // It reads a little now and then, which would reset a timeout between two writes.
  for (int i = 0; i < 10'000 && !gave_up.raised(); ++i) client.read(100);
  EXPECT_TRUE(gave_up.wait());
}

TEST_F(HttpPatience, OneAddressHasItsShareOfConnections) {
  config_.connections_per_address_max = 2;
  route("GET", "/", [](Request&, RequestContext&) -> Task<Response> { co_return Response(); });
  start();
  RawClient first(port());
  RawClient second(port());
  first.send(kGet);
  second.send(kGet);
  EXPECT_THAT(first.read_reply(), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(second.read_reply(), StartsWith("HTTP/1.1 200"));
  RawClient third(port());
  EXPECT_EQ(third.read_all(), "");
  EXPECT_TRUE(third.closed());
  first.close();
  // The place is free as soon as the server has seen the first one leave.
  std::string reply;
  for (int i = 0; i < 200 && reply.empty(); ++i) reply = exchange(kGet);
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace ragtime::http
