// Evaluations of a small set with a tiny random model: what they find is random, that it is consistent is not.

#include "server/evaluation.h"

#include <fstream>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "encoder/test_model.h"
#include "server/captured_terminal_for_test.h"
#include "server/trec_run.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint32_t kSeed = 20;

// Documents and questions of the words that the tiny model knows; document i has a word of its own besides.
EvaluationSet random_set(std::size_t documents) {
  const std::vector<std::string> words{"the", "quick", "brown", "fox", "jump", "over", "lazy", "dog"};
  std::mt19937 random(kSeed);
  const auto sentence = [&](std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += words[random() % words.size()] + " ";
    return out;
  };
  EvaluationSet set;
  set.name = "animals";
  for (std::size_t i = 0; i < documents; ++i) {
    const std::string number = std::to_string(i);
    set.documents.push_back({"d" + number, "", sentence(12) + "word" + number});
    EvaluationQuery query{"q" + number, sentence(3) + (i % 2 == 0 ? "word" + number : ""), {}};
    query.grades.emplace(static_cast<engine::DocumentNumber>(i), 1);
    query.grades.emplace(static_cast<engine::DocumentNumber>(random() % documents), 2);
    set.queries.push_back(std::move(query));
  }
  return set;
}

class EvaluationTest : public ::testing::Test {
 protected:
  EvaluationTest() {
    encoder::TestModel(kSeed).write(root_ / "data" / "models" / "tiny");
    configured_.server.data_dir = (root_ / "data").string();
    configured_.encoder.model = "tiny";
    options_.quiet = true;
  }
  ~EvaluationTest() override { fs::remove_all(root_); }

  Result<SetResult> run(const EvaluationSet& set, const fs::path& directory) {
    RAGTIME_TRY(auto configuration, evaluation_configuration(configured_, directory));
    const auto log = telemetry::Logger::null();
    RAGTIME_TRY(auto runtime, Runtime::open(std::move(configuration), *log));
    return async::sync_wait(evaluate(std::move(runtime), set, options_, *terminal_, context_));
  }

  const fs::path root_ = fs::path(::testing::TempDir()) / make_id("evaluation-");
  Configuration configured_;
  EvaluationOptions options_;
  CapturedTerminal terminal_;
  RequestContext context_{"req", std::string(kLocalTenant), Deadline::never()};
};

TEST_F(EvaluationTest, EveryArmAnswersEveryQuestion) {
  const auto set = random_set(60);
  const auto result = run(set, root_ / "eval");
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->documents, 60u);
  EXPECT_EQ(result->passages, 60u);
  EXPECT_EQ(result->queries, 60u);
  ASSERT_EQ(result->arms.size(), 3u);
  for (const auto& arm : result->arms) EXPECT_EQ(arm.queries.size(), 60u);
  // The word of its own is worth more than all others to the lexical arm, and nothing to the model.
  for (std::size_t i = 0; i < 60; i += 2) EXPECT_GT(result->arm(kLexicalArm)->queries[i].reciprocal_rank, 0.0) << i;
  EXPECT_EQ(result->arm(kFusedArm), nullptr);
}

// What tuning computes for the present setting is what the engine really ranked.
TEST_F(EvaluationTest, TuningScoresThePresentSettingAsTheEngineRanks) {
  options_.tune = true;
  const auto set = random_set(150);
  for (const char* fusion : {"convex", "rrf"}) {
    configured_.retrieval.fusion = fusion;
    configured_.retrieval.dense_weight = 0.4;
    const auto result = run(set, root_ / fusion);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    ASSERT_EQ(result->settings.size(), set.queries.size());
    const auto& hybrid = result->arm(kHybridArm)->queries;
    for (std::size_t i = 0; i < hybrid.size(); ++i) {
      EXPECT_NEAR(result->settings[i][0], hybrid[i].ndcg, 1e-9) << fusion << " " << i << ", seed " << kSeed;
    }
  }
}

TEST_F(EvaluationTest, TuningTriesEveryRankingAndLeavesNone) {
  configured_.encoder.model = "";
  configured_.retrieval.bm25_k1 = 1.1;
  options_.tune = true;
  auto set = random_set(100);
  for (std::size_t i = 0; i < set.documents.size(); i += 2) set.documents[i].text += " " + set.documents[i].text;
  const auto kept = root_ / "kept";
  const auto first = run(set, kept).value();
  ASSERT_EQ(first.rankings.size(), set.queries.size());
  std::set<double> sums;
  for (std::size_t r = 0; r < tuning_rankings(configured_).size(); ++r) {
    double sum = 0;
    for (const auto& query : first.rankings) sum += query.at(r);
    sums.insert(sum);
  }
  EXPECT_GT(sums.size(), 1u) << "settings that change nothing have not been tried, seed " << kSeed;
  const auto again = run(set, kept).value();
  for (std::size_t i = 0; i < set.queries.size(); ++i) {
    EXPECT_EQ(first.rankings[i][0], first.arms[0].queries[i].ndcg) << "the present one comes first";
    EXPECT_EQ(again.arms[0].queries[i].ndcg, first.arms[0].queries[i].ndcg);
  }
}

