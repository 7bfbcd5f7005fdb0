// What is SQLite's own: error mapping, group commit, schema versions, file modes, and survival of kill -9.

#include "storage/sqlite.h"

#include <csignal>
#include <fstream>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/database.h"
#include "storage/group_writer.h"
#include "storage/temporary_directory_for_test.h"

namespace ragtime::storage {
namespace {

class SqliteTest : public ::testing::Test {
 protected:
  std::unique_ptr<Connection> connect(Connection::Access access = Connection::Access::write) {
    return std::move(Connection::open(file_, access).value());
  }

  int mode_of(const std::filesystem::path& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return static_cast<int>(status.st_mode & 0777);
  }

  TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_.path() / "test.db";
};

TEST_F(SqliteTest, ValuesComeBackAsBound) {
  auto connection = connect();
  ASSERT_TRUE(connection->execute("CREATE TABLE t (a, b, c, d, e)").has_value());
  const std::string text("a\0b", 3);
  const std::vector<float> vector = {1.5f, -2.0f};
  ASSERT_TRUE(connection
                  ->execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", std::int64_t{1} << 60, text,
                            std::optional<std::int64_t>(), vector, std::string_view())
                  .has_value());
  Statement statement(*connection, "SELECT a, b, c, d, e FROM t");
  ASSERT_TRUE(statement.step().value());
  Columns columns(statement);
  EXPECT_EQ(columns.integer(), std::int64_t{1} << 60);
  EXPECT_EQ(columns.text(), text);
  EXPECT_FALSE(columns.optional_integer().has_value());
  EXPECT_EQ(columns.floats(), vector);
  EXPECT_EQ(columns.text(), "");
  EXPECT_FALSE(statement.step().value());
}

TEST_F(SqliteTest, FaultyStatementReportsAtTheFirstStep) {
  auto connection = connect();
  Statement syntax(*connection, "SELEKT");
  EXPECT_EQ(syntax.bind(1, "x").step().error().code, ErrorCode::internal);
  Statement parameters(*connection, "SELECT 1");
  EXPECT_EQ(parameters.bind(1).step().error().code, ErrorCode::internal);
}

TEST_F(SqliteTest, ReaderCannotWrite) {
  ASSERT_TRUE(connect()->execute("CREATE TABLE t (a)").has_value());
  const auto refused = connect(Connection::Access::read)->execute("INSERT INTO t VALUES (1)");
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
}

TEST_F(SqliteTest, FullDiskIsUnavailableAndLosesNothingElse) {
  auto connection = connect();
  ASSERT_TRUE(connection->execute("CREATE TABLE t (a)").has_value());
  ASSERT_TRUE(connection->execute_script("PRAGMA max_page_count = 16").has_value());
  GroupWriter writer(std::move(connection));
  const auto insert = [](std::size_t bytes) {
    return [bytes](Connection& to) { return to.execute("INSERT INTO t VALUES (?)", std::string(bytes, 'x')); };
  };
  ASSERT_TRUE(writer.run(insert(10)).has_value());
  const auto full = writer.run(insert(1 << 20));
  ASSERT_TRUE(full.has_error());
  EXPECT_EQ(full.error().code, ErrorCode::unavailable);
  EXPECT_NE(full.error().message.find("full"), std::string::npos);
  EXPECT_TRUE(writer.run(insert(10)).has_value());
  EXPECT_EQ(connect(Connection::Access::read)->integer("SELECT COUNT(*) FROM t").value(), 2);
}

TEST_F(SqliteTest, FailingChangeLeavesTheOthersOfItsGroupAlone) {
  auto connection = connect();
  ASSERT_TRUE(connection->execute("CREATE TABLE t (a UNIQUE)").has_value());
  GroupWriter writer(std::move(connection));
  std::vector<std::thread> threads;
  std::atomic<int> conflicts = 0;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&, i] {
      const auto written = writer.run([i](Connection& to) -> Result<void> {
        RAGTIME_TRY_DONE(to.execute("INSERT INTO t VALUES (?)", 1000 + i));
        return to.execute("INSERT INTO t VALUES (?)", i / 2);  // Each value by two threads.
      });
      if (written.has_error() && written.error().code == ErrorCode::conflict) ++conflicts;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(conflicts, 32);
  auto reader = connect(Connection::Access::read);
  EXPECT_EQ(reader->integer("SELECT COUNT(*) FROM t WHERE a < 1000").value(), 32);
  EXPECT_EQ(reader->integer("SELECT COUNT(*) FROM t WHERE a >= 1000").value(), 32);  // Failed ones left nothing.
}

TEST_F(SqliteTest, ExceptionInAChangeReachesItsCallerAndIsUndone) {
  auto connection = connect();
  ASSERT_TRUE(connection->execute("CREATE TABLE t (a)").has_value());
  GroupWriter writer(std::move(connection));
  EXPECT_THROW((void)writer.run([](Connection& to) -> Result<void> {
    RAGTIME_TRY_DONE(to.execute("INSERT INTO t VALUES (1)"));
    throw std::runtime_error("unexpected");
  }),
               std::runtime_error);
  EXPECT_TRUE(writer.run([](Connection& to) { return to.execute("INSERT INTO t VALUES (2)"); }).has_value());
  EXPECT_EQ(connect(Connection::Access::read)->integer("SELECT SUM(a) FROM t").value(), 2);
}

TEST_F(SqliteTest, DatabaseIsPrivate) {
  auto database = std::move(open_sqlite(file_).value());
  ASSERT_TRUE(database->any_key().has_value());
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    EXPECT_EQ(mode_of(entry.path()), 0600) << entry.path();
  }
}

