// Snapshots of a store's indexes: what they hold is what was saved, and damage is never believed.

#include "engine/store_snapshot.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/normalise.h"
#include "storage/temporary_directory_for_test.h"

namespace ragtime::engine {
namespace {

constexpr std::size_t kDimensions = 8;
constexpr std::int64_t kNewest = 1'000'000;
constexpr std::int64_t kChange = 321;

// The rows of a store, from which everything can be rebuilt.
class Rows {
 public:
  explicit Rows(unsigned seed) : random_(seed) {}

  void put(const std::string& file_id, std::size_t chunks) {
    storage::DocumentChunks document;
    document.file_id = file_id;
    document.chunks = {next_, next_ + static_cast<std::int64_t>(chunks) - 1};
    document.embedded = random_() % 8 != 0;
    for (std::size_t i = 0; i < chunks; ++i) {
      IndexedChunk& chunk = chunks_[next_];
      chunk.id = next_++;
      for (int w = 0; w < 6; ++w) chunk.body.push_back("word" + std::to_string(random_() % 20));
      if (document.embedded) chunk.embedding = random_vector();
    }
    documents_[file_id] = document;
  }

  void remove(const std::string& file_id) {
    const auto& chunks = documents_.at(file_id).chunks;
    for (auto id = chunks.first; id <= chunks.last; ++id) chunks_.erase(id);
    documents_.erase(file_id);
  }

  std::vector<storage::DocumentChunks> documents() const {
    std::vector<storage::DocumentChunks> result;
    for (const auto& [id, document] : documents_) result.push_back(document);
    const auto earlier = [](const auto& a, const auto& b) { return a.chunks.first < b.chunks.first; };
    std::sort(result.begin(), result.end(), earlier);
    return result;
  }

  std::unique_ptr<StoreIndex> index(std::optional<index::LexicalIndex> lexical = {},
                                    std::optional<index::VectorIndex> vectors = {},
                                    StoreIndexOptions options = {}, const SavedRecent& recent = {}) const {
    auto store = std::make_unique<StoreIndex>("vs_1", "acme", options);
    store->set_embedding("m", kDimensions);
    const auto missing = store->restore(StartingDocuments(documents()), std::move(lexical), std::move(vectors), recent);
    fill(*store, missing);
    return store;
  }

  std::vector<float> random_vector() {
    std::normal_distribution<float> normal;
    std::vector<float> vector(kDimensions);
    for (auto& value : vector) value = normal(random_);
    return normalised(vector);
  }

  std::size_t size() const { return chunks_.size(); }

 private:
  void fill(StoreIndex& store, const MissingChunks& missing) const {
    std::vector<index::LexicalIndex::Addition> terms;
    std::vector<index::VectorIndex::Addition> vectors;
    for (const auto& range : missing.lexical) {
      for (auto id = range.first; id <= range.last; ++id) terms.push_back({id, {}, chunks_.at(id).body});
    }
    for (const auto& range : missing.vectors) {
      for (auto id = range.first; id <= range.last; ++id) vectors.push_back({id, chunks_.at(id).embedding});
    }
    store.fill(terms, vectors);
  }

  std::mt19937 random_;
  std::int64_t next_ = 1;
  std::map<std::string, storage::DocumentChunks> documents_;
  std::map<std::int64_t, IndexedChunk> chunks_;
};

class StoreSnapshotTest : public ::testing::Test {
 protected:
  StoreSnapshotTest() {
    for (int i = 0; i < 40; ++i) rows_.put("file-" + std::to_string(i), 1 + static_cast<std::size_t>(i) % 4);
    for (int i = 0; i < 5; ++i) queries_.push_back(rows_.random_vector());
  }

  void save() {
    StoreIndexOptions options;
    options.merge_changes = 1;
    const auto merged = rows_.index({}, {}, options)->merge();
    ASSERT_TRUE(merged.lexical && merged.vectors);
    ASSERT_TRUE(snapshot_.save(merged).has_value());
    ASSERT_TRUE(snapshot_.save_recent(rows_.index()->recent()).has_value());
    ASSERT_TRUE(snapshot_.save_documents(rows_.index()->view()->documents(), kChange).has_value());
  }

  // As a start does it.
  std::unique_ptr<StoreIndex> load() {
    const auto report = [this](const std::filesystem::path& file, const Error&) {
      reported_.push_back(file.filename());
    };
    auto lexical = snapshot_.load_lexical({}, newest_, report);
    auto vectors = snapshot_.load_vectors("m", kDimensions, {}, newest_, report);
    auto recent = snapshot_.load_recent("m", kDimensions, {}, newest_, report);
    found_documents_ = snapshot_.load_documents(report);
    found_recent_ = recent.has_value();
    found_lexical_ = lexical.has_value();
    found_vectors_ = vectors.has_value();
    return rows_.index(std::move(lexical), std::move(vectors), {}, recent ? std::move(*recent) : SavedRecent());
  }

