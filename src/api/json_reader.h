// JsonDocument and JsonNode: typed reading of a request body.
//
// Reading never stops half way: the document remembers the first mistake with the full path of its field
// ("filters.filters[1].value"), every read after it returns a default, and status() tells in the end.
// Thread safety: a document and its nodes belong to one request. Nodes refer to their document.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/result.h"

namespace ragtime::api {

namespace json = boost::json;

inline constexpr std::size_t kJsonDepthMax = 64;

class JsonNode;

class JsonDocument {
 public:
  // Errors: invalid_argument when the text is no JSON (says where), nested too deeply, or not an object at the top.
  static Result<JsonDocument> parse(std::string_view text);

  JsonNode root() const;
  const json::object& object() const { return state_->value.get_object(); }
  // invalid_argument for the first mistake that was read.
  Result<void> status() const;

 private:
  friend class JsonNode;
  struct State {
    json::value value;
    std::optional<Error> failure;
  };
  std::unique_ptr<State> state_;
};

// One value, or the absence of one. A null counts as absent.
class JsonNode {
 public:
  bool present() const { return value_ != nullptr && !value_->is_null(); }
  bool is_string() const { return present() && value_->is_string(); }
  bool is_array() const { return present() && value_->is_array(); }
  bool is_object() const { return present() && value_->is_object(); }
  bool is_number() const { return present() && value_->is_number(); }
  bool is_boolean() const { return present() && value_->is_bool(); }

  const std::string& path() const { return path_; }
  // Precondition: present().
  const json::value& value() const { return *value_; }

  // A field of an object; absent when this is absent. Not an object: a mistake.
  JsonNode operator[](std::string_view key) const;
  // Elements of an array; none when this is absent. More than `count_max`: a mistake.
  std::vector<JsonNode> items(std::size_t count_max) const;
  // Fields of an object in order; none when this is absent.
  std::vector<std::pair<std::string, JsonNode>> members() const;

  // A required string of at most `chars_max` code points.
  std::string string(std::size_t chars_max = std::numeric_limits<std::size_t>::max()) const;
  std::int64_t integer(std::int64_t min, std::int64_t max) const;
  double number(double min, double max) const;
  std::optional<std::string> optional_string(std::size_t chars_max = std::numeric_limits<std::size_t>::max()) const;
  std::optional<std::int64_t> optional_integer(std::int64_t min, std::int64_t max) const;
  std::optional<double> optional_number(double min, double max) const;
  std::optional<bool> optional_boolean() const;
  bool boolean_or(bool fallback) const { return optional_boolean().value_or(fallback); }
  // A required string that is one of `choices`.
  std::string choice(std::initializer_list<std::string_view> choices) const;

  // Records a mistake of this field, unless there is an earlier one.
  void reject(std::string message) const;
  void reject_missing() const;
  void reject_type(std::string_view expected) const;

 private:
  friend class JsonDocument;
  JsonNode(JsonDocument::State& document, const json::value* value, std::string path)
      : document_(&document), value_(value), path_(std::move(path)) {}

  JsonDocument::State* document_;
  const json::value* value_;
  std::string path_;
};

}  // namespace ragtime::api
