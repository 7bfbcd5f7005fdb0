#include "rag/answer.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rag/answer_fakes_for_test.h"

namespace ragtime::rag {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

std::vector<std::string> stages(RequestContext& context) {
  std::vector<std::string> names;
  for (const auto& stage : context.timings().snapshot()) names.push_back(stage.name);
  return names;
}

class AnswerTest : public testing::Test {
 protected:
  AnswerTest() {
    engine_.results.hits = {hit_of("cache.md", "The cache keeps entries for 30 minutes. It is small."),
                            hit_of("other.md", "Bananas are yellow.")};
  }

  Result<Answer> ask(AnswerRequest request, std::vector<std::string> models = {"chat"}) {
    std::vector<std::unique_ptr<llm::ChatModel>> configured;
    for (std::string& name : models) configured.push_back(std::make_unique<FakeModel>(std::move(name), script_));
    const auto answerer = Answerer::create({}, engine_, std::move(configured), compute_);
    return async::sync_wait(answerer->answer(std::move(request), events_, context_));
  }

  static AnswerRequest over_documents(std::string question) {
    AnswerRequest request = plain(std::move(question));
    request.search.emplace().store_ids = {"vs_1"};
    return request;
  }
  static AnswerRequest plain(std::string question) {
    AnswerRequest request;
    request.messages.push_back({"user", std::move(question)});
    return request;
  }

  FakeEngine engine_;
  FakeModel::Script script_;
  EventLog events_;
  async::ThreadPool compute_{{.name = "compute", .threads = 1}};
  RequestContext context_{"req", "tenant", Deadline::after(std::chrono::seconds(20))};
};

constexpr const char* kQuestion = "How long does the cache keep entries?";

TEST_F(AnswerTest, ModelAnswersWithCitations) {
  script_.deltas = {"Thirty", " minutes: 30 mi", "nutes the cache keeps entries [", "1]."};
  AnswerRequest request = over_documents(kQuestion);
  request.instructions = "Be terse.";
  request.sampling.temperature = 0.25;
  const auto answer = ask(std::move(request));
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->text, "Thirty minutes: 30 minutes the cache keeps entries.");
  EXPECT_EQ(answer->model, "chat");
  ASSERT_THAT(answer->citations, SizeIs(1));
  EXPECT_EQ(answer->citations[0].quote, "The cache keeps entries for 30 minutes.");
  EXPECT_TRUE(answer->citations[0].verified);
  EXPECT_EQ(answer->citations[0].index, answer->text.size() - 1);
  EXPECT_EQ(answer->finish_reason, llm::FinishReason::length);
  EXPECT_EQ(answer->usage.prompt_tokens, 21);
  EXPECT_THAT(answer->degraded, IsEmpty());
  EXPECT_THAT(answer->queries, ElementsAre(kQuestion));
  EXPECT_THAT(answer->search.hits, SizeIs(2));
  EXPECT_THAT(script_.asked.messages.front().content,
              AllOf(StartsWith("Be terse."), HasSubstr("The cache keeps entries"), HasSubstr("id=\"2\"")));
  EXPECT_EQ(script_.asked.temperature, 0.25);
  EXPECT_THAT(stages(context_), AllOf(Contains("prompt"), Contains("first_token"), Contains("generate")));
}

TEST_F(AnswerTest, EventsComeInOrderAndRepeatTheAnswer) {
  script_.deltas = {"One.", " Two [1].", " Three"};
  ASSERT_TRUE(ask(over_documents(kQuestion)).has_value());
  EXPECT_THAT(events_.lines, ElementsAre(HasSubstr("start How long"), "done 2", "text One.", "text  Two",
                                         "cite cache.md 8", "text .", "text  Three"));
}

