#include "api/json_reader.h"

#include <cmath>

#include <boost/json/stream_parser.hpp>
#include <fmt/format.h>

#include "text/utf8.h"

namespace ragtime::api {
namespace {

std::string_view kind_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "an integer";
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "something else";
}

Error syntax_error(const boost::system::error_code& error, std::size_t position) {
  if (error == json::error::too_deep) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("The JSON body is nested deeper than {} levels.", kJsonDepthMax));
  }
  return make_error(ErrorCode::invalid_argument,
                    fmt::format("The request body is not valid JSON: {} near byte {}.", error.message(), position));
}

std::optional<std::int64_t> as_integer(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (!value.is_double()) return std::nullopt;
  const double number = value.get_double();
  if (std::abs(number) > 9e15 || number != std::trunc(number)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

}  // namespace

Result<JsonDocument> JsonDocument::parse(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return make_error(ErrorCode::invalid_argument, "The request body is empty; send a JSON object.");
  }
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::stream_parser parser({}, options);
  boost::system::error_code error;
  const std::size_t used = parser.write_some(text.data(), text.size(), error);
  if (!error && text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) error = json::error::extra_data;
  if (!error) parser.finish(error);
  if (error) return syntax_error(error, used);

  JsonDocument document;
  document.state_ = std::make_unique<State>();
  document.state_->value = parser.release();
  if (!document.state_->value.is_object()) {
    return make_error(ErrorCode::invalid_argument, fmt::format("The request body must be a JSON object, not {}.",
                                                               kind_name(document.state_->value)));
  }
  return document;
}

JsonNode JsonDocument::root() const {
  return JsonNode(*state_, &state_->value, "");
}

Result<void> JsonDocument::status() const {
  if (state_->failure) return *state_->failure;
  return {};
}

JsonNode JsonNode::operator[](std::string_view key) const {
  std::string path = path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  const json::value* child = nullptr;
  if (present()) {
    if (value_->is_object()) {
      child = value_->get_object().if_contains(key);
    } else {
      reject_type("an object");
    }
  }
  return JsonNode(*document_, child, std::move(path));
}

std::vector<JsonNode> JsonNode::items(std::size_t count_max) const {
  std::vector<JsonNode> out;
  if (!present()) return out;
  if (!value_->is_array()) {
    reject_type("an array");
    return out;
  }
  const json::array& array = value_->get_array();
  if (array.size() > count_max) {
    reject(fmt::format("Invalid '{}': at most {} items are allowed, but got {}.", path_, count_max, array.size()));
    return out;
  }
  out.reserve(array.size());
  for (std::size_t i = 0; i < array.size(); ++i) {
    out.push_back(JsonNode(*document_, &array[i], fmt::format("{}[{}]", path_, i)));
  }
  return out;
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::members() const {
  std::vector<std::pair<std::string, JsonNode>> out;
  if (!present()) return out;
  if (!value_->is_object()) {
    reject_type("an object");
    return out;
  }
  for (const auto& member : value_->get_object()) {
    std::string key(member.key());
    JsonNode child(*document_, &member.value(), path_.empty() ? key : fmt::format("{}.{}", path_, key));
    out.emplace_back(std::move(key), std::move(child));
  }
  return out;
}

std::optional<std::string> JsonNode::optional_string(std::size_t chars_max) const {
  if (!present()) return std::nullopt;
  if (!value_->is_string()) {
    reject_type("a string");
    return std::nullopt;
  }
  const std::string_view text = value_->get_string();
  if (text.size() > chars_max && text::count_code_points(text) > chars_max) {
    reject(fmt::format("Invalid '{}': at most {} characters are allowed.", path_, chars_max));
    return std::nullopt;
  }
  return std::string(text);
}

std::string JsonNode::string(std::size_t chars_max) const {
  if (!present()) reject_missing();
  return optional_string(chars_max).value_or("");
}

std::optional<std::int64_t> JsonNode::optional_integer(std::int64_t min, std::int64_t max) const {
  if (!present()) return std::nullopt;
  const auto integer = as_integer(*value_);
  if (!integer && !value_->is_uint64()) {
    reject_type("an integer");
    return std::nullopt;
  }
  if (!integer || *integer < min || *integer > max) {
    if (max == std::numeric_limits<std::int64_t>::max()) {
      reject(fmt::format("Invalid '{}': must be {} or more.", path_, min));
    } else {
      reject(fmt::format("Invalid '{}': must be between {} and {}.", path_, min, max));
    }
    return std::nullopt;
  }
  return integer;
}

std::int64_t JsonNode::integer(std::int64_t min, std::int64_t max) const {
  if (!present()) reject_missing();
  return optional_integer(min, max).value_or(min);
}

std::optional<double> JsonNode::optional_number(double min, double max) const {
  if (!present()) return std::nullopt;
  if (!value_->is_number()) {
    reject_type("a number");
    return std::nullopt;
  }
  const double number = value_->to_number<double>();
  if (!(number >= min && number <= max)) {
    reject(fmt::format("Invalid '{}': must be between {} and {}.", path_, min, max));
    return std::nullopt;
  }
  return number;
}

double JsonNode::number(double min, double max) const {
  if (!present()) reject_missing();
  return optional_number(min, max).value_or(min);
}

std::optional<bool> JsonNode::optional_boolean() const {
  if (!present()) return std::nullopt;
  if (!value_->is_bool()) {
    reject_type("a boolean");
    return std::nullopt;
  }
  return value_->get_bool();
}

std::string JsonNode::choice(std::initializer_list<std::string_view> choices) const {
  std::string given = string();
  std::string names;
  for (const std::string_view choice : choices) {
    if (given == choice) return given;
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", choice);
  }
  reject(fmt::format("Invalid value for '{}': '{}'. Supported values are: {}.", path_, given, names));
  return std::string(*choices.begin());
}

void JsonNode::reject(std::string message) const {
  if (!document_->failure) {
    document_->failure = make_error(ErrorCode::invalid_argument, std::move(message), path_);
  }
}

void JsonNode::reject_missing() const {
  reject(fmt::format("Missing required parameter: '{}'.", path_));
}

void JsonNode::reject_type(std::string_view expected) const {
  reject(fmt::format("Invalid type for '{}': expected {}, but got {} instead.", path_, expected, kind_name(*value_)));
}

}  // namespace ragtime::api
