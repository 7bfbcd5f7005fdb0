// The stages of a search behind the arms, through the engine with a real database and foretold vectors.
#include <algorithm>
#include <functional>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/wait.h"
#include "base/hash.h"
#include "engine/engine.h"
#include "engine/neighbors.h"
#include "storage/temporary_directory_for_test.h"
#include "text/utf8.h"

namespace ragtime::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr std::size_t kDimensions = 32;

// Every text is embedded as the same vector, so that only terms and token vectors tell texts apart. A token's vector
// has a one at the place of its word; "automobile" is the same as "car".
class TokenEmbedder final : public encoder::Embedder {
 public:
  TokenEmbedder() {
    info_.model = "tokens";
    info_.dimensions = kDimensions;
    info_.tokens_max = 256;
  }
  const encoder::EmbedderInfo& info() const override { return info_; }
  bool has_token_vectors() const override { return with_tokens; }

  Task<Result<encoder::Embeddings>> embed(std::vector<std::string> texts, encoder::EmbedPurpose purpose,
                                          RequestContext& context) override {
    if (hangs_at_queries && purpose == encoder::EmbedPurpose::query) {
      async::Event never(co_await asio::this_coro::executor);
      RAGTIME_CO_TRY_DONE(co_await never.wait(context));
    }
    encoder::Embeddings out;
    out.dimensions = kDimensions;
    out.values.assign(texts.size() * kDimensions, 1.0f);
    out.token_counts.assign(texts.size(), 1);
    co_return out;
  }

  Task<Result<encoder::TokenVectors>> embed_tokens(std::vector<std::string> texts, encoder::EmbedPurpose,
                                                   RequestContext& context) override {
    if (before) before(context);
    if (calls_until_failure-- == 0) co_return make_error(ErrorCode::unavailable, "no tokens");
    if (hangs) {
      async::Event never(co_await asio::this_coro::executor);
      RAGTIME_CO_TRY_DONE(co_await never.wait(context));
    }
    encoder::TokenVectors out;
    out.dimensions = kDimensions;
    for (const auto& text : texts) append(out, text);
    co_return out;
  }

  bool with_tokens = true;
  bool hangs = false;
  bool hangs_at_queries = false;
  int calls_until_failure = -1;
  std::function<void(RequestContext&)> before;

 private:
  void append(encoder::TokenVectors& out, const std::string& text) {
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      if (word == "automobile") word = "car";
      const std::size_t place = places_.emplace(word, places_.size()).first->second;
      for (std::size_t i = 0; i < kDimensions; ++i) out.values.push_back(i == place % kDimensions ? 1.0f : 0.0f);
    }
    out.ends.push_back(out.values.size() / kDimensions);
  }

  encoder::EmbedderInfo info_;
  std::map<std::string, std::size_t> places_;
};

// Likes texts with the word "gold".
class GoldReranker final : public encoder::Reranker {
 public:
  const encoder::RerankerInfo& info() const override { return info_; }
  Task<Result<encoder::RerankScores>> score(std::string query, std::vector<std::string> documents,
                                            RequestContext&) override {
    encoder::RerankScores out;
    queries.push_back(query);
    for (const auto& text : documents) out.logits.push_back(text.find("gold") == std::string::npos ? -4.0f : 4.0f);
    co_return out;
  }

  std::vector<std::string> queries;

 private:
  encoder::RerankerInfo info_;
};

class SearchStagesTest : public ::testing::Test {
 protected:
  SearchStagesTest() : database_(std::move(storage::open_sqlite(directory_.path() / "ragtime.db").value())) {
    config_.chunking.size = 40;
    config_.chunking.overlap = 0;
    storage::VectorStoreRecord store;
    store.id = "vs_1";
    store.tenant = "acme";
    EXPECT_TRUE(database_->insert_store(store).has_value());
  }

  Result<std::unique_ptr<Engine>> try_open() {
    return Engine::open(config_, *database_, with_embedder_ ? &embedder_ : nullptr, compute_, blocking_);
  }

