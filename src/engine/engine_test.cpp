// The engine with a real database and a bag-of-words embedder whose vectors can be foretold.

#include "engine/engine.h"

#include <atomic>
#include <functional>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/id.h"
#include "storage/temporary_directory_for_test.h"

namespace ragtime::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr std::size_t kDimensions = 64;

// Each word adds one to the dimension that its hash names; "automobile" is the same as "car". Words beyond the limit
// are ignored, as a transformer does.
class WordEmbedder final : public encoder::Embedder {
 public:
  explicit WordEmbedder(std::string model = "words", bool covers_cjk = false, std::size_t tokens_max = 256) {
    info_.model = std::move(model);
    info_.dimensions = kDimensions;
    info_.tokens_max = tokens_max;
    info_.covers_cjk = covers_cjk;
  }

  const encoder::EmbedderInfo& info() const override { return info_; }

  Task<Result<encoder::Embeddings>> embed(std::vector<std::string> texts, encoder::EmbedPurpose,
                                          RequestContext& context) override {
    ++calls;
    if (before) before(context);
    if (failure) co_return *failure;
    encoder::Embeddings rows;
    rows.dimensions = kDimensions;
    for (const auto& text : texts) append(rows, text, info_.tokens_max);
    co_return rows;
  }

  std::function<void(RequestContext&)> before;  // Runs inside every call.
  std::optional<Error> failure;
  std::atomic<int> calls = 0;

 private:
  static void append(encoder::Embeddings& rows, const std::string& text, std::size_t words_max) {
    std::vector<float> row(kDimensions, 0.0f);
    std::istringstream words(text);
    std::size_t count = 0;
    for (std::string word; count < words_max && words >> word; ++count) {
      if (word == "automobile") word = "car";
      row[std::hash<std::string>()(word) % kDimensions] += 1;
    }
    rows.values.insert(rows.values.end(), row.begin(), row.end());
    rows.token_counts.push_back(text.size());
  }

  encoder::EmbedderInfo info_;
};

text::Document parsed(const std::string& text, const std::string& title = {}) {
  text::Document document;
  document.title = title;
  document.media_type = "text/plain";
  document.text = text;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find("\n\n", begin), text.size());
    text::Block block;
    block.begin = begin;
    block.end = end;
    document.blocks.push_back(block);
    begin = end + 2;
  }
  return document;
}

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() : database_(std::move(storage::open_sqlite(directory_.path() / "ragtime.db").value())) {
    config_.chunking.size = 40;
    config_.chunking.overlap = 0;
    config_.embed_batch = 2;
    add_store("vs_1");
    open(&embedder_);
  }

  void open(encoder::Embedder* embedder) {
    engine_.reset();
    auto opened = Engine::open(config_, *database_, embedder, compute_, blocking_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    engine_ = std::move(*opened);
  }

  void add_store(const std::string& id, const std::string& tenant = "acme") {
    storage::VectorStoreRecord store;
    store.id = id;
    store.tenant = tenant;
    store.name = id;
    ASSERT_TRUE(database_->insert_store(store).has_value());
  }

  static std::unique_ptr<RequestContext> context(const std::string& tenant = "acme") {
    return std::make_unique<RequestContext>("req", tenant, Deadline::never());
  }

  static storage::FileRecord file_record(const std::string& id) {
    storage::FileRecord file;
    file.id = id;
    file.tenant = "acme";
    file.filename = id + ".txt";
    file.sha256 = sha256_hex(id);
    return file;
  }

  static PutDocument path_put(const std::string& file_id, const std::string& text, Attributes attributes = {}) {
    PutDocument put;
    put.tenant = "acme";
    put.document.store_id = "vs_1";
    put.document.attributes = std::move(attributes);
    put.file = file_record(file_id);
    put.parsed = parsed(text);
    return put;
  }

  Result<PutOutcome> try_put(PutDocument put, RequestContext& in,
                             std::function<void(std::size_t, std::size_t)> progress = {}) {
    return async::sync_wait(engine_->put_document(std::move(put), in, std::move(progress)));
  }

  PutOutcome put(PutDocument document) {
    auto outcome = try_put(std::move(document), *context());
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message;
    return outcome.has_value() ? *outcome : PutOutcome();
  }

  static SearchRequest request(const std::string& query, const std::string& store = "vs_1") {
    SearchRequest search;
    search.store_ids = {store};
    search.queries = {query};
    return search;
  }

  Result<SearchResults> try_search(SearchRequest search, const std::string& tenant = "acme") {
    const auto in = context(tenant);
    return async::sync_wait(engine_->search(std::move(search), *in));
  }

  SearchResults search(SearchRequest wanted) {
    auto results = try_search(std::move(wanted));
    EXPECT_TRUE(results.has_value()) << results.error().message;
    return results.has_value() ? std::move(*results) : SearchResults();
  }

  std::vector<std::string> files(SearchRequest wanted) {
    std::vector<std::string> ids;
    for (const auto& hit : search(std::move(wanted)).hits) ids.push_back(hit.file_id);
    return ids;
  }
  std::vector<std::string> files(const std::string& query) { return files(request(query)); }

  // Only what has the word.
  std::vector<std::string> files_with(const std::string& word, std::optional<index::Filter> filter = {}) {
    auto wanted = request(word);
    wanted.dense_weight = 0;
    wanted.results = 50;
    wanted.filter = std::move(filter);
    return files(std::move(wanted));
  }

  Result<void> remove_document(const std::string& file, const std::string& tenant = "acme") {
    const auto in = context();
    return async::sync_wait(engine_->remove_document(tenant, "vs_1", file, *in));
  }
  Result<void> remove_file(const std::string& file, const std::string& tenant = "acme") {
    const auto in = context();
    return async::sync_wait(engine_->remove_file(tenant, file, *in));
  }
  Result<void> set_attributes(const std::string& file, Attributes attributes) {
    const auto in = context();
    return async::sync_wait(engine_->set_attributes("acme", "vs_1", file, std::move(attributes), *in));
  }

  static async::ThreadPoolConfig pool(const char* name) {
    async::ThreadPoolConfig config;
    config.name = name;
    config.threads = 3;
    return config;
  }

  storage::TemporaryDirectory directory_;
  EngineConfig config_;
  std::unique_ptr<storage::Database> database_;
  WordEmbedder embedder_;
  async::ThreadPool compute_{pool("compute")};
  async::ThreadPool blocking_{pool("blocking")};
  std::unique_ptr<Engine> engine_;
};

