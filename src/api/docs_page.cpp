#include "api/docs_page.h"

#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "api/openapi.h"
#include "text/html_escape.h"

namespace ragtime::api {
namespace {

namespace json = boost::json;
using text::escape_html;

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Ragtime API</title><style>
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem;border-bottom:1px solid #8886}
details{margin:.5rem 0;border:1px solid #8884;border-radius:.4rem;padding:.5rem .8rem}
summary{cursor:pointer}
code,pre{font:14px/1.45 ui-monospace,monospace}
pre{overflow-x:auto;background:#8881;padding:.7rem;border-radius:.4rem}
.method{display:inline-block;min-width:4.2rem;font-weight:600}
.note{opacity:.75}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #8883}
</style></head><body>
)";

std::string_view text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

std::string reference_name(const json::object& schema) {
  const std::string_view reference = text_of(schema, "$ref");
  const std::size_t slash = reference.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(reference.substr(slash + 1));
}

std::string type_text(const json::value& value) {
  if (!value.is_object()) return "any";
  const json::object& schema = value.get_object();
  if (std::string name = reference_name(schema); !name.empty()) {
    return fmt::format("<a href=\"#schema-{0}\">{0}</a>", escape_html(name));
  }
  if (const json::value* choices = schema.if_contains("enum")) return escape_html(json::serialize(*choices));
  if (const json::value* constant = schema.if_contains("const")) return escape_html(json::serialize(*constant));
  if (const json::value* options = schema.if_contains("oneOf")) {
    std::string out;
    for (const json::value& option : options->as_array()) out += (out.empty() ? "" : " or ") + type_text(option);
    return out;
  }
  if (const json::value* items = schema.if_contains("items")) return "array of " + type_text(*items);
  const json::value* type = schema.if_contains("type");
  if (!type) return "any";
  return type->is_string() ? std::string(type->get_string()) : escape_html(json::serialize(*type));
}

bool is_required(const json::object& schema, std::string_view name) {
  const json::value* required = schema.if_contains("required");
  if (!required) return false;
  for (const json::value& each : required->as_array()) {
    if (std::string_view(each.get_string()) == name) return true;
  }
  return false;
}

std::string schema_section(std::string_view name, const json::object& schema) {
  std::string out = fmt::format("<section id=\"schema-{0}\"><h3><code>{0}</code></h3>\n", escape_html(name));
  if (const std::string_view text = text_of(schema, "description"); !text.empty()) {
    out += fmt::format("<p>{}</p>\n", escape_html(text));
  }
  const json::value* properties = schema.if_contains("properties");
  if (!properties) return out + fmt::format("<p>{}</p></section>\n", type_text(schema));
  out += "<table><tr><th>Field</th><th>Type</th><th></th></tr>\n";
  for (const auto& property : properties->as_object()) {
    const json::object* details = property.value().if_object();
    out += fmt::format("<tr><td><code>{}</code>{}</td><td>{}</td><td>{}</td></tr>\n", escape_html(property.key()),
                       is_required(schema, property.key()) ? " *" : "", type_text(property.value()),
                       details ? escape_html(text_of(*details, "description")) : "");
  }
  return out + "</table></section>\n";
}

std::string body_link(std::string_view label, std::string_view schema) {
  if (schema.empty()) return {};
  if (schema == "multipart") schema = "FileForm";
  if (schema == "bytes" || schema == "text") return fmt::format("<p>{}: {}</p>\n", label, schema);
  return fmt::format("<p>{0}: <a href=\"#schema-{1}\"><code>{1}</code></a></p>\n", label, schema);
}

std::string route_section(const RouteSpec& route) {
  std::string out = fmt::format(
      "<details><summary><span class=\"method\">{}</span> <code>{}</code> — {}</summary>\n"
      "<p class=\"note\">Scope: {}{}</p>\n",
      route.method, escape_html(openapi_path(route.pattern)), escape_html(route.summary), name(route.scope),
      route.query.empty() ? std::string() : fmt::format(" · Query: {}", escape_html(route.query)));
  out += body_link("Request", route.request);
  out += body_link("Reply", route.response);
  return out + fmt::format("<pre>{}</pre></details>\n", escape_html(curl_example(route)));
}

}  // namespace

std::string curl_example(const RouteSpec& route) {
  std::string url = "http://127.0.0.1:8000" + openapi_path(route.pattern);
  if (route.example.starts_with('?')) url += route.example;
  std::string out = "curl";
  if (route.method != "GET") out += fmt::format(" -X {}", route.method);
  out += fmt::format(" '{}'", url);
  if (route.scope != Scope::none) out += " \\\n  -H \"Authorization: Bearer $RAGTIME_API_KEY\"";
  if (route.request == "multipart") return out + " \\\n  -F purpose=assistants -F file=@handbook.pdf";
  if (route.request == "bytes") return out + " \\\n  --data-binary @handbook.pdf";
  if (route.request.empty()) return out;
  return out + fmt::format(" \\\n  -H 'Content-Type: application/json' \\\n  -d '{}'", route.example);
}

std::string docs_page(std::span<const RouteSpec> routes, const json::object& openapi) {
  std::string out(kHead);
  out += fmt::format(
      "<h1>Ragtime API {}</h1>\n<p>OpenAI's API over your documents. The official OpenAI clients work with "
      "<code>base_url=http://HOST:PORT/v1</code>. Without any key the server answers its own machine only; a key comes "
      "from <code>ragtime key create</code>. The same as <a href=\"/openapi.json\">OpenAPI 3.1</a>.</p>\n",
      escape_html(text_of(openapi.at("info").as_object(), "version")));
  std::string_view tag;
  for (const RouteSpec& route : routes) {
    if (route.tag != tag) out += fmt::format("<h2>{}</h2>\n", escape_html(route.tag));
    tag = route.tag;
    out += route_section(route);
  }
  out += "<h2>Schemas</h2>\n<p class=\"note\">* required</p>\n";
  for (const auto& schema : openapi.at("components").at("schemas").as_object()) {
    out += schema_section(schema.key(), schema.value().as_object());
  }
  return out + "</body></html>\n";
}

}  // namespace ragtime::api
