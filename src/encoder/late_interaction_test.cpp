#include "encoder/late_interaction.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "encoder/embedder.h"

namespace ragtime::encoder {
namespace {

TEST(MaxSim, IsTheMeanOfEachQueryTokensBestCosine) {
  const std::vector<float> query = {1, 0, 0, 1};
  const std::vector<float> document = {0.6f, 0.8f, 0.8f, -0.6f, -1, 0};
  EXPECT_NEAR(max_sim(query, document, 2), (0.8 + 0.8) / 2, 1e-6);
  EXPECT_NEAR(max_sim({query.data(), 2}, document, 2), 0.8, 1e-6);
}

TEST(MaxSim, NothingAnswersNothing) {
  const std::vector<float> one = {1, 0};
  EXPECT_EQ(max_sim({}, one, 2), -1);
  EXPECT_EQ(max_sim(one, {}, 2), -1);
}

TEST(MaxSim, EqualsTheDefinitionForAnyWidth) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::normal_distribution<float> values;
  for (const std::size_t width : {1u, 15u, 16u, 17u, 50u}) {
    const auto rows = [&](std::size_t count) {
      std::vector<float> out(count * width);
      for (float& value : out) value = values(random) / std::sqrt(static_cast<float>(width) * 9);
      return out;
    };
    const auto query = rows(3);
    const auto document = rows(5);
    double expected = 0;
    for (std::size_t q = 0; q < 3; ++q) {
      double best = -1;
      for (std::size_t d = 0; d < 5; ++d) {
        double dot = 0;
        for (std::size_t i = 0; i < width; ++i) dot += query[q * width + i] * document[d * width + i];
        best = std::max(best, dot);
      }
      expected += best / 3;
    }
    EXPECT_NEAR(max_sim(query, document, width), std::clamp(expected, -1.0, 1.0), 1e-5) << width;
  }
}

// One vector per text, as remote servers give.
class PlainEmbedder final : public Embedder {
 public:
  PlainEmbedder() { info_.model = "plain"; }
  const EmbedderInfo& info() const override { return info_; }
  Task<Result<Embeddings>> embed(std::vector<std::string>, EmbedPurpose, RequestContext&) override {
    co_return Embeddings();
  }

 private:
  EmbedderInfo info_;
};

TEST(TokenVectors, EmbeddersWithoutThemSaySo) {
  PlainEmbedder embedder;
  RequestContext context("request", "tenant", Deadline::never());
  EXPECT_FALSE(embedder.has_token_vectors());
  std::vector<std::string> texts = {"fox"};
  const auto out = async::sync_wait(embedder.embed_tokens(std::move(texts), EmbedPurpose::query, context));
  ASSERT_TRUE(out.has_error());
  EXPECT_EQ(out.error().code, ErrorCode::unsupported);
  EXPECT_NE(out.error().message.find("plain"), std::string::npos);
}

}  // namespace
}  // namespace ragtime::encoder
