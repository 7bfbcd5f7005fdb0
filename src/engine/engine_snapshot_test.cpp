// The engine over restarts: with snapshots, without them, and with some that are of no use.

#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "engine/engine.h"
#include "storage/temporary_directory_for_test.h"

namespace ragtime::engine {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kDimensions = 32;

// A bag of words.
class WordEmbedder final : public encoder::Embedder {
 public:
  WordEmbedder() {
    info_.model = "words";
    info_.dimensions = kDimensions;
    info_.tokens_max = 256;
  }
  const encoder::EmbedderInfo& info() const override { return info_; }

  Task<Result<encoder::Embeddings>> embed(std::vector<std::string> texts, encoder::EmbedPurpose,
                                          RequestContext&) override {
    encoder::Embeddings rows;
    rows.dimensions = kDimensions;
    for (const auto& text : texts) {
      std::vector<float> row(kDimensions, 0.0f);
      std::istringstream words(text);
      for (std::string word; words >> word;) row[std::hash<std::string>()(word) % kDimensions] += 1;
      rows.values.insert(rows.values.end(), row.begin(), row.end());
      rows.token_counts.push_back(text.size());
    }
    co_return rows;
  }

 private:
  encoder::EmbedderInfo info_;
};

class EngineSnapshotTest : public ::testing::Test {
 protected:
  EngineSnapshotTest() : database_(std::move(storage::open_sqlite(directory_.path() / "ragtime.db").value())) {
    config_.chunking.size = 40;
    config_.chunking.overlap = 0;
    config_.index.directory = directory_.path() / "index";
    config_.index.snapshot_chunks = 1;
    config_.index.merge_changes = 10;
    add_store("vs_1");
    open();
  }

