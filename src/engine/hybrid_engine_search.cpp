#include <algorithm>
#include <numeric>

#include "async/when_all.h"
#include "engine/diversity.h"
#include "engine/hybrid_engine.h"
#include "engine/neighbors.h"
#include "engine/normalise.h"
#include "engine/parallel_for.h"
#include "engine/script_coverage.h"

namespace ragtime::engine {
namespace {

constexpr std::size_t kResultsMax = 1000;
constexpr std::size_t kChoice = 3;  // Times as many hits as wanted are there to choose from when some may be left out.

Error invalid(std::string message, std::string param) {
  return make_error(ErrorCode::invalid_argument, std::move(message), std::move(param));
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool in_unit_range(const std::optional<float>& value) {
  return !value || (*value >= 0 && *value <= 1);
}

Result<void> check_queries(const SearchRequest& request, const EngineConfig& config) {
  if (request.queries.empty()) return invalid("a search needs a query", "query");
  for (const auto& query : request.queries) {
    if (is_blank(query)) return invalid("the query is empty", "query");
    if (query.size() > config.query_bytes_max) {
      return make_error(ErrorCode::too_large,
                        "the query is longer than " + std::to_string(config.query_bytes_max) + " bytes", "query");
    }
  }
  return {};
}

Result<void> check_request(const SearchRequest& request, const EngineConfig& config) {
  RAGTIME_TRY_DONE(check_queries(request, config));
  if (request.store_ids.empty()) return invalid("a search needs a vector store", "vector_store_ids");
  if (request.results < 1 || request.results > kResultsMax) {
    return invalid("the number of results must be 1 to " + std::to_string(kResultsMax), "max_num_results");
  }
  if (!in_unit_range(request.score_threshold)) return invalid("must be 0 to 1", "score_threshold");
  if (!in_unit_range(request.dense_weight)) return invalid("must be 0 to 1", "embedding_weight");
  return {};
}

bool is_final(ErrorCode code) {
  return code == ErrorCode::cancelled || code == ErrorCode::deadline_exceeded;
}

bool diversifies(const EngineConfig& config) {
  return config.duplicates == Duplicates::suppress || config.mmr_lambda < 1;
}

std::size_t total(const ArmHits& arm) {
  std::size_t count = 0;
  for (const auto& by_store : arm) {
    for (const auto& hits : by_store) count += hits.size();
  }
  return count;
}

}  // namespace

Task<Result<SearchResults>> HybridEngine::search(SearchRequest request, RequestContext& context) {
  RAGTIME_CO_TRY_DONE(check_request(request, config_));
  RAGTIME_CO_TRY(auto plan, co_await this->plan(std::move(request), context));
  SearchResults results;
  auto arms = co_await async::when_all(dense_arm(plan, results, context), lexical_arm(plan, context));
  RAGTIME_CO_TRY(const auto dense, std::move(std::get<0>(arms)));
  RAGTIME_CO_TRY(const auto lexical, std::move(std::get<1>(arms)));
  RAGTIME_CO_TRY(results.hits, co_await blocking_.run(context, [&] { return finish(plan, dense, lexical, context); }));
  RAGTIME_CO_TRY_DONE(co_await rerank(plan, results, context));
  RAGTIME_CO_TRY_DONE(co_await select(plan, results, context));
  RAGTIME_CO_TRY_DONE(co_await widen(plan, results, context));
  co_return results;
}

void HybridEngine::set_user_words(std::shared_ptr<const text::UserWords> words) {
  const std::lock_guard lock(user_words_mutex_);
  user_words_.swap(words);  // The former list, which may be large, is freed without the lock.
}

std::shared_ptr<const text::UserWords> HybridEngine::user_words() const {
  const std::lock_guard lock(user_words_mutex_);
  return user_words_;
}

Task<Result<SearchPlan>> HybridEngine::plan(SearchRequest request, RequestContext& context) {
  SearchPlan plan;
  plan.request = std::move(request);
  plan.user_words = user_words();
  plan.fusion = config_.fusion;
  plan.rrf_k = config_.rrf_k;
  plan.candidates = std::max(config_.candidates, plan.request.results);
  plan.ranked = plan.request.results;
  if (plan.request.rerank) plan.ranked = std::max(plan.ranked, rerank_->candidates());
  if (diversifies(config_)) plan.ranked = std::max(plan.ranked, kChoice * plan.request.results);
  const auto& ids = plan.request.store_ids;
  const bool known = std::all_of(ids.begin(), ids.end(), [this](const auto& id) { return find_store(id) != nullptr; });
  if (known) {
    RAGTIME_CO_TRY(plan.stores, resolve_stores(context.tenant(), ids));
  } else {
    RAGTIME_CO_TRY(plan.stores, co_await blocking_.run(context, [&] {
      std::shared_lock changing(mutations_);
      return resolve_stores(context.tenant(), ids);
    }));
  }
  plan_queries(plan);
  co_return plan;
}

Result<std::vector<HybridEngine::ViewPointer>> HybridEngine::resolve_stores(const std::string& tenant,
                                                                            const std::vector<std::string>& ids) {
  std::vector<StorePointer> stores;
  std::vector<ViewPointer> views;
  for (const auto& id : ids) {
    RAGTIME_TRY(auto store, resolve_store(tenant, id));
    if (std::find(stores.begin(), stores.end(), store) != stores.end()) continue;
    views.push_back(store->view());
    stores.push_back(std::move(store));
  }
  return views;
}

// The same plan over the stores as they are now; one that was deleted meanwhile stays as it was.
SearchPlan HybridEngine::renewed(SearchPlan plan) const {
  for (auto& view : plan.stores) {
    if (const auto store = find_store(view->id())) view = store->view();
  }
  return plan;
}

void HybridEngine::plan_queries(SearchPlan& plan) const {
  for (auto& text : plan.request.queries) {
    QueryPlan query;
    const float coverage = embedder_ == nullptr ? 1 : script_coverage(embedder_->info(), text);
    query.dense_weight = plan.request.dense_weight.value_or(config_.dense_weight * coverage);
    if (plan.request.arms != Arms::both) query.dense_weight = plan.request.arms == Arms::dense ? 1 : 0;
    query.text = std::move(text);
    plan.queries.push_back(std::move(query));
  }
}

Task<Result<ArmHits>> HybridEngine::lexical_arm(const SearchPlan& plan, RequestContext& context) {
  co_return co_await compute_.run(context, [&]() -> Result<ArmHits> {
    StageTimer timer(context, "lexical");
    auto hits = search_lexical(plan, compute_);
    context.timings().count("lexical", total(hits));
    return hits;
  });
}

Task<Result<ArmHits>> HybridEngine::dense_arm(SearchPlan& plan, SearchResults& results, RequestContext& context) {
  plan.dense_stores.assign(plan.stores.size(), false);
  RAGTIME_CO_TRY_DONE(co_await embed_queries(plan, results, context));
  if (!results.dense_used) co_return search_dense(plan, compute_);
  co_return co_await compute_.run(context, [&]() -> Result<ArmHits> {
    StageTimer timer(context, "dense");
    auto hits = search_dense(plan, compute_);
    context.timings().count("dense", total(hits));
    return hits;
  });
}

// From the cache where it has the query. Leaves the vectors empty, and the search lexical, when there is nothing to
// compare them with or the embedder fails.
Task<Result<void>> HybridEngine::embed_queries(SearchPlan& plan, SearchResults& results, RequestContext& context) {
  if (embedder_ == nullptr) co_return Result<void>();
  bool any_store = false;
  for (std::size_t s = 0; s < plan.stores.size(); ++s) {
    if (plan.stores[s]->vectors() == 0) continue;
    plan.dense_stores[s] = plan.stores[s]->embedding_model() == embedder_->info().model;
    any_store = any_store || plan.dense_stores[s];
    results.dense_failed = results.dense_failed || !plan.dense_stores[s];
  }
  std::vector<std::size_t> missing;
  for (std::size_t q = 0; q < plan.queries.size() && any_store; ++q) {
    QueryPlan& query = plan.queries[q];
    if (query.dense_weight <= 0) continue;
    query.vector = cache_->find_query(cache_->key(query.text, encoder::EmbedPurpose::query));
    if (query.vector.empty()) missing.push_back(q);
    results.dense_used = true;
  }
  if (missing.empty()) co_return Result<void>();
  co_return co_await embed_misses(plan, missing, results, context);
}

Task<Result<void>> HybridEngine::embed_misses(SearchPlan& plan, const std::vector<std::size_t>& places,
                                              SearchResults& results, RequestContext& context) {
  StageTimer timer(context, "embed");
  std::vector<std::string> texts;
  for (const std::size_t place : places) texts.push_back(plan.queries[place].text);
  RequestContext limited(context, Deadline::after(config_.embed_budget));
  const auto rows = co_await embedder_->embed(std::move(texts), encoder::EmbedPurpose::query, limited);
  if (rows.has_error()) {
    RAGTIME_CO_TRY_DONE(context.check());
    if (is_final(rows.error().code) && !limited.deadline().expired()) co_return rows.error();
    results.dense_failed = true;
    results.dense_used = false;
    for (QueryPlan& query : plan.queries) query.vector.clear();
    co_return Result<void>();
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    QueryPlan& query = plan.queries[places[i]];
    query.vector = normalised(rows->row(i));
    cache_->keep_query(cache_->key(query.text, encoder::EmbedPurpose::query), query.vector);
  }
  co_return Result<void>();
}

Result<std::vector<SearchHit>> HybridEngine::finish(const SearchPlan& plan, const ArmHits& dense,
                                                    const ArmHits& lexical, RequestContext& context) {
  StageTimer fuse_timer(context, "fuse");
  const auto ranked = rank(plan, dense, lexical);
  fuse_timer.stop();
  context.timings().count("fuse", ranked.fused);
  context.timings().count("load", ranked.best.size());
  StageTimer load_timer(context, "load");
  RAGTIME_TRY(auto loaded, engine::load(database_, plan, ranked.best));
  if (loaded.complete) return std::move(loaded.hits);
  return search_again(plan);
}

// A document that was replaced after the arms had seen it would be missing in its old version, and not there in its
// new one. Without changes meanwhile, index and database agree.
Result<std::vector<SearchHit>> HybridEngine::search_again(const SearchPlan& former) {
  std::unique_lock alone(mutations_);
  const SearchPlan plan = renewed(former);
  const auto ranked = rank(plan, search_dense(plan, compute_), search_lexical(plan, compute_));
  RAGTIME_TRY(auto loaded, engine::load(database_, plan, ranked.best));
  return std::move(loaded.hits);
}

Task<Result<void>> HybridEngine::rerank(const SearchPlan& plan, SearchResults& results, RequestContext& context) {
  if (!rerank_->enabled() || !plan.request.rerank || results.hits.empty()) co_return Result<void>();
  StageTimer timer(context, "rerank");
  std::vector<std::string> queries;
  for (const auto& query : plan.queries) queries.push_back(query.text);
  RAGTIME_CO_TRY(const auto outcome, co_await rerank_->run(queries, results.hits, context));
  results.rerank_incomplete = !outcome.complete;
  context.timings().count("rerank", outcome.judged);
  co_return Result<void>();
}

Task<Result<void>> HybridEngine::select(const SearchPlan& plan, SearchResults& results, RequestContext& context) {
  const float threshold = plan.request.score_threshold.value_or(0.0f);
  std::erase_if(results.hits, [&](const SearchHit& hit) { return hit.score < threshold; });
  if (diversifies(config_) && results.hits.size() > 1) {
    RAGTIME_CO_TRY_DONE(co_await compute_.run(context, [&]() -> Result<void> {
      diversify(plan, results, context);
      return {};
    }));
  }
  if (results.hits.size() > plan.request.results) results.hits.resize(plan.request.results);
  co_return Result<void>();
}

void HybridEngine::diversify(const SearchPlan& plan, SearchResults& results, RequestContext& context) {
  StageTimer timer(context, "select");
  std::vector<std::optional<TextProfile>> read(results.hits.size());
  parallel_for(compute_, read.size(), [&](std::size_t i) { read[i].emplace(results.hits[i].chunk.text); });
  std::vector<TextProfile> profiles;
  for (auto& profile : read) profiles.push_back(std::move(*profile));
  std::vector<std::size_t> kept(profiles.size());
  std::iota(kept.begin(), kept.end(), std::size_t{0});
  if (config_.duplicates == Duplicates::suppress) kept = without_duplicates(results.hits, profiles);
  context.timings().count("duplicates", profiles.size() - kept.size());
  if (config_.mmr_lambda < 1) {
    kept = pick_marginal(results.hits, profiles, kept, plan.request.results, config_.mmr_lambda);
  }
  std::vector<SearchHit> chosen;
  for (const std::size_t i : kept) chosen.push_back(std::move(results.hits[i]));
  results.hits = std::move(chosen);
}

Task<Result<void>> HybridEngine::widen(const SearchPlan& plan, SearchResults& results, RequestContext& context) {
  if (config_.neighbors == 0 || !plan.request.widen || results.hits.empty()) co_return Result<void>();
  co_return co_await blocking_.run(context, [&]() -> Result<void> {
    StageTimer timer(context, "widen");
    RAGTIME_TRY(const std::size_t added, add_neighbors(database_, config_.neighbors, results.hits));
    context.timings().count("widen", added);
    return {};
  });
}

}  // namespace ragtime::engine
