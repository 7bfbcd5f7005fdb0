#include "engine/rerank_stage.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "encoder/late_interaction.h"
#include "engine/chunk_text.h"
#include "engine/fusion.h"
#include "engine/lexical_overlap.h"
#include "text/analyzer.h"

namespace ragtime::engine {
namespace {

constexpr std::size_t kHitsAtOnce = 8;  // Judged by a model together, so that a budget that ends costs little.

float least_score(RerankMethod method) {
  return method == RerankMethod::late_interaction ? -1.0f : 0.0f;
}

float probability(float logit) {
  return 1 / (1 + std::exp(-logit));
}

std::vector<float> fused_scores(const std::vector<SearchHit>& hits) {
  std::vector<float> scores;
  for (const auto& hit : hits) scores.push_back(hit.score);
  return scores;
}

void apply(std::vector<SearchHit>& hits, const std::vector<float>& judged, const std::vector<float>& scores) {
  for (std::size_t i = 0; i < hits.size(); ++i) {
    hits[i].score = scores[i];
    if (i < judged.size()) hits[i].rerank_score = judged[i];
  }
  std::stable_sort(hits.begin(), hits.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
}

std::string pair_text(const text::Chunk& chunk) {
  return chunk.heading_path.empty() ? chunk.text : chunk.heading_path + "\n" + chunk.text;
}

}  // namespace

struct RerankWork {
  const std::vector<std::string>& queries;
  const std::vector<SearchHit>& hits;
  std::size_t wanted = 0;     // How many of the hits.
  std::vector<float> judged;  // Of the first hits.
};

namespace {

// The texts of the next hits to judge; a long chunk has several.
struct ChunkTexts {
  std::vector<std::string> texts;
  std::vector<std::size_t> ends;  // Per hit: the text behind its last one.
};

ChunkTexts chunk_texts(const RerankWork& work, std::size_t tokens_max) {
  ChunkTexts chunks;
  const std::size_t begin = work.judged.size();
  for (std::size_t i = begin; i < std::min(begin + kHitsAtOnce, work.wanted); ++i) {
    auto parts = embedding_texts({}, work.hits[i].chunk, tokens_max);
    std::move(parts.begin(), parts.end(), std::back_inserter(chunks.texts));
    chunks.ends.push_back(chunks.texts.size());
  }
  return chunks;
}

// A chunk's rows lie one after the other, also when they are of several texts.
void judge_rows(const encoder::TokenVectors& queries, const encoder::TokenVectors& rows,
                const std::vector<std::size_t>& ends, RerankWork& work) {
  const float* begin = rows.values.data();
  for (const std::size_t text : ends) {
    const float* end = rows.values.data() + (text == 0 ? 0 : rows.ends[text - 1]) * rows.dimensions;
    const std::size_t query = work.hits[work.judged.size()].query;
    work.judged.push_back(encoder::max_sim(queries.rows(query), {begin, end}, rows.dimensions));
    begin = end;
  }
}

}  // namespace

Result<void> RerankStage::check() const {
  const auto missing = [](std::string message) { return make_error(ErrorCode::unsupported, std::move(message)); };
  if (config_.method == RerankMethod::cross_encoder && config_.model == nullptr) {
    return missing("reranking by a cross-encoder needs a rerank model");
  }
  if (config_.method != RerankMethod::late_interaction) return {};
  if (embedder_ == nullptr) return missing("reranking by late interaction needs an embedding model");
  if (embedder_->has_token_vectors()) return {};
  return missing("reranking by late interaction needs an embedding model in this process; '" + embedder_->info().model +
                 "' is a remote one");
}

Task<Result<RerankStage::Outcome>> RerankStage::run(const std::vector<std::string>& queries,
                                                    std::vector<SearchHit>& hits, RequestContext& context) const {
  RerankWork work{queries, hits, std::min(config_.candidates, hits.size()), {}};
  RequestContext limited(context, Deadline::after(config_.budget));
  const auto done = co_await judge(work, limited);
  RAGTIME_CO_TRY_DONE(context.check());
  apply(hits, work.judged, blend(fused_scores(hits), work.judged, least_score(config_.method), config_.weight));
  co_return Outcome{work.judged.size(), done.has_value()};
}

Task<Result<void>> RerankStage::judge(RerankWork& work, RequestContext& limited) const {
  if (work.wanted == 0) co_return Result<void>();
  switch (config_.method) {
    case RerankMethod::none:
      break;
    case RerankMethod::lexical_overlap:
      co_return co_await judge_overlap(work, limited);
    case RerankMethod::late_interaction:
      co_return co_await judge_tokens(work, limited);
    case RerankMethod::cross_encoder:
      co_return co_await judge_pairs(work, limited);
  }
  co_return Result<void>();
}

// Rarity needs all texts, so this judges what it could read in time.
Task<Result<void>> RerankStage::judge_overlap(RerankWork& work, RequestContext& limited) const {
  auto job = [&work, &limited]() -> Result<void> {
    std::vector<std::vector<std::string>> texts;
    while (texts.size() < work.wanted && limited.check().has_value()) {
      const SearchHit& hit = work.hits[texts.size()];
      texts.push_back(lexical_terms({}, hit.filename, hit.chunk));
    }
    std::vector<std::vector<float>> scores;
    for (const auto& query : work.queries) scores.push_back(lexical_overlap(text::analyze(query), texts));
    for (std::size_t i = 0; i < texts.size(); ++i) work.judged.push_back(scores[work.hits[i].query][i]);
    if (texts.size() < work.wanted) return limited.check();
    return {};
  };
  co_return co_await compute_.run(limited, std::move(job));
}

Task<Result<void>> RerankStage::judge_tokens(RerankWork& work, RequestContext& limited) const {
  std::vector<std::string> queries = work.queries;
  RAGTIME_CO_TRY(const auto asked,
                 co_await embedder_->embed_tokens(std::move(queries), encoder::EmbedPurpose::query, limited));
  while (work.judged.size() < work.wanted) {
    ChunkTexts chunks = chunk_texts(work, embedder_->info().tokens_max);
    RAGTIME_CO_TRY(const auto rows,
                   co_await embedder_->embed_tokens(std::move(chunks.texts), encoder::EmbedPurpose::document, limited));
    auto job = [&]() -> Result<void> {
      judge_rows(asked, rows, chunks.ends, work);
      return {};
    };
    RAGTIME_CO_TRY_DONE(co_await compute_.run(limited, std::move(job)));
  }
  co_return Result<void>();
}

Task<Result<void>> RerankStage::judge_pairs(RerankWork& work, RequestContext& limited) const {
  while (work.judged.size() < work.wanted) {
    const std::size_t begin = work.judged.size();
    const std::size_t end = std::min(begin + kHitsAtOnce, work.wanted);
    std::vector<float> scores(end - begin);
    for (std::size_t q = 0; q < work.queries.size(); ++q) {
      std::vector<std::string> texts;
      std::vector<std::size_t> places;
      for (std::size_t i = begin; i < end; ++i) {
        if (work.hits[i].query != q) continue;
        texts.push_back(pair_text(work.hits[i].chunk));
        places.push_back(i - begin);
      }
      if (texts.empty()) continue;
      RAGTIME_CO_TRY(const auto rows, co_await config_.model->score(work.queries[q], std::move(texts), limited));
      for (std::size_t i = 0; i < places.size(); ++i) scores[places[i]] = probability(rows.logits[i]);
    }
    work.judged.insert(work.judged.end(), scores.begin(), scores.end());
  }
  co_return Result<void>();
}

}  // namespace ragtime::engine