  // Paragraphs become chunks of their own when they are long enough.
  void put(const std::string& file, const std::string& text) {
    if (!engine_) engine_ = std::move(try_open().value());
    PutDocument put;
    put.tenant = "acme";
    put.document.store_id = "vs_1";
    put.file.emplace();
    put.file->id = file;
    put.file->tenant = "acme";
    put.file->filename = file + ".txt";
    put.file->sha256 = sha256_hex(file);
    put.parsed.text = text;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find("\n\n", begin), text.size());
      text::Block block;
      block.begin = begin;
      block.end = end;
      put.parsed.blocks.push_back(block);
      begin = end + 2;
    }
    RequestContext context("req", "acme", Deadline::never());
    auto done = async::sync_wait(engine_->put_document(std::move(put), context));
    ASSERT_TRUE(done.has_value()) << done.error().message;
  }

  void reopen() { engine_ = std::move(try_open().value()); }

  static SearchRequest request(const std::string& query) {
    SearchRequest search;
    search.store_ids = {"vs_1"};
    search.queries = {query};
    return search;
  }

  SearchResults search(SearchRequest wanted) {
    RequestContext context("req", "acme", Deadline::never());
    auto results = async::sync_wait(engine_->search(std::move(wanted), context));
    EXPECT_TRUE(results.has_value()) << results.error().message;
    counts_.clear();
    stages_.clear();
    for (const auto& count : context.timings().counts()) counts_[count.name] = count.items;
    for (const auto& stage : context.timings().snapshot()) stages_.push_back(stage.name);
    return results.has_value() ? std::move(*results) : SearchResults();
  }

  static std::vector<std::string> files(const SearchResults& results) {
    std::vector<std::string> ids;
    for (const auto& hit : results.hits) ids.push_back(hit.file_id);
    return ids;
  }
  std::vector<std::string> files(const std::string& query) { return files(search(request(query))); }

  storage::TemporaryDirectory directory_;
  EngineConfig config_;
  std::unique_ptr<storage::Database> database_;
  bool with_embedder_ = true;
  TokenEmbedder embedder_;
  GoldReranker gold_;
  async::ThreadPool compute_{{.name = "compute", .threads = 3}};
  async::ThreadPool blocking_{{.name = "blocking", .threads = 2}};
  std::unique_ptr<Engine> engine_;
  std::map<std::string, std::size_t> counts_;
  std::vector<std::string> stages_;
};

std::string filler(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += " " + std::string(2, static_cast<char>('a' + i % 26)) + "x";
  return text;
}

// Fusion. -----------------------------------------------------------------------------------------------------------

TEST_F(SearchStagesTest, RankFusionScoresByRank) {
  config_.fusion = Fusion::rrf;
  put("file-1", "apple apple apple");
  put("file-2", "apple" + filler(20));
  auto wanted = request("apple");
  wanted.dense_weight = 0;
  auto hits = search(wanted).hits;
  ASSERT_EQ(hits.size(), 2u);
  EXPECT_FLOAT_EQ(hits[0].score, 1.0f);
  EXPECT_FLOAT_EQ(hits[1].score, 61.0f / 62.0f);
  config_.rrf_k = 1;
  reopen();
  EXPECT_FLOAT_EQ(search(wanted).hits.at(1).score, 2.0f / 3.0f);
}

TEST_F(SearchStagesTest, HitsNameTheQueryTheyRankedBestFor) {
  with_embedder_ = false;
  put("file-1", "apple pie");
  put("file-2", "banana bread");
  auto wanted = request("apple pie");
  wanted.queries.push_back("banana bread");
  for (const auto& hit : search(wanted).hits) EXPECT_EQ(hit.query, hit.file_id == "file-1" ? 0u : 1u);
}

TEST_F(SearchStagesTest, CandidatesOfEachStageAreCounted) {
  config_.rerank.method = RerankMethod::lexical_overlap;
  config_.rerank.candidates = 2;
  config_.duplicates = Duplicates::suppress;
  for (int i = 0; i < 4; ++i) put("file-" + std::to_string(i), "apple" + filler(i));
  put("file-4", "pear");
  auto wanted = request("apple");
  wanted.results = 3;
  search(wanted);
  EXPECT_EQ(counts_, (std::map<std::string, std::size_t>{
                         {"dense", 5}, {"lexical", 4}, {"fuse", 5}, {"load", 5}, {"rerank", 2}, {"duplicates", 0}}));
  EXPECT_THAT(stages_, UnorderedElementsAre("embed", "dense", "lexical", "fuse", "load", "rerank", "select"));
}

TEST_F(SearchStagesTest, EmbedderThatTakesTooLongLeavesLexicalSearch) {
  config_.embed_budget = std::chrono::milliseconds(5);
  put("file-1", "apple");
  put("file-2", "pear");
  EXPECT_TRUE(search(request("apple")).dense_used);
  embedder_.hangs_at_queries = true;
  const auto results = search(request("apples"));
  EXPECT_TRUE(results.dense_failed);
  EXPECT_FALSE(results.dense_used);
  EXPECT_THAT(files(results), ElementsAre("file-1"));

  RequestContext late("req", "acme", Deadline::after(std::chrono::milliseconds(1)));
  auto wanted = request("some apples");
  const auto refused = async::sync_wait(engine_->search(std::move(wanted), late));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::deadline_exceeded);
}

