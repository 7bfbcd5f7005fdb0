#include "engine/embedding_reranker.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/normalise.h"

namespace ragtime::engine {
namespace {

float logit_of_cosine(float cosine) {
  constexpr float kEdge = 1e-6f;
  const float p = std::clamp((1 + cosine) / 2, kEdge, 1 - kEdge);
  return std::log(p / (1 - p));
}

class EmbeddingReranker final : public encoder::Reranker {
 public:
  explicit EmbeddingReranker(encoder::Embedder& embedder) : embedder_(embedder) {
    info_.model = kEmbeddingRerankModel;
    info_.tokens_max = embedder.info().tokens_max;
  }

  const encoder::RerankerInfo& info() const override { return info_; }

  Task<Result<encoder::RerankScores>> score(std::string query, std::vector<std::string> documents,
                                            RequestContext& context) override {
    std::vector<std::string> queries(1, std::move(query));
    RAGTIME_CO_TRY(const auto asked,
                   co_await embedder_.embed(std::move(queries), encoder::EmbedPurpose::query, context));
    RAGTIME_CO_TRY(const auto rows,
                   co_await embedder_.embed(std::move(documents), encoder::EmbedPurpose::document, context));
    const auto question = normalised(asked.row(0));
    encoder::RerankScores out;
    out.tokens = asked.token_counts[0];
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto document = normalised(rows.row(i));
      out.logits.push_back(
          logit_of_cosine(std::inner_product(question.begin(), question.end(), document.begin(), 0.0f)));
      out.tokens += rows.token_counts[i];
    }
    co_return out;
  }

 private:
  encoder::Embedder& embedder_;
  encoder::RerankerInfo info_;
};

}  // namespace

std::unique_ptr<encoder::Reranker> make_embedding_reranker(encoder::Embedder& embedder) {
  return std::make_unique<EmbeddingReranker>(embedder);
}

}  // namespace ragtime::engine
