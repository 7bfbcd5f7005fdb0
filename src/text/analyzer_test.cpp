#include "text/analyzer.h"

#include <algorithm>
#include <thread>

#include <gmock/gmock.h>

namespace ragtime::text {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

TEST(Analyzer, FoldsCaseAndStemsEnglish) {
  EXPECT_THAT(analyze("The Searching, searched searches!"), ElementsAre("the", "search", "search", "search"));
  EXPECT_THAT(analyze("Tesla's drivers don’t"), ElementsAre("tesla", "driver", "don't"));
}

TEST(Analyzer, NothingToIndex) {
  EXPECT_THAT(analyze(""), IsEmpty());
  EXPECT_THAT(analyze(" \n\t--- ... !?，。😀"), IsEmpty());
}

TEST(Analyzer, IdentifiersGiveTheWholeAndTheirParts) {
  EXPECT_THAT(analyze("ef_construction"), ElementsAre("ef_construction", "ef", "construct"));
  EXPECT_THAT(analyze("max_num_seqs"), ElementsAre("max_num_seqs", "max", "num", "seq"));
  EXPECT_THAT(analyze("ERR-4012:"), ElementsAre("err-4012", "err", "4012"));
  EXPECT_THAT(analyze("node.js."), ElementsAre("node.js", "node", "js"));
  EXPECT_THAT(analyze("__init__"), ElementsAre("init"));
}

TEST(Analyzer, CamelCaseGivesTheWholeAndItsParts) {
  EXPECT_THAT(analyze("LexicalIndex"), ElementsAre("lexicalindex", "lexic", "index"));
  EXPECT_THAT(analyze("parseHTTPServer"), ElementsAre("parsehttpserv", "pars", "http", "server"));
  EXPECT_THAT(analyze("NASA PDFs"), ElementsAre("nasa", "pdfs"));
}

TEST(Analyzer, NumbersAndVersions) {
  EXPECT_THAT(analyze("weight 0.7"), ElementsAre("weight", "0.7"));
  EXPECT_THAT(analyze("1.2.3"), ElementsAre("1.2.3", "1.2"));
  EXPECT_THAT(analyze("US$1,000,000"), ElementsAre("us", "1000000"));
  EXPECT_THAT(analyze("1,2,3"), ElementsAre("1", "2", "3"));
}

TEST(Analyzer, ProgrammingLanguagesKeepTheirSigns) {
  EXPECT_THAT(analyze("C++, C# and C"), ElementsAre("c++", "c#", "and", "c"));
}

TEST(Analyzer, ChineseGivesWordsAndBigrams) {
  const auto terms = analyze("机器学习");
  EXPECT_THAT(terms, IsSupersetOf({"机器", "器学", "学习"}));
  EXPECT_THAT(analyze("学习"), ElementsAre("学习"));
  EXPECT_THAT(analyze("猫"), ElementsAre("猫"));
  EXPECT_THAT(analyze("大学生"), IsSupersetOf({"大学生", "大学", "学生"}));
  EXPECT_THAT(analyze("向量，库"), IsSupersetOf({"向量", "库"}));
  EXPECT_THAT(analyze("向量，库"), Not(Contains("量库")));
}

TEST(Analyzer, MixedScriptsAreCutApart) {
  EXPECT_THAT(analyze("使用GPU加速"), IsSupersetOf({"使用", "gpu", "加速"}));
  EXPECT_THAT(analyze("C++语言"), IsSupersetOf({"c++", "语言"}));
}

TEST(Analyzer, FullAndHalfWidthFormsAgree) {
  EXPECT_EQ(analyze("ＡＢＣ　１２３"), analyze("abc 123"));
  EXPECT_EQ(analyze("ｶﾀｶﾅ"), analyze("カタカナ"));
}

TEST(Analyzer, TraditionalAndSimplifiedAgree) {
  EXPECT_EQ(analyze("機器學習與資料庫"), analyze("机器学习与资料库"));
  EXPECT_EQ(analyze("GPU 加速計算"), analyze("GPU 加速计算"));
  EXPECT_EQ(fold("臺灣 ＡＢＣ"), "台湾 abc");
}

TEST(Analyzer, IndexTermsPutWhatIsAdjacentFirst) {
  EXPECT_THAT(index_terms("the ERR-4012 page"), ElementsAre("the", "err", "4012", "page", "err-4012"));
  EXPECT_THAT(index_terms("使用GPU加速器"), ElementsAre("使用", "gpu", "加速", "速器", "使", "用", "加", "速", "器"));
  EXPECT_THAT(index_terms("猫"), ElementsAre("猫", "猫"));  // A word and a character.
  for (const std::string_view text : {"a LexicalIndex of 1.2.3", "ภาษาไทย 学习 ef_construction"}) {
    EXPECT_THAT(index_terms(text), IsSupersetOf(analyze(text)));
  }
}

TEST(Analyzer, PhraseTermsAreThoseOfTheText) {
  for (const std::string_view phrase :
       {"ERR-4012", "the state-of-the-art", "加速器", "GPU加速器", "1.2.3 beta", "LexicalIndex"}) {
    const auto terms = phrase_terms(phrase);
    const auto text = index_terms("它的 " + std::string(phrase) + " 在此");
    EXPECT_FALSE(terms.empty());
    EXPECT_NE(std::search(text.begin(), text.end(), terms.begin(), terms.end()), text.end()) << phrase;
  }
  EXPECT_THAT(phrase_terms("猫"), ElementsAre("猫"));
  EXPECT_THAT(phrase_terms("?!"), IsEmpty());
}

TEST(Analyzer, OtherScripts) {
  EXPECT_THAT(analyze("Ärger CAFÉ Straße"), ElementsAre("ärger", "café", "strass"));
  EXPECT_THAT(analyze("Привет"), ElementsAre("привет"));
  EXPECT_GT(analyze("ภาษาไทยง่ายมาก").size(), 1u);
}

TEST(Analyzer, LongDataAndInvalidBytesAreBounded) {
  for (const std::string& term : analyze(std::string(5000, 'x'))) EXPECT_LE(term.size(), 100u);
  EXPECT_THAT(analyze("ok \xFF\xFE bytes"), IsSupersetOf({"ok", "byte"}));
}

TEST(Analyzer, ThreadsAgree) {
  const std::string text = "Running threads share nothing: 机器学习 ef_construction";
  const auto expected = analyze(text);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += analyze(text) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, testing::Each(0));
}

}  // namespace
}  // namespace ragtime::text
