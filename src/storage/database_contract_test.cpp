// The contract of storage/database.h, run against every implementation.

#include <atomic>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "storage/database.h"
#include "storage/temporary_directory_for_test.h"

namespace ragtime::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Implementation {
  const char* name;
  // Opens the database that lives in the directory, as it was left.
  std::function<Result<std::unique_ptr<Database>>(const std::filesystem::path&)> open;
};

FileRecord file_record(const std::string& id, const std::string& tenant = "acme") {
  FileRecord file;
  file.id = id;
  file.tenant = tenant;
  file.filename = id + ".txt";
  file.purpose = "assistants";
  file.sha256 = sha256_hex(id);
  file.bytes = 7;
  file.created_at = 1000;
  return file;
}

VectorStoreRecord store_record(const std::string& id, const std::string& tenant = "acme") {
  VectorStoreRecord store;
  store.id = id;
  store.tenant = tenant;
  store.name = "name of " + id;
  store.created_at = 2000;
  store.last_active_at = 2001;
  return store;
}

DocumentRecord document_record(const std::string& store, const std::string& file, const std::string& path = {}) {
  DocumentRecord document;
  document.store_id = store;
  document.file_id = file;
  document.path = path;
  document.created_at = 3000;
  return document;
}

ChunkRecord chunk_record(int ordinal, const std::string& text, std::vector<float> embedding = {}) {
  ChunkRecord record;
  record.chunk.ordinal = ordinal;
  record.chunk.text = text;
  record.chunk.end = text.size();
  record.embedding = std::move(embedding);
  return record;
}

Database::CommitDocument commit_of(const DocumentRecord& document, const std::vector<std::string>& texts) {
  Database::CommitDocument commit;
  commit.document = document;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    commit.text += texts[i];
    commit.chunks.push_back(chunk_record(static_cast<int>(i), texts[i]));
  }
  return commit;
}

template <class T>
std::vector<std::string> ids_of(const Page<T>& page) {
  std::vector<std::string> ids;
  for (const auto& item : page.items) ids.push_back(item.id);
  return ids;
}

PageRequest page_of(int limit, bool ascending, std::string after = {}, std::string before = {}) {
  PageRequest page;
  page.limit = limit;
  page.ascending = ascending;
  page.after = std::move(after);
  page.before = std::move(before);
  return page;
}

template <class T>
::testing::AssertionResult succeeds(const Result<T>& result) {
  if (result.has_value()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().message;
}

template <class T>
::testing::AssertionResult fails(ErrorCode code, const Result<T>& result) {
  if (result.has_value()) return ::testing::AssertionFailure() << "it succeeded";
  if (result.error().code == code) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << name(result.error().code) << ": " << result.error().message;
}

#define EXPECT_OK(...) EXPECT_TRUE(succeeds(__VA_ARGS__))
#define EXPECT_ERROR(code, ...) EXPECT_TRUE(fails(code, __VA_ARGS__))

class DatabaseContract : public ::testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    database_.reset();
    auto opened = GetParam().open(directory_.path());
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    database_ = std::move(*opened);
  }

  Database& database() { return *database_; }

  // A store "vs_1" with the completed documents "file-1" … "file-N" of two chunks each.
  void fill(int documents) {
    EXPECT_OK(database().insert_store(store_record("vs_1")));
    for (int i = 1; i <= documents; ++i) add_document("vs_1", "file-" + std::to_string(i));
  }

  void add_document(const std::string& store, const std::string& file) {
    auto commit = commit_of(document_record(store, file, "/docs/" + file), {"first of " + file, "second of " + file});
    commit.file = file_record(file);
    EXPECT_OK(database().commit_document(commit));
  }

  std::vector<std::string> texts_in(const std::string& store) {
    std::vector<std::string> texts;
    EXPECT_OK(database().scan_chunks(store, ChunkRange(),
                                     [&](const ChunkRecord& chunk, const DocumentRecord&) -> Result<void> {
                                       texts.push_back(chunk.chunk.text);
                                       return {};
                                     }));
    return texts;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Database> database_;
};

// Files. ----------------------------------------------------------------------------------------------------------

TEST_P(DatabaseContract, FileComesBackAsInserted) {
  auto file = file_record("file-1");
  file.filename = "报告 'final'; DROP TABLE files.txt";
  file.expires_at = 99;
  EXPECT_OK(database().insert_file(file));
  reopen();
  const auto read = database().get_file("acme", "file-1").value();
  EXPECT_EQ(read.filename, file.filename);
  EXPECT_EQ(read.tenant, "acme");
  EXPECT_EQ(read.purpose, "assistants");
  EXPECT_EQ(read.sha256, file.sha256);
  EXPECT_EQ(read.bytes, 7);
  EXPECT_EQ(read.created_at, 1000);
  EXPECT_EQ(read.expires_at, 99);
}

TEST_P(DatabaseContract, SameFileIdTwiceIsConflict) {
  EXPECT_OK(database().insert_file(file_record("file-1")));
  EXPECT_ERROR(ErrorCode::conflict, database().insert_file(file_record("file-1", "other")));
  EXPECT_OK(database().get_file("acme", "file-1"));
}

TEST_P(DatabaseContract, FileOfAnotherTenantLooksUnknown) {
  EXPECT_OK(database().insert_file(file_record("file-1")));
  const auto foreign = database().get_file("other", "file-1");
  const auto unknown = database().get_file("acme", "file-2");
  ASSERT_TRUE(foreign.has_error());
  ASSERT_TRUE(unknown.has_error());
  EXPECT_EQ(foreign.error().code, ErrorCode::not_found);
  EXPECT_EQ(foreign.error().message, "no file 'file-1'");
  EXPECT_EQ(unknown.error().message, "no file 'file-2'");
  EXPECT_ERROR(ErrorCode::not_found, database().delete_file("other", "file-1"));
  EXPECT_OK(database().get_file("acme", "file-1"));
  EXPECT_THAT(database().list_files("other", "", PageRequest()).value().items, IsEmpty());
}

