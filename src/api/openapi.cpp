#include "api/openapi.h"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "api/schemas.h"

namespace ragtime::api {
namespace {

namespace json = boost::json;

json::object schema_reference(std::string_view name) {
  json::object reference;
  reference["$ref"] = fmt::format("#/components/schemas/{}", name);
  return reference;
}

json::object content_of(std::string_view media_type, json::object schema) {
  json::object media;
  media["schema"] = std::move(schema);
  json::object content;
  content[media_type] = std::move(media);
  return content;
}

json::object binary_schema() {
  return {{"type", "string"}, {"format", "binary"}};
}

json::object parameter(std::string_view name, std::string_view place, bool required) {
  json::object schema{{"type", name == "limit" ? "integer" : "string"}};
  json::object out{{"name", name}, {"in", place}, {"required", required}};
  out["schema"] = std::move(schema);
  return out;
}

json::array parameters_of(const RouteSpec& route) {
  json::array out;
  for (const std::string& name : path_parameters(route.pattern)) out.push_back(parameter(name, "path", true));
  for (const std::string& name : words(route.query)) out.push_back(parameter(name, "query", false));
  return out;
}

json::object request_body(const RouteSpec& route) {
  json::object body{{"required", true}};
  if (route.request == "bytes") {
    body["content"] = content_of("application/octet-stream", binary_schema());
  } else if (route.request == "multipart") {
    body["content"] = content_of("multipart/form-data", schema_reference("FileForm"));
  } else {
    json::object content = content_of("application/json", schema_reference(route.request));
    if (route.example.starts_with('{')) {
      content["application/json"].as_object()["example"] = json::parse(json::string_view(route.example));
    }
    body["content"] = std::move(content);
  }
  return body;
}

// Answers come as server-sent events when the request says "stream": true.
bool is_streamed(const RouteSpec& route) {
  return route.kind == RouteKind::answer && route.method == "POST";
}

json::object success_response(const RouteSpec& route) {
  json::object response{{"description", "OK"}};
  if (route.response == "bytes") {
    response["content"] = content_of("application/octet-stream", binary_schema());
  } else if (route.response == "text") {
    response["content"] = content_of("text/plain", json::object{{"type", "string"}});
  } else {
    json::object content;
    if (route.pattern.starts_with("/streaming/")) {
      content = content_of("text/event-stream", schema_reference(route.response));
    } else {
      content = content_of("application/json", schema_reference(route.response));
      if (is_streamed(route)) content["text/event-stream"] = json::object{{"schema", {{"type", "string"}}}};
    }
    response["content"] = std::move(content);
  }
  return response;
}

std::string operation_id(const RouteSpec& route) {
  std::string id(route.method);
  for (const char c : openapi_path(route.pattern)) {
    const bool word = std::isalnum(static_cast<unsigned char>(c)) || c == '_';
    if (word) id.push_back(c);
    if (!word && id.back() != '_') id.push_back('_');
  }
  while (id.back() == '_') id.pop_back();
  return id;
}

json::object operation(const RouteSpec& route) {
  json::object responses;
  if (route.kind == RouteKind::websocket) {
    responses["101"] = json::object{{"description", "The connection is a WebSocket"}};
  } else {
    responses["200"] = success_response(route);
  }
  json::object failure{{"description", "OpenAI's error body"}};
  failure["content"] = content_of("application/json", schema_reference("Error"));
  responses["default"] = std::move(failure);

  json::object out;
  out["operationId"] = operation_id(route);
  out["summary"] = json::string(route.summary);
  out["tags"] = json::array{json::string(route.tag)};
  if (json::array parameters = parameters_of(route); !parameters.empty()) out["parameters"] = std::move(parameters);
  if (!route.request.empty()) out["requestBody"] = request_body(route);
  out["responses"] = std::move(responses);
  out["x-ragtime-scope"] = name(route.scope);
  if (route.scope == Scope::none) out["security"] = json::array();
  return out;
}

std::string lower(std::string_view text) {
  std::string out;
  for (const char c : text) out.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  return out;
}

json::object components() {
  json::object schemas = json::parse(json::string_view(request_schemas())).as_object();
  const json::value responses = json::parse(json::string_view(response_schemas()));
  for (const auto& schema : responses.as_object()) schemas[schema.key()] = schema.value();
  json::object bearer{{"type", "http"}, {"scheme", "bearer"}};
  json::object security;
  security["key"] = std::move(bearer);
  json::object out;
  out["schemas"] = std::move(schemas);
  out["securitySchemes"] = std::move(security);
  return out;
}

}  // namespace

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    if (end != 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

std::string openapi_path(std::string_view pattern) {
  std::string path(pattern);
  if (const std::size_t dots = path.find("...}"); dots != std::string::npos) path.erase(dots, 3);
  return path;
}

std::vector<std::string> path_parameters(std::string_view pattern) {
  const std::string path = openapi_path(pattern);
  std::vector<std::string> names;
  for (std::size_t open = path.find('{'); open != std::string::npos; open = path.find('{', open + 1)) {
    names.push_back(path.substr(open + 1, path.find('}', open) - open - 1));
  }
  return names;
}

json::object openapi_document(std::span<const RouteSpec> routes, const ServiceConfig& config) {
  json::object paths;
  for (const RouteSpec& route : routes) {
    json::value& path = paths[openapi_path(route.pattern)];
    if (!path.is_object()) path = json::object();
    path.get_object()[lower(route.method)] = operation(route);
  }
  json::object info{{"title", "Ragtime"}, {"version", config.version.empty() ? "0" : config.version}};
  info["description"] = "OpenAI's API over documents, with checked citations, and additions marked by their names.";
  json::object document;
  document["openapi"] = "3.1.0";
  document["info"] = std::move(info);
  document["paths"] = std::move(paths);
  document["components"] = components();
  json::object key;
  key["key"] = json::array();
  json::array security;
  security.push_back(std::move(key));
  document["security"] = std::move(security);
  return document;
}

}  // namespace ragtime::api
