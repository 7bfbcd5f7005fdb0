#include "http/request_cases.h"

#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/request_parser.h"
#include "http/server_fixture.h"
#include "http/target.h"

namespace ragtime::http {
namespace {

constexpr std::string_view kWitness = "GET /witness HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

class RequestCases : public ServerFixture {
 protected:
  RequestCases() {
    config_.threads = 1;
    for (const auto& [method, path] : {std::pair("GET", "/"), std::pair("POST", "/echo"), std::pair("GET", "/witness")}) {
      route(method, path, [this](Request& request, RequestContext&) -> Task<Response> {
        ++(request.path == "/witness" ? witnesses_ : handled_);
        Response response;
        response.body = request.path + ":" + request.body;
        co_return response;
      });
    }
  }

  std::atomic<int> handled_ = 0;
  std::atomic<int> witnesses_ = 0;
};

// The statuses of the final replies in these bytes.
std::vector<int> statuses(std::string_view bytes) {
  std::vector<int> out;
  for (auto at = bytes.find("HTTP/1.1 "); at != std::string_view::npos; at = bytes.find("HTTP/1.1 ", at + 1)) {
    const int status = std::stoi(std::string(bytes.substr(at + 9, 3)));
    if (status >= 200) out.push_back(status);
  }
  return out;
}

TEST_F(RequestCases, AreManyAndHaveUniqueIds) {
  const auto cases = request_cases();
  EXPECT_GE(std::ranges::count_if(cases, [](const RequestCase& each) { return each.status >= 400; }), 300);
  EXPECT_GE(std::ranges::count_if(cases, [](const RequestCase& each) { return each.status == 200; }), 30);
  std::set<std::string> ids;
  for (const auto& each : cases) EXPECT_TRUE(ids.insert(each.id).second) << each.id;
}

// What is refused ends the connection without a handler having seen anything, and what is proper leaves it in step.
TEST_F(RequestCases, AreAnsweredAsTheyShould) {
  start();
  for (const auto& each : request_cases()) {
    handled_ = witnesses_ = 0;
    RawClient client(port());
    client.send(each.bytes + std::string(kWitness));
    const std::string reply = client.read_all();
    std::vector<int> expected = {each.status};
    if (each.goes_on) expected.push_back(200);
    EXPECT_EQ(statuses(reply), expected) << each.id << ": " << reply;
    EXPECT_TRUE(client.closed()) << each.id;
    EXPECT_EQ(handled_, each.status == 200 ? 1 : 0) << each.id;
    EXPECT_EQ(witnesses_, each.goes_on ? 1 : 0) << each.id;
    if (!each.goes_on && each.status != 200) {
      EXPECT_THAT(reply, testing::HasSubstr("Connection: close")) << each.id;
    }
  }
}

// The statuses of the requests in these bytes, fed in pieces, and what their bodies carried.
std::string outcome(std::string_view bytes, const std::function<std::size_t()>& piece) {
  RequestParser parser({});
  boost::beast::flat_buffer buffer;
  std::string out;
  bool in_body = false;
  parser.reset();
  while (true) {
    if (in_body) {
      auto progress = parser.read_body(buffer, out, 1 << 20);
      if (progress.has_error()) return out + " bad body";
      if (parser.body_done()) {
        in_body = false;
        parser.reset();
        out += ".";
        continue;
      }
    } else {
      auto head = parser.read_head(buffer);
      if (head.has_error()) return out + " " + std::to_string(parser.rejection());
      if (*head) {
        out += (*head)->method + " " + (*head)->target + " ";
        in_body = true;
        continue;
      }
    }
    if (bytes.empty()) return out + " more";
    const auto next = bytes.substr(0, piece());
    bytes.remove_prefix(next.size());
    const auto space = buffer.prepare(next.size());
    std::ranges::copy(next, static_cast<char*>(space.data()));
    buffer.commit(next.size());
  }
}

TEST_F(RequestCases, DoNotDependOnHowTheBytesAreSplit) {
  constexpr unsigned kSeed = 7;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (const auto& each : request_cases()) {
    // Where a limit on bytes is what is wrong, the pieces decide which one is met first.
    if (each.status == 431 || each.status == 414) continue;
    const std::string bytes = each.bytes + std::string(kWitness);
    const std::string whole = outcome(bytes, [&] { return bytes.size(); });
    EXPECT_EQ(outcome(bytes, [] { return std::size_t{1}; }), whole) << each.id;
    EXPECT_EQ(outcome(bytes, [&] { return 1 + random() % 9; }), whole) << each.id;
  }
}

// Nobody is answered, and nothing is handled, when the client leaves in the middle of a request.
TEST_F(RequestCases, AClientThatLeavesEarlyIsForgotten) {
  start();
  const std::string request = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  for (std::size_t bytes = 0; bytes < request.size(); ++bytes) {
    RawClient client(port());
    client.send(std::string_view(request).substr(0, bytes));
    client.finish_sending();
    client.read_all();
    EXPECT_TRUE(client.closed()) << bytes;
  }
  EXPECT_EQ(handled_, 0);
  RawClient client(port());
  client.send(request);
  EXPECT_THAT(client.read_reply(), testing::HasSubstr("/echo:hello"));
}

}  // namespace
}  // namespace ragtime::http