TEST_P(DatabaseContract, PagesFollowCreationThenInsertion) {
  for (const auto* id : {"a", "b", "c", "d", "e"}) {
    auto file = file_record(id);
    file.created_at = std::string(id) == "a" ? 5000 : 4000;  // The first inserted is the newest.
    EXPECT_OK(database().insert_file(file));
  }
  const auto list = [&](const PageRequest& page) { return database().list_files("acme", "", page).value(); };
  EXPECT_THAT(ids_of(list(page_of(10, false))), ElementsAre("a", "e", "d", "c", "b"));
  EXPECT_THAT(ids_of(list(page_of(10, true))), ElementsAre("b", "c", "d", "e", "a"));
  EXPECT_FALSE(list(page_of(5, true)).has_more);

  EXPECT_THAT(ids_of(list(page_of(2, false))), ElementsAre("a", "e"));
  EXPECT_TRUE(list(page_of(2, false)).has_more);
  EXPECT_THAT(ids_of(list(page_of(2, false, "e"))), ElementsAre("d", "c"));
  EXPECT_THAT(ids_of(list(page_of(2, false, "c"))), ElementsAre("b"));
  EXPECT_FALSE(list(page_of(2, false, "c")).has_more);
  EXPECT_THAT(ids_of(list(page_of(2, true, "d"))), ElementsAre("e", "a"));

  EXPECT_THAT(ids_of(list(page_of(2, false, "", "b"))), ElementsAre("d", "c"));
  EXPECT_TRUE(list(page_of(2, false, "", "b")).has_more);
  EXPECT_THAT(ids_of(list(page_of(9, true, "", "d"))), ElementsAre("b", "c"));
  EXPECT_THAT(ids_of(list(page_of(9, true, "b", "e"))), ElementsAre("c", "d"));
}

TEST_P(DatabaseContract, UnknownCursorNamesItsParameter) {
  EXPECT_OK(database().insert_file(file_record("mine")));
  EXPECT_OK(database().insert_file(file_record("theirs", "other")));
  for (const auto* cursor : {"nowhere", "theirs"}) {
    const auto after = database().list_files("acme", "", page_of(5, true, cursor));
    ASSERT_TRUE(after.has_error());
    EXPECT_EQ(after.error().code, ErrorCode::not_found);
    EXPECT_EQ(after.error().param, "after");
    EXPECT_EQ(database().list_files("acme", "", page_of(5, true, "", cursor)).error().param, "before");
  }
}

TEST_P(DatabaseContract, FilesAreListedByPurpose) {
  auto other = file_record("file-2");
  other.purpose = "batch";
  EXPECT_OK(database().insert_file(file_record("file-1")));
  EXPECT_OK(database().insert_file(other));
  EXPECT_THAT(ids_of(database().list_files("acme", "batch", PageRequest()).value()), ElementsAre("file-2"));
  // A cursor outside the filter still says where to go on.
  EXPECT_THAT(ids_of(database().list_files("acme", "batch", page_of(5, true, "file-1")).value()),
              ElementsAre("file-2"));
}

TEST_P(DatabaseContract, DeletingAFileRemovesItEverywhere) {
  fill(2);
  EXPECT_OK(database().insert_store(store_record("vs_2")));
  EXPECT_OK(database().insert_document(document_record("vs_2", "file-1")));
  EXPECT_OK(database().commit_document(commit_of(document_record("vs_2", "file-1"), {"copy"})));
  EXPECT_THAT(database().delete_file("acme", "file-1").value(), ElementsAre("vs_1", "vs_2"));
  EXPECT_THAT(texts_in("vs_1"), ElementsAre("first of file-2", "second of file-2"));
  EXPECT_THAT(texts_in("vs_2"), IsEmpty());
  EXPECT_ERROR(ErrorCode::not_found, database().get_document("vs_1", "file-1"));
  EXPECT_ERROR(ErrorCode::not_found, database().get_document_text("vs_2", "file-1"));
  EXPECT_ERROR(ErrorCode::not_found, database().delete_file("acme", "file-1"));
}

TEST_P(DatabaseContract, BlobIsInUseUntilItsLastFileGoes) {
  auto twin = file_record("file-2");
  twin.sha256 = file_record("file-1").sha256;
  EXPECT_OK(database().insert_file(file_record("file-1")));
  EXPECT_OK(database().insert_file(twin));
  EXPECT_OK(database().delete_file("acme", "file-1"));
  EXPECT_TRUE(database().blob_in_use(twin.sha256).value());
  EXPECT_OK(database().delete_file("acme", "file-2"));
  EXPECT_FALSE(database().blob_in_use(twin.sha256).value());
}

// Stores. ---------------------------------------------------------------------------------------------------------

TEST_P(DatabaseContract, StoreComesBackAsInserted) {
  auto store = store_record("vs_1");
  store.description = "what it is";
  store.metadata = {{"team", "search"}, {"语言", "中文"}};
  store.expires_after_days = 7;
  EXPECT_OK(database().insert_store(store));
  const auto read = database().get_store("acme", "vs_1").value();
  EXPECT_EQ(read.name, "name of vs_1");
  EXPECT_EQ(read.description, "what it is");
  EXPECT_EQ(read.metadata, store.metadata);
  EXPECT_EQ(read.expires_after_days, 7);
  EXPECT_EQ(read.created_at, 2000);
  EXPECT_EQ(read.last_active_at, 2001);
  EXPECT_EQ(read.embedding_model, "");
  EXPECT_EQ(read.file_counts.total(), 0);
  EXPECT_EQ(read.usage_bytes, 0);
}

TEST_P(DatabaseContract, StoreOfAnotherTenantLooksUnknown) {
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  auto stolen = store_record("vs_1", "other");
  EXPECT_ERROR(ErrorCode::not_found, database().get_store("other", "vs_1"));
  EXPECT_ERROR(ErrorCode::not_found, database().update_store(stolen));
  EXPECT_ERROR(ErrorCode::not_found, database().delete_store("other", "vs_1"));
  EXPECT_ERROR(ErrorCode::not_found, database().find_store_by_name("other", "name of vs_1"));
  EXPECT_THAT(database().list_stores("other", PageRequest()).value().items, IsEmpty());
  EXPECT_THAT(ids_of(database().list_stores("acme", PageRequest()).value()), ElementsAre("vs_1"));
}

TEST_P(DatabaseContract, OldestStoreOfANameIsFound) {
  for (const auto* id : {"vs_1", "vs_2", "vs_3"}) {
    auto store = store_record(id);
    store.name = "default";
    store.created_at = std::string(id) == "vs_3" ? 1000 : 2000;
    EXPECT_OK(database().insert_store(store));
  }
  EXPECT_EQ(database().find_store_by_name("acme", "default").value().id, "vs_3");
  EXPECT_OK(database().delete_store("acme", "vs_3"));
  EXPECT_EQ(database().find_store_by_name("acme", "default").value().id, "vs_1");
}

