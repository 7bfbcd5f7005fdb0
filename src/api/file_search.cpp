#include "api/file_search.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "api/filters.h"
#include "api/lookups.h"
#include "api/wire.h"

namespace ragtime::api {
namespace {

constexpr std::int64_t kResultsMax = 50;
constexpr double kWeightMax = 1e6;
constexpr std::int64_t kActivitySeconds = 60;  // How exactly a store remembers when it was last used.

void read_weights(const JsonNode& node, engine::SearchRequest& search) {
  if (!node.present()) return;
  const double dense = node["embedding_weight"].number(0, kWeightMax);
  const double lexical = node["text_weight"].number(0, kWeightMax);
  if (dense + lexical <= 0) {
    node.reject(fmt::format("Invalid '{}': one of the weights must be above zero.", node.path()));
    return;
  }
  search.dense_weight = static_cast<float>(dense / (dense + lexical));
}

engine::SearchRequest read_file_search_tool(const JsonNode& tool) {
  engine::SearchRequest search;
  const JsonNode stores = tool["vector_store_ids"];
  if (!stores.present()) stores.reject_missing();
  for (const JsonNode& store : stores.items(kToolStoresMax)) search.store_ids.push_back(store.string());
  if (search.store_ids.empty()) stores.reject(fmt::format("'{}' must name at least one store.", stores.path()));
  read_search_options(tool, search);
  return search;
}

bool searches(const JsonNode& choice) {
  if (choice.is_string()) return choice.choice({"auto", "none", "required"}) != "none";
  if (choice.present()) choice["type"].choice({"file_search"});
  return true;
}

const rag::ModelInfo* find_model(const std::vector<rag::ModelInfo>& models, std::string_view name) {
  const auto found =
      std::find_if(models.begin(), models.end(), [&](const rag::ModelInfo& model) { return model.name == name; });
  return found == models.end() ? nullptr : &*found;
}

Error unknown_model(const Environment& env, std::string_view name) {
  if (env.embedder && env.embedder->info().model == name) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("The model '{}' makes embeddings; it cannot answer.", name), "model");
  }
  return make_error(ErrorCode::not_found,
                    fmt::format("The model '{}' does not exist. GET /v1/models lists those that do.", name), "model");
}

// Blocks: for the blocking pool.
Result<void> check_store(Environment& env, const std::string& tenant, const std::string& id, std::string param) {
  auto store = env.database.get_store(tenant, id);
  if (store.has_value()) env.stores.remember(tenant, id, *store);
  if (store.has_error()) {
    return explain_not_found(store.error(), fmt::format("No vector store '{}' exists.", id), std::move(param));
  }
  const std::int64_t now = env.clock.unix_seconds();
  if (is_expired(*store, now)) {
    return make_error(ErrorCode::invalid_argument, fmt::format("The vector store '{}' has expired.", id),
                      std::move(param));
  }
  if (!store->expires_after_days || now - store->last_active_at < kActivitySeconds) return {};
  store->last_active_at = now;
  return env.database.update_store(*store);
}

}  // namespace

void read_search_options(const JsonNode& node, engine::SearchRequest& search) {
  search.results = static_cast<std::size_t>(node["max_num_results"].optional_integer(1, kResultsMax).value_or(10));
  search.filter = read_filter(node["filters"]);
  const JsonNode ranking = node["ranking_options"];
  search.rerank = ranking["ranker"].optional_string() != "none";
  if (const auto threshold = ranking["score_threshold"].optional_number(0, 1)) {
    search.score_threshold = static_cast<float>(*threshold);
  }
  read_weights(ranking["hybrid_search"], search);
}

engine::SearchRequest read_search(const JsonNode& root) {
  engine::SearchRequest search;
  const JsonNode query = root["query"];
  if (query.is_array()) {
    for (const JsonNode& each : query.items(kQueriesMax)) search.queries.push_back(each.string());
    if (search.queries.empty()) query.reject("'query' must have at least one text.");
  } else {
    search.queries.push_back(query.string());
  }
  for (const std::string& text : search.queries) {
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) query.reject("'query' must not be empty.");
  }
  root["rewrite_query"].optional_boolean();
  read_search_options(root, search);
  return search;
}

std::optional<engine::SearchRequest> read_tools(const JsonNode& tools, const JsonNode& tool_choice) {
  std::optional<engine::SearchRequest> search;
  for (const JsonNode& tool : tools.items(128)) {
    const JsonNode type = tool["type"];
    const std::string name = type.string();
    if (name != "file_search") {
      type.reject(fmt::format("Tools of type '{}' are not supported yet; 'file_search' is.", name));
    } else if (search) {
      type.reject("Only one 'file_search' tool is supported; list all stores in its 'vector_store_ids'.");
    } else {
      search = read_file_search_tool(tool);
    }
  }
  if (!searches(tool_choice)) search.reset();
  return search;
}

Task<Result<ChosenModel>> choose_model(Environment& env, std::string text, RequestContext& context) {
  const std::vector<rag::ModelInfo> models = env.answerer.models();
  ChosenModel chosen;
  chosen.name = text.empty() ? env.answerer.default_model() : text;
  const rag::ModelInfo* model = find_model(models, chosen.name);
  const std::size_t at = text.rfind('@');
  if (!model && at != std::string::npos) {
    const std::string store_text = text.substr(at + 1);
    chosen.name = at == 0 ? env.answerer.default_model() : text.substr(0, at);
    model = find_model(models, chosen.name);
    if (!model) co_return unknown_model(env, text);
    auto store = co_await find_store_by_id_or_name(env, store_text, context);
    if (store.has_value()) env.stores.remember(context.tenant(), store_text, *store);
    if (store.has_error() && is_database_failure(store.error()) && context.check().has_value()) {
      const auto known = env.stores.recall(context.tenant(), store_text);
      chosen.store_recalled = known.has_value();
      if (known) store = *known;
    }
    if (store.has_error()) {
      co_return explain_not_found(
          store.error(),
          fmt::format("The model '{}' names the vector store '{}', which does not exist.", text, store_text), "model");
    }
    chosen.store_id = store->id;
  }
  if (!model) co_return unknown_model(env, text);
  chosen.built_in = model->built_in;
  chosen.automatic = model->automatic;
  co_return chosen;
}

Task<Result<bool>> check_stores(Environment& env, const std::vector<std::string>& store_ids, std::string param,
                                RequestContext& context) {
  const auto check = [&]() -> Result<void> {
    for (std::size_t i = 0; i < store_ids.size(); ++i) {
      const std::string place = param.empty() ? "vector_store_id" : fmt::format("{}[{}]", param, i);
      RAGTIME_TRY_DONE(check_store(env, context.tenant(), store_ids[i], place));
    }
    return {};
  };
  auto checked = co_await env.look_up(context, check);
  if (checked.has_value()) co_return true;
  const bool known = is_database_failure(checked.error()) && context.check().has_value() &&
                     std::all_of(store_ids.begin(), store_ids.end(), [&](const std::string& id) {
                       return env.stores.recall(context.tenant(), id).has_value();
                     });
  if (known) co_return false;
  co_return std::move(checked).error();
}

}  // namespace ragtime::api
