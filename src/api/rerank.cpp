// POST /v1/rerank, /v2/rerank, /rerank: one answer that satisfies the clients of Jina and Cohere, and TEI's bare array.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "api/endpoints.h"
#include "api/reply.h"
#include "api/rerank_request.h"
#include "base/id.h"

namespace ragtime::api {
namespace {

Result<encoder::Reranker*> find_reranker(const Environment& env, const std::string& model) {
  if (env.rerankers.empty()) {
    return make_error(ErrorCode::not_found,
                      "No reranking model is there. Add an embedding model with `ragtime model add NAME`, or configure "
                      "one with task = \"rerank\" in [[models]].",
                      "model");
  }
  if (model.empty()) return env.rerankers.front();
  for (encoder::Reranker* reranker : env.rerankers) {
    if (reranker->info().model == model) return reranker;
  }
  return make_error(
      ErrorCode::not_found,
      fmt::format("The reranking model '{}' does not exist; '{}' does.", model, env.rerankers.front()->info().model),
      "model");
}

// Places of the documents, best first; of equals the earlier one.
std::vector<std::size_t> best_first(const std::vector<float>& scores, std::size_t count_max) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
  order.resize(std::min(order.size(), count_max));
  return order;
}

double shown_score(float logit, bool raw) {
  return raw ? logit : 1 / (1 + std::exp(-static_cast<double>(logit)));
}

json::array results_array(const RerankRequest& request, const std::vector<float>& logits) {
  json::array results;
  for (const std::size_t i : best_first(logits, request.results_max.value_or(logits.size()))) {
    json::object item{{"index", i}};
    item[request.bare ? "score" : "relevance_score"] = shown_score(logits[i], request.raw_scores);
    if (request.return_documents && request.bare) item["text"] = request.documents[i];
    if (request.return_documents && !request.bare) item["document"] = json::object{{"text", request.documents[i]}};
    results.push_back(std::move(item));
  }
  return results;
}

json::object rerank_object(std::string_view model, std::size_t tokens, std::string_view api_version,
                           json::array results) {
  json::object meta;
  meta["api_version"] = json::object{{"version", api_version}};
  meta["billed_units"] = json::object{{"search_units", 1}};
  meta["tokens"] = json::object{{"input_tokens", tokens}};
  json::object object{{"id", make_id("rerank-")}, {"object", "list"}, {"model", model}};
  object["usage"] = json::object{{"prompt_tokens", tokens}, {"total_tokens", tokens}};
  object["meta"] = std::move(meta);
  object["results"] = std::move(results);
  return object;
}

}  // namespace

Task<Result<http::Response>> create_rerank(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const RerankRequest wanted, read_rerank_request(request.body, request.path == "/rerank"));
  RAGTIME_CO_TRY(encoder::Reranker* const reranker, find_reranker(env, wanted.model));
  StageTimer timer(context, "rerank");
  RAGTIME_CO_TRY(const auto scores, co_await reranker->score(wanted.query, wanted.documents, context));
  timer.stop();
  json::array results = results_array(wanted, scores.logits);
  if (wanted.bare) co_return json_reply(json::value(std::move(results)));
  const std::string_view version = request.path.starts_with("/v2/") ? "2" : "1";
  co_return json_reply(rerank_object(reranker->info().model, scores.tokens, version, std::move(results)));
}

}  // namespace ragtime::api