TEST_P(DatabaseContract, UpdateWritesOnlyWhatClientsMayChange) {
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  auto changed = store_record("vs_1");
  changed.name = "new";
  changed.metadata = {{"a", "b"}};
  changed.last_active_at = 5000;
  changed.created_at = 1;
  changed.embedding_model = "sneaked in";
  changed.ranking = {.k1 = 1.2, .b = 0.75, .heading_weight = std::nullopt};
  EXPECT_OK(database().update_store(changed));
  const auto read = database().get_store("acme", "vs_1").value();
  EXPECT_EQ(read.name, "new");
  EXPECT_EQ(read.metadata, changed.metadata);
  EXPECT_EQ(read.last_active_at, 5000);
  EXPECT_EQ(read.created_at, 2000);
  EXPECT_EQ(read.embedding_model, "");
  EXPECT_EQ(read.ranking, changed.ranking);
}

TEST_P(DatabaseContract, AStoreKeepsItsRanking) {
  auto store = store_record("vs_1");
  store.ranking = {.k1 = std::nullopt, .b = 0.0, .heading_weight = 3.5};
  EXPECT_OK(database().insert_store(store));
  EXPECT_OK(database().insert_store(store_record("vs_2")));
  EXPECT_EQ(database().get_store("acme", "vs_1").value().ranking, store.ranking);
  EXPECT_EQ(database().get_store("acme", "vs_2").value().ranking, storage::RankingSettings());
}

TEST_P(DatabaseContract, EmbeddingModelIsFixedOnceVectorsExist) {
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  EXPECT_ERROR(ErrorCode::not_found, database().set_store_embedding("vs_9", "small", 2));
  EXPECT_OK(database().set_store_embedding("vs_1", "small", 2));
  EXPECT_OK(database().set_store_embedding("vs_1", "large", 3));  // No vectors yet.
  auto commit = commit_of(document_record("vs_1", "file-1"), {"text"});
  commit.file = file_record("file-1");
  commit.chunks[0].embedding = {1, 2, 3};
  EXPECT_OK(database().commit_document(commit));
  EXPECT_OK(database().set_store_embedding("vs_1", "large", 3));
  const auto refused = database().set_store_embedding("vs_1", "small", 2);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
  EXPECT_NE(refused.error().message.find("large"), std::string::npos);
  EXPECT_NE(refused.error().message.find("small"), std::string::npos);
  EXPECT_ERROR(ErrorCode::conflict, database().set_store_embedding("vs_1", "large", 4));
  EXPECT_EQ(database().get_store("acme", "vs_1").value().embedding_dimensions, 3);
  EXPECT_OK(database().delete_document("vs_1", "file-1"));
  EXPECT_OK(database().set_store_embedding("vs_1", "small", 2));
}

TEST_P(DatabaseContract, DeletingAStoreKeepsTheFiles) {
  fill(2);
  BatchRecord batch;
  batch.id = "vsfb_1";
  batch.store_id = "vs_1";
  EXPECT_OK(database().insert_batch(batch, {}));
  EXPECT_OK(database().delete_store("acme", "vs_1"));
  EXPECT_ERROR(ErrorCode::not_found, database().get_store("acme", "vs_1"));
  EXPECT_ERROR(ErrorCode::not_found, database().get_document("vs_1", "file-1"));
  EXPECT_ERROR(ErrorCode::not_found, database().get_batch("vs_1", "vsfb_1"));
  EXPECT_THAT(texts_in("vs_1"), IsEmpty());
  EXPECT_OK(database().get_file("acme", "file-1"));
}

TEST_P(DatabaseContract, AllStoresAreOfEveryTenant) {
  EXPECT_OK(database().insert_store(store_record("vs_1", "acme")));
  EXPECT_OK(database().insert_store(store_record("vs_2", "other")));
  const auto stores = database().all_stores().value();
  ASSERT_EQ(stores.size(), 2u);
  EXPECT_EQ(stores[0].tenant, "acme");
  EXPECT_EQ(stores[1].tenant, "other");
}

// Documents. ------------------------------------------------------------------------------------------------------

TEST_P(DatabaseContract, DocumentComesBackWithItsFile) {
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  EXPECT_OK(database().insert_file(file_record("file-1")));
  auto document = document_record("vs_1", "file-1", "/docs/a.txt");
  document.attributes = {
      {"author", std::string("李")}, {"year", 2024.0}, {"share", 0.1 + 0.2}, {"tiny", 5e-324}, {"draft", true},
      {"negative", -1.0e300},        {"zero", -0.0}};
  document.batch_id = "vsfb_1";
  document.chunk_size = 300;
  document.chunk_overlap = 30;
  EXPECT_OK(database().insert_document(document));
  const auto read = database().get_document("vs_1", "file-1").value();
  EXPECT_EQ(read.attributes, document.attributes);
  EXPECT_EQ(read.status, DocumentStatus::in_progress);
  EXPECT_EQ(read.path, "/docs/a.txt");
  EXPECT_EQ(read.batch_id, "vsfb_1");
  EXPECT_EQ(read.chunk_size, 300);
  EXPECT_EQ(read.chunk_overlap, 30);
  EXPECT_EQ(read.created_at, 3000);
  EXPECT_EQ(read.filename, "file-1.txt");
  EXPECT_EQ(read.sha256, file_record("file-1").sha256);
}

TEST_P(DatabaseContract, FileIsOnceInAStore) {
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  EXPECT_OK(database().insert_file(file_record("file-1")));
  EXPECT_OK(database().insert_file(file_record("file-2")));
  EXPECT_OK(database().insert_document(document_record("vs_1", "file-1", "/a")));
  EXPECT_ERROR(ErrorCode::conflict, database().insert_document(document_record("vs_1", "file-1")));
  EXPECT_ERROR(ErrorCode::conflict, database().insert_document(document_record("vs_1", "file-2", "/a")));
  EXPECT_ERROR(ErrorCode::not_found, database().insert_document(document_record("vs_9", "file-2")));
  EXPECT_ERROR(ErrorCode::not_found, database().insert_document(document_record("vs_1", "file-9")));
}

