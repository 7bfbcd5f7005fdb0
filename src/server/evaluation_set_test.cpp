#include "server/evaluation_set.h"

#include <algorithm>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "base/id.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr const char* kCorpus =
    "{\"_id\": \"d1\", \"title\": \"Otter\", \"text\": \"sleeps on its back\", \"url\": 1}\n"
    "\n"
    "{\"_id\": \"d2\", \"text\": \"stays awake\"}\n";
constexpr const char* kQueries =
    "{\"_id\": \"q1\", \"text\": \"who sleeps?\"}\n{\"_id\": \"q2\", \"text\": \"who is awake?\"}\n"
    "{\"_id\": \"q3\", \"text\": \"nobody knows\"}\n";
constexpr const char* kQrels = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td2\t1\n";

class EvaluationSetTest : public ::testing::Test {
 protected:
  EvaluationSetTest() {
    fs::create_directories(folder_);
    write("corpus.jsonl", kCorpus);
    write("queries.jsonl", kQueries);
    write("qrels.tsv", kQrels);
  }
  ~EvaluationSetTest() override { fs::remove_all(folder_.parent_path()); }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  void write_compressed(const std::string& name, const std::string& text) {
    gzFile out = gzopen((folder_ / name).c_str(), "wb");
    ASSERT_EQ(gzwrite(out, text.data(), static_cast<unsigned>(text.size())), static_cast<int>(text.size()));
    ASSERT_EQ(gzclose(out), Z_OK);
  }
  void remove(const std::string& name) { fs::remove(folder_ / name); }
  std::string at(const std::string& place) const { return (folder_ / place).string(); }
  std::string error() const {
    const auto set = read_evaluation_set(folder_);
    return set.has_error() ? set.error().message : "";
  }

  const fs::path folder_ = fs::path(::testing::TempDir()) / make_id("evaluation-set-") / "animals";
};

TEST_F(EvaluationSetTest, DocumentsQuestionsAndGradesAreRead) {
  const auto set = read_evaluation_set(folder_).value();
  EXPECT_EQ(set.name, "animals");
  ASSERT_EQ(set.documents.size(), 2u);
  EXPECT_EQ(set.documents[0].id, "d1");
  EXPECT_EQ(set.documents[0].title, "Otter");
  EXPECT_EQ(set.documents[0].text, "sleeps on its back");
  EXPECT_EQ(set.documents[1].title, "");
  ASSERT_EQ(set.queries.size(), 2u);
  EXPECT_EQ(set.queries[0].text, "who sleeps?");
  EXPECT_THAT(set.queries[0].grades, UnorderedElementsAre(Pair(0u, 2), Pair(1u, 0)));
  EXPECT_THAT(set.queries[1].grades, UnorderedElementsAre(Pair(1u, 1)));
  EXPECT_EQ(set.queries_unjudged, 1u);
}

TEST_F(EvaluationSetTest, CompressedFilesAndTheTestFolderOfBeirAreRead) {
  for (const char* name : {"corpus.jsonl", "queries.jsonl", "qrels.tsv"}) remove(name);
  write_compressed("corpus.jsonl.gz", kCorpus);
  write_compressed("queries.jsonl.gz", kQueries);
  write("qrels/test.tsv", kQrels);
  const auto set = read_evaluation_set(folder_);
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_EQ(set->documents.size(), 2u);
  EXPECT_EQ(set->queries.size(), 2u);
}

TEST_F(EvaluationSetTest, HeaderLastLineEndAndWindowsLineEndsMayBeMissing) {
  write("qrels.tsv", "q1\td1\t1\r\nq2\td2\t1");
  EXPECT_EQ(read_evaluation_set(folder_).value().queries.size(), 2u);
}