TEST_F(SqliteTest, DatabaseIsDurableByItsSettings) {
  {
    auto database = open_sqlite(file_).value().get();
    (void)database;
  }
  auto connection = connect();
  Statement mode(*connection, "PRAGMA journal_mode");
  ASSERT_TRUE(mode.step().value());
  EXPECT_EQ(Columns(mode).text(), "wal");
  EXPECT_EQ(connection->integer("PRAGMA synchronous").value(), 2);
  EXPECT_EQ(connection->integer("PRAGMA foreign_keys").value(), 1);
}

TEST_F(SqliteTest, UnusableFilesAreNamed) {
  const auto missing = open_sqlite(directory_.path() / "nowhere" / "x.db");
  ASSERT_TRUE(missing.has_error());
  EXPECT_EQ(missing.error().code, ErrorCode::unavailable);
  EXPECT_NE(missing.error().message.find("nowhere/x.db"), std::string::npos);
  EXPECT_EQ(open_sqlite(directory_.path()).error().code, ErrorCode::unavailable);

  std::ofstream(file_) << std::string(8192, 'z');
  const auto garbage = open_sqlite(file_);
  ASSERT_TRUE(garbage.has_error());
  EXPECT_EQ(garbage.error().code, ErrorCode::corrupt);
}

TEST_F(SqliteTest, DamagedPagesAreCorrupt) {
  ASSERT_TRUE(open_sqlite(file_).has_value());
  {
    std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(static_cast<std::size_t>(std::filesystem::file_size(file_)) - 4096, '\xff');
  }
  auto reopened = open_sqlite(file_);
  const auto outcome = reopened.has_error() ? reopened.error().code : (*reopened)->all_stores().error().code;
  EXPECT_EQ(outcome, ErrorCode::corrupt);
}

TEST_F(SqliteTest, CheckFindsDamageBesideAWriter) {
  auto database = open_sqlite(file_);
  ASSERT_TRUE(database.has_value());
  EXPECT_TRUE(check_sqlite(file_).has_value());
  database->reset();
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) / 2);
  EXPECT_EQ(check_sqlite(file_).error().code, ErrorCode::corrupt);
  EXPECT_EQ(check_sqlite(directory_.path() / "absent.db").error().code, ErrorCode::unavailable);
}

