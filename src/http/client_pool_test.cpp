// Connections of the client: reuse, replacement of dead ones, limits that learn, metrics, TLS sessions.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/wait.h"
#include "async/when_all.h"
#include "base/id.h"
#include "http/client_stream.h"
#include "http/scripted_server.h"
#include "http/server_fixture.h"
#include "http/test_certificate.h"

namespace ragtime::http {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

ScriptedServer::Script always(std::string reply) {
  return [reply](ScriptedConnection& connection, int) {
    while (!connection.read_head().empty()) connection.write(reply);
  };
}

ClientRequest get(std::string url) {
  ClientRequest request;
  request.url = std::move(url);
  return request;
}

Task<std::string> send_in_turn(Client& client, ClientRequest request, int times, RequestContext& context) {
  std::string out;
  for (int i = 0; i < times; ++i) {
    auto response = co_await client.send(request, context);
    out += response.has_value() ? response->body : response.error().message;
  }
  co_return out;
}

std::string in_turn(Client& client, ClientRequest request, int times) {
  RequestContext context("req", "tenant", Deadline::after(std::chrono::seconds(10)));
  return async::sync_wait(send_in_turn(client, std::move(request), times, context));
}

double gauge(telemetry::Metrics& metrics, std::string name, const ScriptedServer& server) {
  return metrics.gauge(name, "", {{"origin", "http://127.0.0.1:" + std::to_string(server.port())}}).value();
}

double counter(telemetry::Metrics& metrics, std::string name, const ScriptedServer& server) {
  return metrics.counter(name, "", {{"origin", "http://127.0.0.1:" + std::to_string(server.port())}}).value();
}

TEST(HttpClientPool, CountsConnections) {
  telemetry::Metrics metrics;
  ScriptedServer server(always(kOk));
  Client client({}, &metrics);
  EXPECT_EQ(in_turn(client, get(server.url()), 3), "okokok");
  EXPECT_EQ(counter(metrics, "ragtime_http_client_connections_created_total", server), 1);
  EXPECT_EQ(counter(metrics, "ragtime_http_client_connections_reused_total", server), 2);
  // The loop of in_turn() has ended, and its pool with it.
  EXPECT_EQ(gauge(metrics, "ragtime_http_client_open_connections", server), 0);
  EXPECT_EQ(gauge(metrics, "ragtime_http_client_idle_connections", server), 0);
}

Task<std::size_t> idle_after(Client& client, std::string url, RequestContext& context) {
  std::vector<Task<Result<ClientResponse>>> sends;
  for (int i = 0; i < 3; ++i) sends.push_back(client.send(get(url), context));
  auto responses = co_await async::when_all(std::move(sends));
  for (const auto& response : responses) EXPECT_TRUE(response.has_value());
  const auto executor = co_await asio::this_coro::executor;
  co_return ConnectionPool::of(executor).idle();
}

class HttpClientPoolServer : public ServerFixture {
 protected:
  HttpClientPoolServer() {
    route("GET", "/", [](Request&, RequestContext&) -> Task<Response> { co_return Response(); });
  }
};

TEST_F(HttpClientPoolServer, KeepsNoMoreIdleConnectionsThanAllowed) {
  start();
  for (const auto& [allowed, kept] : std::vector<std::pair<std::size_t, std::size_t>>{{10, 3}, {2, 2}, {0, 0}}) {
    ClientConfig config;
    config.idle_connections_max = allowed;
    Client client(config);
    RequestContext context("req", "tenant", Deadline::after(std::chrono::seconds(10)));
    EXPECT_EQ(async::sync_wait(idle_after(client, url("/"), context)), kept);
  }
}

TEST_F(HttpClientPoolServer, WaitsForAPlaceWhenAllAreInUse) {
  start();
  ClientConfig config;
  config.connections_per_origin_max = 1;
  telemetry::Metrics metrics;
  Client client(config, &metrics);
  RequestContext context("req", "tenant", Deadline::after(std::chrono::seconds(10)));
  EXPECT_EQ(async::sync_wait(idle_after(client, url("/"), context)), 1u);
  const telemetry::Labels labels = {{"origin", "http://127.0.0.1:" + std::to_string(port())}};
  EXPECT_EQ(metrics.counter("ragtime_http_client_waits_total", "", labels).value(), 2);
  EXPECT_EQ(metrics.counter("ragtime_http_client_connections_created_total", "", labels).value(), 1);
}

TEST(HttpClientPool, DoesNotUseAConnectionPastItsLifetime) {
  ScriptedServer server(always(kOk));
  ClientConfig config;
  config.connection_lifetime_max = milliseconds(0);
  Client client(config);
  EXPECT_EQ(in_turn(client, get(server.url()), 2), "okok");
  EXPECT_EQ(server.accepted(), 2);
}

// A connection to a server that has closed it, or closes it once it has read a request, and one exchange on it.
Task<bool> exchange_may_be_repeated(std::uint16_t port, Flag* closed, bool idempotent, RequestContext& context) {
  const auto executor = co_await asio::this_coro::executor;
  const auto config = std::make_shared<ClientConfig>();
  const auto origin = std::make_shared<Origin>("http://127.0.0.1", *config, nullptr);
  auto connection = std::make_unique<Connection>(executor, origin);
  const asio::ip::tcp::endpoint address(asio::ip::address_v4::loopback(), port);
  const std::vector<asio::ip::tcp::endpoint> addresses(1, address);
  auto error = co_await connection->connect(addresses);
  EXPECT_FALSE(error);
  if (closed != nullptr) {
    EXPECT_TRUE(closed->wait());
  }
  const auto url = std::make_shared<const Url>(Url{false, "127.0.0.1", "1", "/"});
  ClientExchange exchange(executor, {config, url, origin}, std::move(connection), {}, false);
  exchange.on_used_connection();
  auto started = co_await exchange.start("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "", milliseconds(0), context);
  EXPECT_TRUE(started.has_error());
  co_return exchange.may_be_repeated(idempotent);
}

bool may_be_repeated(std::uint16_t port, Flag* closed, bool idempotent) {
  RequestContext context("req", "tenant", Deadline::after(std::chrono::seconds(10)));
  return async::sync_wait(exchange_may_be_repeated(port, closed, idempotent, context));
}

TEST(HttpClientPool, APostIsRepeatedOnlyWhenNobodyCanHaveReadIt) {
  for (const bool idempotent : {false, true}) {
    boost::asio::io_context loop;
    boost::asio::ip::tcp::acceptor acceptor(loop, {boost::asio::ip::address_v4::loopback(), 0});
    Flag closed;
    std::thread closer([&] {
      acceptor.accept().close();
      closed.raise();
    });
    EXPECT_TRUE(may_be_repeated(acceptor.local_endpoint().port(), &closed, idempotent));
    closer.join();
  }
  ScriptedServer reader([](ScriptedConnection& connection, int) { connection.read_head(); });
  EXPECT_FALSE(may_be_repeated(reader.port(), nullptr, false));
  EXPECT_TRUE(may_be_repeated(reader.port(), nullptr, true));
}

ScriptedServer::Script silent() {
  return [](ScriptedConnection& connection, int) {
    connection.read_head();
    connection.read_head();
  };
}

TEST(HttpClientLimits, TheFirstByteHasALimitOfItsOwn) {
  for (const bool of_request : {true, false}) {
    ScriptedServer server(silent());
    ClientConfig config;
    if (!of_request) config.first_byte_timeout = milliseconds(20);
    Client client(config);
    ClientRequest request = get(server.url());
    if (of_request) request.first_byte_timeout = milliseconds(20);
    RequestContext context("req", "tenant", Deadline::after(std::chrono::seconds(10)));
    const auto response = async::sync_wait(client.send(request, context));
    ASSERT_TRUE(response.has_error());
    EXPECT_EQ(response.error().code, ErrorCode::unavailable);
    EXPECT_THAT(response.error().message, HasSubstr("no reply in time"));
  }
}

TEST(HttpClientLimits, TheFirstByteLimitEndsWithTheHead) {
  Flag late;
  ScriptedServer server([&](ScriptedConnection& connection, int) {
    connection.read_head();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nso");
    EXPECT_TRUE(late.wait());
    connection.write("on");
  });
  ClientRequest request = get(server.url());
  request.first_byte_timeout = milliseconds(500);
  Client client;
  RequestContext context("req", "tenant", Deadline::after(std::chrono::seconds(10)));
  std::thread later([&] {
    RequestContext pause("pause", "tenant", Deadline::never());
    EXPECT_TRUE(async::sync_wait(async::sleep_for(milliseconds(550), pause)).has_value());
    late.raise();
  });
  const auto response = async::sync_wait(client.send(request, context));
  later.join();
  ASSERT_TRUE(response.has_value()) << response.error().message;
  EXPECT_EQ(response->body, "soon");
}

TEST(HttpClientLimits, AreLearnedFromReplies) {
  telemetry::Metrics metrics;
  ScriptedServer server([](ScriptedConnection& connection, int) {
    for (int i = 0; !connection.read_head().empty(); ++i) {
      if (i < LatencyLimit::kSamplesMin) connection.write(kOk);
    }
  });
  ClientConfig config;
  config.first_byte_timeout = std::chrono::seconds(100);
  config.first_byte_timeout_min = milliseconds(50);
  Client client(config, &metrics);
  std::string expected;
  for (int i = 0; i < LatencyLimit::kSamplesMin; ++i) expected += "ok";
  // The request after the last answered one waits for the learned limit, not for 100 seconds.
  EXPECT_THAT(in_turn(client, get(server.url()), LatencyLimit::kSamplesMin + 1), HasSubstr(expected + "http://"));
  const telemetry::Labels labels = {{"kind", "first_byte"},
                                    {"origin", "http://127.0.0.1:" + std::to_string(server.port())}};
  EXPECT_LT(metrics.gauge("ragtime_http_client_timeout_seconds", "", labels).value(), 100);
}

Task<bool> cancel_beside(Client& client, std::string url, Flag& closed, RequestContext& context) {
  auto stream = co_await client.open(get(std::move(url)), context);
  EXPECT_TRUE(stream.has_value());
  context.cancel();
  // Nobody reads the stream; its connection must be closed all the same.
  RequestContext pause("pause", "tenant", Deadline::after(std::chrono::seconds(10)));
  for (int i = 0; i < 1000 && !closed.raised(); ++i) co_await async::sleep_for(milliseconds(5), pause);
  co_return closed.raised();
}

TEST(HttpClientPool, ACancelledStreamIsClosedEvenWhenNobodyReadsIt) {
  Flag closed;
  ScriptedServer server([&](ScriptedConnection& connection, int) {
    connection.read_head();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    connection.read_head();
    closed.raise();
  });
  Client client;
  RequestContext context("req", "tenant", Deadline::never());
  EXPECT_TRUE(async::sync_wait(cancel_beside(client, server.url(), closed, context)));
}

Task<bool> resumes(std::shared_ptr<Origin> origin, asio::ssl::context& authorities, std::uint16_t port) {
  const auto executor = co_await asio::this_coro::executor;
  Connection connection(executor, std::move(origin));
  const asio::ip::tcp::endpoint address(asio::ip::address_v4::loopback(), port);
  const std::vector<asio::ip::tcp::endpoint> addresses(1, address);
  co_await connection.connect(addresses);
  auto error = co_await connection.start_tls(authorities, "localhost");
  EXPECT_FALSE(error) << error.message();
  co_await connection.write("GET / HTTP/1.1\r\n\r\n", "");
  char bytes[256];
  co_await connection.read_some(asio::buffer(bytes));
  co_return connection.resumed_session();
}

TEST(HttpClientPool, ResumesTlsSessions) {
  const TestCertificate made = make_test_certificate("localhost");
  asio::ssl::context server_tls(asio::ssl::context::tls_server);
  server_tls.use_certificate(asio::buffer(made.certificate_pem), asio::ssl::context::pem);
  server_tls.use_private_key(asio::buffer(made.key_pem), asio::ssl::context::pem);
  asio::ssl::context client_tls(asio::ssl::context::tls_client);
  client_tls.set_verify_mode(asio::ssl::verify_peer);
  client_tls.add_certificate_authority(asio::buffer(made.certificate_pem));
  Connection::remember_sessions(client_tls);
  ScriptedServer server(always(kOk), &server_tls);
  const auto origin = std::make_shared<Origin>("https://localhost", ClientConfig(), nullptr);
  EXPECT_FALSE(async::sync_wait(resumes(origin, client_tls, server.port())));
  EXPECT_TRUE(async::sync_wait(resumes(origin, client_tls, server.port())));
}

}  // namespace
}  // namespace ragtime::http