  void expect_same(const StoreIndex& actual, const StoreIndex& wanted) {
    ASSERT_EQ(actual.chunks(), wanted.chunks());
    ASSERT_EQ(actual.vectors(), wanted.vectors());
    const auto a = actual.view();
    const auto b = wanted.view();
    for (int w = 0; w < 20; ++w) {
      text::SearchTerms terms;
      terms.terms = {"word" + std::to_string(w), "word" + std::to_string(w / 2)};
      expect_equal(a->search_lexical(terms, 20, {}), b->search_lexical(terms, 20, {}));
    }
    for (const auto& query : queries_) expect_equal(a->search_dense(query, 20, {}), b->search_dense(query, 20, {}));
  }

  // Those found against the rows.
  void expect_same_documents() {
    ASSERT_EQ(found_documents_->change, kChange);
    const auto wanted = rows_.documents();
    ASSERT_EQ(found_documents_->documents.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(found_documents_->documents[i].file_id, wanted[i].file_id);
      ASSERT_EQ(found_documents_->documents[i].chunks.first, wanted[i].chunks.first);
      ASSERT_EQ(found_documents_->documents[i].chunks.last, wanted[i].chunks.last);
    }
  }

  static void expect_equal(const std::vector<index::Hit>& a, const std::vector<index::Hit>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(a[i].id, b[i].id);
      ASSERT_NEAR(a[i].score, b[i].score, 1e-5);
    }
  }

