#include "rag/ingest.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/when_all.h"
#include "base/id.h"
#include "rag/ingest_queue.h"
#include "storage/temporary_directory_for_test.h"

namespace ragtime::rag {
namespace {

using storage::DocumentStatus;
using ::testing::HasSubstr;

// The real parser behind a gate: documents wait in it until the test lets them through.
class GatedParser final : public documents::Parser {
 public:
  GatedParser(std::unique_ptr<documents::Parser> inner, async::ThreadPool& pool)
      : inner_(std::move(inner)), pool_(pool) {}

  Task<Result<text::Document>> parse(std::filesystem::path path, std::string filename,
                                     RequestContext& context) override {
    auto wait = [&] { return pass(context); };
    RAGTIME_CO_TRY_DONE(co_await pool_.run(context, std::move(wait)));
    auto parsing = inner_->parse(std::move(path), std::move(filename), context);
    co_return co_await std::move(parsing);
  }

  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void fail_next(Error error) {
    const std::lock_guard lock(mutex_);
    failures_.push_back(std::move(error));
  }
  void wait_until_inside(int documents) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ >= documents; });
  }
  int inside_max() const {
    const std::lock_guard lock(mutex_);
    return inside_max_;
  }
  int calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  Result<void> pass(RequestContext& context) {
    const std::stop_callback wake(context.stop_token(), [this] {
      const std::lock_guard lock(mutex_);
      changed_.notify_all();
    });
    std::unique_lock lock(mutex_);
    ++calls_;
    inside_max_ = std::max(inside_max_, ++inside_);
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_ || context.cancelled(); });
    --inside_;
    if (failures_.empty() || context.cancelled()) return context.check();
    Error error = std::move(failures_.front());
    failures_.erase(failures_.begin());
    return error;
  }

  std::unique_ptr<documents::Parser> inner_;
  async::ThreadPool& pool_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int inside_ = 0;
  int inside_max_ = 0;
  int calls_ = 0;
  std::vector<Error> failures_;
};

class IngestTest : public ::testing::Test {
 protected:
  IngestTest() {
    database_ = *storage::open_sqlite(directory_.path() / "test.db");
    blobs_ = *storage::open_directory_blobs(directory_.path() / "files");
    engine_ = *engine::Engine::open({}, *database_, nullptr, compute_, blocking_);
    parser_ = std::make_unique<GatedParser>(documents::Parser::create({}, parsing_), parsing_);
    restart();
    store_id_ = run(ingestor_->ensure_store("tenant", "default", context_))->id;
  }
  ~IngestTest() override { parser_->open(); }

  // A fresh ingestor on the same data, as after a restart of the process.
  void restart() {
    ingestor_.reset();
    ingestor_ = Ingestor::create(config_, *database_, *blobs_, *parser_, *engine_, blocking_, clock_, *log_, metrics_);
  }

  template <class T>
  T run(Task<T> task) {
    return async::sync_wait(std::move(task));
  }

  storage::BlobInfo put_blob(std::string_view content) {
    auto writer = *blobs_->create();
    EXPECT_TRUE(writer->write(content).has_value());
    return *writer->commit();
  }

  IngestFile file(const std::string& path, std::string_view content) {
    IngestFile file;
    file.tenant = "tenant";
    file.store_id = store_id_;
    file.path = path;
    file.filename = path.substr(path.rfind('/') + 1);
    file.blob = put_blob(content);
    return file;
  }

  Result<IngestResult> ingest(const std::string& path, std::string_view content) {
    return run(ingestor_->ingest(file(path, content), context_));
  }

  // A document as the API attaches it.
  std::string attach(const std::string& filename, std::string_view content) {
    storage::FileRecord file;
    file.id = make_id("file-");
    file.tenant = "tenant";
    file.filename = filename;
    file.purpose = "assistants";
    const storage::BlobInfo blob = put_blob(content);
    file.sha256 = blob.sha256;
    file.bytes = blob.bytes;
    EXPECT_TRUE(database_->insert_file(file).has_value());
    insert_document(file.id);
    return file.id;
  }
  void insert_document(const std::string& file_id) {
    storage::DocumentRecord document;
    document.store_id = store_id_;
    document.file_id = file_id;
    document.created_at = 1;
    EXPECT_TRUE(database_->insert_document(document).has_value());
  }

  storage::DocumentRecord row(const std::string& file_id) { return *database_->get_document(store_id_, file_id); }

  void wait_until_idle() {
    while (ingestor_->pending() > 0) std::this_thread::yield();
  }

  std::vector<std::string> found(const std::string& word) {
    engine::SearchRequest request;
    request.store_ids = {store_id_};
    request.queries = {word};
    const auto results = run(engine_->search(std::move(request), context_));
    std::vector<std::string> files;
    for (const auto& hit : results->hits) files.push_back(hit.file_id);
    return files;
  }

