// What stands in for what failed, kind by kind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/answer_fakes_for_test.h"
#include "rag/fallbacks.h"

namespace ragtime::rag {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kQuestion = "How long does the cache keep entries?";
constexpr const char* kExtracted = "The cache keeps entries for 30 minutes.";

class DegradationTest : public testing::Test {
 protected:
  DegradationTest() {
    engine_.results.hits = {hit_of("cache.md", "The cache keeps entries for 30 minutes. It is small.")};
    script_.finish_reason = llm::FinishReason::stop;
  }

  void make(DegradationConfig config, std::vector<std::string> models = {"chat"}) {
    std::vector<std::unique_ptr<llm::ChatModel>> configured;
    for (std::string& name : models) configured.push_back(std::make_unique<FakeModel>(std::move(name), script_));
    AnswererConfig all;
    all.degradation = std::move(config);
    answerer_ = Answerer::create(std::move(all), engine_, std::move(configured), compute_);
  }

  Result<Answer> ask(AnswerRequest request) {
    events_.lines.clear();
    return async::sync_wait(answerer_->answer(std::move(request), events_, context_));
  }

  static AnswerRequest plain(std::string question) {
    AnswerRequest request;
    request.messages.push_back({"user", std::move(question)});
    return request;
  }
  static AnswerRequest over_documents(std::string question) {
    AnswerRequest request = plain(std::move(question));
    request.search.emplace().store_ids = {"vs_1"};
    return request;
  }

  FakeEngine engine_;
  FakeModel::Script script_;
  EventLog events_;
  async::ThreadPool compute_{{.name = "compute", .threads = 1}};
  RequestContext context_{"req", "tenant", Deadline::after(std::chrono::seconds(20))};
  std::unique_ptr<Answerer> answerer_;
};

struct ModelFailure {
  Error error;
  std::string kind;
};

class ModelFailures : public DegradationTest, public testing::WithParamInterface<ModelFailure> {};

TEST_P(ModelFailures, OverDocumentsTheExtractiveModelStandsIn) {
  make({});
  script_.failure = GetParam().error;
  const auto answer = ask(over_documents(kQuestion));
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->text, kExtracted);
  EXPECT_THAT(answer->degraded, ElementsAre(GetParam().kind + ":chat→ragtime-extractive"));
}

TEST_P(ModelFailures, AnAnswerFromBeforeComesFirst) {
  make({.message = "Later, please."});
  script_.deltas = {"Entries are kept for 30 minutes [1]. ", "That is all."};
  const auto first = ask(over_documents(kQuestion));
  ASSERT_TRUE(first.has_value());
  EXPECT_THAT(first->degraded, IsEmpty());
  const std::vector<std::string> told = events_.lines;
  script_.deltas.clear();
  script_.failure = GetParam().error;
  const auto again = ask(over_documents("how long does the cache keep entries"));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->text, first->text);
  EXPECT_EQ(again->model, "chat");
  ASSERT_EQ(again->citations.size(), 1u);
  EXPECT_THAT(again->degraded, ElementsAre(GetParam().kind + ":chat→cache"));
  EXPECT_THAT(events_.lines, Contains("cite cache.md " + std::to_string(first->citations[0].index)));
}

TEST_P(ModelFailures, WithoutDocumentsTheMessageIsSaidInTheQuestionsLanguage) {
  make({.message = "Later, please.", .message_chinese = "请稍后再试。"});
  script_.failure = GetParam().error;
  const auto english = ask(plain("Tell me a story"));
  if (GetParam().kind == "llm_refused") {
    EXPECT_EQ(english.error().code, GetParam().error.code) << "the client's own mistake is not hidden";
    return;
  }
  ASSERT_TRUE(english.has_value());
  EXPECT_EQ(english->text, "Later, please.");
  EXPECT_EQ(english->model, kMessageModel);
  EXPECT_THAT(english->degraded, ElementsAre(GetParam().kind + ":chat→message"));
  EXPECT_EQ(ask(plain("讲个故事"))->text, "请稍后再试。");
}

TEST_P(ModelFailures, WithoutAMessageTheFailureIsAnError) {
  make({});
  script_.failure = GetParam().error;
  EXPECT_EQ(ask(plain("Tell me a story")).error().code, GetParam().error.code);
}

