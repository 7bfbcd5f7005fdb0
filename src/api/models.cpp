// GET /v1/models
#include <vector>

#include <fmt/format.h>

#include "api/endpoints.h"
#include "api/lookups.h"
#include "api/reply.h"

namespace ragtime::api {
namespace {

json::object model_object(const Environment& env, std::string_view name, std::string_view task, bool built_in) {
  return {{"id", name},
          {"object", "model"},
          {"created", env.started_at},
          {"owned_by", built_in ? "ragtime" : "configuration"},
          {"task", task}};
}

std::vector<json::object> all_models(const Environment& env) {
  std::vector<json::object> models;
  for (const rag::ModelInfo& model : env.answerer.models()) {
    models.push_back(model_object(env, model.name, "chat", model.built_in));
  }
  if (env.embedder) models.push_back(model_object(env, env.embedder->info().model, "embedding", false));
  for (const encoder::Embedder* embedder : env.embedders) {
    models.push_back(model_object(env, embedder->info().model, "embedding", false));
  }
  for (const encoder::Reranker* reranker : env.rerankers) {
    const std::string& name = reranker->info().model;
    models.push_back(model_object(env, name, "rerank", name.starts_with("ragtime-")));
  }
  return models;
}

}  // namespace

Task<Result<http::Response>> list_models(Environment& env, http::Request&, RequestContext&) {
  co_return json_reply(list_object(all_models(env), false));
}

Task<Result<http::Response>> get_model(Environment& env, http::Request& request, RequestContext&) {
  const std::string name = path_part(request, "model");
  for (const json::object& model : all_models(env)) {
    if (std::string_view(model.at("id").get_string()) == name) co_return json_reply(model);
  }
  co_return make_error(ErrorCode::not_found, fmt::format("The model '{}' does not exist.", name), "model");
}

}  // namespace ragtime::api
