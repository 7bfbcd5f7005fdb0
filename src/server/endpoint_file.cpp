#include "server/endpoint_file.h"

#include <fstream>
#include <sstream>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <toml++/toml.h>

#include "http/url.h"

namespace ragtime::server {
namespace {

namespace json = boost::json;

constexpr std::size_t kFileBytesMax = 1u << 20;
constexpr double kWeightMax = 1000;

Error mistake(std::string message) {
  return make_error(ErrorCode::invalid_argument, std::move(message));
}

// TOML is turned into JSON, so that one reader serves both.
Result<json::value> parse_text(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  boost::system::error_code failure;
  json::value value = json::parse(text, failure);
  if (!failure) return value;
  if (first != std::string_view::npos && text[first] == '{') return mistake("not JSON: " + failure.message());
  try {
    const toml::table table = toml::parse(text);
    std::ostringstream out;
    out << toml::json_formatter(table);
    value = json::parse(out.str(), failure);
  } catch (const toml::parse_error& error) {
    return mistake(fmt::format("line {}: {}", error.source().begin.line, error.description()));
  }
  if (failure) return mistake("holds values that endpoints have no use for");
  return value;
}

Result<void> read_text(const json::object& object, std::string_view key, std::string& out) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return {};
  if (!value->is_string()) return mistake(fmt::format("{} must be a text", key));
  out = std::string(value->get_string());
  return {};
}

Result<llm::EndpointConfig> read_endpoint(const json::value& value, const EndpointFileConfig& config) {
  llm::EndpointConfig out{"", config.model, config.api_key, 1};
  if (value.is_string()) {
    out.url = std::string(value.get_string());
  } else if (const json::object* object = value.if_object()) {
    for (const auto& member : *object) {
      const std::string_view key = member.key();
      if (key == "url" || key == "model" || key == "api_key" || key == "weight") continue;
      return mistake(fmt::format("unknown key \"{}\" of an endpoint", key));
    }
    RAGTIME_TRY_DONE(read_text(*object, "url", out.url));
    RAGTIME_TRY_DONE(read_text(*object, "model", out.model));
    RAGTIME_TRY_DONE(read_text(*object, "api_key", out.api_key));
    if (const json::value* weight = object->if_contains("weight")) {
      if (!weight->is_number()) return mistake("weight must be a number");
      out.weight = weight->to_number<double>();
    }
  } else {
    return mistake("an endpoint is a text or an object");
  }
  if (out.weight < 0 || out.weight > kWeightMax) return mistake("weight must be between 0 and 1000");
  if (const auto url = http::parse_url(out.url); url.has_error()) return mistake(url.error().message);
  return out;
}

Result<std::string> read_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return make_error(ErrorCode::unavailable, "cannot read " + file);
  std::string text(kFileBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kFileBytesMax) return mistake(file + " is larger than 1 MiB");
  return text;
}

class FileSource final : public llm::EndpointSource {
 public:
  FileSource(EndpointFileConfig config, async::ThreadPool& blocking)
      : config_(std::move(config)), blocking_(blocking) {}

  Task<Result<std::vector<llm::EndpointConfig>>> list(RequestContext& context) override {
    co_return co_await blocking_.run(context, [this] { return read(); });
  }

  std::string description() const override { return config_.file; }

 private:
  Result<std::vector<llm::EndpointConfig>> read() const {
    RAGTIME_TRY(const std::string text, read_file(config_.file));
    return parse_endpoints(text, config_);
  }

  const EndpointFileConfig config_;
  async::ThreadPool& blocking_;
};

}  // namespace

Result<std::vector<llm::EndpointConfig>> parse_endpoints(std::string_view text, const EndpointFileConfig& config) {
  RAGTIME_TRY(const json::value value, parse_text(text));
  const json::object* object = value.if_object();
  const json::value* list = object == nullptr ? &value : object->if_contains("endpoints");
  if (list == nullptr || !list->is_array()) return mistake("has no list of endpoints");
  std::vector<llm::EndpointConfig> out;
  for (const json::value& item : list->get_array()) {
    RAGTIME_TRY(auto endpoint, read_endpoint(item, config));
    out.push_back(std::move(endpoint));
  }
  return out;
}

std::unique_ptr<llm::EndpointSource> make_file_source(EndpointFileConfig config, async::ThreadPool& blocking) {
  return std::make_unique<FileSource>(std::move(config), blocking);
}

}  // namespace ragtime::server