  void open() {
    engine_.reset();
    auto opened = Engine::open(config_, *database_, &embedder_, compute_, blocking_, &metrics_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    engine_ = std::move(*opened);
  }

  void add_store(const std::string& id) {
    storage::VectorStoreRecord store;
    store.id = id;
    store.tenant = "acme";
    ASSERT_TRUE(database_->insert_store(store).has_value());
  }

  void put(int number, const std::string& store = "vs_1") {
    PutDocument put;
    put.tenant = "acme";
    put.document.store_id = store;
    put.document.attributes = {{"even", number % 2 == 0}};
    put.file = storage::FileRecord();
    put.file->id = "file-" + std::to_string(number);
    put.file->filename = put.file->id + ".txt";
    put.file->sha256 = sha256_hex(put.file->id);
    put.parsed.title = "Title " + std::to_string(number % 5);
    put.parsed.text = "common word" + std::to_string(number % 11) + " thing" + std::to_string(number % 7);
    text::Block block;
    block.end = put.parsed.text.size();
    put.parsed.blocks.push_back(block);
    const auto outcome = async::sync_wait(engine_->put_document(std::move(put), context_, {}));
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  }

  void remove(int number) {
    const auto id = "file-" + std::to_string(number);
    ASSERT_TRUE(async::sync_wait(engine_->remove_file("acme", id, context_)).has_value());
  }

  void mark(int number, const std::string& colour) {
    const auto id = "file-" + std::to_string(number);
    const Attributes attributes{{"colour", colour}};
    ASSERT_TRUE(async::sync_wait(engine_->set_attributes("acme", "vs_1", id, attributes, context_)).has_value());
  }

  static index::Filter filter(const std::string& key, AttributeValue value) {
    index::Filter filter;
    filter.op = index::FilterOp::eq;
    filter.key = key;
    filter.values = {std::move(value)};
    return filter;
  }

  // All hits of some queries, as text.
  std::vector<std::string> results(const std::string& store = "vs_1", std::optional<index::Filter> filter = {}) {
    std::vector<std::string> lines;
    for (const char* query : {"common", "word3 thing4", "title 2", "nothing of it"}) {
      SearchRequest request;
      request.filter = filter;
      request.store_ids = {store};
      request.queries = {query};
      request.results = 50;
      const auto found = async::sync_wait(engine_->search(std::move(request), context_));
      EXPECT_TRUE(found.has_value()) << found.error().message;
      if (!found) return {};
      for (const auto& hit : found->hits) {
        std::ostringstream line;
        line << query << ": " << hit.chunk_id << ' ' << hit.file_id << ' ' << std::lround(hit.score * 1e4) << ' '
             << std::lround(hit.dense_score * 1e4) << ' ' << std::lround(hit.lexical_score * 1e4);
        lines.push_back(line.str());
      }
    }
    return lines;
  }

  fs::path folder(const std::string& store = "vs_1") const { return config_.index.directory / store; }
  bool saved(const std::string& store = "vs_1") const {
    return fs::exists(folder(store) / "lexical.snapshot") && fs::exists(folder(store) / "vectors.snapshot");
  }

  bool documents_saved() const { return fs::exists(folder() / "documents.snapshot"); }

  // Closing takes what is in the log into the file.
  void close_database() {
    engine_.reset();
    database_.reset();
  }
  void open_database() { database_ = std::move(storage::open_sqlite(directory_.path() / "ragtime.db").value()); }

  static async::ThreadPoolConfig pool(const char* name) {
    async::ThreadPoolConfig config;
    config.name = name;
    config.threads = 2;
    return config;
  }

  storage::TemporaryDirectory directory_;
  EngineConfig config_;
  std::unique_ptr<storage::Database> database_;
  telemetry::Metrics metrics_;
  WordEmbedder embedder_;
  RequestContext context_{"req", "acme", Deadline::never()};
  async::ThreadPool compute_{pool("compute")};
  async::ThreadPool blocking_{pool("blocking")};
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineSnapshotTest, RestartGivesTheSameResultsWithSnapshotsAndWithout) {
  for (int i = 0; i < 40; ++i) put(i);
  engine_->settle();
  ASSERT_TRUE(saved());
  for (int i = 40; i < 46; ++i) put(i);  // After the snapshot …
  for (int i = 0; i < 3; ++i) remove(i * 7);
  config_.index.merge_changes = 0;  // … and not in a later one.
  const auto before = results();
  open();
  EXPECT_EQ(results(), before);
  EXPECT_GT(engine_->index_report("vs_1").lexical.terms, 0u);  // Of the base, which came from the snapshot.
  fs::remove_all(config_.index.directory);
  open();
  EXPECT_EQ(results(), before);
  EXPECT_EQ(engine_->index_report("vs_1").lexical.terms, 0u);
}

// What is merged first is only scanned; the graph follows without another change.
TEST_F(EngineSnapshotTest, AGraphFollowsTheScanThatIsThereSooner) {
  config_.index.vectors.scan_seconds_max = 1e-12;
  open();
  for (int i = 0; i < 40; ++i) put(i);
  engine_->settle();
  EXPECT_EQ(engine_->index_report("vs_1").vectors->kind, index::VectorKind::hnsw);
  const auto before = results();
  open();
  EXPECT_EQ(engine_->index_report("vs_1").vectors->kind, index::VectorKind::hnsw);
  EXPECT_EQ(results(), before);
}

TEST_F(EngineSnapshotTest, ProductCodesKeepTheOthersInFiles) {
  config_.index.vectors.kind = index::VectorKind::ivf_pq;
  open();
  for (int i = 0; i < 40; ++i) put(i);
  engine_->settle();
  const auto built = *engine_->index_report("vs_1").vectors;
  EXPECT_EQ(built.kind, index::VectorKind::ivf_pq);
  EXPECT_GT(built.file_bytes, 0u);
  const auto before = results();
  open();
  EXPECT_GT(engine_->index_report("vs_1").vectors->file_bytes, 0u);
  EXPECT_EQ(results(), before);
}

TEST_F(EngineSnapshotTest, DocumentsComeFromTheSnapshotAndWhatChangedSince) {
  for (int i = 0; i < 40; ++i) put(i);
  mark(4, "red");
  engine_->settle();
  put(40);
  engine_->settle();
  ASSERT_TRUE(documents_saved());
  config_.index.merge_changes = 0;
  open();
  const auto saved = fs::last_write_time(folder() / "documents.snapshot");
  mark(6, "red");
  mark(4, "blue");
  remove(8);
  remove(9);
  put(9);
  for (int i = 41; i < 45; ++i) put(i);
  const auto all = [this] {
    auto lines = results();
    for (const auto& part : {results("vs_1", filter("even", true)), results("vs_1", filter("colour", "red")),
                             results("vs_1", filter("colour", "blue"))}) {
      lines.insert(lines.end(), part.begin(), part.end());
    }
    return lines;
  };
  const auto before = all();
  open();
  EXPECT_EQ(all(), before);
  EXPECT_TRUE(documents_saved());
  EXPECT_EQ(fs::last_write_time(folder() / "documents.snapshot"), saved);
  fs::remove_all(config_.index.directory);
  open();
  EXPECT_EQ(all(), before);
}

// What was read from rows would be new, and saved again by the next stop.
TEST_F(EngineSnapshotTest, ChunksThatNoMergeTookInAreSavedBeforeAStop) {
  config_.index.merge_changes = 0;
  config_.index.save_changes = 20;
  open();
  for (int i = 0; i < 19; ++i) put(i);
  engine_->settle();
  EXPECT_FALSE(fs::exists(folder() / "recent.snapshot"));
  put(19);
  engine_->settle();  // So many are saved while it runs …
  ASSERT_TRUE(fs::exists(folder() / "recent.snapshot"));
  for (int i = 20; i < 45; ++i) put(i);
  for (int i = 0; i < 10; ++i) remove(i * 3);
  const auto before = results();
  engine_.reset();  // … and the rest before it stops.
  const auto saved = fs::last_write_time(folder() / "recent.snapshot");
  config_.index.save_changes = 1;
  open();
  EXPECT_EQ(results(), before);
  EXPECT_EQ(engine_->index_report("vs_1").lexical.recent, 35u);
  open();
  EXPECT_EQ(results(), before);
  EXPECT_EQ(fs::last_write_time(folder() / "recent.snapshot"), saved);
  config_.index.merge_changes = 1;
  open();
  put(45);
  engine_->settle();
  EXPECT_FALSE(fs::exists(folder() / "recent.snapshot"));
  EXPECT_EQ(engine_->index_report("vs_1").lexical.recent, 0u);
}

TEST_F(EngineSnapshotTest, DocumentsWhoseChangesAreForgottenAreReadFromRows) {
  for (int i = 0; i < 40; ++i) put(i);
  engine_->settle();
  ASSERT_TRUE(documents_saved());
  config_.index.merge_changes = 0;
  open();  // Without a merge that would save them again.
  remove(3);
  const auto before = results();
  ASSERT_TRUE(database_->forget_document_changes("vs_1", database_->newest_document_change().value()).has_value());
  open();
  EXPECT_EQ(results(), before);
  EXPECT_FALSE(documents_saved());
}

// As after restoring a copy: it has what was deleted since, and lacks what came since.
TEST_F(EngineSnapshotTest, AnOlderDatabaseIsBelievedNotTheSnapshot) {
  for (int i = 0; i < 30; ++i) put(i);
  close_database();
  fs::copy_file(directory_.path() / "ragtime.db", directory_.path() / "copy.db");
  open_database();
  config_.index.merge_changes = 1;
  open();
  const auto before = results();
  remove(2);
  mark(3, "red");
  engine_->settle();
  ASSERT_TRUE(documents_saved());
  close_database();
  fs::copy_file(directory_.path() / "copy.db", directory_.path() / "ragtime.db", fs::copy_options::overwrite_existing);
  open_database();
  open();
  EXPECT_EQ(results(), before);
  EXPECT_TRUE(results("vs_1", filter("colour", "red")).empty());
}

TEST_F(EngineSnapshotTest, DamagedSnapshotIsReplaced) {
  for (int i = 0; i < 30; ++i) put(i);
  engine_->settle();
  const auto before = results();
  engine_.reset();
  for (const char* name : {"lexical.snapshot", "vectors.snapshot", "documents.snapshot"}) {
    std::fstream file(folder() / name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(fs::file_size(folder() / name)) - 40);
    file.write("damage", 6);
  }
  open();
  EXPECT_EQ(results(), before);
  engine_->settle();  // All of it was new to the index, so that it was merged and saved again.
  EXPECT_TRUE(saved());
  open();
  EXPECT_EQ(results(), before);
}

TEST_F(EngineSnapshotTest, SnapshotsGoWithTheirStore) {
  add_store("vs_2");
  for (int i = 0; i < 15; ++i) put(i);
  for (int i = 15; i < 30; ++i) put(i, "vs_2");
  engine_->settle();
  ASSERT_TRUE(saved("vs_1") && saved("vs_2"));
  ASSERT_TRUE(async::sync_wait(engine_->remove_store("acme", "vs_2", context_)).has_value());
  engine_->settle();
  EXPECT_FALSE(fs::exists(folder("vs_2")));
  EXPECT_TRUE(saved("vs_1"));
  fs::create_directories(folder("vs_orphan"));
  open();
  EXPECT_FALSE(fs::exists(folder("vs_orphan")));
  EXPECT_TRUE(saved("vs_1"));
}

TEST_F(EngineSnapshotTest, SmallStoresHaveNone) {
  config_.index.snapshot_chunks = 1000;
  open();
  for (int i = 0; i < 15; ++i) put(i);
  engine_->settle();
  EXPECT_FALSE(fs::exists(folder()));
}

TEST_F(EngineSnapshotTest, SnapshotThatCannotBeWrittenIsNoFailure) {
  std::ofstream(config_.index.directory) << "in the way";
  for (int i = 0; i < 15; ++i) put(i);
  engine_->settle();
  EXPECT_FALSE(results().empty());
  EXPECT_THAT(metrics_.render(), ::testing::ContainsRegex("ragtime_index_snapshot_failures_total [1-9]"));
}

TEST_F(EngineSnapshotTest, ChurnWithRestartsKeepsResults) {
  const auto seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  std::vector<int> living;
  int next = 0;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 12; ++i, ++next) {
      put(next);
      living.push_back(next);
    }
    for (int i = 0; i < 6; ++i) {
      std::swap(living[random() % living.size()], living.back());
      remove(living.back());
      living.pop_back();
    }
    const auto before = results();
    if (random() % 2 == 0) engine_->settle();
    config_.index.merge_changes = random() % 2 == 0 ? 10 : 0;
    config_.index.save_changes = random() % 3 * 4;
    const auto recent = folder() / "recent.snapshot";
    if (random() % 3 == 0 && fs::exists(recent)) {  // One of before, as when a later one could not be written.
      fs::copy_file(recent, directory_.path() / "former", fs::copy_options::overwrite_existing);
      engine_.reset();
      fs::copy_file(directory_.path() / "former", recent, fs::copy_options::overwrite_existing);
    }
    open();
    ASSERT_EQ(results(), before);
    ASSERT_EQ(engine_->statistics().chunks, living.size());
    ASSERT_EQ(engine_->statistics().vectors, living.size());
  }
}

TEST_F(EngineSnapshotTest, MergesAreCounted) {
  for (int i = 0; i < 30; ++i) put(i);
  engine_->settle();
  EXPECT_THAT(metrics_.render(), ::testing::ContainsRegex("ragtime_index_merges_total [1-9]"));
  EXPECT_THAT(metrics_.render(), ::testing::ContainsRegex("ragtime_index_snapshots_total [1-9]"));
  EXPECT_THAT(metrics_.render(), ::testing::ContainsRegex("ragtime_index_vectors [1-9]"));
  EXPECT_THAT(metrics_.render(), ::testing::ContainsRegex("ragtime_index_bytes [1-9]"));
  ASSERT_TRUE(async::sync_wait(engine_->remove_store("acme", "vs_1", context_)).has_value());
  engine_->settle();
  EXPECT_THAT(metrics_.render(), ::testing::HasSubstr("ragtime_index_bytes 0"));
}

}  // namespace
}  // namespace ragtime::engine
