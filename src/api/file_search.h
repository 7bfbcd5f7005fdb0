// What a search request asks for, in the three places where the API takes one: /search, the file_search tool of
// responses and chat, and model names of the form NAME@STORE.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/environment.h"
#include "api/json_reader.h"
#include "engine/engine.h"

namespace ragtime::api {

inline constexpr std::size_t kToolStoresMax = 16;
inline constexpr std::size_t kQueriesMax = 16;

// max_num_results, filters, ranking_options
void read_search_options(const JsonNode& node, engine::SearchRequest& search);
// {query, …}
engine::SearchRequest read_search(const JsonNode& root);
// The `tools` array: at most one file_search; every other kind is a mistake. Nothing when there is none, or when
// `tool_choice` forbids it.
std::optional<engine::SearchRequest> read_tools(const JsonNode& tools, const JsonNode& tool_choice);

struct ChosenModel {
  std::string name;  // For the answerer; never empty.
  bool built_in = false;
  bool automatic = false;  // By complexity; over documents the answerer decides, after its search.
  std::string store_id;  // Of NAME@STORE; empty without one.
  bool store_recalled = false;  // The database failed; the store is known from before.
};

// `text` is what the request said; empty: the default model. STORE is an id or a name.
// Errors: not_found for an unknown model or store, with param "model".
Task<Result<ChosenModel>> choose_model(Environment& env, std::string text, RequestContext& context);

// Checks that every store of the search exists and has not expired; `param` names the list in errors. Marks the
// activity of stores that expire by inactivity. False: the database failed, and they are known from before.
Task<Result<bool>> check_stores(Environment& env, const std::vector<std::string>& store_ids, std::string param,
                                RequestContext& context);

}  // namespace ragtime::api
