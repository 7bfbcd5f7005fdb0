#include "server/evaluation_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/captured_terminal_for_test.h"

namespace ragtime::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ArmResult arm(const std::string& name, std::vector<double> ndcg) {
  ArmResult out;
  out.name = name;
  for (const double value : ndcg) {
    engine::RankingMeasures measures;
    measures.ndcg = value;
    measures.recall = 1;
    measures.reciprocal_rank = 0.5;
    out.queries.push_back(measures);
  }
  return out;
}

// Hybrid is better than the better arm, dense, at every question by a tenth.
SetResult hybrid_set() {
  SetResult set;
  set.name = "animals";
  set.documents = 1234;
  set.passages = 1240;
  set.queries = 4;
  set.arms = {arm(kLexicalArm, {0.1, 0.2, 0.3, 0.4}), arm(kDenseArm, {0.5, 0.4, 0.3, 0.8}),
              arm(kHybridArm, {0.6, 0.5, 0.4, 0.9})};
  return set;
}

SetResult lexical_set() {
  SetResult set = hybrid_set();
  set.arms.resize(1);
  return set;
}

std::string printed(const SetResult& set) {
  CapturedTerminal terminal;
  print_set(set, {}, *terminal);
  return terminal.text();
}

TEST(EvaluationReport, MeasuresAreNamedByTheirDepth) {
  std::vector<std::string> names;
  for (const auto& measure : named_measures(10)) names.push_back(measure.name);
  EXPECT_EQ(names, (std::vector<std::string>{"ndcg@10", "recall@10", "mrr@10", "map@100", "recall@100"}));
  EXPECT_EQ(named_measures(100).size(), 4u);  // Recall at 100 once.
  EXPECT_EQ(named_measures(500)[3].name, "map@500");
}

TEST(EvaluationReport, ATableHasEveryArmWithItsInterval) {
  const std::string text = printed(hybrid_set());
  EXPECT_THAT(text, HasSubstr("animals: 1,234 documents in 1,240 passages, 4 questions"));
  EXPECT_THAT(text, HasSubstr("nDCG@10  95 % interval"));
  EXPECT_THAT(text, HasSubstr("lexical   0.2500"));
  EXPECT_THAT(text, HasSubstr("dense     0.5000"));
  EXPECT_THAT(text, HasSubstr("hybrid    0.6000"));
  EXPECT_THAT(text, HasSubstr("hybrid against dense: nDCG@10 +0.1000 (+20.0 %), 95 % interval +0.1000 to +0.1000: "
                              "better"));
}

TEST(EvaluationReport, WithoutAModelTheColumnsSaySo) {
  const std::string text = printed(lexical_set());
  EXPECT_THAT(text, HasSubstr("dense    no model\nhybrid   no model\n"));
  EXPECT_THAT(text, HasSubstr("no embedding model: dense and hybrid were not measured"));
  EXPECT_THAT(text, Not(HasSubstr("hybrid against")));
}

TEST(EvaluationReport, ALossAndADrawAreSaidSo) {
  auto set = hybrid_set();
  set.arms[2] = arm(kHybridArm, {0.4, 0.3, 0.2, 0.7});
  EXPECT_THAT(printed(set), HasSubstr("-0.1000 to -0.1000: worse"));
  set.arms[2] = arm(kHybridArm, {0.7, 0.2, 0.5, 0.6});
  EXPECT_THAT(printed(set), HasSubstr("not significant"));
}

TEST(EvaluationReport, TheSecondStageIsComparedWithItsAbsence) {
  auto set = hybrid_set();
  set.rerank_incomplete = 3;
  set.arms.insert(set.arms.begin() + 2, arm(kFusedArm, {0.7, 0.6, 0.5, 1.0}));
  const std::string text = printed(set);
  EXPECT_THAT(text, HasSubstr("fused     0.7000"));
  EXPECT_THAT(text, HasSubstr("hybrid against fused: nDCG@10 -0.1000"));
  EXPECT_THAT(text, HasSubstr("ran out of time for 3 questions"));
}

TEST(EvaluationReport, MeansCountEverySetTheSame) {
  auto other = hybrid_set();
  other.arms[2] = arm(kHybridArm, {0.2});
  other.arms[1] = arm(kDenseArm, {0.1});
  other.arms[0] = arm(kLexicalArm, {0.3});
  CapturedTerminal terminal;
  print_means({hybrid_set(), other}, {}, *terminal);
  const std::string text = terminal.text();
  EXPECT_THAT(text, HasSubstr("mean of 2 sets"));
  EXPECT_THAT(text, HasSubstr("hybrid    0.4000"));
  EXPECT_THAT(text, HasSubstr("each set's better arm: nDCG@10 +0.0000"));  // 0.4 and (0.5 + 0.3) / 2.
}