// Second stage. -----------------------------------------------------------------------------------------------------

// By terms alone the first is best, as it is short and has the rarer word twice.
TEST_F(SearchStagesTest, LexicalOverlapPrefersTextsWithAllTerms) {
  config_.chunking.size = 400;
  put("file-1", "zebra zebra zebra");
  put("file-2", "the zebra crossing is wide" + filler(60));
  for (int i = 3; i < 9; ++i) put("file-" + std::to_string(i), "a crossing of roads" + filler(4));
  auto wanted = request("zebra crossing");
  EXPECT_EQ(files(search(wanted)).at(0), "file-1");
  config_.rerank.method = RerankMethod::lexical_overlap;
  config_.rerank.weight = 0.8f;
  reopen();
  const auto hits = search(wanted).hits;
  EXPECT_EQ(hits.at(0).file_id, "file-2");
  EXPECT_FLOAT_EQ(hits.at(0).rerank_score.value(), 1.0f);
  wanted.rerank = false;
  EXPECT_EQ(files(search(wanted)).at(0), "file-1");
  EXPECT_FALSE(search(wanted).hits.at(0).rerank_score.has_value());
}

TEST_F(SearchStagesTest, LateInteractionFindsTheTokenThatTermsDoNot) {
  put("file-1", "red red red paint");
  put("file-2", "red automobile" + filler(9));
  auto wanted = request("red car");
  EXPECT_THAT(files(search(wanted)), ElementsAre("file-1", "file-2"));
  config_.rerank.method = RerankMethod::late_interaction;
  config_.rerank.weight = 0.9f;
  reopen();
  const auto results = search(wanted);
  EXPECT_THAT(files(results), ElementsAre("file-2", "file-1"));
  EXPECT_FLOAT_EQ(results.hits[0].rerank_score.value(), 1.0f);
  EXPECT_FLOAT_EQ(results.hits[1].rerank_score.value(), 0.5f);
  EXPECT_FALSE(results.rerank_incomplete);
  EXPECT_TRUE(std::is_sorted(results.hits.begin(), results.hits.end(),
                             [](const auto& a, const auto& b) { return a.score > b.score; }));
}

TEST_F(SearchStagesTest, LateInteractionSeesAllOfALongChunk) {
  config_.chunking.size = 2000;
  config_.rerank.method = RerankMethod::late_interaction;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "This sentence is only here to fill the chunk. ";
  put("file-1", text + "The last names one automobile here.");
  EXPECT_FLOAT_EQ(search(request("car")).hits.at(0).rerank_score.value(), 1.0f);
}

TEST_F(SearchStagesTest, CrossEncoderJudgesEachHitForItsQuery) {
  config_.rerank.method = RerankMethod::cross_encoder;
  config_.rerank.model = &gold_;
  config_.rerank.weight = 0.9f;
  put("file-1", "apple apple apple");
  put("file-2", "apple made of gold" + filler(9));
  EXPECT_THAT(files("apple"), ElementsAre("file-2", "file-1"));
  EXPECT_THAT(gold_.queries, ElementsAre("apple"));
  gold_.queries.clear();
  with_embedder_ = false;
  reopen();
  auto wanted = request("apple apple");
  wanted.queries.push_back("gold");
  search(wanted);
  EXPECT_THAT(gold_.queries, ElementsAre("apple apple", "gold"));
}

TEST_F(SearchStagesTest, OnlyTheBestCandidatesAreJudged) {
  config_.rerank.method = RerankMethod::cross_encoder;
  config_.rerank.model = &gold_;
  config_.rerank.candidates = 2;
  put("file-1", "apple apple apple");
  put("file-2", "apple apple" + filler(5));
  put("file-3", "apple gold" + filler(20));
  const auto results = search(request("apple"));
  EXPECT_EQ(results.hits.at(2).file_id, "file-3");
  EXPECT_FALSE(results.hits[2].rerank_score.has_value());
  EXPECT_TRUE(results.hits[1].rerank_score.has_value());
  EXPECT_FALSE(results.rerank_incomplete);
}

