#include "engine/embedding_reranker.h"

#include <cmath>

#include <gtest/gtest.h>

namespace ragtime::engine {
namespace {

// "east" is (2, 0), "west" its opposite, anything else (0, 3).
class CompassEmbedder final : public encoder::Embedder {
 public:
  CompassEmbedder() { info_.dimensions = 2; }
  const encoder::EmbedderInfo& info() const override { return info_; }
  Task<Result<encoder::Embeddings>> embed(std::vector<std::string> texts, encoder::EmbedPurpose purpose,
                                          RequestContext&) override {
    if (purpose == encoder::EmbedPurpose::document && fail) co_return make_error(ErrorCode::unavailable, "no");
    encoder::Embeddings out;
    out.dimensions = 2;
    for (const auto& text : texts) {
      const float x = text == "east" ? 2.0f : text == "west" ? -2.0f : 0.0f;
      out.values.push_back(x);
      out.values.push_back(x == 0 ? 3.0f : 0.0f);
      out.token_counts.push_back(5);
    }
    co_return out;
  }

  bool fail = false;

 private:
  encoder::EmbedderInfo info_;
};

class EmbeddingRerankerTest : public ::testing::Test {
 protected:
  Result<encoder::RerankScores> score(std::vector<std::string> documents) {
    const auto reranker = make_embedding_reranker(embedder_);
    EXPECT_EQ(reranker->info().model, "ragtime-embedding-rerank");
    return async::sync_wait(reranker->score("east", std::move(documents), context_));
  }

  CompassEmbedder embedder_;
  RequestContext context_{"req", "acme", Deadline::never()};
};

TEST_F(EmbeddingRerankerTest, SigmoidOfTheLogitIsTheCosineBetweenZeroAndOne) {
  const auto scores = score({"north", "east", "west"});
  ASSERT_TRUE(scores.has_value());
  const auto sigmoid = [](float logit) { return 1 / (1 + std::exp(-logit)); };
  EXPECT_NEAR(sigmoid(scores->logits.at(0)), 0.5, 1e-4);
  EXPECT_NEAR(sigmoid(scores->logits.at(1)), 1, 1e-4);
  EXPECT_NEAR(sigmoid(scores->logits.at(2)), 0, 1e-4);
  EXPECT_EQ(scores->tokens, 20u);
}

TEST_F(EmbeddingRerankerTest, EmbeddersErrorIsPassedOn) {
  embedder_.fail = true;
  EXPECT_EQ(score({"north"}).error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace ragtime::engine