TEST_P(DatabaseContract, DocumentsAreFoundByPath) {
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  for (const auto* path : {"/docs/b", "/docs/a/1", "/docsx", "/docs", "", "/文档/一", "/文档/二"}) {
    const std::string id = std::string("file:") + path;
    EXPECT_OK(database().insert_file(file_record(id)));
    EXPECT_OK(database().insert_document(document_record("vs_1", id, path)));
  }
  const auto paths = [&](std::string_view prefix) {
    std::vector<std::string> found;
    for (const auto& document : database().list_documents_by_path("vs_1", prefix).value()) {
      found.push_back(document.path);
    }
    return found;
  };
  EXPECT_THAT(paths("/docs/"), ElementsAre("/docs/a/1", "/docs/b"));
  EXPECT_THAT(paths("/文档/"), ElementsAre("/文档/一", "/文档/二"));
  EXPECT_EQ(paths("").size(), 6u);
  EXPECT_THAT(paths("/nothing"), IsEmpty());
  EXPECT_EQ(database().find_document_by_path("vs_1", "/docs/b").value().file_id, "file:/docs/b");
  EXPECT_ERROR(ErrorCode::not_found, database().find_document_by_path("vs_1", "/docs/"));
  EXPECT_ERROR(ErrorCode::not_found, database().find_document_by_path("vs_1", ""));
}

TEST_P(DatabaseContract, DocumentsAreListedByStatusAndBatch) {
  fill(2);
  EXPECT_OK(database().insert_file(file_record("file-3")));
  auto document = document_record("vs_1", "file-3");
  document.batch_id = "vsfb_1";
  EXPECT_OK(database().insert_document(document));
  const auto list = [&](std::string_view batch, std::optional<DocumentStatus> status, const PageRequest& page) {
    std::vector<std::string> ids;
    for (const auto& item : database().list_documents("vs_1", batch, status, page).value().items) {
      ids.push_back(item.file_id);
    }
    return ids;
  };
  EXPECT_THAT(list("", std::nullopt, page_of(9, true)), ElementsAre("file-1", "file-2", "file-3"));
  EXPECT_THAT(list("", DocumentStatus::completed, page_of(9, true)), ElementsAre("file-1", "file-2"));
  EXPECT_THAT(list("", DocumentStatus::completed, page_of(9, false, "file-3")), ElementsAre("file-2", "file-1"));
  EXPECT_THAT(list("vsfb_1", std::nullopt, page_of(9, true)), ElementsAre("file-3"));
  EXPECT_THAT(list("vsfb_1", DocumentStatus::failed, page_of(9, true)), IsEmpty());
  EXPECT_EQ(database().list_documents("vs_1", "", std::nullopt, page_of(9, true, "file-9")).error().param, "after");
}

TEST_P(DatabaseContract, CommitCompletesTheDocument) {
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  EXPECT_OK(database().insert_file(file_record("file-1")));
  EXPECT_OK(database().insert_document(document_record("vs_1", "file-1")));
  auto commit = commit_of(document_record("vs_1", "file-1"), {"你好", "world"});
  commit.document.title = "A title";
  commit.document.chunk_size = 400;
  commit.chunks[0].chunk.kind = text::ChunkKind::table;
  commit.chunks[0].chunk.begin = 5;
  commit.chunks[0].chunk.end = 7;
  commit.chunks[0].chunk.page_first = 2;
  commit.chunks[0].chunk.page_last = 3;
  commit.chunks[0].chunk.heading_path = "一 › 二";
  commit.chunks[0].chunk.tokens = 9;
  commit.chunks[0].embedding = {0.25f, -1.0f, 3.4e38f};
  const auto ids = database().commit_document(commit).value();
  ASSERT_EQ(ids.size(), 2u);

  const auto document = database().get_document("vs_1", "file-1").value();
  EXPECT_EQ(document.status, DocumentStatus::completed);
  EXPECT_EQ(document.chunk_count, 2);
  EXPECT_EQ(document.usage_bytes, 6 + 5 + 12);
  EXPECT_EQ(document.title, "A title");
  EXPECT_TRUE(document.embedded);
  EXPECT_EQ(document.chunk_size, 400);
  EXPECT_EQ(database().get_document_text("vs_1", "file-1").value(), "你好world");

  std::vector<ChunkRecord> scanned;
  EXPECT_OK(database().scan_chunks("vs_1", ChunkRange(),
                                   [&](const ChunkRecord& chunk, const DocumentRecord& of) -> Result<void> {
                                     EXPECT_EQ(of.filename, "file-1.txt");
                                     scanned.push_back(chunk);
                                     return {};
                                   }));
  ASSERT_EQ(scanned.size(), 2u);
  EXPECT_EQ(scanned[0].id, ids[0]);
  EXPECT_EQ(scanned[0].store_id, "vs_1");
  EXPECT_EQ(scanned[0].file_id, "file-1");
  EXPECT_EQ(scanned[0].chunk.kind, text::ChunkKind::table);
  EXPECT_EQ(scanned[0].chunk.text, "你好");
  EXPECT_EQ(scanned[0].chunk.begin, 5u);
  EXPECT_EQ(scanned[0].chunk.end, 7u);
  EXPECT_EQ(scanned[0].chunk.page_first, 2);
  EXPECT_EQ(scanned[0].chunk.page_last, 3);
  EXPECT_EQ(scanned[0].chunk.heading_path, "一 › 二");
  EXPECT_EQ(scanned[0].chunk.tokens, 9);
  EXPECT_EQ(scanned[0].embedding, commit.chunks[0].embedding);
  EXPECT_EQ(scanned[1].chunk.ordinal, 1);
  EXPECT_THAT(scanned[1].embedding, IsEmpty());

  const auto store = database().get_store("acme", "vs_1").value();
  EXPECT_EQ(store.usage_bytes, 23);
  EXPECT_EQ(store.file_counts.completed, 1);
}

TEST_P(DatabaseContract, CommitAgainReplacesAllChunks) {
  fill(1);
  auto commit = commit_of(document_record("vs_1", "file-1", "/docs/file-1"), {"new"});
  commit.document.attributes = {{"version", 2.0}};
  const auto before = database().get_chunks({1, 2}).value();
  const auto ids = database().commit_document(commit).value();
  EXPECT_THAT(texts_in("vs_1"), ElementsAre("new"));
  EXPECT_EQ(database().get_document("vs_1", "file-1").value().chunk_count, 1);
  EXPECT_EQ(database().get_document("vs_1", "file-1").value().attributes, commit.document.attributes);
  EXPECT_EQ(database().get_document_text("vs_1", "file-1").value(), "new");
  for (const auto& old : before) EXPECT_LT(old.id, ids[0]);  // Ids are never reused.
}