TEST_F(AnswerTest, GivenQueriesAreUsed) {
  AnswerRequest request = over_documents(kQuestion);
  request.search->queries = {"first", "second"};
  request.search->results = 3;
  ASSERT_TRUE(ask(std::move(request)).has_value());
  ASSERT_THAT(engine_.requests, SizeIs(1));
  EXPECT_THAT(engine_.requests[0].queries, ElementsAre("first", "second"));
  EXPECT_THAT(engine_.requests[0].store_ids, ElementsAre("vs_1"));
  EXPECT_EQ(engine_.requests[0].results, 3u);
}

TEST_F(AnswerTest, ExtractiveAnswerOfTheDocuments) {
  AnswerRequest request = over_documents(kQuestion);
  request.model = kExtractiveModel;
  const auto answer = ask(std::move(request));
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->model, kExtractiveModel);
  EXPECT_EQ(answer->text, "The cache keeps entries for 30 minutes.");
  ASSERT_THAT(answer->citations, SizeIs(1));
  EXPECT_EQ(answer->citations[0].filename, "cache.md");
  EXPECT_EQ(answer->citations[0].index, answer->text.size());
  EXPECT_TRUE(answer->citations[0].verified);
  EXPECT_THAT(answer->degraded, IsEmpty());
  EXPECT_TRUE(answer->usage.estimated);
  EXPECT_GT(answer->usage.prompt_tokens, 0);
  EXPECT_GT(answer->usage.completion_tokens, 0);
  EXPECT_THAT(events_.lines, ElementsAre(HasSubstr("start"), "done 2", "text The cache keeps entries for 30 minutes.",
                                         "cite cache.md 39"));
}

TEST_F(AnswerTest, ExtractiveSentencesEachWithTheirCitation) {
  engine_.results.hits = {
      hit_of("a.md", "A red apple tree grows in the garden. A green apple tree grows in the yard.")};
  const auto answer = ask(over_documents("Where does the apple tree grow?"), {});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->text, "A red apple tree grows in the garden.\nA green apple tree grows in the yard.");
  ASSERT_THAT(answer->citations, SizeIs(2));
  EXPECT_EQ(answer->citations[0].index, 37u);
  EXPECT_EQ(answer->citations[1].index, answer->text.size());
}

TEST_F(AnswerTest, NothingFoundIsSaidWithoutCitations) {
  engine_.results.hits.clear();
  const auto answer = ask(over_documents("水的沸点是多少"), {});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->text, "文档中没有这个问题的答案。");
  EXPECT_THAT(answer->citations, IsEmpty());
}

TEST_F(AnswerTest, WithoutDocumentsTheBuiltInModelSaysWhatItNeeds) {
  const auto answer = ask(plain("Hello"), {});
  ASSERT_TRUE(answer.has_value());
  EXPECT_THAT(answer->text, AllOf(HasSubstr("ragtime-extractive@STORE"), HasSubstr("[[models]]")));
  EXPECT_THAT(answer->citations, IsEmpty());
  EXPECT_THAT(engine_.requests, IsEmpty());
}

TEST_F(AnswerTest, ConversationWithoutDocuments) {
  script_.deltas = {"Hi ", "you [1]"};
  const auto answer = ask(plain("Hello"));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->text, "Hi you");
  EXPECT_THAT(script_.asked.messages, SizeIs(1));
  EXPECT_THAT(engine_.requests, IsEmpty());
}

TEST_F(AnswerTest, AModelThatFailsBeforeItsFirstWordIsReplaced) {
  script_.deltas = {"", " ["};  // Held back, so nobody has seen it.
  script_.failure = make_error(ErrorCode::unavailable, "down");
  const auto answer = ask(over_documents(kQuestion));
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->model, kExtractiveModel);
  EXPECT_EQ(answer->text, "The cache keeps entries for 30 minutes.");
  EXPECT_THAT(answer->degraded, ElementsAre("llm_unavailable:chat→ragtime-extractive"));
}

