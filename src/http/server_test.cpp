#include "http/server.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "async/wait.h"
#include "http/server_fixture.h"

namespace ragtime::http {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Response text(std::string body) {
  Response response;
  response.headers.set("Content-Type", "text/plain");
  response.body = std::move(body);
  return response;
}

Task<Response> hello(Request&, RequestContext&) {
  co_return text("hello");
}

Task<Response> echo(Request& request, RequestContext&) {
  co_return text(request.body);
}

// Lets the loop turn, so that what has arrived meanwhile is seen.
Task<Response> slow_echo(Request& request, RequestContext& context) {
  co_await async::sleep_for(milliseconds(5), context);
  co_return text(request.method + " " + request.path + " " + request.body);
}

Task<Response> describe(Request& request, RequestContext& context) {
  std::string out = request.method + " " + request.path + " from " + request.remote_address;
  for (const auto& [name, value] : request.params) out += " {" + name + "=" + value + "}";
  for (const auto& [name, value] : request.query) out += " ?" + name + "=" + value;
  if (const auto field = request.headers.find("X-Test")) out += " x-test=" + std::string(*field);
  out += context.deadline().is_never() ? " never" : " deadline";
  co_return text(out);
}

// "GET path HTTP/1.1", Host, the given further lines (each with its line end), and the empty line.
std::string get(std::string_view path, std::string_view fields = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) + "\r\n";
}

std::string post(std::string_view path, std::string_view body, std::string_view fields = "") {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(fields) + "\r\n" + std::string(body);
}

class HttpServer : public ServerFixture {};

TEST_F(HttpServer, AnswersWithTheFieldsThatEveryReplyHas) {
  route("GET", "/items/{id}", describe);
  start();
  const std::string reply = exchange(get("/items/a%2Fb?x=1&y=%E6%A3%80", "x-test: v\r\n"));
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("\r\nx-request-id: req_"));
  EXPECT_THAT(reply, testing::ContainsRegex("\r\nDate: [A-Z][a-z][a-z], [0-9][0-9] [A-Z][a-z][a-z] 20"));
  EXPECT_THAT(reply, HasSubstr("\r\nContent-Type: text/plain\r\n"));
  EXPECT_THAT(reply, Not(HasSubstr("Connection:")));
  EXPECT_THAT(reply, EndsWith("GET /items/a/b from 127.0.0.1 {id=a/b} ?x=1 ?y=检 x-test=v deadline"));
}

TEST_F(HttpServer, KeepsTheConnectionUntilToldOtherwise) {
  route("GET", "/", hello);
  start();
  RawClient client(port());
  for (int i = 0; i < 3; ++i) {
    client.send(get("/"));
    EXPECT_THAT(client.read_reply(), EndsWith("hello"));
  }
  client.send(get("/", "Connection: close\r\n"));
  EXPECT_THAT(client.read_all(), AllOf(HasSubstr("\r\nConnection: close\r\n"), EndsWith("hello")));
}