TEST_F(SearchStagesTest, MoreIsJudgedThanWanted) {
  config_.rerank.method = RerankMethod::cross_encoder;
  config_.rerank.model = &gold_;
  config_.rerank.weight = 0.9f;
  put("file-1", "apple apple apple");
  put("file-2", "apple apple" + filler(5));
  put("file-3", "apple gold" + filler(20));
  auto wanted = request("apple");
  wanted.results = 1;
  EXPECT_THAT(files(search(wanted)), ElementsAre("file-3"));
}

TEST_F(SearchStagesTest, ThresholdIsOnTheFinalScore) {
  config_.rerank.method = RerankMethod::cross_encoder;
  config_.rerank.model = &gold_;
  config_.rerank.weight = 1;
  put("file-1", "apple apple apple");
  put("file-2", "apple made of gold" + filler(9));
  auto wanted = request("apple");
  wanted.score_threshold = 0.5f;
  EXPECT_THAT(files(search(wanted)), ElementsAre("file-2"));
}

TEST_F(SearchStagesTest, BudgetThatEndsLeavesTheFusedOrder) {
  put("file-1", "red red red paint");
  put("file-2", "red automobile" + filler(15));
  const auto plain = search(request("red car"));
  config_.rerank.method = RerankMethod::late_interaction;
  config_.rerank.weight = 0.9f;
  config_.rerank.budget = std::chrono::milliseconds(5);
  embedder_.hangs = true;
  reopen();
  const auto results = search(request("red car"));
  EXPECT_TRUE(results.rerank_incomplete);
  EXPECT_EQ(files(results), files(plain));
  EXPECT_EQ(results.hits[0].score, plain.hits[0].score);
  EXPECT_EQ(counts_.at("rerank"), 0u);
}

TEST_F(SearchStagesTest, NoTimeAtAllSkipsLexicalOverlapToo) {
  config_.rerank.method = RerankMethod::lexical_overlap;
  config_.rerank.budget = std::chrono::milliseconds(0);
  put("file-1", "apple");
  const auto results = search(request("apple"));
  EXPECT_TRUE(results.rerank_incomplete);
  EXPECT_EQ(files(results).size(), 1u);
}

TEST_F(SearchStagesTest, ModelThatFailsHalfwayLeavesTheRestBehind) {
  config_.rerank.method = RerankMethod::late_interaction;
  for (int i = 0; i < 12; ++i) put("file-" + std::to_string(i), "red paint" + filler(i));
  embedder_.calls_until_failure = 2;  // The query and eight hits.
  auto wanted = request("red car");
  wanted.results = 12;
  const auto results = search(wanted);
  EXPECT_TRUE(results.rerank_incomplete);
  EXPECT_EQ(counts_.at("rerank"), 8u);
  ASSERT_EQ(results.hits.size(), 12u);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(results.hits[i].rerank_score.has_value(), i < 8) << i;
}

TEST_F(SearchStagesTest, CancelledRequestIsNotMistakenForAnEndedBudget) {
  config_.rerank.method = RerankMethod::late_interaction;
  put("file-1", "red paint");
  RequestContext context("req", "acme", Deadline::never());
  embedder_.before = [&](RequestContext&) { context.cancel(); };
  auto wanted = request("red");
  const auto results = async::sync_wait(engine_->search(std::move(wanted), context));
  ASSERT_TRUE(results.has_error());
  EXPECT_EQ(results.error().code, ErrorCode::cancelled);
}

TEST_F(SearchStagesTest, MissingModelsAreNamedAtTheStart) {
  config_.rerank.method = RerankMethod::cross_encoder;
  EXPECT_THAT(try_open().error().message, HasSubstr("rerank model"));
  config_.rerank.method = RerankMethod::late_interaction;
  embedder_.with_tokens = false;
  const Error remote = try_open().error();
  EXPECT_EQ(remote.code, ErrorCode::unsupported);
  EXPECT_THAT(remote.message, HasSubstr("'tokens'"));
  with_embedder_ = false;
  EXPECT_THAT(try_open().error().message, HasSubstr("embedding model"));
}

// Diversity. --------------------------------------------------------------------------------------------------------

TEST_F(SearchStagesTest, DuplicatesMakeRoomForOthers) {
  for (int i = 0; i < 4; ++i) put("copy-" + std::to_string(i), "apple apple pie");
  put("other", "apple" + filler(10));
  auto wanted = request("apple");
  wanted.results = 2;
  EXPECT_THAT(files(search(wanted)), ElementsAre("copy-0", "copy-1"));
  config_.duplicates = Duplicates::suppress;
  reopen();
  EXPECT_THAT(files(search(wanted)), ElementsAre("copy-0", "other"));
  EXPECT_EQ(counts_.at("duplicates"), 3u);
}