index::Filter lang_is(const std::string& lang) {
  index::Filter filter;
  filter.op = index::FilterOp::eq;
  filter.key = "lang";
  filter.values = {lang};
  return filter;
}

// Ingest. ---------------------------------------------------------------------------------------------------------

TEST_F(EngineTest, TakesModelsThatOpenWhileItLoads) {
  engine_.reset();
  const auto open_models = [this]() -> Result<EngineModels> { return EngineModels{.embedder = &embedder_}; };
  auto opened = Engine::open(config_, *database_, open_models, compute_, blocking_);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_TRUE((*opened)->embeds());
}

TEST_F(EngineTest, ReportsModelsThatDoNotOpen) {
  engine_.reset();
  const auto open_models = []() -> Result<EngineModels> { return make_error(ErrorCode::corrupt, "no such weights"); };
  const auto opened = Engine::open(config_, *database_, open_models, compute_, blocking_);
  ASSERT_TRUE(opened.has_error());
  EXPECT_EQ(opened.error().message, "no such weights");
}

TEST_F(EngineTest, DocumentIsFoundWithItsOrigin) {
  put(path_put("file-1", "The quick brown fox.", {{"lang", std::string("en")}}));
  put(path_put("file-2", "Something else entirely."));
  const auto results = search(request("brown fox"));
  ASSERT_FALSE(results.hits.empty());
  const auto& hit = results.hits[0];
  EXPECT_EQ(hit.file_id, "file-1");
  EXPECT_EQ(hit.store_id, "vs_1");
  EXPECT_EQ(hit.filename, "file-1.txt");
  EXPECT_EQ(hit.attributes, (Attributes{{"lang", std::string("en")}}));
  EXPECT_EQ(hit.chunk.text, "The quick brown fox.");
  EXPECT_GT(hit.chunk_id, 0);
  EXPECT_GT(hit.score, 0.5f);
  EXPECT_LE(hit.score, 1.0f);
  EXPECT_GT(hit.dense_score, 0.0f);
  EXPECT_GT(hit.lexical_score, 0.0f);
  EXPECT_TRUE(results.dense_used);
  EXPECT_FALSE(results.dense_failed);
}

TEST_F(EngineTest, AttachedFileBecomesCompleted) {
  ASSERT_TRUE(database_->insert_file(file_record("file-1")).has_value());
  storage::DocumentRecord document;
  document.store_id = "vs_1";
  document.file_id = "file-1";
  ASSERT_TRUE(database_->insert_document(document).has_value());
  PutDocument attached;
  attached.tenant = "acme";
  attached.document = document;
  attached.parsed = parsed("words of the attached file", "The title");
  put(std::move(attached));
  const auto row = database_->get_document("vs_1", "file-1").value();
  EXPECT_EQ(row.status, storage::DocumentStatus::completed);
  EXPECT_EQ(row.title, "The title");
  EXPECT_EQ(database_->get_document_text("vs_1", "file-1").value(), "words of the attached file");
  EXPECT_EQ(search(request("attached")).hits.at(0).filename, "file-1.txt");
}