TEST_F(EvaluationSetTest, LinesLongerThanTheBufferAreRead) {
  const std::string text(200'000, 'x');
  write("corpus.jsonl", "{\"_id\": \"d1\", \"text\": \"" + text + "\"}\n{\"_id\": \"d2\", \"text\": \"\"}\n");
  EXPECT_EQ(read_evaluation_set(folder_).value().documents.at(0).text, text);
}

TEST_F(EvaluationSetTest, TheFolderMayEndWithASlash) {
  EXPECT_EQ(read_evaluation_set(folder_.string() + "/").value().name, "animals");
}

TEST_F(EvaluationSetTest, MissingFilesAreNamedWithTheLayout) {
  remove("qrels.tsv");
  EXPECT_THAT(error(), HasSubstr("there is no qrels.tsv; a set is a folder with corpus.jsonl"));
  remove("corpus.jsonl");
  EXPECT_THAT(error(), HasSubstr("there is no corpus.jsonl"));
  EXPECT_THAT(read_evaluation_set(folder_ / "none").error().message, HasSubstr("none is not a folder"));
}

TEST_F(EvaluationSetTest, MistakesInJsonNameFileAndLine) {
  const std::string first = "{\"_id\": \"d1\", \"text\": \"x\"}\n";
  const auto corpus_error = [&](const std::string& line) {
    write("corpus.jsonl", first + "\n" + line + "\n");
    return error();
  };
  EXPECT_THAT(corpus_error("{\"_id\": "), HasSubstr(at("corpus.jsonl:3: is not JSON")));
  EXPECT_THAT(corpus_error("[1]"), HasSubstr(at("corpus.jsonl:3: is not a JSON object")));
  EXPECT_THAT(corpus_error("{\"text\": \"x\"}"), HasSubstr(":3: lacks \"_id\""));
  EXPECT_THAT(corpus_error("{\"_id\": \"\", \"text\": \"x\"}"), HasSubstr(":3: \"_id\" is empty"));
  EXPECT_THAT(corpus_error("{\"_id\": \"d2\"}"), HasSubstr(":3: lacks \"text\""));
  EXPECT_THAT(corpus_error("{\"_id\": 2, \"text\": \"x\"}"), HasSubstr(":3: \"_id\" must be a string"));
  EXPECT_THAT(corpus_error(first), HasSubstr(":3: the _id \"d1\" was there before"));
  EXPECT_THAT(corpus_error("{\"_id\": \"d2\", \"text\": \"\xff\"}"), HasSubstr(":3: is not JSON"));
}

TEST_F(EvaluationSetTest, AnEmptyQuestionIsRefused) {
  write("queries.jsonl", "{\"_id\": \"q1\", \"text\": \" \"}\n");
  EXPECT_THAT(error(), HasSubstr(at("queries.jsonl:1: \"text\" is empty")));
}

TEST_F(EvaluationSetTest, MistakesInJudgementsNameFileAndLine) {
  const auto qrels_error = [&](const std::string& line) {
    write("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n" + line + "\n");
    return error();
  };
  EXPECT_THAT(qrels_error("q1 d1 1"), HasSubstr(at("qrels.tsv:3: has 1 column, not 3")));
  EXPECT_THAT(qrels_error("q1\t0\td1\t1"), HasSubstr(":3: has 4 columns, not 3"));
  EXPECT_THAT(qrels_error("q1\td1\tyes"), HasSubstr(":3: the grade \"yes\" is not a whole number"));
  EXPECT_THAT(qrels_error("q9\td1\t1"), HasSubstr(":3: there is no question \"q9\" in queries.jsonl"));
  EXPECT_THAT(qrels_error("q1\td9\t1"), HasSubstr(":3: there is no document \"d9\" in corpus.jsonl"));
}

TEST_F(EvaluationSetTest, ASetWithoutRelevantDocumentsIsRefused) {
  write("qrels.tsv", "q1\td1\t0\n");
  EXPECT_THAT(error(), HasSubstr("no question has a relevant document"));
}

TEST_F(EvaluationSetTest, DamagedCompressionIsSaidSo) {
  remove("corpus.jsonl");
  std::string text = kCorpus;
  for (int i = 0; i < 5000; ++i) text += "{\"_id\": \"x" + std::to_string(i * 7919) + "\", \"text\": \"more\"}\n";
  write_compressed("corpus.jsonl.gz", text);
  fs::resize_file(folder_ / "corpus.jsonl.gz", fs::file_size(folder_ / "corpus.jsonl.gz") / 2);
  const auto set = read_evaluation_set(folder_);
  ASSERT_TRUE(set.has_error());
  EXPECT_EQ(set.error().code, ErrorCode::corrupt);
  EXPECT_THAT(set.error().message, HasSubstr("damaged or cut off"));
}

TEST_F(EvaluationSetTest, SamplesAreChosenBySeedAndKeepTheirOrder) {
  std::string queries;
  std::string qrels;
  for (int i = 100; i < 200; ++i) {
    queries += "{\"_id\": \"q" + std::to_string(i) + "\", \"text\": \"x\"}\n";
    qrels += "q" + std::to_string(i) + "\td1\t1\n";
  }
  write("queries.jsonl", queries);
  write("qrels.tsv", qrels);
  const auto ids = [&](std::size_t count, std::uint64_t seed) {
    auto set = read_evaluation_set(folder_).value();
    sample_queries(set, count, seed);
    std::vector<std::string> out;
    for (const auto& query : set.queries) out.push_back(query.id);
    return out;
  };
  EXPECT_EQ(ids(10, 1).size(), 10u);
  EXPECT_EQ(ids(10, 1), ids(10, 1));
  EXPECT_NE(ids(10, 1), ids(10, 2));
  const auto sample = ids(10, 3);
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
  EXPECT_EQ(ids(1000, 1).size(), 100u);
}

}  // namespace
}  // namespace ragtime::server