TEST_F(SearchStagesTest, MarginalRelevanceBringsSomethingElse) {
  put("file-1", "apple apple pie with cinnamon");
  put("file-2", "apple apple pie with cinnamon and");
  put("file-3", "apple" + filler(10));
  EXPECT_THAT(files("apple"), ElementsAre("file-1", "file-2", "file-3"));
  config_.mmr_lambda = 0.5f;
  reopen();
  EXPECT_THAT(files("apple"), ElementsAre("file-1", "file-3", "file-2"));
}

// Neighbours. -------------------------------------------------------------------------------------------------------

class NeighborsTest : public SearchStagesTest {
 protected:
  NeighborsTest() {
    config_.neighbors = 1;
    with_embedder_ = false;
    put("before", paragraph("zero"));
    text_ = paragraph("one") + "\n\n" + paragraph("two") + "\n\n" + paragraph("three") + "\n\n" + paragraph("four");
    put("file-1", text_);
    put("after", paragraph("five"));
  }

  // About as long as a chunk.
  static std::string paragraph(const std::string& word) {
    std::string text = "This paragraph is about number " + word + ". ";
    for (int i = 0; i < 3; ++i) text += "It has some more words which say nothing. ";
    return text + "It ends here — after ünïcode.";
  }

  SearchHit found(const std::string& word, bool widen = true) {
    auto wanted = request(word);
    wanted.widen = widen;
    return search(wanted).hits.at(0);
  }

  std::string text_;
};

TEST_F(NeighborsTest, HitsGrowByTheChunksAroundThem) {
  const SearchHit plain = found("two", false);
  EXPECT_THAT(plain.chunk.text, Not(HasSubstr("number one")));
  const SearchHit hit = found("two");
  EXPECT_EQ(hit.chunk_id, plain.chunk_id);
  EXPECT_EQ(hit.score, plain.score);
  EXPECT_THAT(hit.chunk.text, HasSubstr("number two"));
  EXPECT_GT(hit.chunk.text.size(), plain.chunk.text.size());
  EXPECT_EQ(hit.chunk.text, text::slice_code_points(text_, hit.chunk.begin, hit.chunk.end));
  EXPECT_GT(hit.chunk.tokens, plain.chunk.tokens);
  EXPECT_EQ(counts_.at("widen"), 2u);
  config_.neighbors = 100;
  reopen();
  EXPECT_EQ(found("two").chunk.text, text_);
}

TEST_F(NeighborsTest, GrowthStaysInTheDocument) {
  config_.neighbors = 100;
  reopen();
  EXPECT_EQ(found("four").chunk.text, text_);
  EXPECT_EQ(found("zero").chunk.text, paragraph("zero"));
}

TEST_F(NeighborsTest, NoChunkIsShownTwice) {
  config_.neighbors = 100;
  reopen();
  auto wanted = request("two");
  wanted.queries = {"number two", "number three"};
  wanted.widen = true;
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  for (const auto& hit : search(wanted).hits) {
    if (hit.file_id == "file-1") ranges.emplace_back(hit.chunk.begin, hit.chunk.end);
  }
  ASSERT_GE(ranges.size(), 2u);
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) EXPECT_GE(ranges[i].first, ranges[i - 1].second);
}

TEST_F(NeighborsTest, ChangedOrDeletedDocumentLeavesTheHitAlone) {
  std::vector<SearchHit> hits = {found("two", false)};
  const std::string original = hits[0].chunk.text;
  hits[0].chunk.text += "?";
  EXPECT_EQ(add_neighbors(*database_, 1, hits).value(), 0u);
  EXPECT_EQ(hits[0].chunk.text, original + "?");
  hits[0].chunk.text = original;
  EXPECT_GT(add_neighbors(*database_, 1, hits).value(), 0u);
  hits = {found("two", false)};
  ASSERT_TRUE(database_->delete_document("vs_1", "file-1").has_value());
  EXPECT_EQ(add_neighbors(*database_, 1, hits).value(), 0u);
}

TEST_F(NeighborsTest, NothingIsAddedUnlessAsked) {
  EXPECT_EQ(counts_.count("widen"), 0u);
  found("two", false);
  EXPECT_EQ(counts_.count("widen"), 0u);
  config_.neighbors = 0;
  reopen();
  EXPECT_EQ(found("two").chunk.text, found("two", false).chunk.text);
}

}  // namespace
}  // namespace ragtime::engine