TEST_F(EngineTest, ProgressReachesTheEnd) {
  std::string text;
  for (int i = 0; i < 12; ++i) text += "Paragraph number " + std::to_string(i) + " with a few words more in it.\n\n";
  std::vector<std::pair<std::size_t, std::size_t>> steps;
  auto big = path_put("file-1", text);
  const auto outcome =
      try_put(big, *context(), [&](std::size_t done, std::size_t all) { steps.emplace_back(done, all); });
  ASSERT_TRUE(outcome.has_value());
  EXPECT_GT(outcome->chunks, 2u);
  EXPECT_GT(outcome->tokens, 50u);
  EXPECT_TRUE(outcome->embedded);
  ASSERT_EQ(steps.size(), (outcome->chunks + 1) / 2);  // embed_batch is 2.
  EXPECT_EQ(steps.front(), std::make_pair(std::size_t{2}, outcome->chunks));
  EXPECT_EQ(steps.back(), std::make_pair(outcome->chunks, outcome->chunks));
  EXPECT_EQ(engine_->statistics().chunks, outcome->chunks);
  EXPECT_EQ(engine_->statistics().vectors, outcome->chunks);

  open(nullptr);
  steps.clear();
  auto lexical = path_put("file-2", text);
  const auto second =
      try_put(lexical, *context(), [&](std::size_t done, std::size_t all) { steps.emplace_back(done, all); });
  EXPECT_FALSE(second->embedded);
  ASSERT_FALSE(steps.empty());
  EXPECT_EQ(steps.back(), std::make_pair(second->chunks, second->chunks));
}

TEST_F(EngineTest, ChunkSizeOfTheDocumentIsUsed) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "Sentence number " + std::to_string(i) + " is here. ";
  auto fine = path_put("file-1", text);
  fine.document.chunk_size = 20;
  auto coarse = path_put("file-2", text);
  coarse.document.chunk_size = 1000;
  EXPECT_GT(put(std::move(fine)).chunks, 5u);
  EXPECT_EQ(put(std::move(coarse)).chunks, 1u);
}

TEST_F(EngineTest, PutAgainReplaces) {
  put(path_put("file-1", "old words"));
  PutDocument again = path_put("file-1", "new words");
  again.document.file_id = "file-1";
  again.file.reset();
  put(std::move(again));
  EXPECT_THAT(files_with("old"), IsEmpty());
  EXPECT_THAT(files_with("new"), ElementsAre("file-1"));
  EXPECT_EQ(engine_->statistics().chunks, 1u);
}

TEST_F(EngineTest, ReplacementRemovesTheFormerVersion) {
  auto first = path_put("file-1", "old words");
  first.document.path = "/a.txt";
  put(std::move(first));
  auto second = path_put("file-2", "new words");
  second.document.path = "/a.txt";
  second.replaces_file_id = "file-1";
  put(std::move(second));
  EXPECT_THAT(files_with("words"), ElementsAre("file-2"));
  EXPECT_TRUE(database_->get_file("acme", "file-1").has_error());
}

TEST_F(EngineTest, FailedPutChangesNothing) {
  auto first = path_put("file-1", "first words");
  first.document.path = "/a.txt";
  put(std::move(first));
  auto same_path = path_put("file-2", "second words");
  same_path.document.path = "/a.txt";
  EXPECT_EQ(try_put(same_path, *context()).error().code, ErrorCode::conflict);
  EXPECT_EQ(try_put(path_put("file-1", "other words"), *context()).error().code, ErrorCode::conflict);
  embedder_.failure = make_error(ErrorCode::unavailable, "no embedder");
  EXPECT_EQ(try_put(path_put("file-3", "third words"), *context()).error().code, ErrorCode::unavailable);
  embedder_.failure.reset();
  EXPECT_THAT(files_with("words"), ElementsAre("file-1"));
  EXPECT_TRUE(database_->get_file("acme", "file-2").has_error());
  EXPECT_TRUE(database_->get_file("acme", "file-3").has_error());
}

TEST_F(EngineTest, CancelledPutChangesNothing) {
  const auto early = context();
  early->cancel();
  EXPECT_EQ(try_put(path_put("file-1", "words"), *early).error().code, ErrorCode::cancelled);
  embedder_.before = [](RequestContext& in) { in.cancel(); };  // While the last batch is embedded.
  EXPECT_EQ(try_put(path_put("file-2", "words"), *context()).error().code, ErrorCode::cancelled);
  embedder_.before = nullptr;
  RequestContext late("req", "acme", Deadline::after(std::chrono::milliseconds(0)));
  EXPECT_EQ(try_put(path_put("file-3", "words"), late).error().code, ErrorCode::deadline_exceeded);
  EXPECT_THAT(files_with("words"), IsEmpty());
  EXPECT_THAT(database_->list_files("acme", "", storage::PageRequest()).value().items, IsEmpty());
}

TEST_F(EngineTest, DocumentDeletedWhileItIsIndexedStaysAway) {
  ASSERT_TRUE(database_->insert_file(file_record("file-1")).has_value());
  storage::DocumentRecord document;
  document.store_id = "vs_1";
  document.file_id = "file-1";
  ASSERT_TRUE(database_->insert_document(document).has_value());
  PutDocument attached;
  attached.tenant = "acme";
  attached.document = document;
  attached.parsed = parsed("words");
  embedder_.before = [&](RequestContext&) {
    std::thread([&] { EXPECT_TRUE(remove_document("file-1").has_value()); }).join();
  };
  EXPECT_EQ(try_put(std::move(attached), *context()).error().code, ErrorCode::not_found);
  embedder_.before = nullptr;
  EXPECT_THAT(files_with("words"), IsEmpty());
}