TEST_F(SqliteTest, NewerSchemaIsRefused) {
  ASSERT_TRUE(open_sqlite(file_).has_value());
  ASSERT_TRUE(connect()->execute_script("PRAGMA user_version = 99").has_value());
  const auto refused = open_sqlite(file_);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
  EXPECT_NE(refused.error().message.find("newer version"), std::string::npos);
}

TEST_F(SqliteTest, FirstSchemaIsBroughtUpToDate) {
  VectorStoreRecord store;
  store.id = "vs_1";
  Database::CommitDocument commit;
  commit.file = FileRecord();
  commit.file->id = commit.document.file_id = "file-1";
  commit.document.store_id = "vs_1";
  commit.chunks.resize(3);
  commit.chunks[1].embedding = {1, 0};
  {
    const auto database = std::move(open_sqlite(file_).value());
    ASSERT_TRUE(database->insert_store(store).has_value());
    ASSERT_TRUE(database->commit_document(commit).has_value());
    ASSERT_TRUE(database->commit_document(commit).has_error());  // The file is there already: ids stay unused.
  }
  ASSERT_TRUE(connect()
                  ->execute_script("DROP TABLE embeddings; DROP TABLE embedding_totals;"
                                   "DROP TRIGGER document_came; DROP TRIGGER document_changed;"
                                   "DROP TRIGGER document_left; DROP TABLE document_changes;"
                                   "DROP TRIGGER document_counted; DROP TRIGGER document_recounted;"
                                   "DROP TRIGGER document_uncounted;"
                                   "CREATE INDEX documents_by_status ON documents (store_id, status, usage_bytes);"
                                   "ALTER TABLE stores DROP COLUMN files_in_progress;"
                                   "ALTER TABLE stores DROP COLUMN files_completed;"
                                   "ALTER TABLE stores DROP COLUMN files_failed;"
                                   "ALTER TABLE stores DROP COLUMN files_cancelled;"
                                   "ALTER TABLE stores DROP COLUMN usage_bytes;"
                                   "ALTER TABLE stores DROP COLUMN changes_from;"
                                   "ALTER TABLE documents DROP COLUMN first_chunk;"
                                   "ALTER TABLE documents DROP COLUMN embedded;"
                                   "ALTER TABLE stores DROP COLUMN bm25_k1;"
                                   "ALTER TABLE stores DROP COLUMN bm25_b;"
                                   "ALTER TABLE stores DROP COLUMN heading_weight;"
                                   "ALTER TABLE keys DROP COLUMN requests_per_minute;"
                                   "ALTER TABLE keys DROP COLUMN tokens_per_minute;"
                                   "ALTER TABLE keys DROP COLUMN streams;"
                                   "ALTER TABLE keys DROP COLUMN concurrent_requests;"
                                   "ALTER TABLE keys DROP COLUMN priority; PRAGMA user_version = 1")
                  .has_value());
  auto database = open_sqlite(file_);
  ASSERT_TRUE(database.has_value()) << database.error().message;
  ASSERT_EQ((*database)->all_stores().value().size(), 1u);
  EXPECT_EQ((*database)->all_stores().value()[0].file_counts.completed, 1);
  EXPECT_EQ((*database)->all_stores().value()[0].usage_bytes, 8);
  const auto documents = (*database)->list_document_chunks("vs_1").value();
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].chunks.first, 1);
  EXPECT_EQ(documents[0].chunks.last, 3);
  EXPECT_TRUE(documents[0].embedded);
  EXPECT_TRUE((*database)->document_changes("vs_1", 0).value()->present.empty());
  ASSERT_TRUE((*database)->delete_document("vs_1", "file-1").has_value());
  EXPECT_EQ((*database)->document_changes("vs_1", 0).value()->absent, std::vector<std::string>{"file-1"});
  EmbeddingUse use;
  use.fresh = {{"key", {1, 2}}};
  EXPECT_TRUE((*database)->remember_embeddings(use).has_value());
  EXPECT_EQ((*database)->find_embeddings({"key"}).value().at(0).size(), 2u);
}

