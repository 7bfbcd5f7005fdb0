#include <algorithm>
#include <charconv>
#include <set>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include "index/vector_index.h"
#include "server/configuration_fields.h"

namespace ragtime::server {
namespace {

Error at(std::string param, std::string message) {
  return make_error(ErrorCode::invalid_argument, std::move(message), std::move(param));
}

bool is_http_url(std::string_view url) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (url.starts_with(scheme)) return url.size() > scheme.size() && url[scheme.size()] != '/';
  }
  return false;
}

Result<void> check_discovery(const DiscoverySettings& discovery, const std::string& path) {
  const int sources = !discovery.dns.empty() + !discovery.srv.empty() + !discovery.file.empty();
  if (sources > 1) return at(path, "give only one of dns, srv and file");
  // A certificate names the host, and the connection would be to an address.
  if (!discovery.dns.empty() && !discovery.dns.starts_with("http://")) {
    return at(path + ".dns", "must be an http:// address with a host name such as http://models.internal:8000/v1");
  }
  if (!discovery.path.empty() && !discovery.path.starts_with('/')) return at(path + ".path", "must begin with /");
  return {};
}

Result<void> check_pool(const ModelSettings& model, const std::string& path) {
  RAGTIME_TRY_DONE(check_discovery(model.discovery, path + ".discovery"));
  const auto& admission = model.admission;
  if (admission.limit_min > admission.limit_max) {
    return at(path + ".admission.limit_min", "must not be larger than limit_max");
  }
  constexpr std::int64_t kPollMsMin = 250;
  if (model.metrics.interval_ms > 0 && model.metrics.interval_ms < kPollMsMin) {
    return at(path + ".metrics.interval_ms",
              fmt::format("must be 0 (not polled) or at least {}: rendering metrics costs the server time", kPollMsMin));
  }
  if (!model.health.path.empty() && !model.health.path.starts_with('/')) {
    return at(path + ".health.path", "must begin with /");
  }
  return {};
}

Result<void> check_endpoints(const ModelSettings& model, const std::string& path) {
  RAGTIME_TRY_DONE(check_pool(model, path));
  if (model.endpoints.empty() && !model.discovery.any()) {
    return at(path + ".endpoints", fmt::format("model \"{}\" needs at least one endpoint with a url", model.name));
  }
  for (std::size_t i = 0; i < model.endpoints.size(); ++i) {
    const auto& url = model.endpoints[i].url;
    if (is_http_url(url)) continue;
    return at(fmt::format("{}.endpoints[{}].url", path, i),
              fmt::format("must be an http:// or https:// address such as http://127.0.0.1:9001/v1, not \"{}\"", url));
  }
  return {};
}

Result<void> check_model(const ModelSettings& model, const std::string& path, std::set<std::string>& names) {
  if (model.name.empty()) return at(path + ".name", "every model needs a name");
  if (model.name.find('@') != std::string::npos || model.name == "auto" || model.name.starts_with("ragtime-")) {
    return at(path + ".name",
              fmt::format("\"{}\" is reserved: no '@', not \"auto\", not beginning with \"ragtime-\"", model.name));
  }
  if (!names.insert(model.name).second) {
    return at(path + ".name", fmt::format("two models are called \"{}\"", model.name));
  }
  if (model.directory.empty()) return check_endpoints(model, path);
  if (model.task != "rerank") return at(path + ".directory", "only models with task = \"rerank\" have a directory");
  if (!model.endpoints.empty()) return at(path + ".directory", "a model has a directory or endpoints, not both");
  return {};
}

// Vectors in a store have one size from the start.
Result<void> check_encoder_model(const Configuration& configuration) {
  for (std::size_t i = 0; i < configuration.models.size(); ++i) {
    const auto& model = configuration.models[i];
    if (model.task != "embedding" || model.name != configuration.encoder.model || model.dimensions > 0) continue;
    return at(fmt::format("models[{}].dimensions", i),
              fmt::format("must say how many dimensions \"{}\" has, since encoder.model uses it", model.name));
  }
  return {};
}

Result<void> check_model_name(const std::set<std::string>& names, const std::string& name, std::string path) {
  if (name.empty() || names.contains(name) || name.starts_with("ragtime-")) return {};
  const std::string guess = closest_name(name, {names.begin(), names.end()});
  return at(std::move(path), fmt::format("there is no model called \"{}\"{}", name,
                                         guess.empty() ? "" : fmt::format("; did you mean \"{}\"?", guess)));
}

// The reranker's model is one of the configured ones, since only those are opened.
Result<void> check_reranker(const Configuration& configuration) {
  const auto& retrieval = configuration.retrieval;
  if (retrieval.reranker != "cross_encoder") return {};
  std::vector<std::string> names;
  for (const auto& model : configuration.models) {
    if (model.task == "rerank") names.push_back(model.name);
  }
  if (std::count(names.begin(), names.end(), retrieval.rerank_model) > 0) return {};
  if (retrieval.rerank_model.empty()) {
    return at("retrieval.rerank_model",
              "reranker = \"cross_encoder\" needs the name of a model with task = \"rerank\"");
  }
  const std::string guess = closest_name(retrieval.rerank_model, names);
  return at("retrieval.rerank_model",
            fmt::format("there is no model called \"{}\" with task = \"rerank\"{}", retrieval.rerank_model,
                        guess.empty() ? "" : fmt::format("; did you mean \"{}\"?", guess)));
}