  double counted(const std::string& outcome) {
    return metrics_.counter("ragtime_documents_ingested_total", "", {{"outcome", outcome}}).value();
  }

  storage::TemporaryDirectory directory_;
  async::ThreadPool compute_{{"compute", 2, 1000}};
  async::ThreadPool blocking_{{"blocking", 4, 1000}};
  async::ThreadPool parsing_{{"parsing", 8, 1000}};
  ManualClock clock_;
  std::unique_ptr<telemetry::Logger> log_ = telemetry::Logger::null();
  telemetry::Metrics metrics_;
  RequestContext context_{"test", "tenant", Deadline::never()};
  std::unique_ptr<storage::Database> database_;
  std::unique_ptr<storage::BlobStore> blobs_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<GatedParser> parser_;
  IngestorConfig config_;
  std::unique_ptr<Ingestor> ingestor_;
  std::string store_id_;
};

// Ingest of a path. ---------------------------------------------------------------------------------------------------

TEST_F(IngestTest, AddedThenUnchangedThenReplaced) {
  const auto added = ingest("/docs/a.txt", "apples grow on trees");
  ASSERT_TRUE(added.has_value()) << added.error().message;
  EXPECT_EQ(added->outcome, IngestOutcome::added);
  EXPECT_EQ(added->chunks, 1u);
  EXPECT_GT(added->tokens, 0u);
  EXPECT_THAT(found("apples"), ::testing::ElementsAre(added->file_id));
  EXPECT_EQ(row(added->file_id).path, "/docs/a.txt");
  EXPECT_EQ(row(added->file_id).filename, "a.txt");
  EXPECT_EQ(row(added->file_id).status, DocumentStatus::completed);

  const int calls = parser_->calls();
  const auto unchanged = ingest("/docs/a.txt", "apples grow on trees");
  ASSERT_TRUE(unchanged.has_value());
  EXPECT_EQ(unchanged->outcome, IngestOutcome::unchanged);
  EXPECT_EQ(unchanged->file_id, added->file_id);
  EXPECT_EQ(unchanged->chunks, 1u);
  EXPECT_EQ(parser_->calls(), calls) << "nothing was parsed";

  const auto replaced = ingest("/docs/a.txt", "bananas grow on plants");
  ASSERT_TRUE(replaced.has_value());
  EXPECT_EQ(replaced->outcome, IngestOutcome::replaced);
  EXPECT_NE(replaced->file_id, added->file_id);
  EXPECT_EQ(replaced->replaced_sha256, file("", "apples grow on trees").blob.sha256);
  EXPECT_TRUE(found("apples").empty());
  EXPECT_THAT(found("bananas"), ::testing::ElementsAre(replaced->file_id));
  EXPECT_TRUE(database_->get_file("tenant", added->file_id).has_error());
  EXPECT_EQ(counted("added"), 1);
  EXPECT_EQ(counted("unchanged"), 1);
  EXPECT_EQ(counted("replaced"), 1);
}

TEST_F(IngestTest, SameContentAtTwoPathsIsTwoDocuments) {
  const auto first = ingest("/a.txt", "same words");
  const auto second = ingest("/b.txt", "same words");
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(second->outcome, IngestOutcome::added);
  EXPECT_NE(first->file_id, second->file_id);
}

TEST_F(IngestTest, FailureKeepsTheFormerVersion) {
  const auto added = ingest("/a.txt", "first version");
  ASSERT_TRUE(added.has_value());
  const auto failed = ingest("/a.txt", std::string_view("\0\1\2\3binary", 10));
  ASSERT_TRUE(failed.has_error());
  EXPECT_EQ(failed.error().code, ErrorCode::unsupported);
  EXPECT_THAT(found("first"), ::testing::ElementsAre(added->file_id));
  EXPECT_EQ(counted("failed"), 1);
}

TEST_F(IngestTest, UnknownStoreAndOtherTenants) {
  IngestFile unknown = file("/a.txt", "words");
  unknown.store_id = "vs_unknown";
  EXPECT_EQ(run(ingestor_->ingest(unknown, context_)).error().code, ErrorCode::not_found);
  IngestFile foreign = file("/a.txt", "words");
  foreign.tenant = "somebody else";
  EXPECT_EQ(run(ingestor_->ingest(foreign, context_)).error().code, ErrorCode::not_found);
}

TEST_F(IngestTest, MissingContentIsSaid) {
  IngestFile lost = file("/a.txt", "words");
  ASSERT_TRUE(blobs_->remove(lost.blob.sha256).has_value());
  EXPECT_EQ(run(ingestor_->ingest(lost, context_)).error().code, ErrorCode::unavailable);
}