TEST_P(ModelFailures, NothingStandsInAfterTheFirstOutput) {
  make({.message = "Later, please."});
  script_.deltas = {"The cache "};
  script_.failure = GetParam().error;
  EXPECT_EQ(ask(over_documents(kQuestion)).error().code, GetParam().error.code);
  EXPECT_THAT(events_.lines, Not(Contains(HasSubstr("Later"))));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ModelFailures,
                         testing::Values(ModelFailure{make_error(ErrorCode::unavailable, "down"), "llm_unavailable"},
                                         ModelFailure{make_error(ErrorCode::unavailable, "slow", "timeouts"),
                                                      "llm_timeout"},
                                         ModelFailure{make_error(ErrorCode::resource_exhausted, "busy"),
                                                      "llm_overloaded"},
                                         ModelFailure{make_error(ErrorCode::invalid_argument, "too long"),
                                                      "llm_refused"}),
                         [](const auto& each) { return each.param.kind; });

TEST_F(DegradationTest, AFailedSearchIsAnsweredFromMemory) {
  make({});
  script_.deltas = {"30 minutes [1]."};
  ASSERT_TRUE(ask(over_documents(kQuestion)).has_value());
  engine_.failure = make_error(ErrorCode::unavailable, "the database is down");
  const auto answer = ask(over_documents(kQuestion));
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_THAT(answer->text, HasSubstr("30 minutes"));
  EXPECT_THAT(answer->degraded, ElementsAre("search:documents→cache"));
}

TEST_F(DegradationTest, AFailedSearchLeavesTheConversation) {
  make({});
  script_.deltas = {"I cannot look that up."};
  engine_.failure = make_error(ErrorCode::internal, "broken index");
  const auto answer = ask(over_documents(kQuestion));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->text, "I cannot look that up.");
  EXPECT_THAT(answer->degraded, ElementsAre("search:documents→conversation"));
  EXPECT_THAT(script_.asked.messages.front().content, HasSubstr("could not be searched"));
  EXPECT_THAT(events_.lines, ElementsAre(HasSubstr("start"), "done 0", HasSubstr("text")));
}

TEST_F(DegradationTest, AFailedSearchWithoutAModelIsTheMessageOrAnError) {
  engine_.failure = make_error(ErrorCode::corrupt, "damaged");
  make({.message = "Later, please."}, {});
  EXPECT_EQ(ask(over_documents(kQuestion))->text, "Later, please.");
  make({}, {});
  EXPECT_EQ(ask(over_documents(kQuestion)).error().code, ErrorCode::corrupt);
}

TEST_F(DegradationTest, TheCallersMistakesAreNotDegraded) {
  make({.message = "Later, please."});
  engine_.failure = make_error(ErrorCode::not_found, "no such store");
  EXPECT_EQ(ask(over_documents(kQuestion)).error().code, ErrorCode::not_found);
}

TEST_F(DegradationTest, WithTheMemoryOffNothingIsRemembered) {
  make({.memory = {.entries_max = 0}});
  script_.deltas = {"Entries are kept [1]."};
  ASSERT_TRUE(ask(over_documents(kQuestion)).has_value());
  script_.failure = make_error(ErrorCode::unavailable, "down");
  script_.deltas.clear();
  EXPECT_EQ(ask(over_documents(kQuestion))->text, kExtracted);
}

TEST_F(DegradationTest, AutoTakesTheRoutedModel) {
  AnswererConfig config;
  config.routing = {.light = "small", .strong = "large"};
  std::vector<std::unique_ptr<llm::ChatModel>> models;
  for (const char* name : {"chat", "small", "large"}) models.push_back(std::make_unique<FakeModel>(name, script_));
  answerer_ = Answerer::create(std::move(config), engine_, std::move(models), compute_);
  script_.deltas = {"Yes."};
  AnswerRequest light = over_documents("What is BM25?");
  light.model = kAutoModel;
  auto answer = ask(std::move(light));
  EXPECT_EQ(answer->model, "small");
  EXPECT_EQ(answer->route->report.complexity, Complexity::light);
  AnswerRequest strong = plain("Analyse and compare both designs, prove your claim and justify the trade-offs.");
  strong.model = kAutoModel;
  answer = ask(std::move(strong));
  EXPECT_EQ(answer->model, "large");
  EXPECT_EQ(answer->route->model, "large");
  EXPECT_FALSE(ask(plain("Hello"))->route);
}

}  // namespace
}  // namespace ragtime::rag