TEST_F(SqliteTest, DatabaseOfAnotherProgramIsRefused) {
  ASSERT_TRUE(connect()->execute("CREATE TABLE theirs (a)").has_value());
  EXPECT_EQ(open_sqlite(file_).error().code, ErrorCode::conflict);
}

// Kill -9. --------------------------------------------------------------------------------------------------------

constexpr int kChunksPerDocument = 20;

Database::CommitDocument crash_commit(const std::string& id) {
  FileRecord file;
  file.id = id;
  file.tenant = "t";
  file.sha256 = id;
  Database::CommitDocument commit;
  commit.file = file;
  commit.document.store_id = "vs";
  commit.document.file_id = id;
  commit.text = id;
  commit.chunks.resize(kChunksPerDocument);
  for (auto& chunk : commit.chunks) {
    chunk.chunk.text = std::string(200, 'x');
    chunk.embedding.assign(64, 1.0f);
  }
  return commit;
}

// Commits from several threads until killed; writes the name of each acknowledged document to the pipe.
[[noreturn]] void commit_until_killed(const std::filesystem::path& file, int round, int pipe) {
  auto database = std::move(open_sqlite(file).value());
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0;; ++i) {
        std::string id = std::to_string(round) + "-" + std::to_string(t) + "-" + std::to_string(i);
        if (database->commit_document(crash_commit(id)).has_error()) ::_exit(3);
        id += '\n';
        if (::write(pipe, id.data(), id.size()) < 0) ::_exit(4);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  ::_exit(5);
}

// The documents acknowledged before the child was killed, in the middle of whatever it was doing then.
std::vector<std::string> crash_after(const std::filesystem::path& file, int round, std::size_t acknowledged) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) commit_until_killed(file, round, ends[1]);
  ::close(ends[1]);
  std::string received;
  char buffer[512];
  while (static_cast<std::size_t>(std::count(received.begin(), received.end(), '\n')) < acknowledged) {
    const auto got = ::read(ends[0], buffer, sizeof(buffer));
    if (got <= 0) break;
    received.append(buffer, static_cast<std::size_t>(got));
  }
  ::kill(child, SIGKILL);
  for (ssize_t got; (got = ::read(ends[0], buffer, sizeof(buffer))) > 0;) {
    received.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
  std::vector<std::string> ids;
  for (std::size_t at = 0, end; (end = received.find('\n', at)) != std::string::npos; at = end + 1) {
    ids.push_back(received.substr(at, end - at));
  }
  return ids;
}

TEST_F(SqliteTest, KilledProcessLosesNothingAcknowledgedAndLeavesNothingHalf) {
  VectorStoreRecord store;
  store.id = "vs";
  store.tenant = "t";
  ASSERT_TRUE(open_sqlite(file_).value()->insert_store(store).has_value());
  const auto seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  std::vector<std::string> acknowledged;
  for (int round = 0; round < 20; ++round) {
    for (auto& id : crash_after(file_, round, 1 + random() % 40)) acknowledged.push_back(std::move(id));
    auto database = std::move(open_sqlite(file_).value());
    for (const auto& id : acknowledged) {
      ASSERT_EQ(database->get_document("vs", id).value().status, DocumentStatus::completed) << id;
    }
    std::map<std::string, int> chunks;
    ASSERT_TRUE(database
                    ->scan_chunks("vs", ChunkRange(),
                                  [&](const ChunkRecord& chunk, const DocumentRecord&) -> Result<void> {
                                    ++chunks[chunk.file_id];
                                    return {};
                                  })
                    .has_value());
    for (const auto& [id, count] : chunks) ASSERT_EQ(count, kChunksPerDocument) << id;
    PageRequest page;
    page.limit = 100'000;
    ASSERT_EQ(database->list_files("t", "", page).value().items.size(), chunks.size());
  }
}

}  // namespace
}  // namespace ragtime::storage
