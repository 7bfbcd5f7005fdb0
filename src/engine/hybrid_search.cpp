#include "engine/hybrid_search.h"

#include <algorithm>
#include <unordered_map>

#include "engine/fusion.h"
#include "engine/parallel_for.h"

namespace ragtime::engine {
namespace {

// The union of both arms' hits in one store.
std::vector<Candidate> gather(const std::vector<index::Hit>& dense, const std::vector<index::Hit>& lexical) {
  std::vector<Candidate> candidates;
  std::unordered_map<index::ChunkId, std::size_t> positions;
  for (const auto& hit : lexical) {
    positions.emplace(hit.id, candidates.size());
    candidates.push_back(Candidate{hit.id, std::nullopt, hit.score});
  }
  for (const auto& hit : dense) {
    const auto [position, fresh] = positions.emplace(hit.id, candidates.size());
    if (fresh) candidates.push_back(Candidate{hit.id, std::nullopt, 0});
    candidates[position->second].dense = hit.score;
  }
  return candidates;
}

// What only the lexical arm found has a cosine too, just not among the best.
void fill_dense(const StoreView& store, const std::vector<float>& query, std::vector<Candidate>& candidates) {
  std::vector<index::ChunkId> ids;
  for (const auto& candidate : candidates) {
    if (!candidate.dense) ids.push_back(candidate.id);
  }
  const auto scores = store.dense_scores(query, ids);
  auto next = scores.begin();
  for (auto& candidate : candidates) {
    if (!candidate.dense) candidate.dense = *next++;
  }
}

struct QueryCandidates {
  std::vector<Candidate> candidates;
  std::vector<std::size_t> stores;  // Of each candidate.
};

QueryCandidates candidates_of(const SearchPlan& plan, const QueryPlan& query,
                              const std::vector<std::vector<index::Hit>>& dense,
                              const std::vector<std::vector<index::Hit>>& lexical) {
  QueryCandidates all;
  for (std::size_t s = 0; s < plan.stores.size(); ++s) {
    auto candidates = gather(dense[s], lexical[s]);
    if (!query.vector.empty() && plan.dense_stores[s]) fill_dense(*plan.stores[s], query.vector, candidates);
    all.candidates.insert(all.candidates.end(), candidates.begin(), candidates.end());
    all.stores.resize(all.candidates.size(), s);
  }
  return all;
}

bool better(const RankedChunk& a, const RankedChunk& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

class BestOfQueries {
 public:
  void add(const RankedChunk& chunk) {
    const auto [position, fresh] = positions_.emplace(chunk.id, chunks_.size());
    if (fresh) {
      chunks_.push_back(chunk);
    } else if (better(chunk, chunks_[position->second])) {
      chunks_[position->second] = chunk;
    }
  }

  Ranking take(std::size_t count) {
    Ranking ranking;
    ranking.fused = chunks_.size();
    const auto end = chunks_.begin() + static_cast<std::ptrdiff_t>(std::min(count, chunks_.size()));
    std::partial_sort(chunks_.begin(), end, chunks_.end(), better);
    chunks_.erase(end, chunks_.end());
    ranking.best = std::move(chunks_);
    return ranking;
  }

 private:
  std::vector<RankedChunk> chunks_;
  std::unordered_map<index::ChunkId, std::size_t> positions_;
};

std::vector<index::ChunkId> ids_of(const std::vector<RankedChunk>& ranked) {
  std::vector<index::ChunkId> ids;
  for (const auto& chunk : ranked) ids.push_back(chunk.id);
  return ids;
}

SearchHit make_hit(storage::ChunkRecord record, const RankedChunk& ranked, DocumentInfo document) {
  SearchHit hit;
  hit.chunk_id = record.id;
  hit.store_id = std::move(record.store_id);
  hit.file_id = std::move(record.file_id);
  hit.filename = std::move(document.filename);
  hit.attributes = std::move(document.attributes);
  hit.chunk = std::move(record.chunk);
  hit.query = ranked.query;
  hit.score = ranked.score;
  hit.dense_score = ranked.dense;
  hit.lexical_score = ranked.lexical;
  return hit;
}

std::vector<text::SearchTerms> terms_of(const SearchPlan& plan) {
  const text::UserWords none;
  const text::UserWords& words = plan.user_words ? *plan.user_words : none;
  std::vector<text::SearchTerms> terms;
  for (const auto& query : plan.queries) terms.push_back(text::parse_query(query.text, words));
  return terms;
}

ArmHits no_hits(const SearchPlan& plan) {
  return ArmHits(plan.queries.size(), std::vector<std::vector<index::Hit>>(plan.stores.size()));
}

}  // namespace

ArmHits search_lexical(const SearchPlan& plan, async::ThreadPool& pool) {
  if (plan.request.arms == Arms::dense) return no_hits(plan);
  const std::size_t stores = plan.stores.size();
  const auto terms = terms_of(plan);
  ArmHits hits = no_hits(plan);
  parallel_for(pool, plan.queries.size() * stores, [&](std::size_t i) {
    const auto& store = *plan.stores[i % stores];
    hits[i / stores][i % stores] = store.search_lexical(terms[i / stores], plan.candidates, plan.request.filter);
  });
  return hits;
}

ArmHits search_dense(const SearchPlan& plan, async::ThreadPool& pool) {
  const std::size_t stores = plan.stores.size();
  ArmHits hits = no_hits(plan);
  parallel_for(pool, plan.queries.size() * stores, [&](std::size_t i) {
    const auto& vector = plan.queries[i / stores].vector;
    if (vector.empty() || !plan.dense_stores[i % stores]) return;
    hits[i / stores][i % stores] = plan.stores[i % stores]->search_dense(vector, plan.candidates, plan.request.filter);
  });
  return hits;
}

Ranking rank(const SearchPlan& plan, const ArmHits& dense, const ArmHits& lexical) {
  BestOfQueries best;
  for (std::size_t q = 0; q < plan.queries.size(); ++q) {
    const auto all = candidates_of(plan, plan.queries[q], dense[q], lexical[q]);
    const float weight = plan.queries[q].dense_weight;
    const auto scores =
        plan.fusion == Fusion::rrf ? fuse_ranks(all.candidates, weight, plan.rrf_k) : fuse(all.candidates, weight);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const Candidate& candidate = all.candidates[i];
      best.add(
          RankedChunk{candidate.id, all.stores[i], q, scores[i], candidate.dense.value_or(0.0f), candidate.lexical});
    }
  }
  return best.take(plan.ranked);
}

Result<LoadedHits> load(storage::Database& database, const SearchPlan& plan, const std::vector<RankedChunk>& ranked) {
  RAGTIME_TRY(auto records, database.get_chunks(ids_of(ranked)));
  LoadedHits loaded;
  auto record = records.begin();
  for (const auto& chunk : ranked) {
    // get_chunks() keeps the order and leaves out what is gone.
    const bool found = record != records.end() && record->id == chunk.id;
    auto document = found ? plan.stores[chunk.store]->document(record->file_id) : std::nullopt;
    if (document) {
      loaded.hits.push_back(make_hit(std::move(*record), chunk, std::move(*document)));
    } else {
      loaded.complete = false;
    }
    if (found) ++record;
  }
  return loaded;
}

}  // namespace ragtime::engine
