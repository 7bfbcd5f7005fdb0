#include "http/dns.h"

#include <array>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::http {
namespace {

using testing::Contains;
using testing::ElementsAre;
using Bytes = std::vector<unsigned char>;

void put16(Bytes& out, unsigned value) {
  out.push_back(static_cast<unsigned char>(value >> 8));
  out.push_back(static_cast<unsigned char>(value));
}

void put_name(Bytes& out, const std::string& name) {
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    out.push_back(static_cast<unsigned char>(end - begin));
    out.insert(out.end(), name.begin() + static_cast<std::ptrdiff_t>(begin), name.begin() + static_cast<std::ptrdiff_t>(end));
    begin = end + 1;
  }
  out.push_back(0);
}

constexpr unsigned kServiceType = 33;

void put_target(Bytes& out, const ServiceTarget& target) {
  put16(out, 0xc00c);  // The question's name.
  put16(out, kServiceType);
  put16(out, 1);
  put16(out, 0), put16(out, 60);  // Time to live.
  Bytes data;
  put16(data, target.priority), put16(data, target.weight), put16(data, target.port);
  put_name(data, target.host);
  put16(out, static_cast<unsigned>(data.size()));
  out.insert(out.end(), data.begin(), data.end());
}

Bytes message(unsigned id, const std::vector<ServiceTarget>& targets) {
  Bytes out;
  put16(out, id), put16(out, 0x8180), put16(out, 1), put16(out, static_cast<unsigned>(targets.size()));
  put16(out, 0), put16(out, 0);
  put_name(out, "_http._tcp.models.test");
  put16(out, kServiceType), put16(out, 1);
  for (const auto& target : targets) put_target(out, target);
  return out;
}

const std::vector<ServiceTarget> kTargets = {{"b.models.test", 9002, 10, 5}, {"a.models.test", 9001, 10, 5}};

TEST(Dns, TargetsOfAServiceAreReadAndSorted) {
  const auto targets = parse_service_answer(message(7, kTargets));
  ASSERT_TRUE(targets.has_value()) << targets.error().message;
  EXPECT_THAT(*targets, ElementsAre(kTargets[1], kTargets[0]));
}

TEST(Dns, APointForTargetMeansThatThereIsNoService) {
  const auto targets = parse_service_answer(message(7, {{"", 0, 0, 0}}));
  ASSERT_TRUE(targets.has_value()) << targets.error().message;
  EXPECT_TRUE(targets->empty());
}

TEST(Dns, EveryTruncationIsAnError) {
  const Bytes whole = message(7, kTargets);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_TRUE(parse_service_answer(std::span(whole).first(length)).has_error()) << length;
  }
}

// Answers one question with `targets`; a name server on loopback.
class OneQuestionServer {
 public:
  explicit OneQuestionServer(std::vector<ServiceTarget> targets)
      : socket_(loop_, {boost::asio::ip::address_v4::loopback(), 0}), port_(socket_.local_endpoint().port()) {
    thread_ = std::thread([this, targets = std::move(targets)] {
      std::array<unsigned char, 512> question{};
      boost::asio::ip::udp::endpoint client;
      boost::system::error_code failure;
      socket_.receive_from(boost::asio::buffer(question), client, 0, failure);
      const unsigned id = static_cast<unsigned>(question[0]) << 8 | question[1];
      socket_.send_to(boost::asio::buffer(message(id, targets)), client, 0, failure);
    });
  }
  ~OneQuestionServer() { thread_.join(); }
  NameServer address() const { return {"127.0.0.1", port_}; }

 private:
  boost::asio::io_context loop_;
  boost::asio::ip::udp::socket socket_;
  std::uint16_t port_;
  std::thread thread_;
};

TEST(Dns, AServiceIsLookedUpAtTheNameServer) {
  const OneQuestionServer server(kTargets);
  const auto targets = resolve_service("_http._tcp.models.test", server.address());
  ASSERT_TRUE(targets.has_value()) << targets.error().message;
  EXPECT_THAT(*targets, ElementsAre(kTargets[1], kTargets[0]));
}

TEST(Dns, LocalhostHasAnAddress) {
  const auto addresses = resolve_addresses("localhost");
  ASSERT_TRUE(addresses.has_value()) << addresses.error().message;
  EXPECT_THAT(*addresses, Contains("127.0.0.1"));
}

TEST(Dns, ANameThatCannotBeIsUnavailable) {
  EXPECT_EQ(resolve_addresses("no host has blanks").error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace ragtime::http
