#include "encoder/batcher.h"

#include <algorithm>
#include <future>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::encoder {
namespace {

using testing::ElementsAre;

using Rows = Result<std::vector<float>>;

// A pass that records what it was given and answers with each sequence's first token. It can be held.
class FakeModel {
 public:
  Batcher::Forward forward() {
    return [this](const Batcher::PassInput& input) { pass(input); };
  }

  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  void wait_for_passes(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return passes_.size() >= count; });
  }
  void let_breathe() { breathing_ = true; }  // Before the first pass.
  std::vector<TokenId> finished() {
    const std::lock_guard lock(mutex_);
    return finished_;
  }
  std::vector<std::vector<TokenId>> passes() {
    const std::lock_guard lock(mutex_);
    return passes_;
  }

 private:
  void pass(const Batcher::PassInput& input) {
    std::unique_lock lock(mutex_);
    passes_.emplace_back();
    for (std::size_t i = 0; i < input.sequences.size(); ++i) {
      passes_.back().push_back(input.sequences[i][0]);
      *input.rows[i] = static_cast<float>(input.sequences[i][0]);
      if (input.sequences[i][0] < 0) throw std::runtime_error("no such token");
    }
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    lock.unlock();
    if (breathing_ && input.breathe) input.breathe();
    lock.lock();
    finished_.push_back(input.sequences[0][0]);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  bool breathing_ = false;
  std::vector<TokenId> finished_;  // The first token of each pass, in the order in which they ended.
  std::vector<std::vector<TokenId>> passes_;
};

class BatcherTest : public testing::Test {
 protected:
  Batcher make(const EncoderConfig& config = {}) { return Batcher(model_.forward(), 1, "fake", pool_, config); }

  // Runs on a thread of its own, so that calls can wait side by side.
  std::future<Rows> start(Batcher& batcher, std::vector<TokenSequence> sequences, EmbedPurpose purpose,
                          RequestContext& context) {
    return std::async(std::launch::async, [&, sequences, purpose] {
      return async::sync_wait(batcher.run(sequences, {}, purpose, context));
    });
  }
  // As above, and returns once the pool or the queue has it.
  std::future<Rows> start_queued(Batcher& batcher, std::vector<TokenSequence> sequences, EmbedPurpose purpose,
                                 RequestContext& context) {
    const std::size_t before = batcher.texts_queued();
    const std::size_t count = sequences.size();
    auto result = start(batcher, std::move(sequences), purpose, context);
    while (batcher.texts_queued() != before + count) std::this_thread::yield();
    return result;
  }

  FakeModel model_;
  async::ThreadPool pool_{{.name = "test", .threads = 1}};
  RequestContext context_{"request", "tenant", Deadline::never()};
};

std::vector<TokenSequence> texts(std::vector<TokenId> firsts, std::size_t length) {
  std::vector<TokenSequence> sequences;
  for (TokenId first : firsts) sequences.emplace_back(length, first);
  return sequences;
}

TEST_F(BatcherTest, RowsComeInTheOrderOfTheTexts) {
  Batcher batcher = make();
  std::vector<TokenSequence> sequences;
  for (TokenId i = 0; i < 100; ++i) sequences.emplace_back(1 + static_cast<std::size_t>(i * 37 % 50), i);
  const Rows rows = async::sync_wait(batcher.run(sequences, {}, EmbedPurpose::document, context_));
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 100u);
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ((*rows)[i], static_cast<float>(i));
}

TEST_F(BatcherTest, PassesAreBoundedByTokens) {
  Batcher batcher = make({.batch_tokens_max = 100});
  async::sync_wait(batcher.run(texts(std::vector<TokenId>(50, 1), 30), {}, EmbedPurpose::document, context_)).value();
  std::size_t total = 0;
  for (const auto& pass : model_.passes()) {
    EXPECT_LE(pass.size(), 3u);
    total += pass.size();
  }
  EXPECT_EQ(total, 50u);
  // A text longer than the bound still has its pass.
  EXPECT_TRUE(async::sync_wait(batcher.run(texts({7}, 500), {}, EmbedPurpose::document, context_)));
}

TEST_F(BatcherTest, NoTextsGiveNoRows) {
  Batcher batcher = make();
  EXPECT_EQ(async::sync_wait(batcher.run({}, {}, EmbedPurpose::query, context_))->size(), 0u);
  EXPECT_TRUE(model_.passes().empty());
}

TEST_F(BatcherTest, QueriesGoFirstAndShareAPass) {
  Batcher batcher = make();
  model_.hold();
  auto first = start(batcher, texts({1}, 200), EmbedPurpose::document, context_);
  model_.wait_for_passes(1);
  auto document = start_queued(batcher, texts({2}, 200), EmbedPurpose::document, context_);
  auto query = start_queued(batcher, texts({3}, 8), EmbedPurpose::query, context_);
  auto other_query = start_queued(batcher, texts({4}, 8), EmbedPurpose::query, context_);
  model_.release();
  EXPECT_THAT(*other_query.get(), ElementsAre(4.f));
  EXPECT_THAT(*query.get(), ElementsAre(3.f));
  EXPECT_THAT(*document.get(), ElementsAre(2.f));
  EXPECT_TRUE(first.get());
  EXPECT_THAT(model_.passes(), ElementsAre(ElementsAre(1), ElementsAre(3, 4), ElementsAre(2)));
}

TEST_F(BatcherTest, QueriesGoBeforeInTheMiddleOfAPassOfDocuments) {
  Batcher batcher = make();
  model_.let_breathe();
  model_.hold();
  auto document = start(batcher, texts({1}, 100), EmbedPurpose::document, context_);
  model_.wait_for_passes(1);
  auto query = start_queued(batcher, texts({2}, 8), EmbedPurpose::query, context_);
  model_.release();
  EXPECT_THAT(*query.get(), ElementsAre(2.f));
  EXPECT_THAT(*document.get(), ElementsAre(1.f));
  EXPECT_THAT(model_.finished(), ElementsAre(2, 1));
}

