#include "rag/question.h"

#include <gmock/gmock.h>

#include "rag/glossary.h"

namespace ragtime::rag {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::UnorderedElementsAre;

std::vector<std::string> first_forms(const Question& question) {
  std::vector<std::string> all;
  for (const QuestionTerm& term : question.terms) all.push_back(term.forms.front());
  return all;
}

const QuestionTerm& term_of(const Question& question, std::string_view form) {
  for (const QuestionTerm& term : question.terms) {
    if (term.forms.front() == form) return term;
  }
  throw std::out_of_range(std::string(form));
}

TEST(Question, WhatKindOfAnswerIsWanted) {
  EXPECT_EQ(read_question("How many chunks fit?").kind, AnswerKind::number);
  EXPECT_EQ(read_question("How long are results cached?").kind, AnswerKind::duration);
  EXPECT_EQ(read_question("When did the war end?").kind, AnswerKind::date);
  EXPECT_EQ(read_question("Who founded it?").kind, AnswerKind::person);
  EXPECT_EQ(read_question("What is BM25?").kind, AnswerKind::definition);
  EXPECT_EQ(read_question("Why does it fail when it starts?").kind, AnswerKind::any);
  EXPECT_EQ(read_question("阈值是多少").kind, AnswerKind::number);
  EXPECT_EQ(read_question("结果缓存多长时间").kind, AnswerKind::duration);
  EXPECT_EQ(read_question("哪一年发布").kind, AnswerKind::date);
  EXPECT_EQ(read_question("作者是谁").kind, AnswerKind::person);
  EXPECT_EQ(read_question("什么是向量").kind, AnswerKind::definition);
  EXPECT_EQ(read_question("怎么安装").kind, AnswerKind::any);
}

TEST(Question, QuestionWordsNameNothing) {
  EXPECT_THAT(first_forms(read_question("What is the size of a chunk?")), ElementsAre("size", "chunk"));
  EXPECT_THAT(first_forms(read_question("缓存是多少")), Contains("缓存"));
  EXPECT_THAT(first_forms(read_question("缓存是多少")), Not(Contains("多少")));
  EXPECT_THAT(read_question("什么是什么？").terms, IsEmpty());
  EXPECT_THAT(read_question("").terms, IsEmpty());
}

TEST(Question, IdentifiersWeighMoreThanTheirParts) {
  const Question question = read_question("What is ef_construction?");
  EXPECT_GT(term_of(question, "ef_construction").weight, 1);
  EXPECT_LT(term_of(question, "construct").weight, 1);
}

TEST(Question, ChineseTermsMatchTheEnglishWordsOfCode) {
  const Question question = read_question("向量权重是多少");
  EXPECT_THAT(term_of(question, "向量").forms, Contains("vector"));
  EXPECT_THAT(term_of(question, "权重").forms, Contains("weight"));
  EXPECT_NE(question.match({"vector_weight", "vector", "weight"}), 0u);
  EXPECT_EQ(question.match({"chunk_size", "chunk", "size"}), 0u);
}

TEST(Question, AtMostSixtyFourTerms) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "word" + std::to_string(i) + " ";
  EXPECT_EQ(read_question(text).terms.size(), kQuestionTermsMax);
}

TEST(Question, LanguageOfMixedQuestions) {
  EXPECT_TRUE(is_chinese("vLLM 的 max_num_seqs 设为多少"));
  EXPECT_FALSE(is_chinese("What does max_num_seqs mean?"));
  EXPECT_FALSE(is_chinese(""));
}

TEST(Question, ContentTermsLeaveFunctionWordsOut) {
  EXPECT_THAT(content_terms("The cache is in the memory of it"), UnorderedElementsAre("cach", "memori"));
}

TEST(Glossary, EveryEntryIsAChineseTermWithAMeaning) {
  for (const GlossaryEntry& entry : glossary()) {
    EXPECT_GE(entry.term.size(), 6u) << entry.term;
    EXPECT_FALSE(entry.meaning.empty()) << entry.term;
    for (const GlossaryEntry& other : glossary())
      EXPECT_TRUE(&entry == &other || entry.term != other.term) << entry.term;
  }
}

}  // namespace
}  // namespace ragtime::rag
