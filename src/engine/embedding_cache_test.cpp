#include "engine/embedding_cache.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/temporary_directory_for_test.h"

namespace ragtime::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class EmbeddingCacheTest : public ::testing::Test {
 protected:
  EmbeddingCacheTest() : database_(std::move(storage::open_sqlite(directory_.path() / "ragtime.db").value())) {
    info_.model = "m";
    info_.dimensions = 2;
  }

  storage::TemporaryDirectory directory_;
  std::unique_ptr<storage::Database> database_;
  telemetry::Metrics metrics_;
  encoder::EmbedderInfo info_;
  EmbeddingCacheConfig config_;
};

TEST_F(EmbeddingCacheTest, KeyCoversModelFingerprintPurposeAndText) {
  std::set<std::string> keys;
  for (const char* model : {"m", "n"}) {
    for (const char* fingerprint : {"", "1", "2"}) {
      info_.model = model;
      config_.fingerprint = fingerprint;
      EmbeddingCache cache(config_, info_, *database_, nullptr);
      for (const char* text : {"", "a", "b"}) {
        keys.insert(cache.key(text, encoder::EmbedPurpose::query));
        keys.insert(cache.key(text, encoder::EmbedPurpose::document));
      }
    }
  }
  EXPECT_EQ(keys.size(), 2u * 3 * 3 * 2);
}

TEST_F(EmbeddingCacheTest, VectorsOfAnotherSizeAreNotFound) {
  EmbeddingCache cache(config_, info_, *database_, &metrics_);
  auto use = cache.new_use();
  use.fresh = {{"good", {1, 2}}, {"long", {1, 2, 3}}};
  ASSERT_TRUE(database_->remember_embeddings(use).has_value());
  EXPECT_THAT(cache.find_documents({"long", "good", "none"}), ElementsAre(IsEmpty(), ElementsAre(1, 2), IsEmpty()));
  const auto counted = [&](const char* result) {
    return metrics_.counter("ragtime_embedding_cache_requests_total", "", {{"result", result}}).value();
  };
  EXPECT_EQ(counted("hit"), 1);
  EXPECT_EQ(counted("miss"), 2);
}

TEST_F(EmbeddingCacheTest, QueriesAreBoundedAndTheLongestUnusedGoesFirst) {
  config_.query_bytes_max = 600;  // Two of 2 × 4 + 256 bytes.
  EmbeddingCache cache(config_, info_, *database_, nullptr);
  cache.keep_query("a", {1, 1});
  cache.keep_query("b", {2, 2});
  EXPECT_THAT(cache.find_query("a"), ElementsAre(1, 1));
  cache.keep_query("c", {3, 3});
  EXPECT_THAT(cache.find_query("b"), IsEmpty());
  EXPECT_THAT(cache.find_query("a"), ElementsAre(1, 1));
  EXPECT_THAT(cache.find_query("c"), ElementsAre(3, 3));
}

TEST_F(EmbeddingCacheTest, LimitsOfNothingKeepNothing) {
  config_.query_bytes_max = 0;
  config_.rows_max = 0;
  EmbeddingCache cache(config_, info_, *database_, nullptr);
  cache.keep_query("a", {1, 1});
  EXPECT_THAT(cache.find_query("a"), IsEmpty());
  auto use = cache.new_use();
  use.fresh = {{"a", {1, 2}}};
  ASSERT_TRUE(database_->remember_embeddings(use).has_value());
  EXPECT_THAT(cache.find_documents({"a"}), ElementsAre(IsEmpty()));
}

}  // namespace
}  // namespace ragtime::engine
