// POST /v1/vector_stores/{vector_store_id}/search
#include "api/endpoints.h"
#include "api/file_search.h"
#include "api/lookups.h"
#include "api/reply.h"
#include "api/stopwatch.h"
#include "api/wire.h"

namespace ragtime::api {
namespace {

Result<engine::SearchRequest> read_request(const std::string& body) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(body));
  engine::SearchRequest search = read_search(document.root());
  RAGTIME_TRY_DONE(document.status());
  return search;
}

json::object results_page(const std::vector<std::string>& queries, const engine::SearchResults& results) {
  json::array data;
  for (const engine::SearchHit& hit : results.hits) data.push_back(search_hit_object(hit));
  json::object page{{"object", "vector_store.search_results.page"}, {"has_more", false}, {"next_page", nullptr}};
  page["search_query"] = json::array(queries.begin(), queries.end());
  page["data"] = std::move(data);
  return page;
}

std::vector<std::string> degradations(const engine::SearchResults& results) {
  std::vector<std::string> out;
  if (results.dense_failed) out.push_back("search:dense→lexical");
  if (results.rerank_incomplete) out.push_back("search:rerank→fused");
  return out;
}

}  // namespace

Task<Result<http::Response>> search_vector_store(Environment& env, http::Request& request, RequestContext& context) {
  const Stopwatch total;
  RAGTIME_CO_TRY(engine::SearchRequest search, read_request(request.body));
  search.store_ids.push_back(path_part(request, "vector_store_id"));
  RAGTIME_CO_TRY_DONE(co_await check_stores(env, search.store_ids, "", context));
  const std::vector<std::string> queries = search.queries;
  RAGTIME_CO_TRY(const auto results, co_await env.engine.search(std::move(search), context));
  json::object page = results_page(queries, results);
  page["ragtime"] = ragtime_object(context, total.milliseconds(), degradations(results));
  co_return json_reply(page);
}

}  // namespace ragtime::api