Result<void> check_models(const Configuration& configuration) {
  std::set<std::string> names;
  const auto& models = configuration.models;
  for (std::size_t i = 0; i < models.size(); ++i) {
    RAGTIME_TRY_DONE(check_model(models[i], fmt::format("models[{}]", i), names));
  }
  for (std::size_t i = 0; i < models.size(); ++i) {
    for (const auto& fallback : models[i].fallbacks) {
      RAGTIME_TRY_DONE(check_model_name(names, fallback, fmt::format("models[{}].fallbacks", i)));
    }
  }
  RAGTIME_TRY_DONE(check_encoder_model(configuration));
  RAGTIME_TRY_DONE(check_model_name(names, configuration.routing.light, "routing.light"));
  RAGTIME_TRY_DONE(check_model_name(names, configuration.routing.balanced, "routing.balanced"));
  return check_model_name(names, configuration.routing.strong, "routing.strong");
}

Result<void> check_routing(const Configuration& configuration) {
  const auto& routing = configuration.routing;
  if (routing.strong_from < routing.balanced_from) {
    return at("routing.strong_from", "must not be smaller than routing.balanced_from");
  }
  if (routing.confidence_high < routing.confidence_low) {
    return at("routing.confidence_high", "must not be smaller than routing.confidence_low");
  }
  for (const auto& model : configuration.models) {
    if (model.task == "chat") continue;
    for (const auto& [key, name] : {std::pair("routing.light", routing.light), {"routing.balanced", routing.balanced},
                                    {"routing.strong", routing.strong}}) {
      if (name == model.name) return at(key, fmt::format("\"{}\" is no chat model", name));
    }
  }
  return {};
}

Result<void> check_store_url(const std::string& url) {
  for (const std::string_view scheme : {"sqlite:", "postgres://", "postgresql://"}) {
    if (url.starts_with(scheme)) return {};
  }
  return at("store.url", "must begin with sqlite: or postgres://");
}

}  // namespace

Result<ListenAddress> parse_listen(std::string_view listen) {
  const auto wrong = [&] {
    return at("server.listen",
              fmt::format("must be ADDRESS:PORT such as 127.0.0.1:8000 or [::1]:8000, not \"{}\"", listen));
  };
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = listen.substr(0, colon);
  const std::string_view port = listen.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";

  ListenAddress out;
  const auto [end, status] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (port.empty() || status != std::errc() || end != port.data() + port.size()) return wrong();
  boost::system::error_code failure;
  const auto address = boost::asio::ip::make_address(std::string(host), failure);
  if (failure || address.is_v6() != bracketed) return wrong();
  out.address = address.to_string();
  out.loopback = address.is_loopback();
  return out;
}

Result<void> check_consistency(const Configuration& configuration) {
  RAGTIME_TRY_DONE(parse_listen(configuration.server.listen));
  if (configuration.server.data_dir.empty()) return at("server.data_dir", "must name a directory");
  if (configuration.server.roles.empty()) return at("server.roles", "must name at least one role");
  if (configuration.server.tls_cert.empty() != configuration.server.tls_key.empty()) {
    return at(configuration.server.tls_cert.empty() ? "server.tls_cert" : "server.tls_key",
              "tls_cert and tls_key belong together: give both or neither");
  }
  const auto& chunking = configuration.chunking;
  if (chunking.overlap * 2 > chunking.size) {
    return at("chunking.overlap",
              fmt::format("must be at most half of size ({}), not {}", chunking.size, chunking.overlap));
  }
  if (configuration.retrieval.results > configuration.retrieval.candidates) {
    return at("retrieval.results", "must not be larger than retrieval.candidates");
  }
  if (const auto kind = index::parse_vector_kind(configuration.retrieval.index); kind.has_error()) {
    return at("retrieval.index", kind.error().message);
  }
  RAGTIME_TRY_DONE(check_models(configuration));
  RAGTIME_TRY_DONE(check_routing(configuration));
  RAGTIME_TRY_DONE(check_reranker(configuration));
  return check_store_url(configuration.store.url);
}

std::vector<std::string> settings_without_effect(const Configuration& configuration) {
  const Configuration plain;
  std::vector<std::string> out;
  const auto note = [&](bool changed, std::string sentence) {
    if (changed) out.push_back(std::move(sentence));
  };
  note(configuration.server.roles != plain.server.roles, "server.roles: this version always takes all roles");
  note(!configuration.retrieval.rerank_model.empty() && configuration.retrieval.reranker != "cross_encoder",
       "retrieval.rerank_model: only used with reranker = \"cross_encoder\"");
  note(configuration.chunking.strategy == "academic", "chunking.strategy: \"academic\" is treated as \"auto\"");
  note(!configuration.cache.redis_url.empty(), "cache.redis_url: this version does not use Redis");
  note(!configuration.trace.otlp_url.empty(), "trace.otlp_url: this version does not export traces");
  return out;
}

}  // namespace ragtime::server