TEST_P(DatabaseContract, AttributesSetDuringIndexingStay) {
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  EXPECT_OK(database().insert_file(file_record("file-1")));
  const auto document = document_record("vs_1", "file-1");
  EXPECT_OK(database().insert_document(document));
  const Attributes newer = {{"lang", std::string("zh")}};
  EXPECT_OK(database().set_document_attributes("vs_1", "file-1", newer));
  EXPECT_OK(database().commit_document(commit_of(document, {"text"})));
  EXPECT_EQ(database().get_document("vs_1", "file-1").value().attributes, newer);
  EXPECT_ERROR(ErrorCode::not_found, database().set_document_attributes("vs_1", "file-9", newer));
}

TEST_P(DatabaseContract, CommitOfADeletedDocumentIsNotFound) {
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  EXPECT_OK(database().insert_file(file_record("file-1")));
  EXPECT_ERROR(ErrorCode::not_found, database().commit_document(commit_of(document_record("vs_1", "file-1"), {"x"})));
  auto with_file = commit_of(document_record("vs_9", "file-2"), {"x"});
  with_file.file = file_record("file-2");
  EXPECT_ERROR(ErrorCode::not_found, database().commit_document(with_file));
  EXPECT_ERROR(ErrorCode::not_found, database().get_file("acme", "file-2"));  // Nothing of it remains.
}

TEST_P(DatabaseContract, CommitReplacesAFormerVersion) {
  fill(2);
  auto commit = commit_of(document_record("vs_1", "file-3", "/docs/file-1"), {"third"});
  commit.file = file_record("file-3");
  commit.replaces_file_id = "file-1";
  EXPECT_OK(database().commit_document(commit));
  EXPECT_THAT(texts_in("vs_1"), ElementsAre("first of file-2", "second of file-2", "third"));
  EXPECT_ERROR(ErrorCode::not_found, database().get_file("acme", "file-1"));
  EXPECT_EQ(database().find_document_by_path("vs_1", "/docs/file-1").value().file_id, "file-3");
}

TEST_P(DatabaseContract, ReplacedFileStaysWhereAnotherStoreHasIt) {
  fill(1);
  EXPECT_OK(database().insert_store(store_record("vs_2")));
  EXPECT_OK(database().insert_document(document_record("vs_2", "file-1")));
  auto commit = commit_of(document_record("vs_1", "file-3"), {"third"});
  commit.file = file_record("file-3");
  commit.replaces_file_id = "file-1";
  EXPECT_OK(database().commit_document(commit));
  EXPECT_OK(database().get_file("acme", "file-1"));
  EXPECT_OK(database().get_document("vs_2", "file-1"));
  EXPECT_ERROR(ErrorCode::not_found, database().get_document("vs_1", "file-1"));
}

TEST_P(DatabaseContract, FailedCommitKeepsTheFormerVersion) {
  fill(2);
  auto commit = commit_of(document_record("vs_1", "file-3", "/docs/file-2"), {"third"});  // Somebody else's path.
  commit.file = file_record("file-3");
  commit.replaces_file_id = "file-1";
  EXPECT_ERROR(ErrorCode::conflict, database().commit_document(commit));
  EXPECT_OK(database().get_file("acme", "file-1"));
  EXPECT_ERROR(ErrorCode::not_found, database().get_file("acme", "file-3"));
  EXPECT_EQ(texts_in("vs_1").size(), 4u);
}

TEST_P(DatabaseContract, CountsFollowEveryChangeOfADocument) {
  fill(3);
  const auto store = [&] { return database().get_store("acme", "vs_1").value(); };
  EXPECT_EQ(store().file_counts.completed, 3);
  const auto full = store().usage_bytes;
  EXPECT_GT(full, 0);
  EXPECT_OK(database().fail_document("vs_1", "file-2", DocumentStatus::failed, "x", "y"));
  EXPECT_OK(database().fail_document("vs_1", "file-3", DocumentStatus::cancelled, "x", "y"));
  EXPECT_EQ(store().file_counts.completed, 1);
  EXPECT_EQ(store().file_counts.failed, 1);
  EXPECT_EQ(store().file_counts.cancelled, 1);
  EXPECT_EQ(store().usage_bytes, database().get_document("vs_1", "file-1").value().usage_bytes);
  EXPECT_LT(store().usage_bytes, full);
  EXPECT_OK(database().commit_document(commit_of(document_record("vs_1", "file-1", "/docs/file-1"), {"twelve bytes"})));
  EXPECT_EQ(store().usage_bytes, database().get_document("vs_1", "file-1").value().usage_bytes);
  EXPECT_OK(database().delete_document("vs_1", "file-2"));
  EXPECT_OK(database().delete_document("vs_1", "file-1"));
  EXPECT_EQ(store().file_counts.completed, 0);
  EXPECT_EQ(store().file_counts.failed, 0);
  EXPECT_EQ(store().file_counts.total(), 1);
  EXPECT_EQ(store().usage_bytes, 0);
}

TEST_P(DatabaseContract, FailedDocumentHasNoChunks) {
  fill(1);
  EXPECT_OK(database().fail_document("vs_1", "file-1", DocumentStatus::failed, "unsupported_file", "is encrypted"));
  const auto document = database().get_document("vs_1", "file-1").value();
  EXPECT_EQ(document.status, DocumentStatus::failed);
  EXPECT_EQ(document.error_code, "unsupported_file");
  EXPECT_EQ(document.error_message, "is encrypted");
  EXPECT_EQ(document.chunk_count, 0);
  EXPECT_EQ(document.usage_bytes, 0);
  EXPECT_THAT(texts_in("vs_1"), IsEmpty());
  EXPECT_ERROR(ErrorCode::not_found, database().get_document_text("vs_1", "file-1"));
  EXPECT_ERROR(ErrorCode::not_found, database().fail_document("vs_1", "file-9", DocumentStatus::failed, "", ""));
  EXPECT_EQ(database().get_store("acme", "vs_1").value().file_counts.failed, 1);

  // Indexing it again with success clears the error.
  EXPECT_OK(database().commit_document(commit_of(document_record("vs_1", "file-1"), {"fine"})));
  EXPECT_EQ(database().get_document("vs_1", "file-1").value().error_code, "");
}

TEST_P(DatabaseContract, DeletedDocumentLeavesTheFile) {
  fill(2);
  EXPECT_OK(database().delete_document("vs_1", "file-1"));
  EXPECT_THAT(texts_in("vs_1"), ElementsAre("first of file-2", "second of file-2"));
  EXPECT_OK(database().get_file("acme", "file-1"));
  EXPECT_ERROR(ErrorCode::not_found, database().delete_document("vs_1", "file-1"));
}

