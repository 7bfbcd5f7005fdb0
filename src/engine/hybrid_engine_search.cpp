#include <algorithm>

#include "async/when_all.h"
#include "engine/hybrid_engine.h"
#include "engine/normalise.h"
#include "text/utf8.h"

namespace ragtime::engine {
namespace {

constexpr std::size_t kResultsMax = 50;

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

}  // namespace

Task<Result<SearchResults>> HybridEngine::search(SearchRequest request, RequestContext& context) {
  RAGTIME_CO_TRY_DONE(check_request(request, config_));
  RAGTIME_CO_TRY(auto plan, co_await this->plan(std::move(request), context));
  SearchResults results;
  auto arms = co_await async::when_all(dense_arm(plan, results, context), lexical_arm(plan, context));
  RAGTIME_CO_TRY(const auto dense, std::move(std::get<0>(arms)));
  RAGTIME_CO_TRY(const auto lexical, std::move(std::get<1>(arms)));
  RAGTIME_CO_TRY(results.hits, co_await blocking_.run(context, [&] { return finish(plan, dense, lexical, context); }));
  co_return results;
}

Task<Result<SearchPlan>> HybridEngine::plan(SearchRequest request, RequestContext& context) {
  SearchPlan plan;
  plan.request = std::move(request);
  plan.candidates = std::max(config_.candidates, plan.request.results);
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
    const double coverage = embedder_ == nullptr || embedder_->info().covers_cjk ? 1 : 1 - text::cjk_share(text);
    query.dense_weight = plan.request.dense_weight.value_or(config_.dense_weight * static_cast<float>(coverage));
    query.text = std::move(text);
    plan.queries.push_back(std::move(query));
  }
}

Task<Result<ArmHits>> HybridEngine::lexical_arm(const SearchPlan& plan, RequestContext& context) {
  co_return co_await compute_.run(context, [&]() -> Result<ArmHits> {
    StageTimer timer(context, "lexical");
    return search_lexical(plan);
  });
}

Task<Result<ArmHits>> HybridEngine::dense_arm(SearchPlan& plan, SearchResults& results, RequestContext& context) {
  plan.dense_stores.assign(plan.stores.size(), false);
  RAGTIME_CO_TRY_DONE(co_await embed_queries(plan, results, context));
  if (!results.dense_used) co_return search_dense(plan);
  co_return co_await compute_.run(context, [&]() -> Result<ArmHits> {
    StageTimer timer(context, "dense");
    return search_dense(plan);
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
  const auto rows = co_await embedder_->embed(std::move(texts), encoder::EmbedPurpose::query, context);
  if (rows.has_error()) {
    if (is_final(rows.error().code)) co_return rows.error();
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
  StageTimer load_timer(context, "load");
  RAGTIME_TRY(auto loaded, engine::load(database_, plan, ranked));
  if (loaded.complete) return std::move(loaded.hits);
  return search_again(plan);
}

// A document that was replaced after the arms had seen it would be missing in its old version, and not there in its
// new one. Without changes meanwhile, index and database agree.
Result<std::vector<SearchHit>> HybridEngine::search_again(const SearchPlan& former) {
  std::unique_lock alone(mutations_);
  const SearchPlan plan = renewed(former);
  const auto ranked = rank(plan, search_dense(plan), search_lexical(plan));
  RAGTIME_TRY(auto loaded, engine::load(database_, plan, ranked));
  return std::move(loaded.hits);
}

}  // namespace ragtime::engine
