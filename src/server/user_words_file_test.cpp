#include "server/user_words_file.h"

#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/id.h"
#include "server/runtime.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Remembers the events.
class EventLog final : public telemetry::Logger {
 public:
  void write(telemetry::LogLevel, std::string_view event, std::initializer_list<telemetry::LogField>) override {
    events.emplace_back(event);
  }
  std::vector<std::string> events;
};

class UserWordsFileTest : public ::testing::Test {
 protected:
  UserWordsFileTest() { fs::create_directories(root_); }
  ~UserWordsFileTest() override { fs::remove_all(root_); }

  void write(std::string_view content) { std::ofstream(file_, std::ios::binary | std::ios::trunc) << content; }

  Result<std::unique_ptr<Runtime>> start() {
    Configuration configuration;
    configuration.server.data_dir = (root_ / "data").string();
    configuration.encoder.model = "";
    configuration.retrieval.user_words = file_.string();
    return Runtime::open(std::move(configuration), log_);
  }

  std::string start_error() {
    const auto runtime = start();
    return runtime.has_error() ? runtime.error().message : "no error";
  }

  const fs::path root_ = fs::path(::testing::TempDir()) / make_id("words-");
  const fs::path file_ = root_ / "words.txt";
  EventLog log_;
};

TEST_F(UserWordsFileTest, HasAWordALine) {
  write("\xEF\xBB\xBF# products\r\nMate Book\r\n\r\n盘古大模型\n");
  const auto words = read_user_words(file_);
  ASSERT_TRUE(words.has_value()) << words.error().message;
  EXPECT_EQ((*words)->size(), 2u);
  EXPECT_THAT((*words)->find_in("the Mate Book"), ElementsAre("mate book"));
  write("");
  EXPECT_TRUE(read_user_words(file_).value()->empty());
}

TEST_F(UserWordsFileTest, MayHaveItsLargestSizeAndNoMore) {
  write("word\n#" + std::string(kUserWordsBytesMax - 6, 'x'));
  EXPECT_EQ(read_user_words(file_).value()->size(), 1u);
  write("word\n#" + std::string(kUserWordsBytesMax - 5, 'x'));
  EXPECT_EQ(read_user_words(file_).error().code, ErrorCode::too_large);
  EXPECT_THAT(start_error(), AllOf(HasSubstr(file_.string()), HasSubstr("more than 8 MiB")));
}

TEST_F(UserWordsFileTest, OneThatCannotBeReadStopsTheStart) {
  EXPECT_THAT(start_error(), AllOf(HasSubstr("retrieval.user_words"), HasSubstr(file_.string() + " does not exist")));
  fs::create_directory(file_);
  EXPECT_THAT(start_error(), HasSubstr(file_.string() + " is not a file"));
  fs::remove(file_);
  write("caf\xE9\n");
  EXPECT_THAT(start_error(), HasSubstr(file_.string() + " is not UTF-8"));
  write("cafe\n");
  EXPECT_EQ(start_error(), "no error");
}

TEST_F(UserWordsFileTest, AReloadThatFailsIsLoggedAndNoMore) {
  write("cafe\n");
  const auto runtime = start();
  ASSERT_TRUE(runtime.has_value()) << runtime.error().message;
  log_.events.clear();
  (*runtime)->reload_user_words();
  fs::remove(file_);
  (*runtime)->reload_user_words();
  EXPECT_THAT(log_.events, ElementsAre("user_words_reloaded", "user_words_not_reloaded"));
}

TEST_F(UserWordsFileTest, WithoutPermissionItStopsTheStart) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  write("word\n");
  fs::permissions(file_, fs::perms::none);
  EXPECT_THAT(start_error(), AllOf(HasSubstr(file_.string()), HasSubstr("cannot be read: Permission denied")));
}

}  // namespace
}  // namespace ragtime::server
