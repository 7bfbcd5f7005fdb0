#include "http/client.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/wait.h"
#include "base/id.h"
#include "http/scripted_server.h"
#include "http/server_fixture.h"
#include "http/test_certificate.h"

namespace ragtime::http {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

ClientRequest get(std::string url) {
  ClientRequest request;
  request.url = std::move(url);
  return request;
}

Result<ClientResponse> send(Client& client, ClientRequest request, milliseconds timeout = std::chrono::seconds(10)) {
  RequestContext context("req", "tenant", Deadline::after(timeout));
  return async::sync_wait(client.send(std::move(request), context));
}

// Says the same to every request of every connection.
ScriptedServer::Script always(std::string reply) {
  return [reply](ScriptedConnection& connection, int) {
    while (!connection.read_head().empty()) connection.write(reply);
  };
}

// Says it once per connection, then closes.
ScriptedServer::Script once(std::string reply) {
  return [reply](ScriptedConnection& connection, int) {
    connection.read_head();
    connection.write(reply);
  };
}

class HttpClient : public ServerFixture {};

TEST_F(HttpClient, SendsMethodTargetFieldsAndBody) {
  route("POST", "/{rest...}", [](Request& request, RequestContext&) -> Task<Response> {
    Response response;
    response.status = 201;
    response.headers.set("X-Reply", "yes");
    response.body = request.path + "|" + request.query["q"] + "|" + std::string(*request.headers.find("x-field")) +
                    "|" + std::string(*request.headers.find("host")) + "|" + request.body;
    co_return response;
  });
  start();
  Client client;
  ClientRequest request = get(url("/a%20b?q=1%2B2"));
  request.method = "POST";
  request.headers.set("X-Field", "value");
  request.body = std::string(100'000, 'x');
  const auto response = send(client, request);
  ASSERT_TRUE(response.has_value()) << response.error().message;
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->headers.find("x-reply"), "yes");
  EXPECT_EQ(response->body, "/a b|1+2|value|127.0.0.1:" + std::to_string(port()) + "|" + request.body);
}

Task<std::string> send_twice(Client& client, std::string url, std::string method, RequestContext& context) {
  std::string out;
  for (int i = 0; i < 2; ++i) {
    ClientRequest request = get(url);
    request.method = method;
    auto response = co_await client.send(std::move(request), context);
    out += response.has_value() ? response->body : std::string(name(response.error().code));
    out += ' ';
  }
  co_return out;
}

std::string twice(Client& client, const ScriptedServer& server, std::string method = "GET") {
  RequestContext context("req", "tenant", Deadline::after(std::chrono::seconds(10)));
  return async::sync_wait(send_twice(client, server.url(), std::move(method), context));
}

TEST(HttpClientConnections, AreUsedAgain) {
  Client client;
  ScriptedServer server(always(kOk));
  EXPECT_EQ(twice(client, server), "ok ok ");
  EXPECT_EQ(server.accepted(), 1);
}

TEST(HttpClientConnections, AreNotUsedAgainWhenTheServerSaysClose) {
  Client client;
  ScriptedServer server(always("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
  EXPECT_EQ(twice(client, server), "ok ok ");
  EXPECT_EQ(server.accepted(), 2);
}

TEST(HttpClientConnections, AreNotUsedAgainAfterExtraBytes) {
  Client client;
  ScriptedServer server(always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokextra"));
  EXPECT_EQ(twice(client, server), "ok ok ");
  EXPECT_EQ(server.accepted(), 2);
}

TEST(HttpClientConnections, MayBeTurnedOff) {
  ClientConfig config;
  config.idle_connections_max = 0;
  Client client(config);
  ScriptedServer server(always(kOk));
  EXPECT_EQ(twice(client, server), "ok ok ");
  EXPECT_EQ(server.accepted(), 2);
}

// The first connection dies when its second request arrives.
ScriptedServer::Script dies_on_second_request() {
  return [](ScriptedConnection& connection, int number) {
    connection.read_head();
    connection.write(kOk);
    connection.read_head();
    if (number > 0) connection.write(kOk);
  };
}

TEST(HttpClientConnections, ADeadOneIsReplacedForARequestThatMayBeRepeated) {
  Client client;
  ScriptedServer server(dies_on_second_request());
  EXPECT_EQ(twice(client, server), "ok ok ");
  EXPECT_EQ(server.accepted(), 2);
}

TEST(HttpClientConnections, APostIsNotRepeated) {
  Client client;
  ScriptedServer server(dies_on_second_request());
  EXPECT_EQ(twice(client, server, "POST"), "ok unavailable ");
}

TEST_F(HttpClient, LoopsOfManyThreadsShareAClient) {
  route("GET", "/", [](Request&, RequestContext&) -> Task<Response> {
    Response response;
    response.body = "ok";
    co_return response;
  });
  start();
  Client client;
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      RequestContext context("req", "tenant", Deadline::after(std::chrono::seconds(30)));
      for (int round = 0; round < 10; ++round) {
        if (async::sync_wait(send_twice(client, url("/"), "GET", context)) == "ok ok ") ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 40);
}

std::string reply_to(std::string bytes, std::string method = "GET") {
  ScriptedServer server(once(std::move(bytes)));
  ClientRequest request = get(server.url());
  request.method = std::move(method);
  Client client;
  const auto response = send(client, std::move(request));
  if (response.has_error()) return std::string(name(response.error().code)) + ": " + response.error().message;
  return std::to_string(response->status) + " " + response->body;
}

TEST(HttpClientReplies, OfEveryFraming) {
  EXPECT_EQ(reply_to(kOk), "200 ok");
  EXPECT_EQ(reply_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), "200 abc");
  EXPECT_EQ(reply_to("HTTP/1.1 200 OK\r\n\r\nuntil the end"), "200 until the end");
  EXPECT_EQ(reply_to("HTTP/1.0 404 Not Found\r\n\r\n"), "404 ");
  EXPECT_EQ(reply_to("HTTP/1.1 204 No Content\r\n\r\n"), "204 ");
  EXPECT_EQ(reply_to("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HEAD"), "200 ");
  EXPECT_EQ(reply_to("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + std::string(kOk)),
            "200 ok");
}

TEST(HttpClientReplies, BrokenOnesAreUnavailable) {
  EXPECT_THAT(reply_to(""), HasSubstr("unavailable: http://127.0.0.1"));
  EXPECT_THAT(reply_to("SSH-2.0-x\r\n\r\n"), HasSubstr("unavailable: broken HTTP reply"));
  EXPECT_THAT(reply_to("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"), HasSubstr("unavailable: broken HTTP reply"));
  EXPECT_THAT(reply_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"), HasSubstr("unavailable"));
  EXPECT_THAT(reply_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), HasSubstr("unavailable"));
  EXPECT_THAT(reply_to("HTTP/1.1 200 OK\r\nContent-"), HasSubstr("unavailable"));
  EXPECT_THAT(reply_to("HTTP/1.1 101 Switching Protocols\r\n\r\n"), HasSubstr("unexpected status"));
}

TEST(HttpClientReplies, OverTheLimitAreTooLarge) {
  ClientConfig config;
  config.body_bytes_max = 10;
  Client client(config);
  ScriptedServer server(once("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890"));
  EXPECT_EQ(send(client, get(server.url())).error().code, ErrorCode::too_large);
}

TEST_F(HttpClient, AnEarlyReplyToALargeBodyIsSeen) {
  route("POST", "/", [](Request&, RequestContext&) -> Task<Response> { co_return Response(); }).body_bytes_max = 10;
  start();
  ClientRequest request = get(url("/"));
  request.method = "POST";
  request.body = std::string(8u << 20, 'x');
  Client client;
  const auto response = send(client, std::move(request));
  ASSERT_TRUE(response.has_value()) << response.error().message;
  EXPECT_EQ(response->status, 413);
}

Task<std::string> read_pieces(Client& client, ClientRequest request, Flag& go_on, RequestContext& context) {
  auto stream = co_await client.open(std::move(request), context);
  if (stream.has_error()) co_return stream.error().message;
  std::string out = std::to_string((*stream)->status());
  while (true) {
    auto piece = co_await (*stream)->read_some(context);
    if (piece.has_error()) co_return out + "!" + std::string(name(piece.error().code));
    if (piece->empty()) break;
    out += "|" + *piece;
    go_on.raise();
  }
  auto again = co_await (*stream)->read_some(context);
  EXPECT_TRUE(again.has_value() && again->empty());
  co_return out;
}

TEST_F(HttpClient, StreamsPiecesAsTheyCome) {
  Flag first_read;
  route("GET", "/", [&](Request&, RequestContext&) -> Task<Response> {
    Response response;
    response.stream = [&](StreamWriter& out) -> Task<> {
      co_await out.write("first");
      EXPECT_TRUE(first_read.wait());
      co_await out.write("second");
    };
    co_return response;
  });
  start();
  Client client;
  RequestContext context("req", "tenant", Deadline::after(std::chrono::seconds(10)));
  EXPECT_EQ(async::sync_wait(read_pieces(client, get(url("/")), first_read, context)), "200|first|second");
}

Task<> open_and_drop(Client& client, ClientRequest request, RequestContext& context) {
  auto stream = co_await client.open(std::move(request), context);
  EXPECT_TRUE(stream.has_value());
}

TEST_F(HttpClient, DroppingAStreamClosesItsConnection) {
  Flag cancelled;
  route("GET", "/", [&](Request&, RequestContext& context) -> Task<Response> {
    Response response;
    response.stream = [&](StreamWriter& out) -> Task<> {
      co_await out.write("first");
      auto slept = co_await async::sleep_for(std::chrono::hours(1), context);
      if (slept.has_error() && slept.error().code == ErrorCode::cancelled) cancelled.raise();
    };
    co_return response;
  });
  start();
  Client client;
  RequestContext context("req", "tenant", Deadline::after(std::chrono::seconds(10)));
  async::sync_wait(open_and_drop(client, get(url("/")), context));
  EXPECT_TRUE(cancelled.wait());
}

// Reads the request, says `beginning`, and then nothing until the client leaves.
ScriptedServer::Script silent_after(std::string beginning) {
  return [beginning](ScriptedConnection& connection, int) {
    connection.read_head();
    connection.write(beginning);
    connection.read_head();
  };
}

TEST(HttpClientWaits, EndAtTheDeadlineInEveryPhase) {
  Client client;
  for (const char* beginning : {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"}) {
    ScriptedServer server(silent_after(beginning));
    const auto response = send(client, get(server.url()), milliseconds(20));
    EXPECT_EQ(response.error().code, ErrorCode::deadline_exceeded) << beginning;
  }
  EXPECT_EQ(send(client, get("http://127.0.0.1:1/"), milliseconds(0)).error().code, ErrorCode::deadline_exceeded);
}

TEST(HttpClientWaits, EndWhenCancelledFromAnotherThread) {
  Client client;
  for (const char* beginning : {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"}) {
    RequestContext context("req", "tenant", Deadline::never());
    Flag asked;
    ScriptedServer server([&](ScriptedConnection& connection, int) {
      connection.read_head();
      connection.write(beginning);
      asked.raise();
      connection.read_head();
    });
    std::thread canceller([&] {
      asked.wait();
      context.cancel();
    });
    const auto response = async::sync_wait(client.send(get(server.url()), context));
    EXPECT_EQ(response.error().code, ErrorCode::cancelled) << beginning;
    canceller.join();
  }
}

TEST(HttpClientWaits, ConnectionsThatDoNotComeUpAreUnavailable) {
  ClientConfig config;
  config.connect_timeout = milliseconds(20);
  Client client(config);
  // A server that never answers the TLS handshake.
  ScriptedServer server([](ScriptedConnection& connection, int) { connection.read_head(); });
  const auto response = send(client, get("https://127.0.0.1:" + std::to_string(server.port())));
  EXPECT_EQ(response.error().code, ErrorCode::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("no connection in time"));
}

TEST(HttpClientWaits, BodiesThatStopAreUnavailable) {
  ClientConfig config;
  config.idle_timeout = milliseconds(20);
  Client client(config);
  ScriptedServer server(silent_after("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"));
  const auto response = send(client, get(server.url()));
  EXPECT_EQ(response.error().code, ErrorCode::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("in time"));
}

TEST(HttpClientErrors, NobodyListens) {
  std::uint16_t free_port = 0;
  {
    const ScriptedServer gone(once(kOk));
    free_port = gone.port();
  }
  Client client;
  const auto response = send(client, get("http://localhost:" + std::to_string(free_port)));
  EXPECT_EQ(response.error().code, ErrorCode::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("cannot connect"));
}

TEST(HttpClientErrors, BadRequestsAreNotSent) {
  Client client;
  EXPECT_EQ(send(client, get("no url")).error().code, ErrorCode::invalid_argument);
  ScriptedServer server(once(kOk));
  ClientRequest injected = get(server.url());
  injected.headers.set("X", "a\r\nY: b");
  EXPECT_EQ(send(client, injected).error().code, ErrorCode::invalid_argument);
  ClientRequest method = get(server.url());
  method.method = "GET /other HTTP/1.1\r\n";
  EXPECT_EQ(send(client, method).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(server.accepted(), 0);
}

Handler redirect(int status, std::string location) {
  return [status, location](Request&, RequestContext&) -> Task<Response> {
    Response response;
    response.status = status;
    response.headers.set("Location", location);
    co_return response;
  };
}

TEST_F(HttpClient, FollowsRedirectsOfGet) {
  route("GET", "/a", redirect(302, "/b"));
  route("GET", "/b", redirect(308, "c?x=1"));
  route("POST", "/a", redirect(302, "/b"));
  route("GET", "/loop", redirect(301, "/loop"));
  route("GET", "/c", [](Request& request, RequestContext&) -> Task<Response> {
    Response response;
    response.body =
        "at c x=" + request.query["x"] + " " + std::string(request.headers.find("authorization").value_or("no key"));
    co_return response;
  });
  start();
  Client client;
  ClientRequest request = get(url("/a"));
  request.headers.set("Authorization", "secret");
  EXPECT_EQ(send(client, request)->body, "at c x=1 secret");
  EXPECT_THAT(send(client, get(url("/loop"))).error().message, HasSubstr("too many redirects"));
  request.method = "POST";
  EXPECT_EQ(send(client, request)->status, 302);
  ClientConfig config;
  config.redirects_max = 0;
  Client careful(config);
  EXPECT_EQ(send(careful, get(url("/a")))->status, 302);
}

TEST_F(HttpClient, CredentialsStayWithTheirOrigin) {
  route("GET", "/", [](Request& request, RequestContext&) -> Task<Response> {
    Response response;
    response.body = request.headers.find("authorization") || request.headers.find("cookie") ? "leaked" : "clean";
    co_return response;
  });
  start();
  ScriptedServer elsewhere(once("HTTP/1.1 302 Found\r\nLocation: " + url("/") + "\r\nContent-Length: 0\r\n\r\n"));
  ClientRequest request = get(elsewhere.url());
  request.headers.set("Authorization", "secret");
  request.headers.set("Cookie", "secret");
  Client client;
  EXPECT_EQ(send(client, request)->body, "clean");
}

class HttpClientTls : public testing::Test {
 protected:
  HttpClientTls() {
    const TestCertificate made = make_test_certificate("localhost");
    std::ofstream(ca_file_) << made.certificate_pem;
    tls_.use_certificate(boost::asio::buffer(made.certificate_pem), boost::asio::ssl::context::pem);
    tls_.use_private_key(boost::asio::buffer(made.key_pem), boost::asio::ssl::context::pem);
    config_.ca_file = ca_file_;
  }
  ~HttpClientTls() override { std::filesystem::remove(ca_file_); }

  std::string ca_file_ = testing::TempDir() + make_id("ca-") + ".pem";
  boost::asio::ssl::context tls_{boost::asio::ssl::context::tls_server};
  ClientConfig config_;
};

TEST_F(HttpClientTls, TalksToAServerThatItCanVerify) {
  ScriptedServer server(always(kOk), &tls_);
  Client client(config_);
  EXPECT_EQ(twice(client, server), "ok ok ");
  EXPECT_EQ(server.accepted(), 1);
}

TEST_F(HttpClientTls, RefusesUnknownAuthorities) {
  ScriptedServer server(always(kOk), &tls_);
  Client client;
  const auto response = send(client, get(server.url()));
  ASSERT_TRUE(response.has_error());
  EXPECT_EQ(response.error().code, ErrorCode::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("certificate verify failed"));
}

TEST_F(HttpClientTls, RefusesACertificateOfAnotherName) {
  ScriptedServer server(always(kOk), &tls_);
  Client client(config_);
  const auto response = send(client, get("https://127.0.0.1:" + std::to_string(server.port())));
  ASSERT_TRUE(response.has_error());
  EXPECT_THAT(response.error().message, HasSubstr("certificate verify failed"));
}

TEST_F(HttpClientTls, AnUnreadableAuthorityFileIsAnError) {
  config_.ca_file = "/no/such/file.pem";
  ScriptedServer server(always(kOk), &tls_);
  Client client(config_);
  EXPECT_THAT(send(client, get(server.url())).error().message, HasSubstr("/no/such/file.pem"));
}

}  // namespace
}  // namespace ragtime::http