TEST_F(IngestTest, ConcurrentIngestsOfOnePathMakeOneDocument) {
  std::vector<Task<Result<IngestResult>>> tasks;
  for (int i = 0; i < 8; ++i) tasks.push_back(ingestor_->ingest(file("/same.txt", "common words"), context_));
  const auto results = run(async::when_all(std::move(tasks)));
  int added = 0;
  for (const auto& result : results) {
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->file_id, results[0]->file_id);
    added += result->outcome == IngestOutcome::added ? 1 : 0;
  }
  EXPECT_EQ(added, 1);
  EXPECT_EQ(found("common").size(), 1u);
}

TEST_F(IngestTest, ConcurrencyIsBounded) {
  parser_->close();
  std::jthread opener([&] {
    parser_->wait_until_inside(2);
    parser_->open();
  });
  std::vector<Task<Result<IngestResult>>> tasks;
  for (int i = 0; i < 10; ++i) {
    tasks.push_back(ingestor_->ingest(file("/" + std::to_string(i) + ".txt", "words"), context_));
  }
  for (const auto& result : run(async::when_all(std::move(tasks)))) EXPECT_TRUE(result.has_value());
  EXPECT_EQ(parser_->inside_max(), 2);
}

TEST_F(IngestTest, CancelledIngestChangesNothing) {
  parser_->close();
  std::jthread canceller([&] {
    parser_->wait_until_inside(1);
    EXPECT_EQ(ingestor_->pending(), 1u);
    context_.cancel();
  });
  const auto result = ingest("/a.txt", "words");
  ASSERT_TRUE(result.has_error());
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
  EXPECT_TRUE(database_->find_document_by_path(store_id_, "/a.txt").has_error());
  EXPECT_EQ(ingestor_->pending(), 0u);
}

TEST_F(IngestTest, EnsureStoreMakesOneStorePerName) {
  std::vector<Task<Result<storage::VectorStoreRecord>>> tasks;
  for (int i = 0; i < 8; ++i) tasks.push_back(ingestor_->ensure_store("tenant", "new", context_));
  const auto stores = run(async::when_all(std::move(tasks)));
  for (const auto& store : stores) EXPECT_EQ(store->id, stores[0]->id);
  EXPECT_EQ(stores[0]->created_at, clock_.unix_seconds());
  EXPECT_NE(run(ingestor_->ensure_store("other tenant", "new", context_))->id, stores[0]->id);
}

// Attached documents. -------------------------------------------------------------------------------------------------

TEST_F(IngestTest, AttachedDocumentsAreCompleted) {
  ASSERT_TRUE(ingestor_->start().has_value());
  const std::string file_id = attach("letter.txt", "pears and plums");
  ingestor_->enqueue("tenant", store_id_, file_id);
  wait_until_idle();
  EXPECT_EQ(row(file_id).status, DocumentStatus::completed);
  EXPECT_EQ(row(file_id).chunk_count, 1);
  EXPECT_THAT(found("pears"), ::testing::ElementsAre(file_id));
  EXPECT_EQ(counted("added"), 1);
}

TEST_F(IngestTest, FailuresTellWhoseFault) {
  const std::string binary = attach("a.txt", std::string_view("\0\1\2\3binary", 10));
  const std::string blank = attach("b.txt", "  \n ");
  const std::string lost = attach("c.txt", "some words that get lost");
  ASSERT_TRUE(blobs_->remove(row(lost).sha256).has_value());
  ASSERT_TRUE(ingestor_->start().has_value());
  wait_until_idle();
  for (const std::string& id : {binary, blank, lost}) EXPECT_EQ(row(id).status, DocumentStatus::failed);
  EXPECT_EQ(row(binary).error_code, "unsupported_file");
  EXPECT_EQ(row(blank).error_code, "invalid_file");
  EXPECT_THAT(row(blank).error_message, HasSubstr("no text"));
  EXPECT_EQ(row(lost).error_code, "server_error");
  EXPECT_EQ(counted("failed"), 3);
}

TEST_F(IngestTest, FullQueuesAreTriedAgain) {
  parser_->fail_next(make_error(ErrorCode::resource_exhausted, "full"));
  parser_->fail_next(make_error(ErrorCode::resource_exhausted, "full"));
  const std::string file_id = attach("a.txt", "patience");
  ASSERT_TRUE(ingestor_->start().has_value());
  wait_until_idle();
  EXPECT_EQ(row(file_id).status, DocumentStatus::completed);
  EXPECT_EQ(parser_->calls(), 3);
}