TEST_F(EngineTest, AttributesSetDuringIngestAreSearchable) {
  ASSERT_TRUE(database_->insert_file(file_record("file-1")).has_value());
  storage::DocumentRecord document;
  document.store_id = "vs_1";
  document.file_id = "file-1";
  ASSERT_TRUE(database_->insert_document(document).has_value());
  PutDocument attached;
  attached.tenant = "acme";
  attached.document = document;
  attached.parsed = parsed("words");
  embedder_.before = [&](RequestContext&) {
    std::thread([&] { EXPECT_TRUE(set_attributes("file-1", {{"lang", std::string("zh")}}).has_value()); }).join();
  };
  put(std::move(attached));
  embedder_.before = nullptr;
  EXPECT_THAT(files_with("words", lang_is("zh")), ElementsAre("file-1"));
}

// Removal. --------------------------------------------------------------------------------------------------------

TEST_F(EngineTest, RemovedDocumentIsGone) {
  put(path_put("file-1", "shared words"));
  put(path_put("file-2", "shared words"));
  EXPECT_TRUE(remove_document("file-1").has_value());
  EXPECT_THAT(files("shared words"), ElementsAre("file-2"));
  EXPECT_TRUE(database_->get_file("acme", "file-1").has_value());
  EXPECT_EQ(remove_document("file-1").error().code, ErrorCode::not_found);
  EXPECT_EQ(engine_->statistics().chunks, 1u);
}

TEST_F(EngineTest, RemovedFileIsGoneFromEveryStore) {
  add_store("vs_2");
  put(path_put("file-1", "shared words"));
  storage::DocumentRecord copy;
  copy.store_id = "vs_2";
  copy.file_id = "file-1";
  ASSERT_TRUE(database_->insert_document(copy).has_value());
  PutDocument second = path_put("file-1", "shared words");
  second.file.reset();
  second.document = copy;
  put(std::move(second));
  EXPECT_THAT(files(request("words", "vs_2")), ElementsAre("file-1"));
  EXPECT_EQ(remove_file("file-1", "other").error().code, ErrorCode::not_found);
  EXPECT_TRUE(remove_file("file-1").has_value());
  EXPECT_THAT(files("words"), IsEmpty());
  EXPECT_THAT(files(request("words", "vs_2")), IsEmpty());
  EXPECT_EQ(engine_->statistics().chunks, 0u);
}

TEST_F(EngineTest, RemovedStoreIsNotFound) {
  put(path_put("file-1", "words"));
  const auto in = context();
  EXPECT_EQ(async::sync_wait(engine_->remove_store("other", "vs_1", *in)).error().code, ErrorCode::not_found);
  EXPECT_THAT(files("words"), ElementsAre("file-1"));
  EXPECT_TRUE(async::sync_wait(engine_->remove_store("acme", "vs_1", *in)).has_value());
  EXPECT_EQ(try_search(request("words")).error().code, ErrorCode::not_found);
  EXPECT_EQ(try_put(path_put("file-2", "words"), *in).error().code, ErrorCode::not_found);
  EXPECT_EQ(engine_->statistics().stores, 0u);
}

// Search. ---------------------------------------------------------------------------------------------------------

TEST_F(EngineTest, DenseArmFindsWhatSharesNoWord) {
  put(path_put("file-1", "automobile"));
  put(path_put("file-2", "bicycle"));
  const auto hit = search(request("car")).hits.at(0);
  EXPECT_EQ(hit.file_id, "file-1");
  EXPECT_EQ(hit.lexical_score, 0.0f);
  EXPECT_GT(hit.dense_score, 0.5f);
  EXPECT_THAT(files_with("car"), IsEmpty());
}

TEST_F(EngineTest, DenseArmSeesTheEndOfALongChunk) {
  config_.chunking.size = 1000;
  WordEmbedder shallow("words", false, 32);
  open(&shallow);
  std::string text;
  for (int i = 0; i < 20; ++i) text += "This sentence is only here to fill the chunk. ";
  put(path_put("file-1", text + "The last one names an automobile ."));
  const auto hit = search(request("car")).hits.at(0);
  EXPECT_EQ(hit.lexical_score, 0.0f);
  EXPECT_GT(hit.dense_score, 0.0f);
}

TEST_F(EngineTest, WeightMovesTheBestHit) {
  put(path_put("file-1", "automobile automobile automobile"));
  put(path_put("file-2", "a car among so very many different other words that hide it"));
  auto wanted = request("car");
  wanted.dense_weight = 1;
  EXPECT_EQ(files(wanted).at(0), "file-1");
  wanted.dense_weight = 0;
  EXPECT_THAT(files(wanted), ElementsAre("file-2"));
}

TEST_F(EngineTest, FilterHolds) {
  put(path_put("file-1", "words", {{"lang", std::string("en")}}));
  put(path_put("file-2", "words", {{"lang", std::string("zh")}}));
  auto wanted = request("words");
  wanted.filter = lang_is("zh");
  EXPECT_THAT(files(wanted), ElementsAre("file-2"));
  EXPECT_TRUE(set_attributes("file-1", {{"lang", std::string("zh")}}).has_value());
  EXPECT_THAT(files(wanted), UnorderedElementsAre("file-1", "file-2"));
  EXPECT_EQ(database_->get_document("vs_1", "file-1").value().attributes.at("lang"), AttributeValue(std::string("zh")));
  EXPECT_EQ(set_attributes("file-9", {}).error().code, ErrorCode::not_found);
}