TEST_F(EvaluationTest, WithoutAModelWordsAloneAreMeasured) {
  configured_.encoder.model = "";
  options_.tune = true;
  const auto result = run(random_set(5), root_ / "eval").value();
  ASSERT_EQ(result.arms.size(), 1u);
  EXPECT_EQ(result.arms[0].name, kLexicalArm);
  EXPECT_TRUE(result.settings.empty());
  EXPECT_EQ(result.rankings.size(), 5u);
}

TEST_F(EvaluationTest, ALongDocumentCountsOnce) {
  configured_.encoder.model = "";
  configured_.chunking.size = 100;
  configured_.chunking.overlap = 0;
  options_.rankings = true;
  auto set = random_set(2);
  set.documents[0].text.clear();
  for (int i = 0; i < 40; ++i) set.documents[0].text += "The otter sleeps on its back, sentence after sentence. ";
  set.queries.resize(1);
  set.queries[0].text = "otter";
  const auto result = run(set, root_ / "eval").value();
  EXPECT_GT(result.passages, 3u);
  EXPECT_THAT(result.arms[0].rankings.at(0), ElementsAre(0u));
}

TEST_F(EvaluationTest, ADocumentOfATitleAloneIsFound) {
  configured_.encoder.model = "";
  options_.rankings = true;
  auto set = random_set(3);
  set.documents[1] = {"d1", "Otters", ""};
  set.documents[2] = {"d2", "", ""};
  set.queries.resize(1);
  set.queries[0].text = "otters";
  EXPECT_THAT(run(set, root_ / "eval").value().arms[0].rankings.at(0), ElementsAre(1u));
}

TEST_F(EvaluationTest, AKeptDirectoryIsTakenUpAgain) {
  const auto set = random_set(20);
  const auto kept = [&] { return EvaluationDirectory::kept(configured_, set).value().path(); };
  const fs::path directory = kept();
  EXPECT_EQ(directory.parent_path(), root_ / "data" / "eval");
  EXPECT_THAT(directory.filename().string(), HasSubstr("animals-"));
  auto partly = set;
  partly.documents.resize(7);
  partly.queries.resize(1);
  partly.queries[0].grades = {{0, 1}};
  ASSERT_TRUE(run(partly, directory).has_value());
  const auto first = run(set, directory).value();
  EXPECT_EQ(first.passages, 20u);
  const auto again = run(set, directory).value();
  EXPECT_EQ(again.passages, 20u);
  EXPECT_EQ(again.arm(kHybridArm)->queries[3].ndcg, first.arm(kHybridArm)->queries[3].ndcg);
  configured_.retrieval.dense_weight = 0.1;
  EXPECT_EQ(kept(), directory);
  configured_.chunking.size = 300;
  EXPECT_NE(kept(), directory);
}

TEST_F(EvaluationTest, ATemporaryDirectoryGoes) {
  fs::path path;
  {
    const auto directory = EvaluationDirectory::temporary();
    ASSERT_TRUE(directory.has_value());
    path = directory->path();
    EXPECT_TRUE(fs::is_directory(path));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(EvaluationTest, CancellingEndsIt) {
  context_.cancel();
  EXPECT_EQ(run(random_set(5), root_ / "eval").error().code, ErrorCode::cancelled);
}

TEST_F(EvaluationTest, RunsAreWrittenForTrecEval) {
  SetResult result;
  result.arms.emplace_back().name = kDenseArm;
  result.arms[0].rankings = {{2, 0}, {}};
  const auto set = random_set(3);
  ASSERT_TRUE(write_runs(root_ / "runs", set, result).has_value());
  std::ifstream in(root_ / "runs" / "animals.dense.run");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(text, "q0 Q0 d2 1 2 ragtime-dense\nq0 Q0 d0 2 1 ragtime-dense\n");
  std::ofstream(root_ / "file") << "in the way";
  EXPECT_THAT(write_runs(root_ / "file" / "runs", set, result).error().message, HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace ragtime::server
