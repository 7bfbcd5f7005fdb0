#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/wait.h"
#include "http/server_fixture.h"
#include "http/sse.h"

namespace ragtime::http {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

// Streaming, clients that leave, draining and stopping.
class HttpLifecycle : public ServerFixture {
 protected:
  // Runs until its context ends, then says why.
  Handler until_cancelled() {
    return [this](Request&, RequestContext& context) -> Task<Response> {
      running_.raise();
      auto slept = co_await async::sleep_for(std::chrono::hours(1), context);
      if (slept.has_error() && slept.error().code == ErrorCode::cancelled) cancelled_.raise();
      Response response;
      response.body = "woken";
      co_return response;
    };
  }

  Handler streaming(std::function<Task<>(StreamWriter&)> stream) {
    return [stream](Request&, RequestContext&) -> Task<Response> {
      Response response;
      response.headers.set("Content-Type", "text/event-stream");
      response.stream = stream;
      co_return response;
    };
  }

  Flag running_;
  Flag cancelled_;
};

TEST_F(HttpLifecycle, EachWriteOfAStreamIsOneChunkAtOnce) {
  Flag go_on;
  route("GET", "/", streaming([&](StreamWriter& out) -> Task<> {
          co_await out.write(format_sse("a", "1"));
          co_await out.write("");
          go_on.wait();
          co_await out.write(format_sse("", "2"));
        }));
  start();
  RawClient client(port());
  client.send(kGet);
  EXPECT_THAT(client.read_until("\r\n\r\n"),
              AllOf(HasSubstr("Transfer-Encoding: chunked\r\n"), Not(HasSubstr("Content-Length"))));
  EXPECT_EQ(client.read_until("\n\n\r\n"), "12\r\nevent: a\ndata: 1\n\n\r\n");
  go_on.raise();
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "9\r\ndata: 2\n\n\r\n0\r\n\r\n");
  client.send(kGet);
  EXPECT_THAT(client.read_until("0\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpLifecycle, Http10StreamsEndWithTheConnection) {
  route("GET", "/", streaming([](StreamWriter& out) -> Task<> { co_await out.write("plain"); }));
  start();
  RawClient client(port());
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(client.read_all(), AllOf(Not(HasSubstr("chunked")), EndsWith("\r\n\r\nplain")));
}

TEST_F(HttpLifecycle, HeadOfAStreamingRouteDoesNotStream) {
  Flag streamed;
  route("GET", "/", streaming([&](StreamWriter&) -> Task<> {
          streamed.raise();
          co_return;
        }));
  start();
  RawClient client(port());
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.read_all(), EndsWith("\r\n\r\n"));
  EXPECT_FALSE(streamed.raised());
}

TEST_F(HttpLifecycle, AStreamThatThrowsIsCutNotFinished) {
  route("GET", "/", streaming([](StreamWriter& out) -> Task<> {
          co_await out.write("part");
          throw std::runtime_error("lost");
        }));
  start();
  RawClient client(port());
  client.send(kGet);
  EXPECT_THAT(client.read_all(), EndsWith("4\r\npart\r\n"));
  EXPECT_THAT(log_.wait_for("stream_failed"), HasSubstr("error=lost"));
}

TEST_F(HttpLifecycle, ALeavingClientCancelsItsHandler) {
  route("GET", "/", until_cancelled());
  start();
  RawClient client(port());
  client.send(kGet);
  ASSERT_TRUE(running_.wait());
  client.close();
  EXPECT_TRUE(cancelled_.wait());
}

TEST_F(HttpLifecycle, AResetCancelsTheHandler) {
  route("GET", "/", until_cancelled());
  start();
  RawClient client(port());
  client.send(kGet);
  ASSERT_TRUE(running_.wait());
  client.reset();
  EXPECT_TRUE(cancelled_.wait());
}

TEST_F(HttpLifecycle, LeavingIsSeenBehindPipelinedBytesAndAfterABody) {
  route("POST", "/", until_cancelled());
  start();
  RawClient client(port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
  ASSERT_TRUE(running_.wait());
  client.send(kGet);
  client.close();
  EXPECT_TRUE(cancelled_.wait());
}

TEST_F(HttpLifecycle, AClientThatOnlyFinishedSendingStillGetsItsReply) {
  route("GET", "/", until_cancelled());
  start();
  RawClient client(port());
  client.send(kGet);
  ASSERT_TRUE(running_.wait());
  client.finish_sending();
  EXPECT_THAT(client.read_all(), AllOf(StartsWith("HTTP/1.1 200"), EndsWith("woken")));
}

TEST_F(HttpLifecycle, ALeavingClientEndsItsStream) {
  Flag ended;
  route("GET", "/", [&](Request&, RequestContext& context) -> Task<Response> {
    Response response;
    response.stream = [&](StreamWriter& out) -> Task<> {
      while (true) {
        auto written = co_await out.write("tick");
        if (written.has_error()) {
          EXPECT_EQ(written.error().code, ErrorCode::cancelled);
          EXPECT_TRUE(context.cancelled());
          ended.raise();
          co_return;
        }
        co_await async::sleep_for(milliseconds(1), context);
      }
    };
    co_return response;
  });
  start();
  RawClient client(port());
  client.send(kGet);
  client.read_until("tick");
  client.close();
  EXPECT_TRUE(ended.wait());
  EXPECT_THAT(log_.wait_for("request request_id"), HasSubstr("status=499"));
}

TEST_F(HttpLifecycle, AStreamThatWaitsIsCancelledToo) {
  route("GET", "/", [&](Request&, RequestContext& context) -> Task<Response> {
    Response response;
    response.stream = [&](StreamWriter& out) -> Task<> {
      co_await out.write("first");
      running_.raise();
      auto slept = co_await async::sleep_for(std::chrono::hours(1), context);
      if (slept.has_error()) cancelled_.raise();
    };
    co_return response;
  });
  start();
  RawClient client(port());
  client.send(kGet);
  ASSERT_TRUE(running_.wait());
  client.close();
  EXPECT_TRUE(cancelled_.wait());
}

TEST_F(HttpLifecycle, StreamedBodiesArriveInPieces) {
  auto& added = route("POST", "/", [](Request& request, RequestContext&) -> Task<Response> {
    EXPECT_TRUE(request.body.empty());
    std::size_t pieces = 0;
    std::size_t bytes = 0;
    Response response;
    while (true) {
      auto piece = co_await request.body_reader->read_some();
      if (piece.has_error()) {
        response.body = std::string(name(piece.error().code));
        co_return response;
      }
      if (piece->empty()) break;
      ++pieces;
      bytes += piece->size();
    }
    auto again = co_await request.body_reader->read_some();
    EXPECT_TRUE(again.has_value() && again->empty());
    response.body = (pieces > 1 ? "pieces " : "piece ") + std::to_string(bytes);
    co_return response;
  });
  added.body_mode = BodyMode::stream;
  added.body_bytes_max = 4u << 20;
  start();
  RawClient client(port());
  const std::string body(3u << 20, 'x');
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_THAT(client.read_reply(), EndsWith("pieces " + std::to_string(body.size())));
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n");
  client.send(std::string(4u << 20, 'y') + "\r\n1\r\nz\r\n0\r\n\r\n");
  EXPECT_THAT(client.read_reply(), EndsWith("too_large"));
}

TEST_F(HttpLifecycle, AnUploadThatIsCutCancels) {
  Flag cut;
  auto& added = route("POST", "/", [&](Request& request, RequestContext& context) -> Task<Response> {
    running_.raise();
    while (true) {
      auto piece = co_await request.body_reader->read_some();
      if (piece.has_value() && !piece->empty()) continue;
      if (piece.has_error() && piece.error().code == ErrorCode::cancelled && context.cancelled()) cut.raise();
      co_return Response();
    }
  });
  added.body_mode = BodyMode::stream;
  start();
  RawClient client(port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
  ASSERT_TRUE(running_.wait());
  client.close();
  EXPECT_TRUE(cut.wait());
  EXPECT_THAT(log_.wait_for("request request_id"), HasSubstr("status=499"));
}

TEST_F(HttpLifecycle, DrainClosesIdleConnectionsAndFinishesRequests) {
  config_.threads = 1;  // So that the idle connection's end shows that the busy one's loop drains too.
  Flag finish;
  route("GET", "/", [&](Request&, RequestContext& context) -> Task<Response> {
    running_.raise();
    while (!finish.raised()) co_await async::sleep_for(milliseconds(1), context);
    Response response;
    response.body = "finished";
    co_return response;
  });
  start();
  RawClient idle(port());
  RawClient busy(port());
  busy.send(kGet);
  ASSERT_TRUE(running_.wait());
  std::thread draining([&] { server_->drain(); });
  EXPECT_TRUE(idle.closed());
  finish.raise();
  EXPECT_THAT(busy.read_all(), AllOf(HasSubstr("Connection: close"), EndsWith("finished")));
  busy.close();
  draining.join();
  RawClient late(port());
  EXPECT_TRUE(late.failed());
}

TEST_F(HttpLifecycle, DrainCancelsWhatOutlivesTheGrace) {
  config_.drain_grace = milliseconds(20);
  route("GET", "/", until_cancelled());
  start();
  RawClient client(port());
  client.send(kGet);
  ASSERT_TRUE(running_.wait());
  std::thread draining([&] { server_->drain(); });
  EXPECT_TRUE(cancelled_.wait());
  EXPECT_THAT(client.read_all(), EndsWith("woken"));
  client.close();
  draining.join();
}

TEST_F(HttpLifecycle, StopCancelsAndIsIdempotent) {
  route("GET", "/", until_cancelled());
  start();
  RawClient busy(port());
  RawClient idle(port());
  busy.send(kGet);
  ASSERT_TRUE(running_.wait());
  server_->stop();
  EXPECT_TRUE(cancelled_.raised());
  EXPECT_TRUE(busy.closed());
  EXPECT_TRUE(idle.closed());
  server_->stop();
  server_->drain();
}

TEST_F(HttpLifecycle, StopsInTheMiddleOfTraffic) {
  route("GET", "/", streaming([](StreamWriter& out) -> Task<> { co_await out.write("x"); }));
  start();
  const std::uint16_t bound = port();
  std::vector<std::thread> clients;
  std::atomic<bool> stopped = false;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (!stopped) {
        RawClient client(bound);
        client.send(kGet);
        client.read_until("0\r\n\r\n");
      }
    });
  }
  log_.wait_for("request request_id");
  server_->stop();
  stopped = true;
  for (auto& client : clients) client.join();
}

}  // namespace
}  // namespace ragtime::http
