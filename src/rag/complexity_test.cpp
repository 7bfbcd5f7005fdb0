#include "rag/complexity.h"

#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::rag {
namespace {

using testing::Contains;

struct Case {
  std::string expected;
  std::string language;
  std::string request;
};

std::string with_line_breaks(std::string text) {
  for (std::size_t at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at)) text.replace(at, 2, "\n");
  return text;
}

std::vector<Case> read_cases() {
  std::ifstream file(RAGTIME_SOURCE_DIR "/tests/data/routing/requests.tsv");
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    cases.push_back({line.substr(0, first), line.substr(first + 1, second - first - 1),
                     with_line_breaks(line.substr(second + 1))});
  }
  return cases;
}

ComplexityReport assess(const std::string& request, std::optional<double> confidence = {}) {
  return assess_complexity({{"user", request}}, confidence, {});
}

TEST(Complexity, ClassesOfTheLabelledRequests) {
  std::map<std::string, std::pair<int, int>> right;  // By language: right ones and all.
  for (const Case& each : read_cases()) {
    const ComplexityReport report = assess(each.request);
    const bool same = name(report.complexity) == each.expected;
    EXPECT_TRUE(same) << each.request << " is " << name(report.complexity) << " (" << report.score << "), not "
                      << each.expected << ": " << testing::PrintToString(report.reasons);
    right[each.language].first += same;
    right[each.language].second += 1;
  }
  ASSERT_GE(right["en"].second, 30);
  ASSERT_GE(right["zh"].second, 30);
}

TEST(Complexity, LongConversationsAskForMore) {
  std::vector<llm::ChatMessage> messages;
  for (int i = 0; i < 20; ++i) {
    messages.push_back({"user", "And then?"});
    messages.push_back({"assistant", "This."});
  }
  messages.push_back({"user", "And then?"});
  EXPECT_GT(assess_complexity(messages, {}, {}).score, assess("And then?").score);
}

TEST(Complexity, AnUncertainSearchAsksForMoreAndACertainOneForLess) {
  const std::string question = "Which of the pumps needs service before winter in cold regions?";
  EXPECT_GT(assess(question, 0.1).score, assess(question, 0.5).score);
  EXPECT_THAT(assess(question, 0.1).reasons, Contains("uncertain search"));
  const std::string look_up = "What is the idle speed of the pump that was bought for the northern plant last year?";
  EXPECT_LE(assess(look_up, 0.9).score, assess(look_up, 0.5).score);
}

TEST(Complexity, ThresholdsMoveTheClasses) {
  const std::vector<llm::ChatMessage> messages = {{"user", "What is BM25?"}};
  EXPECT_EQ(assess_complexity(messages, {}, {.balanced = 0, .strong = 0.5}).complexity, Complexity::balanced);
  EXPECT_EQ(assess_complexity(messages, {}, {.balanced = 0, .strong = 0}).complexity, Complexity::strong);
}

TEST(Route, NamesTheClasssModelAndItsNeighboursInItsPlace) {
  const std::vector<llm::ChatMessage> light = {{"user", "Hello!"}};
  const std::vector<llm::ChatMessage> strong = {
      {"user", "Analyse and compare both designs, prove your claim and justify the trade-offs step by step."}};
  RoutingConfig config{.light = "small", .balanced = "middle", .strong = "large"};
  EXPECT_EQ(choose_route(config, "chat", light, {}).model, "small");
  EXPECT_EQ(choose_route(config, "chat", strong, {}).model, "large");
  config.strong.clear();
  EXPECT_EQ(choose_route(config, "chat", strong, {}).model, "middle");
  config.light.clear();
  EXPECT_EQ(choose_route(config, "chat", light, {}).model, "middle");
  EXPECT_EQ(choose_route({}, "chat", light, {}).model, "chat");
}

}  // namespace
}  // namespace ragtime::rag