TEST_F(BatcherTest, QueriesDoNotStarveDocuments) {
  Batcher batcher = make({.batch_tokens_max = 8});
  model_.hold();
  auto first = start(batcher, texts({1}, 8), EmbedPurpose::query, context_);
  model_.wait_for_passes(1);
  auto document = start_queued(batcher, texts({2}, 8), EmbedPurpose::document, context_);
  auto queries = start_queued(batcher, texts({3, 3, 3, 3, 3, 3, 3, 3}, 8), EmbedPurpose::query, context_);
  model_.release();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(document.get());
  EXPECT_TRUE(queries.get());
  const auto passes = model_.passes();
  const auto at = std::find(passes.begin(), passes.end(), std::vector<TokenId>{2});
  EXPECT_EQ(at - passes.begin(), 4) << "four passes of queries, then one of documents";
}

TEST_F(BatcherTest, CallsTakeTurns) {
  Batcher batcher = make({.batch_tokens_max = 8});
  model_.hold();
  auto first = start(batcher, texts({1}, 8), EmbedPurpose::document, context_);
  model_.wait_for_passes(1);
  auto large = start_queued(batcher, texts({2, 2, 2, 2}, 8), EmbedPurpose::document, context_);
  auto small = start_queued(batcher, texts({3}, 8), EmbedPurpose::document, context_);
  model_.release();
  first.get().value();
  large.get().value();
  small.get().value();
  EXPECT_THAT(model_.passes(), ElementsAre(ElementsAre(1), ElementsAre(2), ElementsAre(3), ElementsAre(2),
                                           ElementsAre(2), ElementsAre(2)));
}

TEST_F(BatcherTest, AFullQueueRefuses) {
  Batcher batcher = make({.queue_texts_max = 2});
  model_.hold();
  auto first = start(batcher, texts({1}, 8), EmbedPurpose::document, context_);
  model_.wait_for_passes(1);
  auto waiting = start_queued(batcher, texts({2, 3}, 8), EmbedPurpose::document, context_);
  const Rows refused = async::sync_wait(batcher.run(texts({4}, 8), {}, EmbedPurpose::query, context_));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::resource_exhausted);
  model_.release();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(waiting.get());
  EXPECT_TRUE(async::sync_wait(batcher.run(texts({4}, 8), {}, EmbedPurpose::query, context_)));
}

TEST_F(BatcherTest, ACancelledCallLeavesTheQueue) {
  Batcher batcher = make();
  model_.hold();
  auto first = start(batcher, texts({1}, 8), EmbedPurpose::document, context_);
  model_.wait_for_passes(1);
  RequestContext impatient("request", "tenant", Deadline::never());
  auto waiting = start_queued(batcher, texts({2, 2}, 8), EmbedPurpose::query, impatient);
  impatient.cancel();
  const Rows cancelled = waiting.get();  // While the pass before is still held.
  ASSERT_TRUE(cancelled.has_error());
  EXPECT_EQ(cancelled.error().code, ErrorCode::cancelled);
  EXPECT_EQ(batcher.texts_queued(), 0u);
  model_.release();
  EXPECT_TRUE(first.get());
  EXPECT_THAT(model_.passes(), ElementsAre(ElementsAre(1)));
}

TEST_F(BatcherTest, ACallMayBeCancelledInTheMiddleOfItsPass) {
  RequestContext impatient("request", "tenant", Deadline::never());
  {
    Batcher batcher = make();
    model_.hold();
    auto running = start(batcher, texts({1}, 8), EmbedPurpose::document, impatient);
    model_.wait_for_passes(1);
    impatient.cancel();
    EXPECT_EQ(running.get().error().code, ErrorCode::cancelled);
    model_.release();  // The destructor waits for the pass.
  }
  EXPECT_EQ(model_.passes().size(), 1u);
}

TEST_F(BatcherTest, AFailedPassFailsItsCall) {
  Batcher batcher = make();
  const Rows rows = async::sync_wait(batcher.run(texts({-1}, 8), {}, EmbedPurpose::document, context_));
  ASSERT_TRUE(rows.has_error());
  EXPECT_EQ(rows.error().code, ErrorCode::internal);
  EXPECT_THAT(rows.error().message, testing::HasSubstr("no such token"));
  EXPECT_TRUE(async::sync_wait(batcher.run(texts({5}, 8), {}, EmbedPurpose::document, context_)));
}

TEST_F(BatcherTest, ManyCallsFromManyThreads) {
  async::ThreadPool pool({.name = "many", .threads = 3, .queue_max = 4});
  Batcher batcher(model_.forward(), 1, "fake", pool, {.batch_tokens_max = 64});
  std::vector<std::thread> threads;
  for (TokenId t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      RequestContext context("request", "tenant", Deadline::never());
      const EmbedPurpose purpose = t % 2 == 0 ? EmbedPurpose::query : EmbedPurpose::document;
      for (TokenId i = 0; i < 50; ++i) {
        const TokenId token = t * 100 + i;
        const Rows rows = async::sync_wait(batcher.run(texts({token, 1000, token}, 9), {}, purpose, context));
        ASSERT_TRUE(rows) << rows.error().message;
        ASSERT_THAT(*rows, ElementsAre(static_cast<float>(token), 1000.f, static_cast<float>(token)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(batcher.texts_queued(), 0u);
}

}  // namespace
}  // namespace ragtime::encoder