TEST_F(EngineTest, ThresholdAndNumberOfResultsHold) {
  put(path_put("file-1", "apple banana cherry"));
  put(path_put("file-2", "apple date elderberry fig grape"));
  put(path_put("file-3", "unrelated entirely"));
  auto wanted = request("apple banana cherry");
  EXPECT_EQ(files(wanted).size(), 3u);
  const auto all = search(wanted).hits;
  EXPECT_FLOAT_EQ(all[0].score, 1.0f);
  wanted.score_threshold = all[1].score;
  EXPECT_EQ(files(wanted).size(), 2u);
  wanted.score_threshold = all[1].score + 0.01f;
  EXPECT_THAT(files(wanted), ElementsAre("file-1"));
  wanted.score_threshold.reset();
  wanted.results = 1;
  EXPECT_THAT(files(wanted), ElementsAre("file-1"));
}

TEST_F(EngineTest, QueriesAndStoresAreMerged) {
  add_store("vs_2");
  put(path_put("file-1", "apple pie"));
  auto other = path_put("file-2", "banana bread");
  other.document.store_id = "vs_2";
  put(std::move(other));
  SearchRequest wanted;
  wanted.store_ids = {"vs_1", "vs_2", "vs_1"};
  wanted.queries = {"apple pie", "banana bread"};
  const auto hits = search(wanted).hits;
  ASSERT_EQ(hits.size(), 2u);  // Each once, with its best score.
  EXPECT_FLOAT_EQ(hits[0].score, 1.0f);
  EXPECT_FLOAT_EQ(hits[1].score, 1.0f);
  std::set<std::string> stores = {hits[0].store_id, hits[1].store_id};
  EXPECT_EQ(stores, (std::set<std::string>{"vs_1", "vs_2"}));
}

TEST_F(EngineTest, ChineseQueryIsLexicalUnlessTheModelCoversIt) {
  put(path_put("file-1", "混合检索的权重"));
  embedder_.calls = 0;
  EXPECT_FALSE(search(request("检索权重")).dense_used);
  EXPECT_EQ(embedder_.calls, 0);
  EXPECT_THAT(files("检索权重"), ElementsAre("file-1"));

  WordEmbedder chinese("words", true);
  open(&chinese);
  EXPECT_TRUE(search(request("检索权重")).dense_used);
  EXPECT_EQ(chinese.calls, 1);
}

TEST_F(EngineTest, FailingEmbedderLeavesLexicalSearch) {
  put(path_put("file-1", "brown fox"));
  put(path_put("file-2", "other words"));
  embedder_.failure = make_error(ErrorCode::unavailable, "no embedder");
  const auto results = search(request("fox"));
  EXPECT_TRUE(results.dense_failed);
  EXPECT_FALSE(results.dense_used);
  ASSERT_EQ(results.hits.size(), 1u);
  EXPECT_EQ(results.hits[0].file_id, "file-1");
  EXPECT_EQ(results.hits[0].dense_score, 0.0f);
  for (const auto code : {ErrorCode::cancelled, ErrorCode::deadline_exceeded}) {
    embedder_.failure = make_error(code, "no time");
    EXPECT_EQ(try_search(request("fox")).error().code, code);
  }
}

TEST_F(EngineTest, StagesAreTimed) {
  put(path_put("file-1", "words"));
  const auto in = context();
  ASSERT_TRUE(async::sync_wait(engine_->search(request("words"), *in)).has_value());
  std::set<std::string> stages;
  for (const auto& stage : in->timings().snapshot()) stages.insert(stage.name);
  EXPECT_EQ(stages, (std::set<std::string>{"embed", "dense", "lexical", "fuse", "load"}));
}

TEST_F(EngineTest, BadRequestsNameTheirParameter) {
  const auto refused = [&](SearchRequest wanted) { return try_search(std::move(wanted)).error(); };
  auto wanted = request("x");
  wanted.queries.clear();
  EXPECT_EQ(refused(wanted).param, "query");
  EXPECT_EQ(refused(request(" \n")).code, ErrorCode::invalid_argument);
  EXPECT_EQ(refused(request(std::string(config_.query_bytes_max + 1, 'x'))).code, ErrorCode::too_large);
  for (const std::size_t results : {std::size_t{0}, std::size_t{1001}}) {
    wanted = request("x");
    wanted.results = results;
    EXPECT_EQ(refused(wanted).param, "max_num_results");
  }
  wanted = request("x");
  wanted.score_threshold = 1.5f;
  EXPECT_EQ(refused(wanted).param, "score_threshold");
  wanted = request("x");
  wanted.dense_weight = -1.0f;
  EXPECT_EQ(refused(wanted).code, ErrorCode::invalid_argument);
  wanted = request("x");
  wanted.store_ids.clear();
  EXPECT_EQ(refused(wanted).param, "vector_store_ids");
  EXPECT_EQ(refused(request("x", "vs_9")).code, ErrorCode::not_found);
}

