#include "telemetry/log.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "telemetry/log_format.h"

namespace ragtime::telemetry {
namespace {

class LogFile : public testing::Test {
 protected:
  ~LogFile() override { std::filesystem::remove(path_); }

  std::vector<std::string> lines() const {
    std::ifstream in(path_);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }

  std::string path_ = testing::TempDir() + make_id("log-");
};

TEST(FormatTime, IsRfc3339InUtcWithMilliseconds) {
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_time(1'738'314'300'042), "2025-01-31T09:05:00.042Z");
}

TEST(FormatJsonLine, WritesEveryKindOfField) {
  EXPECT_EQ(format_json_line(0, LogLevel::warning, "request",
                             {{"path", "/v1"}, {"status", std::int64_t{200}}, {"ms", 1.5}, {"ok", true}}),
            R"({"time":"1970-01-01T00:00:00.000Z","level":"warning","event":"request",)"
            R"("path":"/v1","status":200,"ms":1.5,"ok":true})");
}

std::string json_value(std::string_view text) {
  const std::string line = format_json_line(0, LogLevel::info, "e", {{"v", text}});
  const auto start = line.find("\"v\":") + 4;
  return line.substr(start, line.size() - 1 - start);
}

TEST(FormatJsonLine, EscapesWhatJsonForbids) {
  EXPECT_EQ(json_value("a\"b\\c\n\r\t"), R"("a\"b\\c\n\r\t")");
  EXPECT_EQ(json_value(std::string_view("\x01\0\x1f\x7f", 4)), R"("\u0001\u0000\u001f\u007f")");
  EXPECT_EQ(json_value("检索 é 😀"), "\"检索 é 😀\"");
}

TEST(FormatJsonLine, ReplacesBytesThatAreNotUtf8) {
  const std::string bad = "\"\xEF\xBF\xBD\"";
  EXPECT_EQ(json_value("\xff"), bad);
  EXPECT_EQ(json_value("\xe4\xbd"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                    // Cut in the middle.
  EXPECT_EQ(json_value("\xc0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                    // Overlong NUL.
  EXPECT_EQ(json_value("\xed\xa0\x80x"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx\"");  // A surrogate.
  EXPECT_EQ(json_value("\xf4\x8f\xbf\xbf"), "\"\xf4\x8f\xbf\xbf\"");                    // The last code point.
  EXPECT_EQ(json_value("\x80"), bad);
}

TEST(FormatJsonLine, NumbersThatJsonDoesNotKnowAreNull) {
  EXPECT_THAT(format_json_line(0, LogLevel::info, "e", {{"v", std::numeric_limits<double>::quiet_NaN()}}),
              testing::HasSubstr("\"v\":null}"));
}

TEST(FormatTextLine, QuotesOnlyWhereNeededAndNeverBreaksTheLine) {
  EXPECT_EQ(format_text_line("started", {{"port", std::int64_t{8000}}, {"host", "::1"}, {"name", "a b"}, {"e", ""}}),
            "started port=8000 host=::1 name=\"a b\" e=\"\"");
  EXPECT_EQ(format_text_line("x", {{"v", "a\nlevel=error\x1b[31m"}}), "x v=\"a\\nlevel=error\\u001b[31m\"");
}

TEST_F(LogFile, AppendsOneObjectPerLineFromTheConfiguredLevel) {
  LogConfig config;
  config.file = path_;
  config.level = LogLevel::warning;
  for (int round = 0; round < 2; ++round) {
    auto log = Logger::open(config);
    ASSERT_TRUE(log.has_value());
    (*log)->debug("debug");
    (*log)->info("hidden");
    (*log)->warning("shown", {{"n", std::int64_t{1}}});
    (*log)->error("broken {} %v");
  }
  const auto written = lines();
  ASSERT_EQ(written.size(), 4u);
  EXPECT_THAT(written[0], testing::MatchesRegex(
                              R"(\{"time":"20[0-9-]+T[0-9:]+\.[0-9]{3}Z","level":"warning","event":"shown","n":1\})"));
  EXPECT_THAT(written[3], testing::EndsWith(R"("level":"error","event":"broken {} %v"})"));
}

TEST_F(LogFile, TextHasTimeLevelAndNoColoursInAFile) {
  LogConfig config;
  config.file = path_;
  config.json = false;
  auto log = Logger::open(config);
  ASSERT_TRUE(log.has_value());
  (*log)->info("started", {{"port", std::int64_t{1}}});
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_THAT(lines()[0], testing::MatchesRegex(R"(20[0-9-]+ [0-9:]+\.[0-9]{3} info    started port=1)"));
}

TEST(LogStderr, HasNoColoursWhenItIsNotATerminal) {
  testing::internal::CaptureStderr();
  LogConfig config;
  config.json = false;
  auto log = Logger::open(config);
  ASSERT_TRUE(log.has_value());
  (*log)->error("boom");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, testing::HasSubstr(" error   boom\n"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("\x1b[")));
}

TEST_F(LogFile, LinesOfManyThreadsAreNotMixed) {
  LogConfig config;
  config.file = path_;
  auto log = Logger::open(config);
  ASSERT_TRUE(log.has_value());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 250; ++n) (*log)->info("line", {{"text", std::string(100, 'x')}});
    });
  }
  for (auto& thread : threads) thread.join();
  const auto written = lines();
  ASSERT_EQ(written.size(), 1000u);
  for (const auto& line : written) EXPECT_EQ(line.size(), written[0].size());
}

TEST(Log, AFileThatCannotBeOpenedIsAnError) {
  LogConfig config;
  config.file = "/proc/no/such/log";
  auto log = Logger::open(config);
  ASSERT_TRUE(log.has_error());
  EXPECT_EQ(log.error().code, ErrorCode::unavailable);
  EXPECT_THAT(log.error().message, testing::HasSubstr(config.file));
}

TEST(Log, NullDiscards) {
  testing::internal::CaptureStderr();
  Logger::null()->error("nothing");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace ragtime::telemetry