  storage::TemporaryDirectory directory_;
  const std::filesystem::path folder_ = directory_.path() / "index" / "vs_1";
  StoreSnapshot snapshot_{folder_, "vs_1"};
  Rows rows_{7};
  std::vector<std::vector<float>> queries_;
  std::int64_t newest_ = kNewest;
  std::vector<std::string> reported_;
  std::optional<SavedDocuments> found_documents_;
  bool found_recent_ = false;
  bool found_lexical_ = false;
  bool found_vectors_ = false;
};

TEST_F(StoreSnapshotTest, HoldsWhatWasSaved) {
  save();
  const auto store = load();
  EXPECT_TRUE(found_lexical_);
  EXPECT_TRUE(found_vectors_);
  EXPECT_THAT(reported_, ::testing::IsEmpty());
  EXPECT_EQ(store->view()->report().lexical.recent, 0u);
  ASSERT_TRUE(found_documents_);
  expect_same_documents();
  expect_same(*store, *rows_.index());
}

TEST_F(StoreSnapshotTest, RecentChunksNeedNoRows) {
  const auto whole = rows_.index();
  ASSERT_TRUE(snapshot_.save_recent(whole->recent()).has_value());
  const auto report = [](const auto&, const Error&) { FAIL(); };
  const auto recent = snapshot_.load_recent("m", kDimensions, {}, kNewest, report);
  ASSERT_TRUE(recent.has_value());
  StoreIndex store("vs_1", "acme");
  store.set_embedding("m", kDimensions);
  const auto missing = store.restore(StartingDocuments(rows_.documents()), {}, {}, *recent);
  EXPECT_TRUE(missing.lexical.empty());
  EXPECT_TRUE(missing.vectors.empty());
  expect_same(store, *whole);
  EXPECT_FALSE(store.worth_saving());
}

// As after a merge whose snapshot is there and a crash before recent chunks were saved anew: the bases have what they
// have, and documents have come and gone.
TEST_F(StoreSnapshotTest, RecentChunksMayBeOutOfDate) {
  save();
  ASSERT_TRUE(snapshot_.save_recent(rows_.index()->recent()).has_value());
  for (int i = 0; i < 40; i += 3) rows_.remove("file-" + std::to_string(i));
  for (int i = 40; i < 55; ++i) rows_.put("file-" + std::to_string(i), 2);
  for (const char* absent : {"", "lexical.snapshot", "vectors.snapshot"}) {
    if (*absent != 0) std::filesystem::remove(folder_ / absent);
    const auto store = load();
    EXPECT_TRUE(found_recent_);
    expect_same(*store, *rows_.index());
    StoreIndexOptions options;
    options.merge_changes = 1;
    auto recent = snapshot_.load_recent("m", kDimensions, {}, kNewest, [](const auto&, const Error&) { FAIL(); });
    const auto merged = rows_.index({}, {}, options, *recent);
    (void)merged->merge();
    expect_same(*merged, *rows_.index());
  }
}

TEST_F(StoreSnapshotTest, IsBroughtUpToDateWithTheRows) {
  save();
  for (int i = 0; i < 40; i += 3) rows_.remove("file-" + std::to_string(i));
  for (int i = 40; i < 55; ++i) rows_.put("file-" + std::to_string(i), 2);
  const auto store = load();
  EXPECT_TRUE(found_lexical_ && found_vectors_);
  expect_same(*store, *rows_.index());
}

TEST_F(StoreSnapshotTest, FilesAreForTheOwnerOnly) {
  save();
  struct stat status {};
  ASSERT_EQ(::stat(folder_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  snapshot_.remove();
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(StoreSnapshotTest, AnotherStoresIsNotUsed) {
  save();
  const StoreSnapshot other(folder_, "vs_2");
  int reports = 0;
  const auto report = [&](const std::filesystem::path&, const Error&) { ++reports; };
  EXPECT_FALSE(other.load_lexical({}, kNewest, report).has_value());
  EXPECT_FALSE(other.load_vectors("m", kDimensions, {}, kNewest, report).has_value());
  EXPECT_FALSE(other.load_recent("m", kDimensions, {}, kNewest, report).has_value());
  EXPECT_FALSE(other.load_documents(report).has_value());
  EXPECT_EQ(reports, 4);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(StoreSnapshotTest, OtherModelsAreNotUsed) {
  int reports = 0;
  const auto report = [&](const std::filesystem::path&, const Error&) { ++reports; };
  save();
  EXPECT_FALSE(snapshot_.load_vectors("n", kDimensions, {}, kNewest, report).has_value());
  save();
  EXPECT_FALSE(snapshot_.load_vectors("m", kDimensions + 1, {}, kNewest, report).has_value());
  EXPECT_EQ(reports, 2);
}

TEST_F(StoreSnapshotTest, HoldsForAnyRanking) {
  save();
  index::LexicalOptions options;
  options.k1 = 1.5f;
  options.b = 0.9f;
  StoreIndexOptions store_options;
  store_options.lexical = options;
  auto lexical = snapshot_.load_lexical(options, kNewest, [](const auto&, const Error&) { FAIL(); });
  ASSERT_TRUE(lexical.has_value());
  expect_same(*rows_.index(std::move(lexical), {}, store_options), *rows_.index({}, {}, store_options));
}

TEST_F(StoreSnapshotTest, NewerThanTheDatabaseIsNotUsed) {
  save();
  newest_ = static_cast<std::int64_t>(rows_.size()) - 1;
  const auto store = load();
  EXPECT_THAT(reported_, ::testing::UnorderedElementsAre("lexical.snapshot", "vectors.snapshot", "recent.snapshot"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "lexical.snapshot"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "vectors.snapshot"));
  expect_same(*store, *rows_.index());
}

TEST_F(StoreSnapshotTest, AbsenceIsNoFault) {
  const auto store = load();
  EXPECT_THAT(reported_, ::testing::IsEmpty());
  expect_same(*store, *rows_.index());
}

std::vector<char> bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_bytes(const std::filesystem::path& file, const std::vector<char>& bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST_F(StoreSnapshotTest, TruncationIsNoticed) {
  save();
  const auto wanted = rows_.index();
  for (const char* name : {"lexical.snapshot", "vectors.snapshot", "recent.snapshot", "documents.snapshot"}) {
    const auto whole = bytes_of(folder_ / name);
    for (const std::size_t size : {std::size_t{0}, std::size_t{10}, whole.size() / 2, whole.size() - 1}) {
      write_bytes(folder_ / name, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
      reported_.clear();
      expect_same(*load(), *wanted);
      ASSERT_THAT(reported_, ::testing::ElementsAre(name)) << size;
      write_bytes(folder_ / name, whole);
    }
  }
}

// Most of a small file is the space between columns, where a change means nothing.
std::vector<std::size_t> places_of_data(const std::vector<char>& bytes) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != 0) places.push_back(i);
  }
  return places;
}

TEST_F(StoreSnapshotTest, TwoThousandBitFlipsNeverChangeAResult) {
  const auto seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  save();
  const auto wanted = rows_.index();
  std::size_t noticed = 0;
  for (const char* name : {"lexical.snapshot", "vectors.snapshot", "recent.snapshot", "documents.snapshot"}) {
    const auto whole = bytes_of(folder_ / name);
    const auto used = places_of_data(whole);
    for (int i = 0; i < 500; ++i) {
      auto damaged = whole;
      const std::size_t anywhere = random() % damaged.size();
      damaged[i % 4 == 0 ? anywhere : used[random() % used.size()]] ^= static_cast<char>(1 << random() % 8);
      write_bytes(folder_ / name, damaged);
      reported_.clear();
      ASSERT_NO_FATAL_FAILURE(expect_same(*load(), *wanted)) << name;
      if (found_documents_) {
        ASSERT_NO_FATAL_FAILURE(expect_same_documents());
      }
      noticed += reported_.size();
    }
    write_bytes(folder_ / name, whole);
  }
  EXPECT_GE(noticed, 1500u);
  std::printf("%zu noticed\n", noticed);
}

}  // namespace
}  // namespace ragtime::engine
