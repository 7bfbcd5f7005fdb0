#include "storage/columns_json.h"

#include <array>
#include <charconv>
#include <cmath>

#include <boost/json.hpp>

namespace ragtime::storage {
namespace {

namespace json = boost::json;

constexpr double kExactIntegerMax = 9007199254740992.0;  // 2^53

Error damaged(std::string_view what) {
  return make_error(ErrorCode::corrupt, "a stored row has damaged " + std::string(what));
}

json::value encode_number(double number) {
  const bool whole = std::abs(number) < kExactIntegerMax && std::trunc(number) == number && !std::signbit(number);
  if (whole) return static_cast<std::int64_t>(number);
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  json::object wrapped;
  wrapped["number"] = json::string_view(digits.data(), static_cast<std::size_t>(end - digits.data()));
  return wrapped;
}

Result<AttributeValue> decode_number(const json::object& wrapped) {
  const auto* digits = wrapped.if_contains("number");
  if (digits == nullptr || !digits->is_string()) return damaged("attributes");
  const auto& text = digits->get_string();
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return damaged("attributes");
  return AttributeValue(number);
}

json::value encode_attribute(const AttributeValue& attribute) {
  if (const auto* text = std::get_if<std::string>(&attribute)) return json::value(*text);
  if (const auto* flag = std::get_if<bool>(&attribute)) return *flag;
  return encode_number(std::get<double>(attribute));
}

Result<AttributeValue> decode_attribute(const json::value& value) {
  switch (value.kind()) {
    case json::kind::string:
      return AttributeValue(std::string(value.get_string()));
    case json::kind::bool_:
      return AttributeValue(value.get_bool());
    case json::kind::int64:
      return AttributeValue(static_cast<double>(value.get_int64()));
    case json::kind::object:
      return decode_number(value.get_object());
    default:
      return damaged("attributes");
  }
}

Result<json::object> parse_object(std::string_view text, std::string_view what) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  if (error || !value.is_object()) return damaged(what);
  return std::move(value.get_object());
}

}  // namespace

std::string encode_attributes(const Attributes& attributes) {
  json::object object;
  for (const auto& [key, value] : attributes) object[key] = encode_attribute(value);
  return json::serialize(object);
}

Result<Attributes> decode_attributes(std::string_view json) {
  if (json == "{}") return Attributes();
  RAGTIME_TRY(const auto object, parse_object(json, "attributes"));
  Attributes attributes;
  for (const auto& [key, value] : object) {
    RAGTIME_TRY(attributes[std::string(key)], decode_attribute(value));
  }
  return attributes;
}

std::string encode_metadata(const Metadata& metadata) {
  json::object object;
  for (const auto& [key, value] : metadata) object[key] = value;
  return json::serialize(object);
}

Result<Metadata> decode_metadata(std::string_view json) {
  RAGTIME_TRY(const auto object, parse_object(json, "metadata"));
  Metadata metadata;
  for (const auto& [key, value] : object) {
    if (!value.is_string()) return damaged("metadata");
    metadata[std::string(key)] = std::string(value.get_string());
  }
  return metadata;
}

std::string encode_strings(const std::vector<std::string>& strings) {
  json::array array;
  for (const auto& string : strings) array.emplace_back(string);
  return json::serialize(array);
}

Result<std::vector<std::string>> decode_strings(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_array()) return damaged("list");
  std::vector<std::string> strings;
  for (const auto& item : value.get_array()) {
    if (!item.is_string()) return damaged("list");
    strings.emplace_back(item.get_string());
  }
  return strings;
}

}  // namespace ragtime::storage