TEST_F(EngineTest, EmptyStoreHasNoHits) {
  EXPECT_THAT(files("anything"), IsEmpty());
  add_store("vs_new");  // Created after the engine was opened.
  EXPECT_THAT(files(request("anything", "vs_new")), IsEmpty());
}

TEST_F(EngineTest, OtherTenantsStoreLooksUnknown) {
  put(path_put("file-1", "words"));
  add_store("vs_theirs", "other");
  const auto foreign = try_search(request("words"), "other").error();
  EXPECT_EQ(foreign.code, ErrorCode::not_found);
  EXPECT_EQ(foreign.message, "no vector store 'vs_1'");
  EXPECT_EQ(try_search(request("words", "vs_unknown"), "other").error().message, "no vector store 'vs_unknown'");
  EXPECT_EQ(try_search(request("words", "vs_theirs")).error().code, ErrorCode::not_found);
  auto theirs = path_put("file-2", "words");
  theirs.document.store_id = "vs_theirs";
  EXPECT_EQ(try_put(theirs, *context()).error().code, ErrorCode::not_found);
  EXPECT_EQ(remove_document("file-1", "other").error().code, ErrorCode::not_found);
  EXPECT_THAT(files("words"), ElementsAre("file-1"));
}

// Models. ---------------------------------------------------------------------------------------------------------

TEST_F(EngineTest, VectorsOfAnotherModelAreAConflict) {
  put(path_put("file-1", "words"));
  WordEmbedder other("other-model");
  open(&other);
  const auto refused = try_put(path_put("file-2", "words"), *context());
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
  EXPECT_THAT(refused.error().message, HasSubstr("'words'"));
  EXPECT_THAT(refused.error().message, HasSubstr("'other-model'"));
  EXPECT_EQ(other.calls, 0);
  const auto results = search(request("words"));
  EXPECT_TRUE(results.dense_failed);
  EXPECT_EQ(results.hits.size(), 1u);
  // Once its vectors are gone, the store may change its model.
  EXPECT_TRUE(remove_document("file-1").has_value());
  put(path_put("file-3", "words"));
  EXPECT_TRUE(search(request("words")).dense_used);
}

TEST_F(EngineTest, OneArmAloneFindsNothingOfTheOther) {
  open(nullptr);
  put(path_put("file-words", "car"));  // Has no vector.
  open(&embedder_);
  put(path_put("file-meaning", "automobile"));
  auto wanted = request("car");
  wanted.dense_weight = 1;
  EXPECT_THAT(files(wanted), UnorderedElementsAre("file-words", "file-meaning"));
  wanted.arms = Arms::dense;
  wanted.dense_weight = 0;
  EXPECT_THAT(files(wanted), ElementsAre("file-meaning"));
  wanted.arms = Arms::lexical;
  wanted.dense_weight = 1;
  EXPECT_THAT(files(wanted), ElementsAre("file-words"));
  EXPECT_EQ(search(wanted).hits.at(0).dense_score, 0.0f);
}

TEST_F(EngineTest, LexicalStoreMayGetVectorsLater) {
  open(nullptr);
  put(path_put("file-1", "apple words"));
  EXPECT_FALSE(search(request("apple")).dense_failed);
  EXPECT_EQ(database_->get_store("acme", "vs_1").value().embedding_model, "");
  open(&embedder_);
  put(path_put("file-2", "banana words"));
  EXPECT_EQ(database_->get_store("acme", "vs_1").value().embedding_model, "words");
  EXPECT_EQ(engine_->statistics().vectors, 1u);
  EXPECT_EQ(files("apple").at(0), "file-1");
  EXPECT_EQ(files("banana").at(0), "file-2");
}

TEST_F(EngineTest, RestartGivesTheSameResults) {
  for (int i = 0; i < 30; ++i) {
    auto document = path_put("file-" + std::to_string(i), "common word" + std::to_string(i) + " word" +
                                                              std::to_string(i % 7) + "\n\nanother paragraph");
    document.parsed.title = "Title " + std::to_string(i);
    put(std::move(document));
  }
  const std::vector<std::string> queries = {"word3 common", "title 5", "file 12", "another paragraph"};
  std::vector<std::vector<SearchHit>> before;
  for (const auto& query : queries) before.push_back(search(request(query)).hits);
  open(&embedder_);
  for (std::size_t q = 0; q < queries.size(); ++q) {
    const auto after = search(request(queries[q])).hits;
    ASSERT_EQ(after.size(), before[q].size());
    for (std::size_t i = 0; i < after.size(); ++i) {
      EXPECT_EQ(after[i].chunk_id, before[q][i].chunk_id);
      EXPECT_NEAR(after[i].score, before[q][i].score, 1e-5);
      EXPECT_EQ(after[i].filename, before[q][i].filename);
    }
  }
}

// Concurrency. ----------------------------------------------------------------------------------------------------