TEST_F(HttpServer, Http10ClosesUnlessAskedToKeepAlive) {
  route("GET", "/", hello);
  start();
  RawClient client(port());
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(client.read_reply(), HasSubstr("\r\nConnection: keep-alive\r\n"));
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.read_all(), HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(HttpServer, AnswersPipelinedRequestsInOrder) {
  route("POST", "/slow/{n}", slow_echo);
  route("POST", "/fast/{n}", slow_echo);
  start();
  const std::string all = post("/slow/1", "one") + post("/fast/2", "two") + post("/slow/3", "three");
  {
    RawClient client(port());
    client.send(all);
    EXPECT_THAT(client.read_reply(), EndsWith("POST /slow/1 one"));
    EXPECT_THAT(client.read_reply(), EndsWith("POST /fast/2 two"));
    EXPECT_THAT(client.read_reply(), EndsWith("POST /slow/3 three"));
  }
  for (std::size_t split = 1; split < all.size(); split += 7) {
    RawClient client(port());
    client.send(std::string_view(all).substr(0, split));
    client.send(std::string_view(all).substr(split));
    EXPECT_THAT(client.read_reply(), EndsWith("one"));
    EXPECT_THAT(client.read_reply(), EndsWith("two"));
    EXPECT_THAT(client.read_reply(), EndsWith("three"));
  }
}

TEST_F(HttpServer, ServesMoreThanItReadsAheadOfPipelinedRequests) {
  config_.header_bytes_max = 1024;
  route("GET", "/", slow_echo);
  start();
  RawClient client(port());
  std::string all;
  for (int i = 0; i < 100; ++i) all += get("/");
  std::thread sender([&] { client.send(all); });
  sender.join();
  for (int i = 0; i < 100; ++i) ASSERT_THAT(client.read_reply(), EndsWith("GET / "));
}

TEST_F(HttpServer, ReadsChunkedBodiesInPiecesOfAnySize) {
  route("POST", "/", echo);
  start();
  const std::string request =
      "\r\nPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";
  RawClient client(port());
  for (std::size_t split = 1; split < request.size(); split += 3) {
    client.send(std::string_view(request).substr(0, split));
    client.send(std::string_view(request).substr(split));
    ASSERT_THAT(client.read_reply(), EndsWith("\r\n\r\nhello 0123456789")) << split;
  }
}

TEST_F(HttpServer, TellsAClientThatWaitsToContinue) {
  route("POST", "/", echo);
  start();
  RawClient client(port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  EXPECT_THAT(client.read_reply(), AllOf(StartsWith("HTTP/1.1 200"), EndsWith("body")));
}

TEST_F(HttpServer, RefusesWithoutTellingToContinue) {
  route("POST", "/", echo).body_bytes_max = 3;
  start();
  RawClient client(port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_THAT(client.read_all(), AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("Connection: close")));
}

TEST_F(HttpServer, HeadIsAnsweredByGetWithoutItsBody) {
  route("GET", "/", hello);
  start();
  RawClient client(port());
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get("/"));
  EXPECT_THAT(client.read_until("\r\n\r\n"), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Content-Length: 5\r\n")));
  EXPECT_THAT(client.read_reply(), EndsWith("\r\n\r\nhello"));
}

TEST_F(HttpServer, StatusesWithoutBodySendNone) {
  route("DELETE", "/", [](Request&, RequestContext&) -> Task<Response> {
    Response response = text("ignored");
    response.status = 204;
    co_return response;
  });
  route("GET", "/", hello);
  start();
  RawClient client(port());
  client.send("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n" + get("/"));
  EXPECT_THAT(client.read_until("\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 204 No Content"), Not(HasSubstr("Content-Length"))));
  EXPECT_THAT(client.read_reply(), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServer, AHandlerCannotBreakTheFraming) {
  route("GET", "/", [](Request&, RequestContext&) -> Task<Response> {
    Response response = text("hello");
    response.headers.set("Content-Length", "99");
    response.headers.set("Transfer-Encoding", "chunked");
    response.headers.set("X-Name", "a\r\nX-Injected: b");
    response.headers.set("bad name", "c");
    co_return response;
  });
  start();
  const std::string reply = exchange(get("/"));
  EXPECT_THAT(reply, HasSubstr("\r\nX-Name: a  X-Injected: b\r\n"));
  EXPECT_THAT(reply, AllOf(HasSubstr("Content-Length: 5\r\n"), Not(HasSubstr("chunked")), Not(HasSubstr("bad name"))));
}

TEST_F(HttpServer, UnknownPathsAndMethodsGoThroughTheErrorHook) {
  route("GET", "/files/{id}", hello);
  route("DELETE", "/files/{id}", hello);
  start();
  RawClient client(port());
  client.send(get("/nothing"));
  EXPECT_THAT(client.read_reply(), AllOf(StartsWith("HTTP/1.1 404 Not Found"), HasSubstr("\r\n\r\nerror: ")));
  client.send(post("/files/1", "small body"));
  EXPECT_THAT(client.read_reply(), AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("\r\nAllow: DELETE, GET, HEAD\r\n")));
  client.send(get("/files/1"));
  EXPECT_THAT(client.read_reply(), EndsWith("hello"));
}

TEST_F(HttpServer, ErrorsArePlainTextWithoutAHook) {
  hooks_.error = nullptr;
  start();
  EXPECT_THAT(exchange(get("/nothing")),
              AllOf(StartsWith("HTTP/1.1 404"), HasSubstr("text/plain"), EndsWith("path\n")));
}

TEST_F(HttpServer, MalformedRequestsAreAnswered400AndClosed) {
  route("GET", "/", hello);
  route("POST", "/", echo);
  start();
  const std::vector<std::string> requests = {
      "nonsense\r\n\r\n",
      "GET /\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nBroken\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
      "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /% HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /../etc HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /?a=%ff HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\n\n\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
  };
  for (const auto& request : requests) {
    RawClient client(port());
    client.send(request + get("/"));
    const std::string reply = client.read_all();
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 400 Bad Request\r\n")) << request;
    EXPECT_THAT(reply, AllOf(HasSubstr("\r\nConnection: close\r\n"), HasSubstr("\r\nx-request-id: req_"))) << request;
    EXPECT_EQ(reply.find("HTTP/1.1", 1), std::string::npos) << "the smuggled request was answered: " << request;
  }
}

TEST_F(HttpServer, TooLargeHeadsAndBodies) {
  config_.header_bytes_max = 2048;
  route("POST", "/", echo).body_bytes_max = 10;
  start();
  EXPECT_THAT(exchange(get("/", "X: " + std::string(4096, 'x') + "\r\n")), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(exchange(get("/" + std::string(100'000, 'x'))), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(exchange(post("/", "0123456789")), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(exchange(post("/", "01234567890")), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(exchange("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
  RawClient client(port());
  client.send(post("/", std::string(8u << 20, 'x')));
  EXPECT_THAT(client.read_all(), StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServer, SlowHeadsAndBodiesAreAnswered408) {
  config_.header_timeout = milliseconds(30);
  route("POST", "/", echo).timeout = milliseconds(30);
  start();
  RawClient head(port());
  head.send("GET / HT");
  EXPECT_THAT(head.read_all(), AllOf(StartsWith("HTTP/1.1 408"), HasSubstr("Connection: close")));
  RawClient body(port());
  body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
  EXPECT_THAT(body.read_all(), AllOf(StartsWith("HTTP/1.1 408"), HasSubstr("Connection: close")));
}

TEST_F(HttpServer, IdleConnectionsAreClosedInSilence) {
  config_.idle_timeout = milliseconds(30);
  route("GET", "/", hello);
  start();
  RawClient client(port());
  EXPECT_EQ(client.read_all(), "");
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServer, AnExceptionIsLoggedAndAnswered500) {
  route("GET", "/throw", [](Request&, RequestContext&) -> Task<Response> {
    throw std::runtime_error("the defect");
    co_return Response();
  });
  route("GET", "/odd", [](Request&, RequestContext&) -> Task<Response> {
    throw 7;
    co_return Response();
  });
  start();
  RawClient client(port());
  for (const char* path : {"/throw", "/odd"}) {
    client.send(get(path));
    EXPECT_THAT(client.read_reply(), AllOf(StartsWith("HTTP/1.1 500"), Not(HasSubstr("the defect"))));
  }
  EXPECT_THAT(log_.wait_for("handler_failed"), HasSubstr("handler_failed"));
  EXPECT_THAT(log_.wait_for("error=the defect"), HasSubstr("route=/throw"));
}

TEST_F(HttpServer, HonoursAcceptableRequestIdsOnly) {
  route("GET", "/", hello);
  start();
  EXPECT_THAT(exchange(get("/", "X-Request-Id: my.id_1-2\r\n")), HasSubstr("\r\nx-request-id: my.id_1-2\r\n"));
  EXPECT_THAT(exchange(get("/", "X-Request-Id: a b\r\n")), HasSubstr("\r\nx-request-id: req_"));
  EXPECT_THAT(exchange(get("/", "X-Request-Id: " + std::string(129, 'a') + "\r\n")),
              HasSubstr("\r\nx-request-id: req_"));
}

TEST_F(HttpServer, TheBeforeHookDecidesBeforeTheBodyIsRead) {
  hooks_.before = [](Request& request, const Route& matched, RequestContext& context) -> Task<std::optional<Response>> {
    EXPECT_EQ(matched.pattern, "/");
    EXPECT_TRUE(request.body.empty());
    context.set_tenant("tenant-1");
    if (request.headers.find("authorization")) co_return std::nullopt;
    Response response = text("no key");
    response.status = 401;
    co_return response;
  };
  route("POST", "/", [](Request& request, RequestContext& context) -> Task<Response> {
    co_return text(context.tenant() + " " + request.body);
  });
  start();
  RawClient client(port());
  client.send(post("/", "body"));
  EXPECT_THAT(client.read_reply(), AllOf(StartsWith("HTTP/1.1 401"), EndsWith("no key")));
  client.send(post("/", "body", "Authorization: x\r\n"));
  EXPECT_THAT(client.read_reply(), EndsWith("tenant-1 body"));
}

TEST_F(HttpServer, SendsLargeBodiesWhole) {
  route("GET", "/", [](Request&, RequestContext&) -> Task<Response> { co_return text(std::string(20u << 20, 'x')); });
  start();
  EXPECT_EQ(exchange(get("/")).find("\r\n\r\n"), exchange(get("/")).size() - 4 - (20u << 20));
}

TEST_F(HttpServer, GivesUpOnClientsThatDoNotRead) {
  config_.write_timeout = milliseconds(50);
  route("GET", "/", [](Request&, RequestContext&) -> Task<Response> { co_return text(std::string(64u << 20, 'x')); });
  start();
  RawClient client(port());
  client.send(get("/"));
  EXPECT_THAT(log_.wait_for("request request_id"), HasSubstr("status=499"));
  EXPECT_LT(client.read_all().size(), 64u << 20);
}

TEST_F(HttpServer, CountsAndLogsRequests) {
  route("GET", "/items/{id}", hello);
  start();
  exchange(get("/items/7", "x-request-id: the-id\r\n"));
  const std::string line = log_.wait_for("request request_id=the-id");
  EXPECT_THAT(line, HasSubstr("method=GET route=/items/{id} path=/items/7 status=200"));
  EXPECT_THAT(line, HasSubstr("bytes=5 remote=127.0.0.1"));
  exchange("BREW /items/7 HTTP/1.1\r\nHost: a\r\n\r\n");
  log_.wait_for("status=405");
  const std::string rendered = metrics_.render();
  EXPECT_THAT(rendered,
              HasSubstr("ragtime_http_requests_total{method=\"GET\",route=\"/items/{id}\",status=\"200\"} 1\n"));
  EXPECT_THAT(rendered,
              HasSubstr("ragtime_http_requests_total{method=\"OTHER\",route=\"unmatched\",status=\"405\"} 1\n"));
  EXPECT_THAT(rendered, HasSubstr("ragtime_http_request_duration_seconds_count{route=\"/items/{id}\"} 1\n"));
}

TEST_F(HttpServer, GaugesFollowConnectionsAndRequests) {
  route("GET", "/", [this](Request&, RequestContext&) -> Task<Response> { co_return text(metrics_.render()); });
  start();
  const std::string during = exchange(get("/"));
  EXPECT_THAT(during, HasSubstr("ragtime_http_connections 1\n"));
  EXPECT_THAT(during, HasSubstr("ragtime_http_in_flight_requests 1\n"));
  server_->drain();
  EXPECT_THAT(metrics_.render(), HasSubstr("ragtime_http_connections 0\n"));
  EXPECT_THAT(metrics_.render(), HasSubstr("ragtime_http_in_flight_requests 0\n"));
}

TEST_F(HttpServer, OverTheConnectionLimitAnswers503) {
  config_.connections_max = 2;
  route("GET", "/", hello);
  start();
  RawClient first(port());
  RawClient second(port());
  for (RawClient* client : {&first, &second}) {
    client->send(get("/"));
    EXPECT_THAT(client->read_reply(), EndsWith("hello"));
  }
  RawClient third(port());
  third.send(get("/"));
  EXPECT_THAT(third.read_all(), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("too many connections")));
  first.send(get("/", "Connection: close\r\n"));
  EXPECT_THAT(first.read_all(), EndsWith("hello"));
  first.close();
  // The place is free as soon as the server has seen the end of the connection.
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  std::string reply;
  while (!reply.starts_with("HTTP/1.1 200") && std::chrono::steady_clock::now() < give_up) reply = exchange(get("/"));
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServer, APortInUseIsAnError) {
  route("GET", "/", hello);
  start();
  ServerConfig config = config_;
  config.port = port();
  Server second(config, Router(), hooks_, log_, metrics_);
  const auto started = second.start();
  ASSERT_TRUE(started.has_error());
  EXPECT_EQ(started.error().code, ErrorCode::unavailable);
  EXPECT_THAT(started.error().message, AllOf(HasSubstr("127.0.0.1:" + std::to_string(port())), HasSubstr("in use")));
}

TEST_F(HttpServer, ABadAddressIsAnError) {
  config_.address = "not-an-address";
  Server server(config_, Router(), hooks_, log_, metrics_);
  EXPECT_THAT(server.start().error().message, HasSubstr("not-an-address"));
  config_.address = "192.0.2.1";
  Server elsewhere(config_, Router(), hooks_, log_, metrics_);
  EXPECT_EQ(elsewhere.start().error().code, ErrorCode::unavailable);
}

TEST_F(HttpServer, ManyClientsOnManyLoops) {
  config_.threads = 4;
  route("POST", "/{n}", slow_echo);
  route("GET", "/", hello);
  start();
  std::atomic<int> good = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&, i] {
      for (int round = 0; round < 10; ++round) {
        RawClient client(port());
        for (int request = 0; request < 5; ++request) {
          const std::string body = std::to_string(i) + "-" + std::to_string(round) + "-" + std::to_string(request);
          client.send(post("/x", body));
          if (client.read_reply().ends_with("POST /x " + body)) ++good;
        }
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(good, 400);
}

// Lowers the limit of open files to what is open now; restores it at the end.
class FileLimit {
 public:
  FileLimit() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_free = dup(0);
    ::close(lowest_free);
    rlimit lowered = before_;
    lowered.rlim_cur = static_cast<rlim_t>(lowest_free);
    setrlimit(RLIMIT_NOFILE, &lowered);
  }
  ~FileLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(HttpServer, TheListenerSurvivesRunningOutOfFiles) {
  route("GET", "/", hello);
  start();
  RawClient client;
  {
    FileLimit limit;
    client.connect(port());
    EXPECT_THAT(log_.wait_for("accept_failed"), HasSubstr("accept_failed"));
  }
  client.send(get("/"));
  EXPECT_THAT(client.read_reply(), EndsWith("hello"));
}

}  // namespace
}  // namespace ragtime::http
