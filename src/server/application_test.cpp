#include "server/application.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "http/client.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ApplicationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    configuration_.server.data_dir = root_.string();
    configuration_.server.listen = "127.0.0.1:0";
    configuration_.encoder.model = "";
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string start_error() {
    auto started = Application::start(configuration_, *log_);
    return started.has_error() ? started.error().message : "no error";
  }

  const fs::path root_ = fs::path(::testing::TempDir()) / make_id("application-");
  const std::unique_ptr<telemetry::Logger> log_ = telemetry::Logger::null();
  Configuration configuration_;
};

Task<http::ClientResponse> get(std::string url) {
  http::Client client;
  RequestContext context("req-test", "default", Deadline::after(std::chrono::seconds(20)));
  http::ClientRequest request;
  request.url = std::move(url);
  auto sending = client.send(std::move(request), context);
  auto reply = co_await std::move(sending);
  if (reply.has_error()) co_return http::ClientResponse{0, {}, reply.error().message};
  co_return std::move(*reply);
}

TEST_F(ApplicationTest, StartsAnswersAndStops) {
  auto started = Application::start(configuration_, *log_);
  ASSERT_TRUE(started.has_value()) << started.error().message;
  const std::string url = (*started)->url();
  EXPECT_EQ(find_running_server(root_).value().url, url);
  EXPECT_EQ(async::sync_wait(get(url + "/readyz")).status, 200);
  const auto status = async::sync_wait(get(url + "/v1/status"));
  EXPECT_EQ(status.status, 200);
  EXPECT_THAT(status.body, HasSubstr("\"name\": \"database\""));
  (*started)->stop();
  (*started)->stop();
  EXPECT_FALSE(find_running_server(root_).has_value());
  EXPECT_FALSE(fs::exists(root_ / "server.json"));
  EXPECT_EQ(async::sync_wait(get(url + "/readyz")).status, 0);
}

TEST_F(ApplicationTest, ASecondOneOnTheSameDirectoryIsRefused) {
  auto first = Application::start(configuration_, *log_);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  EXPECT_THAT(start_error(), HasSubstr("in use by process"));
  EXPECT_TRUE(find_running_server(root_).has_value()) << "the refused one must leave the first one's server.json";
}

TEST_F(ApplicationTest, ATakenPortIsNamed) {
  auto first = Application::start(configuration_, *log_);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  configuration_.server.listen = (*first)->url().substr(7);
  configuration_.server.data_dir = (root_ / "other").string();
  EXPECT_THAT(start_error(), HasSubstr(configuration_.server.listen.substr(10)));
}

TEST_F(ApplicationTest, OtherMachinesNeedAProxyAndAKey) {
  configuration_.server.listen = "0.0.0.0:0";
  EXPECT_THAT(start_error(), HasSubstr("behind_proxy"));
  configuration_.server.behind_proxy = true;
  EXPECT_THAT(start_error(), HasSubstr("ragtime key create"));
  {
    auto database = storage::open_sqlite(root_ / "ragtime.db");
    ASSERT_TRUE(database.has_value());
    storage::ApiKeyRecord key;
    key.id = "key_1";
    key.tenant = "default";
    key.hash = "h";
    ASSERT_TRUE((*database)->insert_key(key).has_value());
  }
  EXPECT_EQ(start_error(), "no error");
}

TEST_F(ApplicationTest, WhatIsNotThereYetIsSaid) {
  configuration_.server.tls_cert = "a";
  configuration_.server.tls_key = "b";
  EXPECT_THAT(start_error(), HasSubstr("TLS"));
  configuration_.server.tls_cert = configuration_.server.tls_key = "";
  configuration_.store.url = "postgres://x";
  EXPECT_THAT(start_error(), HasSubstr("store.url"));
}

TEST_F(ApplicationTest, AModelThatIsNotThereIsNamed) {
  configuration_.encoder.model = "no-such-model";
  EXPECT_THAT(start_error(), HasSubstr("no-such-model"));
}

}  // namespace
}  // namespace ragtime::server