TEST_F(EngineTest, SearchersSeeExactlyOneVersion) {
  constexpr int kVersions = 60;
  const std::string text = "constant words here\n\n";
  const auto version = [&](int number) {
    auto document = path_put("file-" + std::to_string(number), text + "number" + std::to_string(number));
    document.document.path = "/a.txt";
    if (number > 0) document.replaces_file_id = "file-" + std::to_string(number - 1);
    return document;
  };
  put(version(0));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int number = 1; number < kVersions; ++number) put(version(number));
    done = true;
  });
  std::vector<std::thread> searchers;
  for (int s = 0; s < 2; ++s) {
    searchers.emplace_back([&] {
      while (!done) {
        const auto found = files("constant words here");
        ASSERT_FALSE(found.empty());
        const std::set<std::string> versions(found.begin(), found.end());
        ASSERT_EQ(versions.size(), 1u);
      }
    });
  }
  writer.join();
  for (auto& searcher : searchers) searcher.join();
  EXPECT_EQ(files("constant words here").at(0), "file-" + std::to_string(kVersions - 1));
}

TEST_F(EngineTest, ConcurrentChangesLeaveIndexAndDatabaseEqual) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < 25; ++i) {
        const std::string id = "file-" + std::to_string(random() % 8);  // Threads meet on the same files.
        (void)try_put(path_put(id, "words of " + id), *context());
        if (random() % 2 == 0) (void)remove_file(id);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto indexed = files_with("words");
  std::vector<std::string> stored;
  for (const auto& file : database_->list_files("acme", "", storage::PageRequest()).value().items) {
    stored.push_back(file.id);
  }
  EXPECT_THAT(indexed, ::testing::UnorderedElementsAreArray(stored));
}

// A model. --------------------------------------------------------------------------------------------------------

// What the engine ought to hold, as plain maps.
struct ModelDocument {
  std::set<std::string> words;
  std::string lang;
};

class EngineModelTest : public EngineTest {
 protected:
  std::string random_word() { return "word" + std::to_string(random_() % 12); }

  std::string any_file() {
    if (model_.empty()) return "file-none";
    auto it = model_.begin();
    std::advance(it, static_cast<long>(random_() % model_.size()));
    return it->first;
  }

  void put_random(const std::string& replaces) {
    const std::string id = "file-" + std::to_string(next_++);
    ModelDocument document;
    std::string text;
    for (int i = 0; i < 4; ++i) {
      const auto word = random_word();
      document.words.insert(word);
      text += word + " ";
    }
    document.lang = random_() % 2 == 0 ? "en" : "zh";
    auto request = path_put(id, text, {{"lang", document.lang}});
    request.replaces_file_id = replaces;
    put(std::move(request));
    model_.erase(replaces);
    model_[id] = document;
  }

  void step() {
    const std::string id = any_file();
    const bool known = model_.contains(id);
    switch (random_() % 8) {
      case 0:
        EXPECT_EQ(remove_document(id).has_value(), known);
        model_.erase(id);
        break;
      case 1:
        EXPECT_EQ(remove_file(id).has_value(), known);
        model_.erase(id);
        break;
      case 2:
        EXPECT_EQ(set_attributes(id, {{"lang", std::string("fr")}}).has_value(), known);
        if (known) model_[id].lang = "fr";
        break;
      case 3:
        put_random(id);
        break;
      case 4:
        open(random_() % 2 == 0 ? &embedder_ : nullptr);
        break;
      default:
        put_random("");
        break;
    }
  }

  void check() {
    const std::string word = random_word();
    const std::string lang = std::vector<std::string>{"en", "zh", "fr"}[random_() % 3];
    std::vector<std::string> with_word;
    std::vector<std::string> with_both;
    for (const auto& [id, document] : model_) {
      if (!document.words.contains(word)) continue;
      with_word.push_back(id);
      if (document.lang == lang) with_both.push_back(id);
    }
    ASSERT_THAT(files_with(word), ::testing::UnorderedElementsAreArray(with_word)) << word;
    ASSERT_THAT(files_with(word, lang_is(lang)), ::testing::UnorderedElementsAreArray(with_both)) << word << lang;
    ASSERT_EQ(engine_->statistics().chunks, model_.size());
  }

  std::mt19937 random_;
  std::map<std::string, ModelDocument> model_;
  int next_ = 0;
};

TEST_F(EngineModelTest, RandomOperationsAgreeWithTheModel) {
  const auto seed = std::random_device()();
  std::printf("seed %u\n", seed);
  random_.seed(seed);
  for (int i = 0; i < 150; ++i) {
    step();
    check();
    if (HasFatalFailure()) return;
  }
}

// Words of the user. ----------------------------------------------------------------------------------------------

std::shared_ptr<const text::UserWords> user_words(std::string_view lines) {
  return std::make_shared<const text::UserWords>(lines);
}