TEST_P(DatabaseContract, UnfinishedDocumentsComeOldestFirst) {
  fill(1);
  for (const auto* id : {"file-8", "file-9"}) {
    EXPECT_OK(database().insert_file(file_record(id)));
    auto document = document_record("vs_1", id);
    document.created_at = std::string(id) == "file-9" ? 1 : 2;
    EXPECT_OK(database().insert_document(document));
  }
  reopen();
  const auto unfinished = database().unfinished_documents().value();
  ASSERT_EQ(unfinished.size(), 2u);
  EXPECT_EQ(unfinished[0].file_id, "file-9");
  EXPECT_EQ(unfinished[1].file_id, "file-8");
}

// Chunks. ---------------------------------------------------------------------------------------------------------

TEST_P(DatabaseContract, ScanStopsOnAnError) {
  fill(3);
  int visits = 0;
  const auto scanned =
      database().scan_chunks("vs_1", ChunkRange(), [&](const ChunkRecord&, const DocumentRecord&) -> Result<void> {
        if (++visits == 2) return make_error(ErrorCode::cancelled, "enough");
        return {};
      });
  EXPECT_ERROR(ErrorCode::cancelled, scanned);
  EXPECT_EQ(visits, 2);
}

TEST_P(DatabaseContract, ScanSeesOneStateAndMayCallTheDatabase) {
  fill(3);
  std::vector<std::string> files;
  EXPECT_OK(database().scan_chunks("vs_1", ChunkRange(),
                                   [&](const ChunkRecord&, const DocumentRecord& document) -> Result<void> {
                                     if (files.empty()) {
                                       EXPECT_OK(database().delete_document("vs_1", "file-3"));
                                     }
                                     files.push_back(document.file_id);
                                     return {};
                                   }));
  EXPECT_THAT(files, ElementsAre("file-1", "file-1", "file-2", "file-2", "file-3", "file-3"));
  EXPECT_EQ(texts_in("vs_1").size(), 4u);
}

TEST_P(DatabaseContract, ScanKeepsToTheRangeAndTheStore) {
  fill(3);
  EXPECT_OK(database().insert_store(store_record("vs_2")));
  add_document("vs_2", "file-4");
  add_document("vs_1", "file-5");
  const auto documents = database().list_document_chunks("vs_1").value();
  std::vector<std::int64_t> ids;
  const auto collect = [&](const ChunkRecord& chunk, const DocumentRecord&) -> Result<void> {
    ids.push_back(chunk.id);
    return {};
  };
  ChunkRange range;
  range.first = documents[1].chunks.last;
  range.last = documents[3].chunks.first;
  EXPECT_OK(database().scan_chunks("vs_1", range, collect));
  EXPECT_THAT(ids, ElementsAre(documents[1].chunks.last, documents[2].chunks.first, documents[2].chunks.last,
                               documents[3].chunks.first));
}

TEST_P(DatabaseContract, DocumentChunksAreThoseThatAreThere) {
  fill(3);
  auto embedded = commit_of(document_record("vs_1", "file-2"), {"one", "two", "three"});
  embedded.document.attributes = {{"lang", std::string("en")}};
  embedded.chunks[1].embedding = {1, 0};
  const auto ids = database().commit_document(embedded).value();
  EXPECT_EQ(ids[2], ids[0] + 2);
  EXPECT_OK(database().insert_file(file_record("file-8")));
  EXPECT_OK(database().insert_document(document_record("vs_1", "file-8")));  // Still in progress.
  EXPECT_OK(database().fail_document("vs_1", "file-1", DocumentStatus::failed, "server_error", "broken"));
  EXPECT_OK(database().insert_file(file_record("file-9")));
  EXPECT_OK(database().insert_document(document_record("vs_1", "file-9")));
  EXPECT_OK(database().commit_document(commit_of(document_record("vs_1", "file-9"), {})));  // Without any text.

  const auto documents = database().list_document_chunks("vs_1").value();
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0].file_id, "file-3");
  EXPECT_EQ(documents[0].chunks.last, documents[0].chunks.first + 1);
  EXPECT_FALSE(documents[0].embedded);
  EXPECT_EQ(documents[1].file_id, "file-2");
  EXPECT_EQ(documents[1].filename, "file-2.txt");
  EXPECT_EQ(documents[1].attributes, embedded.document.attributes);
  EXPECT_EQ(documents[1].chunks.first, ids.front());
  EXPECT_EQ(documents[1].chunks.last, ids.back());
  EXPECT_TRUE(documents[1].embedded);
  EXPECT_TRUE(database().list_document_chunks("vs_none").value().empty());
}

// What a copy of the list of documents needs to become the list of now.
TEST_P(DatabaseContract, ChangesOfDocumentsAreAllThereAndOnlyThose) {
  fill(6);
  const std::int64_t since = database().newest_document_change().value();
  EXPECT_OK(database().delete_document("vs_1", "file-1"));
  EXPECT_OK(database().delete_file("acme", "file-2"));
  EXPECT_OK(database().set_document_attributes("vs_1", "file-3", {{"lang", std::string("en")}}));
  EXPECT_OK(database().commit_document(commit_of(document_record("vs_1", "file-4"), {"anew"})));
  EXPECT_OK(database().fail_document("vs_1", "file-5", DocumentStatus::failed, "server_error", "broken"));
  add_document("vs_1", "file-7");
  EXPECT_OK(database().insert_file(file_record("file-8")));
  EXPECT_OK(database().insert_document(document_record("vs_1", "file-8")));  // In progress: shows nowhere.
  EXPECT_OK(database().delete_document("vs_1", "file-8"));

  const auto changes = database().document_changes("vs_1", since).value().value();
  EXPECT_EQ(changes.newest, database().newest_document_change().value());
  EXPECT_THAT(changes.absent, ::testing::UnorderedElementsAre("file-1", "file-2", "file-5"));
  const auto all = database().list_document_chunks("vs_1").value();
  ASSERT_EQ(changes.present.size(), 3u);
  EXPECT_EQ(changes.present[0].file_id, "file-3");
  EXPECT_EQ(changes.present[0].attributes, (Attributes{{"lang", std::string("en")}}));
  EXPECT_EQ(changes.present[1].file_id, "file-4");
  EXPECT_EQ(changes.present[1].filename, "file-4.txt");
  EXPECT_EQ(changes.present[1].chunks.first, all[2].chunks.first);
  EXPECT_EQ(changes.present[1].chunks.last, all[2].chunks.last);
  EXPECT_EQ(changes.present[2].file_id, "file-7");
  EXPECT_TRUE(database().document_changes("vs_1", changes.newest).value()->present.empty());
}