TEST(EvaluationReport, JsonHasTheAgreedShape) {
  auto set = hybrid_set();
  const auto report = report_json({set, lexical_set()}, Configuration(), {}, {});
  const auto& arms = report.at("sets").at(0).at("arms");
  EXPECT_EQ(report.at("sets").at(0).at("name"), "animals");
  EXPECT_NEAR(arms.at("lexical").at("ndcg@10").as_double(), 0.25, 1e-12);
  EXPECT_NEAR(arms.at("dense").at("recall@10").as_double(), 1, 1e-12);
  EXPECT_NEAR(arms.at("hybrid").at("mrr@10").as_double(), 0.5, 1e-12);
  EXPECT_EQ(arms.at("hybrid").at("intervals").at("mrr@10").at(0).as_double(), 0.5);
  const auto& against = report.at("sets").at(0).at("hybrid_against").at(0);
  EXPECT_EQ(against.at("arm"), "dense");
  EXPECT_TRUE(against.at("significant").as_bool());
  const auto& lexical = report.at("sets").at(1);
  EXPECT_FALSE(lexical.at("arms").as_object().contains("dense"));
  EXPECT_EQ(lexical.at("missing").at("dense"), "no embedding model");
}

// The present setting and the third, convex at 0.1, as given; all others are worse.
std::vector<std::vector<double>> tuned(double present, double third) {
  std::vector<double> scores(tuning_settings(Configuration()).size(), 0.1);
  scores[0] = present;
  scores[3] = third;
  return std::vector<std::vector<double>>(20, scores);
}

TEST(EvaluationReport, ASignificantGainComesWithTheLinesToSet) {
  auto set = hybrid_set();
  set.settings = tuned(0.5, 0.7);
  const auto tuning = tune_fusion({set}, Configuration(), {});
  EXPECT_TRUE(tuning.result.significant());
  CapturedTerminal terminal;
  print_tuning(tuning, {}, *terminal);
  const std::string text = terminal.text();
  EXPECT_THAT(text, HasSubstr("present setting convex, dense_weight 0.70"));
  EXPECT_THAT(text, HasSubstr("[retrieval]\nfusion = \"convex\"\ndense_weight = 0.10\n"));
  EXPECT_THAT(text, HasSubstr("convex, dense_weight 0.10"));
  const auto report = report_json({set}, Configuration(), {tuning}, {});
  EXPECT_TRUE(report.at("tuning").at("fusion").at("significant").as_bool());
  EXPECT_EQ(report.at("tuning").at("fusion").at("folds").as_array().size(), 5u);
}

TEST(EvaluationReport, BetterSettingsOfBm25ComeAsLinesToSet) {
  auto set = lexical_set();
  std::vector<double> scores(tuning_rankings(Configuration()).size(), 0.1);
  scores[0] = 0.5;
  scores[14] = 0.6;  // k1 1.2, b 0.75
  set.rankings.assign(20, scores);
  const auto tuning = tune_bm25({set}, Configuration(), {});
  CapturedTerminal terminal;
  print_tuning(tuning, {}, *terminal);
  EXPECT_THAT(terminal.text(), HasSubstr("present setting k1 0.90, b 0.40"));
  EXPECT_THAT(terminal.text(), HasSubstr("[retrieval]\nbm25_k1 = 1.20\nbm25_b = 0.75\n"));
  const auto report = report_json({set}, Configuration(), {tuning}, {});
  EXPECT_EQ(report.at("tuning").at("bm25").at("best").at("bm25_b"), 0.75);
  EXPECT_FALSE(report.at("tuning").as_object().contains("fusion"));
}

TEST(EvaluationReport, WithoutAGainThePresentSettingsStay) {
  auto set = hybrid_set();
  set.settings = tuned(0.5, 0.5);
  CapturedTerminal terminal;
  print_tuning(tune_fusion({set}, Configuration(), {}), {}, *terminal);
  const std::string text = terminal.text();
  EXPECT_THAT(text, HasSubstr("No significant gain: keep the present settings."));
  EXPECT_THAT(text, Not(HasSubstr("[retrieval]")));
}

}  // namespace
}  // namespace ragtime::server