TEST_F(EngineTest, UserWordsChangeTheRankingAtOnce) {
  put(path_put("file-model", "盘古大模型发布"));
  put(path_put("file-parts", "模型 大模 古大 盘古"));
  put(path_put("file-laptop", "the mate book was sold in the autumn of that year"));
  put(path_put("file-others", "book and mate or book and mate"));
  EXPECT_THAT(files_with("盘古大模型"), ElementsAre("file-parts", "file-model"));
  EXPECT_THAT(files_with("mate book"), ElementsAre("file-others", "file-laptop"));
  engine_->set_user_words(user_words("盘古大模型\n"));
  EXPECT_THAT(files_with("盘古大模型"), ElementsAre("file-model", "file-parts"));
  EXPECT_THAT(files_with("mate book"), ElementsAre("file-others", "file-laptop"));
  engine_->set_user_words(user_words("Mate Book\n"));
  EXPECT_THAT(files_with("盘古大模型"), ElementsAre("file-parts", "file-model"));
  EXPECT_THAT(files_with("mate book"), ElementsAre("file-laptop", "file-others"));
  engine_->set_user_words(nullptr);
  EXPECT_THAT(files_with("mate book"), ElementsAre("file-others", "file-laptop"));
}

TEST_F(EngineTest, RankingOfAStoreChangesAtOnceAndStays) {
  put(path_put("file-long", "apple apple pear plum fig lime kiwi date one two three four"));
  put(path_put("file-short", "apple pear"));
  put(path_put("file-none", "nothing of that"));
  const auto change = [&](storage::RankingSettings ranking) {
    auto store = database_->get_store("acme", "vs_1").value();
    store.ranking = ranking;
    const auto updated = async::sync_wait(engine_->update_store(store, *context()));
    ASSERT_TRUE(updated.has_value());
    EXPECT_EQ(updated->ranking, ranking);
  };
  change({.k1 = 2.0, .b = 0.0, .heading_weight = std::nullopt});
  EXPECT_THAT(files_with("apple"), ElementsAre("file-long", "file-short"));
  change({.k1 = 1.2, .b = 1.0, .heading_weight = std::nullopt});
  EXPECT_THAT(files_with("apple"), ElementsAre("file-short", "file-long"));
  change({.k1 = 2.0, .b = 0.0, .heading_weight = std::nullopt});
  put(path_put("file-later", "apple apple apple"));
  EXPECT_THAT(files_with("apple"), ElementsAre("file-later", "file-long", "file-short"));
  open(&embedder_);
  EXPECT_THAT(files_with("apple"), ElementsAre("file-later", "file-long", "file-short"));
  auto foreign = database_->get_store("acme", "vs_1").value();
  foreign.tenant = "other";
  const auto refused = async::sync_wait(engine_->update_store(foreign, *context("other")));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::not_found);
}

TEST_F(EngineTest, UserWordsMayChangeDuringSearches) {
  put(path_put("file-1", "the mate book"));
  std::atomic<bool> done = false;
  std::thread changing([&] {
    while (!done) engine_->set_user_words(user_words("mate book\nred car"));
  });
  for (int i = 0; i < 50; ++i) EXPECT_THAT(files_with("mate book"), ElementsAre("file-1"));
  done = true;
  changing.join();
}

// Embedding cache. ------------------------------------------------------------------------------------------------

TEST_F(EngineTest, SameContentInAnotherStoreIsNotEmbeddedAgain) {
  put(path_put("file-1", "the red car\n\nthe blue boat"));
  EXPECT_GT(embedder_.calls, 0);
  embedder_.calls = 0;
  add_store("vs_2");
  auto again = path_put("file-2", "the red car\n\nthe blue boat");
  again.document.store_id = "vs_2";
  EXPECT_TRUE(put(std::move(again)).embedded);
  EXPECT_EQ(embedder_.calls, 0);
  auto wanted = request("automobile", "vs_2");
  wanted.dense_weight = 1;
  const auto hits = search(std::move(wanted)).hits;
  ASSERT_FALSE(hits.empty());
  EXPECT_GT(hits[0].dense_score, 0.2f);
}

TEST_F(EngineTest, AnotherFingerprintIsEmbeddedAgain) {
  put(path_put("file-1", "the red car"));
  config_.embedding_cache.fingerprint = "new weights";
  open(&embedder_);
  embedder_.calls = 0;
  put(path_put("file-2", "the red car"));
  EXPECT_EQ(embedder_.calls, 1);
}

TEST_F(EngineTest, RepeatedQueryIsEmbeddedOnce) {
  put(path_put("file-1", "the red car"));
  embedder_.calls = 0;
  const auto first = search(request("automobile"));
  const auto second = search(request("automobile"));
  EXPECT_EQ(embedder_.calls, 1);
  EXPECT_TRUE(second.dense_used);
  ASSERT_EQ(first.hits.size(), second.hits.size());
  EXPECT_EQ(first.hits.at(0).score, second.hits.at(0).score);
}

TEST_F(EngineTest, QueryThatFailsToEmbedLeavesTheWholeSearchLexical) {
  put(path_put("file-1", "the red car"));
  search(request("automobile"));
  embedder_.failure = make_error(ErrorCode::unavailable, "no embedder");
  auto both = request("automobile");
  both.queries.push_back("red");
  const auto results = search(std::move(both));
  EXPECT_FALSE(results.dense_used);
  EXPECT_TRUE(results.dense_failed);
}

}  // namespace
}  // namespace ragtime::engine
