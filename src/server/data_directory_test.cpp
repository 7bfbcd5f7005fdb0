#include "server/data_directory.h"

#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class DataDirectoryTest : public ::testing::Test {
 protected:
  void TearDown() override { fs::remove_all(path_); }
  mode_t mode(const fs::path& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
  }
  fs::path path_ = fs::path(::testing::TempDir()) / make_id("data-");
};

TEST_F(DataDirectoryTest, IsCreatedForTheOwnerOnly) {
  auto opened = DataDirectory::open(path_ / "nested");
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(mode(path_ / "nested"), 0700u);
  EXPECT_EQ(opened->database_file(), path_ / "nested" / "ragtime.db");
}

TEST_F(DataDirectoryTest, ASecondOwnerIsRefusedAndToldWhoHasIt) {
  auto first = DataDirectory::open(path_);
  ASSERT_TRUE(first.has_value());
  auto second = DataDirectory::open(path_);
  ASSERT_TRUE(second.has_error());
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_THAT(second.error().message, HasSubstr(fmt::format("process {}", ::getpid())));
}

TEST_F(DataDirectoryTest, TheLockEndsWithItsOwner) {
  { ASSERT_TRUE(DataDirectory::open(path_).has_value()); }
  EXPECT_TRUE(DataDirectory::open(path_).has_value());
}

TEST_F(DataDirectoryTest, AFileInTheWayIsOneClearLine) {
  std::ofstream(path_) << "x";
  auto opened = DataDirectory::open(path_);
  ASSERT_TRUE(opened.has_error());
  EXPECT_EQ(opened.error().code, ErrorCode::unavailable);
  EXPECT_THAT(opened.error().message, HasSubstr("Not a directory"));
}

TEST_F(DataDirectoryTest, AnUnwritablePlaceIsOneClearLine) {
  auto opened = DataDirectory::open("/proc/nowhere/data");
  ASSERT_TRUE(opened.has_error());
  EXPECT_EQ(opened.error().code, ErrorCode::unavailable);
  EXPECT_THAT(opened.error().message, HasSubstr("/proc/nowhere/data cannot be used"));
}

TEST_F(DataDirectoryTest, ARunningServerIsFoundWithItsToken) {
  {
    auto opened = DataDirectory::open(path_);
    ASSERT_TRUE(opened.has_value());
    EXPECT_FALSE(find_running_server(path_).has_value()) << "a lock alone is not a server";
    ASSERT_TRUE(opened->announce({"http://127.0.0.1:1", 42, "token"}).has_value());
    EXPECT_EQ(mode(path_ / "server.json"), 0600u);
    const auto found = find_running_server(path_);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->url, "http://127.0.0.1:1");
    EXPECT_EQ(found->pid, 42);
    EXPECT_EQ(found->token, "token");
  }
  EXPECT_FALSE(fs::exists(path_ / "server.json"));
  EXPECT_FALSE(find_running_server(path_).has_value());
}

TEST_F(DataDirectoryTest, WhatAKilledServerLeftIsNotBelieved) {
  fs::create_directories(path_);
  std::ofstream(path_ / "server.json") << R"({"url":"http://127.0.0.1:1","pid":1,"token":"t"})";
  EXPECT_FALSE(find_running_server(path_).has_value());
  ASSERT_TRUE(DataDirectory::open(path_).has_value());
  EXPECT_FALSE(fs::exists(path_ / "server.json"));
}

}  // namespace
}  // namespace ragtime::server
