#include "rag/answer_memory.h"

#include <cmath>

#include <gtest/gtest.h>

#include "rag/answer_fakes_for_test.h"

namespace ragtime::rag {
namespace {

using namespace std::chrono_literals;

// Finds every two texts `alike`.
class FakeEmbedder final : public encoder::Embedder {
 public:
  const encoder::EmbedderInfo& info() const override { return info_; }
  Task<Result<encoder::Embeddings>> embed(std::vector<std::string> texts, encoder::EmbedPurpose,
                                          RequestContext&) override {
    ++calls;
    encoder::Embeddings out;
    out.dimensions = 2;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const float x = i == 0 ? 1.0f : alike;
      out.values.insert(out.values.end(), {x, std::sqrt(1 - x * x)});
      out.token_counts.push_back(1);
    }
    co_return out;
  }

  float alike = 1;
  int calls = 0;

 private:
  encoder::EmbedderInfo info_{"toy", 2, 256, true};
};

class AnswerMemoryTest : public testing::Test {
 protected:
  static AnswerRequest over(std::string question, std::vector<std::string> stores = {"vs_1"}) {
    AnswerRequest request;
    request.messages.push_back({"user", std::move(question)});
    request.search.emplace().store_ids = std::move(stores);
    return request;
  }

  static Answer said(std::string text) {
    Answer answer;
    answer.model = "chat";
    answer.text = std::move(text);
    answer.search.hits = {hit_of("a.md", "The idle speed is 412.")};
    return answer;
  }

  std::string recall(const AnswerRequest& request, std::string model = "chat") {
    auto found = async::sync_wait(memory_.recall(request, model, context_));
    return found ? found->text : "";
  }

  FakeEngine engine_;
  FakeEmbedder embedder_;
  std::chrono::steady_clock::time_point now_{1000h};
  RequestContext context_{"req", "tenant", Deadline::after(20s)};
  AnswerMemory memory_{{.entries_max = 3, .ttl = 60s}, engine_, &embedder_, [this] { return now_; }};
};

TEST_F(AnswerMemoryTest, TheSameQuestionIsAnswered) {
  memory_.remember(over("What is the idle speed?"), "chat", said("412"), context_);
  EXPECT_EQ(recall(over("What is the idle speed?")), "412");
  EXPECT_EQ(recall(over("what is  the idle speed")), "412");
  memory_.remember(over("What is new in 2.1?"), "chat", said("much"), context_);
  EXPECT_EQ(recall(over("what is new in 2.1")), "much");
  EXPECT_EQ(recall(over("What is new in 2.1.")), "much");
  EXPECT_EQ(embedder_.calls, 0) << "the same words need no comparison";
  memory_.remember(over("What is the idle speed?"), "chat", said("413"), context_);
  EXPECT_EQ(recall(over("What is the idle speed?")), "413");
  EXPECT_EQ(memory_.size(), 2u);
}

TEST_F(AnswerMemoryTest, ASimilarQuestionIsAnsweredWhenTheEmbeddingsAgree) {
  memory_.remember(over("What is the idle speed of the rotor?"), "chat", said("412"), context_);
  EXPECT_EQ(recall(over("What idle speed does the rotor have?")), "412");
  embedder_.alike = 0.8f;
  EXPECT_EQ(recall(over("What idle speed does the rotor have?")), "");
}

// Embeddings find these alike; their answers are not.
TEST_F(AnswerMemoryTest, WordsNumbersQuestionAndNegationMustBeTheSame) {
  const std::vector<std::pair<std::string, std::string>> different = {
      {"How do I enable two-factor login?", "How do I disable two-factor login?"},
      {"Is A larger than B?", "Is B larger than A?"},
      {"What changed in version 2.1?", "What changed in version 2.2?"},
      {"When was the pump installed?", "Where was the pump installed?"},
      {"Which pumps need service?", "Which pumps do not need service?"},
      {"Can members export data?", "Can members export data without approval?"},
      {"如何开启双因素登录？", "如何关闭双因素登录？"},
      {"哪些泵需要保养？", "哪些泵不需要保养？"},
      {"第 3 章讲什么？", "第 4 章讲什么？"},
      {"泵是什么时候安装的？", "泵是谁安装的？"},
  };
  for (const auto& [stored, asked] : different) {
    EXPECT_NE(question_gate(stored), question_gate(asked)) << stored << " / " << asked;
    memory_.remember(over(stored), "chat", said("x"), context_);
    EXPECT_EQ(recall(over(asked)), "") << stored << " / " << asked;
  }
}

TEST_F(AnswerMemoryTest, AnswersStayWithTheirTenantStoresModelAndInstructions) {
  const AnswerRequest request = over("What is the idle speed?");
  memory_.remember(request, "chat", said("412"), context_);
  EXPECT_EQ(recall(over("What is the idle speed?", {"vs_2"})), "");
  EXPECT_EQ(recall(request, "other"), "");
  AnswerRequest instructed = request;
  instructed.instructions = "Answer like a pirate.";
  EXPECT_EQ(recall(instructed), "");
  RequestContext foreign("req", "another", Deadline::after(20s));
  EXPECT_FALSE(async::sync_wait(memory_.recall(request, "chat", foreign)));
  EXPECT_EQ(recall(request), "412");
}

TEST_F(AnswerMemoryTest, AChangedOrRemovedDocumentForgetsItsAnswers) {
  const AnswerRequest request = over("What is the idle speed?");
  memory_.remember(request, "chat", said("412"), context_);
  EXPECT_EQ(recall(request), "412");
  engine_.versions["file-a.md"] = 7;
  EXPECT_EQ(recall(request), "");
  EXPECT_EQ(memory_.size(), 0u);
  engine_.versions.clear();
  memory_.remember(request, "chat", said("412"), context_);
  engine_.versions["file-a.md"] = std::nullopt;
  EXPECT_EQ(recall(request), "");
  memory_.remember(request, "chat", said("412"), context_);
  EXPECT_EQ(memory_.size(), 0u) << "the document left while the answer was made";
}

TEST_F(AnswerMemoryTest, OnlyWholeAnswersToSingleQuestionsEnter) {
  const AnswerRequest request = over("What is the idle speed?");
  Answer cut = said("The");
  cut.finish_reason = llm::FinishReason::length;
  memory_.remember(request, "chat", cut, context_);
  Answer degraded = said("412");
  degraded.degraded = {"embedding"};
  memory_.remember(request, "chat", degraded, context_);
  AnswerRequest later = request;
  later.messages.insert(later.messages.begin(), {{"user", "Hi"}, {"assistant", "Hello"}});
  memory_.remember(later, "chat", said("412"), context_);
  AnswerRequest filtered = request;
  filtered.search->filter.emplace();
  memory_.remember(filtered, "chat", said("412"), context_);
  EXPECT_EQ(memory_.size(), 0u);
}

TEST_F(AnswerMemoryTest, IsBoundInNumberBytesAndTime) {
  for (int i = 0; i < 5; ++i) memory_.remember(over("What is part " + std::to_string(i) + "?"), "chat", said("x"), context_);
  EXPECT_EQ(memory_.size(), 3u);
  EXPECT_EQ(recall(over("What is part 0?")), "");
  EXPECT_EQ(recall(over("What is part 4?")), "x");
  now_ += 61s;
  EXPECT_EQ(recall(over("What is part 4?")), "");
  AnswerMemory small({.bytes_max = 2000}, engine_, nullptr, [this] { return now_; });
  small.remember(over("What is it?"), "chat", said(std::string(5000, 'x')), context_);
  EXPECT_EQ(small.size(), 0u);
}

}  // namespace
}  // namespace ragtime::rag