TEST_F(AnswerTest, AModelThatFailsAfterItsFirstWordIsAnError) {
  script_.deltas = {"The "};
  script_.failure = make_error(ErrorCode::unavailable, "down");
  const auto answer = ask(over_documents(kQuestion));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, ErrorCode::unavailable);
  EXPECT_THAT(events_.lines, Not(Contains(HasSubstr("cache keeps"))));
}

TEST_F(AnswerTest, WithoutDocumentsAFailedModelIsAnError) {
  script_.failure = make_error(ErrorCode::resource_exhausted, "busy");
  EXPECT_EQ(ask(plain("Hello")).error().code, ErrorCode::resource_exhausted);
}

TEST_F(AnswerTest, NobodyIsThereForAReplacement) {
  script_.before = [this] { context_.cancel(); };
  script_.failure = make_error(ErrorCode::cancelled, "cancelled");
  EXPECT_EQ(ask(over_documents(kQuestion)).error().code, ErrorCode::cancelled);
}

TEST_F(AnswerTest, ARefusedEventEndsTheAnswer) {
  for (const char* refuses : {"start", "done", "text", "cite"}) {
    for (const std::vector<std::string>& models : {std::vector<std::string>{"chat"}, std::vector<std::string>{}}) {
      events_.lines.clear();
      events_.refuses = refuses;
      script_.deltas = {"Words [1]. More"};
      const auto answer = ask(over_documents(kQuestion), models);
      ASSERT_TRUE(answer.has_error()) << refuses;
      EXPECT_EQ(answer.error().code, ErrorCode::cancelled);
      EXPECT_THAT(events_.lines.back(), StartsWith(refuses)) << "something came after it";
    }
  }
}

TEST_F(AnswerTest, AnIncompleteSecondStageIsDegraded) {
  engine_.results.rerank_incomplete = true;
  const auto answer = ask(over_documents(kQuestion), {});
  ASSERT_TRUE(answer.has_value());
  EXPECT_THAT(answer->degraded, ElementsAre("rerank"));
}

TEST_F(AnswerTest, TheContextIsWidened) {
  ASSERT_TRUE(ask(over_documents(kQuestion), {}).has_value());
  EXPECT_TRUE(engine_.requests.at(0).widen);
}

TEST_F(AnswerTest, AFailedEmbedderIsDegraded) {
  engine_.results.dense_failed = true;
  const auto answer = ask(over_documents(kQuestion), {});
  ASSERT_TRUE(answer.has_value());
  EXPECT_THAT(answer->degraded, ElementsAre("embedding"));
}

TEST_F(AnswerTest, BadRequests) {
  AnswerRequest unknown = plain("Hello");
  unknown.model = "nobody";
  const auto not_found = ask(std::move(unknown));
  EXPECT_EQ(not_found.error().code, ErrorCode::not_found);
  EXPECT_EQ(not_found.error().param, "model");
  EXPECT_EQ(ask({}).error().code, ErrorCode::invalid_argument);
  engine_.failure = make_error(ErrorCode::not_found, "no such store");
  EXPECT_EQ(ask(over_documents(kQuestion)).error().code, ErrorCode::not_found);
}

TEST_F(AnswerTest, ModelsAndTheDefault) {
  std::vector<std::unique_ptr<llm::ChatModel>> configured;
  configured.push_back(std::make_unique<FakeModel>("first", script_));
  configured.push_back(std::make_unique<FakeModel>("second", script_));
  const auto answerer = Answerer::create({}, engine_, std::move(configured), compute_);
  EXPECT_EQ(answerer->default_model(), "first");
  std::vector<std::pair<std::string, bool>> models;
  for (const ModelInfo& model : answerer->models()) models.emplace_back(model.name, model.built_in);
  EXPECT_THAT(models, ElementsAre(std::pair("first", false), std::pair("second", false),
                                  std::pair(std::string(kAutoModel), false),
                                  std::pair(std::string(kExtractiveModel), true)));
  EXPECT_EQ(Answerer::create({}, engine_, {}, compute_)->default_model(), kExtractiveModel);
}

}  // namespace
}  // namespace ragtime::rag