TEST_P(DatabaseContract, ChangesThatCannotBeToldAreNotGuessed) {
  fill(2);
  const std::int64_t newest = database().newest_document_change().value();
  EXPECT_FALSE(database().document_changes("vs_1", newest + 1).value().has_value());  // Of another database.
  EXPECT_OK(database().forget_document_changes("vs_1", newest - 1));
  EXPECT_FALSE(database().document_changes("vs_1", newest - 2).value().has_value());
  EXPECT_EQ(database().document_changes("vs_1", newest - 1).value()->present.size(), 1u);
  EXPECT_OK(database().forget_document_changes("vs_1", newest));
  EXPECT_EQ(database().newest_document_change().value(), newest);
  EXPECT_EQ(database().document_changes("vs_none", newest).error().code, ErrorCode::not_found);
  EXPECT_OK(database().delete_store("acme", "vs_1"));  // Whose documents' end no one will ask for.
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  EXPECT_THAT(database().document_changes("vs_1", newest).value()->absent, IsEmpty());
}

TEST_P(DatabaseContract, ChunkIdsAreNeverGivenAgain) {
  EXPECT_EQ(database().newest_chunk_id().value(), 0);
  fill(2);
  EXPECT_EQ(database().newest_chunk_id().value(), 4);
  EXPECT_OK(database().delete_store("acme", "vs_1"));
  EXPECT_EQ(database().newest_chunk_id().value(), 4);
  EXPECT_OK(database().insert_store(store_record("vs_2")));
  EXPECT_OK(database().insert_document(document_record("vs_2", "file-1")));
  const auto ids = database().commit_document(commit_of(document_record("vs_2", "file-1"), {"a"})).value();
  EXPECT_THAT(ids, ElementsAre(5));
}

TEST_P(DatabaseContract, ChunksComeInTheOrderAskedFor) {
  fill(1);
  auto commit = commit_of(document_record("vs_1", "file-1"), {"a", "b", "c"});
  const auto ids = database().commit_document(commit).value();
  const auto chunks = database().get_chunks({ids[2], 987654, ids[0]}).value();
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].chunk.text, "c");
  EXPECT_EQ(chunks[1].chunk.text, "a");
  EXPECT_EQ(chunks[1].file_id, "file-1");
  EXPECT_THAT(database().get_chunks({}).value(), IsEmpty());
}

// Batches. --------------------------------------------------------------------------------------------------------

class BatchContract : public DatabaseContract {
 protected:
  void add_batch() {
    EXPECT_OK(database().insert_store(store_record("vs_1")));
    std::vector<DocumentRecord> documents;
    for (const auto* id : {"file-1", "file-2"}) {
      EXPECT_OK(database().insert_file(file_record(id)));
      documents.push_back(document_record("vs_1", id));
      documents.back().batch_id = "vsfb_1";
    }
    EXPECT_OK(database().insert_batch(batch_record(), documents));
  }

  static BatchRecord batch_record() {
    BatchRecord batch;
    batch.id = "vsfb_1";
    batch.store_id = "vs_1";
    batch.created_at = 4000;
    return batch;
  }
};

TEST_P(BatchContract, CountsItsDocuments) {
  add_batch();
  EXPECT_OK(database().commit_document(commit_of(document_record("vs_1", "file-1"), {"text"})));
  const auto batch = database().get_batch("vs_1", "vsfb_1").value();
  EXPECT_EQ(batch.created_at, 4000);
  EXPECT_FALSE(batch.cancelled);
  EXPECT_EQ(batch.file_counts.completed, 1);
  EXPECT_EQ(batch.file_counts.in_progress, 1);
  EXPECT_ERROR(ErrorCode::not_found, database().get_batch("vs_2", "vsfb_1"));
}

TEST_P(BatchContract, CancelStopsWhatIsUnfinished) {
  add_batch();
  EXPECT_OK(database().commit_document(commit_of(document_record("vs_1", "file-1"), {"text"})));
  EXPECT_ERROR(ErrorCode::not_found, database().cancel_batch("vs_2", "vsfb_1"));
  EXPECT_OK(database().cancel_batch("vs_1", "vsfb_1"));
  const auto batch = database().get_batch("vs_1", "vsfb_1").value();
  EXPECT_TRUE(batch.cancelled);
  EXPECT_EQ(batch.file_counts.completed, 1);
  EXPECT_EQ(batch.file_counts.cancelled, 1);
  // The worker that was about to finish it, or to give up, is too late.
  EXPECT_ERROR(ErrorCode::conflict, database().commit_document(commit_of(document_record("vs_1", "file-2"), {"late"})));
  EXPECT_OK(database().fail_document("vs_1", "file-2", DocumentStatus::failed, "server_error", "late"));
  EXPECT_EQ(database().get_document("vs_1", "file-2").value().status, DocumentStatus::cancelled);
  EXPECT_THAT(texts_in("vs_1"), ElementsAre("text"));
}

TEST_P(BatchContract, IsInsertedWholeOrNotAtAll) {
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  EXPECT_OK(database().insert_file(file_record("file-1")));
  const std::vector<DocumentRecord> documents = {document_record("vs_1", "file-1"), document_record("vs_1", "file-9")};
  EXPECT_ERROR(ErrorCode::not_found, database().insert_batch(batch_record(), documents));
  EXPECT_ERROR(ErrorCode::not_found, database().get_batch("vs_1", "vsfb_1"));
  EXPECT_ERROR(ErrorCode::not_found, database().get_document("vs_1", "file-1"));
}

// Keys and responses. ---------------------------------------------------------------------------------------------

TEST_P(DatabaseContract, KeysAreFoundUntilRevoked) {
  ApiKeyRecord key;
  key.id = "key_1";
  key.name = "ci";
  key.tenant = "acme";
  key.hash = "abc";
  key.prefix = "rt-12";
  key.scopes = {"read", "write"};
  key.created_at = 10;
  EXPECT_FALSE(database().any_key().value());
  EXPECT_OK(database().insert_key(key));
  EXPECT_TRUE(database().any_key().value());
  const auto found = database().find_key("abc").value();
  EXPECT_EQ(found.id, "key_1");
  EXPECT_EQ(found.name, "ci");
  EXPECT_EQ(found.tenant, "acme");
  EXPECT_EQ(found.prefix, "rt-12");
  EXPECT_THAT(found.scopes, ElementsAre("read", "write"));
  EXPECT_FALSE(found.revoked_at.has_value());

  EXPECT_ERROR(ErrorCode::not_found, database().revoke_key("key_9", 20));
  EXPECT_OK(database().revoke_key("key_1", 20));
  EXPECT_OK(database().revoke_key("key_1", 30));
  EXPECT_ERROR(ErrorCode::not_found, database().find_key("abc"));
  EXPECT_FALSE(database().any_key().value());
  ASSERT_EQ(database().list_keys().value().size(), 1u);
  EXPECT_EQ(database().list_keys().value()[0].revoked_at, 20);
}