TEST_F(IngestTest, StopLeavesRowsForTheNextStart) {
  parser_->close();
  const std::string running = attach("a.txt", "interrupted words");
  const std::string waiting = attach("b.txt", "waiting words");
  ASSERT_TRUE(ingestor_->start().has_value());
  parser_->wait_until_inside(2);
  ingestor_->stop();
  ingestor_->stop();
  EXPECT_EQ(row(running).status, DocumentStatus::in_progress);
  EXPECT_EQ(row(waiting).status, DocumentStatus::in_progress);
  EXPECT_EQ(counted("failed"), 0);
  parser_->open();
  restart();
  ASSERT_TRUE(ingestor_->start().has_value());
  wait_until_idle();
  EXPECT_EQ(row(running).status, DocumentStatus::completed);
  EXPECT_EQ(row(waiting).status, DocumentStatus::completed);
}

TEST_F(IngestTest, WhatDoesNotFitInMemoryWaitsAsRows) {
  config_.queue_max = 3;
  restart();
  std::vector<std::string> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(attach(std::to_string(i) + ".txt", "document " + std::to_string(i)));
  ASSERT_TRUE(ingestor_->start().has_value());
  for (const std::string& id : ids) ingestor_->enqueue("tenant", store_id_, id);
  for (const std::string& id : ids) {
    while (row(id).status == DocumentStatus::in_progress) std::this_thread::yield();
    EXPECT_EQ(row(id).status, DocumentStatus::completed);
  }
}

TEST_F(IngestTest, DeletedAndCancelledDocumentsArePassedOver) {
  const std::string deleted = attach("a.txt", "deleted");
  const std::string cancelled = attach("b.txt", "cancelled");
  ASSERT_TRUE(database_->delete_document(store_id_, deleted).has_value());
  ASSERT_TRUE(database_->fail_document(store_id_, cancelled, DocumentStatus::cancelled, "", "").has_value());
  ASSERT_TRUE(ingestor_->start().has_value());
  ingestor_->enqueue("tenant", store_id_, deleted);
  ingestor_->enqueue("tenant", store_id_, cancelled);
  ingestor_->enqueue("tenant", "vs_unknown", "file-unknown");
  wait_until_idle();
  EXPECT_EQ(row(cancelled).status, DocumentStatus::cancelled);
  EXPECT_EQ(parser_->calls(), 0);
  EXPECT_EQ(counted("failed"), 0);
}

TEST_F(IngestTest, DetachedWhileInWorkStaysDetached) {
  parser_->close();
  const std::string file_id = attach("a.txt", "short lived");
  ASSERT_TRUE(ingestor_->start().has_value());
  parser_->wait_until_inside(1);
  ASSERT_TRUE(run(engine_->remove_document("tenant", store_id_, file_id, context_)).has_value());
  parser_->open();
  wait_until_idle();
  EXPECT_TRUE(database_->get_document(store_id_, file_id).has_error());
  EXPECT_TRUE(found("lived").empty());
  EXPECT_EQ(counted("failed"), 0);
}

// The queue. ----------------------------------------------------------------------------------------------------------

TEST(IngestQueueTest, FirstComeFirstServedWithoutDoubles) {
  IngestQueue queue(10);
  queue.push({"t", "s", "1"});
  queue.push({"t", "s", "2"});
  queue.push({"t", "s", "1"});
  EXPECT_EQ(queue.size(), 2u);
  const auto first = queue.pop();
  EXPECT_EQ(first->file_id, "1");
  EXPECT_EQ(queue.size(), 2u) << "in work counts";
  queue.finish(*first);
  const auto second = queue.pop();
  EXPECT_EQ(second->file_id, "2");
  queue.finish(*second);
  EXPECT_FALSE(queue.pop().has_value());
  EXPECT_EQ(queue.size(), 0u);
}

TEST(IngestQueueTest, PushedWhileInWorkRunsOnceMore) {
  IngestQueue queue(10);
  queue.push({"t", "s", "1"});
  const auto job = queue.pop();
  queue.push({"t", "s", "1"});
  queue.push({"t", "s", "1"});
  EXPECT_FALSE(queue.pop().has_value()) << "never twice at the same time";
  queue.finish(*job);
  const auto again = queue.pop();
  ASSERT_TRUE(again.has_value());
  queue.finish(*again);
  EXPECT_FALSE(queue.pop().has_value());
}

TEST(IngestQueueTest, OverflowIsRemembered) {
  IngestQueue queue(1);
  queue.push({"t", "s", "1"});
  EXPECT_FALSE(queue.take_overflow());
  queue.push({"t", "s", "2"});
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_TRUE(queue.take_overflow());
  EXPECT_FALSE(queue.take_overflow());
}

}  // namespace
}  // namespace ragtime::rag