TEST_P(DatabaseContract, ResponsesBelongToTheirTenant) {
  ResponseRecord response;
  response.id = "resp_1";
  response.tenant = "acme";
  response.created_at = 5;
  response.body = "{\"a\":1}";
  response.input_items = "[]";
  EXPECT_OK(database().insert_response(response));
  EXPECT_ERROR(ErrorCode::conflict, database().insert_response(response));
  EXPECT_EQ(database().get_response("acme", "resp_1").value().body, response.body);
  EXPECT_EQ(database().get_response("acme", "resp_1").value().input_items, "[]");
  EXPECT_ERROR(ErrorCode::not_found, database().get_response("other", "resp_1"));
  EXPECT_ERROR(ErrorCode::not_found, database().delete_response("other", "resp_1"));
  EXPECT_OK(database().delete_response("acme", "resp_1"));
  EXPECT_ERROR(ErrorCode::not_found, database().get_response("acme", "resp_1"));
  EXPECT_ERROR(ErrorCode::not_found, database().delete_response("acme", "resp_1"));
}

// Embedding cache. ------------------------------------------------------------------------------------------------

std::vector<std::string> known_keys(Database& database, const std::vector<std::string>& keys) {
  std::vector<std::string> known;
  const auto vectors = database.find_embeddings(keys).value();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!vectors[i].empty()) known.push_back(keys[i]);
  }
  return known;
}

EmbeddingUse use_of(std::vector<std::string> fresh, std::vector<std::string> found = {}) {
  EmbeddingUse use;
  for (auto& key : fresh) use.fresh.push_back({std::move(key), {1, 2, 3}});
  use.found = std::move(found);
  return use;
}

TEST_P(DatabaseContract, EmbeddingsAreFoundInTheOrderAsked) {
  EmbeddingUse use;
  use.fresh = {{"a", {1.5f, -2}}, {"b", {3}}};
  EXPECT_OK(database().remember_embeddings(use));
  reopen();
  const auto found = database().find_embeddings({"b", "unknown", "a"}).value();
  EXPECT_THAT(found, ElementsAre(ElementsAre(3), IsEmpty(), ElementsAre(1.5f, -2)));
  EXPECT_THAT(database().find_embeddings({}).value(), IsEmpty());
}

TEST_P(DatabaseContract, EmbeddingThatIsThereKeepsItsVector) {
  EXPECT_OK(database().remember_embeddings(use_of({"a", "a"})));
  EmbeddingUse other;
  other.fresh = {{"a", {9}}};
  EXPECT_OK(database().remember_embeddings(other));
  EXPECT_THAT(database().find_embeddings({"a"}).value(), ElementsAre(ElementsAre(1, 2, 3)));
}

TEST_P(DatabaseContract, LongestUnusedEmbeddingsGoFirst) {
  EXPECT_OK(database().remember_embeddings(use_of({"a", "b", "c"})));
  EXPECT_OK(database().remember_embeddings(use_of({}, {"a", "gone"})));
  EmbeddingUse third = use_of({"d", "e"});
  third.rows_max = 3;
  EXPECT_OK(database().remember_embeddings(third));
  EXPECT_THAT(known_keys(database(), {"a", "b", "c", "d", "e"}), ElementsAre("a", "d", "e"));
  EmbeddingUse fourth = use_of({"a", "f"});  // One that is there counts as used.
  fourth.bytes_max = 2 * 3 * sizeof(float);
  EXPECT_OK(database().remember_embeddings(fourth));
  EXPECT_THAT(known_keys(database(), {"a", "b", "c", "d", "e", "f"}), ElementsAre("a", "f"));
}

TEST_P(DatabaseContract, EmbeddingCacheOfNothingKeepsNothing) {
  EmbeddingUse use = use_of({"a"});
  use.rows_max = 0;
  EXPECT_OK(database().remember_embeddings(use));
  EXPECT_THAT(known_keys(database(), {"a"}), IsEmpty());
}

TEST_P(DatabaseContract, CommitRemembersEmbeddingsOrNothing) {
  fill(1);
  auto commit = commit_of(document_record("vs_1", "file-2"), {"text"});
  commit.embeddings = use_of({"a"});
  EXPECT_ERROR(ErrorCode::not_found, database().commit_document(commit));
  EXPECT_THAT(known_keys(database(), {"a"}), IsEmpty());
  commit.file = file_record("file-2");
  EXPECT_OK(database().commit_document(commit));
  EXPECT_THAT(known_keys(database(), {"a"}), ElementsAre("a"));
}

// Concurrency. ----------------------------------------------------------------------------------------------------

TEST_P(DatabaseContract, WritersAndReadersWorkTogether) {
  constexpr int kWriters = 4;
  constexpr int kCommits = 40;
  EXPECT_OK(database().insert_store(store_record("vs_1")));
  std::atomic<int> writing = kWriters;
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      for (int i = 0; i < kCommits; ++i) add_document("vs_1", "file-" + std::to_string(w) + "-" + std::to_string(i));
      --writing;
    });
  }
  threads.emplace_back([&] {
    std::size_t seen = 0;
    do {
      const auto texts = texts_in("vs_1");
      EXPECT_EQ(texts.size() % 2, 0u);  // Both chunks of a document or none.
      EXPECT_GE(texts.size(), seen);
      seen = texts.size();
    } while (writing > 0);
  });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(texts_in("vs_1").size(), 2u * kWriters * kCommits);
}

const Implementation kSqlite{
    "sqlite", [](const std::filesystem::path& directory) { return open_sqlite(directory / "ragtime.db"); }};

std::string name_of(const ::testing::TestParamInfo<Implementation>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Implementations, DatabaseContract, ::testing::Values(kSqlite), name_of);
INSTANTIATE_TEST_SUITE_P(Implementations, BatchContract, ::testing::Values(kSqlite), name_of);

}  // namespace
}  // namespace ragtime::storage
