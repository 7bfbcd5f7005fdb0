#include "encoder/json_file.h"

#include <boost/json/parse.hpp>

#include "encoder/mapped_file.h"

namespace ragtime::encoder {
namespace {

namespace json = boost::json;

constexpr std::size_t kJsonBytesMax = 128u << 20;

}  // namespace

Result<json::value> read_json(const std::filesystem::path& path) {
  RAGTIME_TRY(const auto file, MappedFile::open(path));
  if (file.bytes().size() > kJsonBytesMax) {
    return make_error(ErrorCode::too_large, path.string() + " is larger than 128 MiB");
  }
  boost::system::error_code failure;
  auto value = json::parse(json::string_view(file.bytes().data(), file.bytes().size()), failure);
  if (failure) return make_error(ErrorCode::corrupt, path.string() + " is not valid JSON: " + failure.message());
  return value;
}

Result<JsonFile> JsonFile::open(const std::filesystem::path& path) {
  RAGTIME_TRY(auto value, read_json(path));
  if (!value.is_object()) return make_error(ErrorCode::corrupt, path.string() + " does not hold a JSON object");
  return JsonFile(path, std::move(value.get_object()));
}

Result<JsonFile> JsonFile::open_or_empty(const std::filesystem::path& path) {
  auto file = open(path);
  if (file.has_error() && file.error().code == ErrorCode::not_found) return JsonFile(path, {});
  return file;
}

JsonFile JsonFile::part(std::filesystem::path path, json::object object) {
  return JsonFile(std::move(path), std::move(object));
}

const json::value* JsonFile::find(std::string_view key) const {
  const json::value* value = object_.if_contains(json::string_view(key.data(), key.size()));
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<std::size_t> JsonFile::size(std::string_view key, std::size_t max) const {
  const json::value* value = find(key);
  if (value == nullptr) return wrong(key, "is missing");
  boost::system::error_code failure;
  const auto number = value->to_number<std::size_t>(failure);
  if (failure || number == 0 || number > max) {
    return wrong(key, "must be a whole number from 1 to " + std::to_string(max));
  }
  return number;
}

Result<double> JsonFile::number_or(std::string_view key, double fallback) const {
  const json::value* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number()) return wrong(key, "must be a number");
  return value->to_number<double>();
}

Result<bool> JsonFile::flag_or(std::string_view key, bool fallback) const {
  const json::value* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) return wrong(key, "must be true or false");
  return value->get_bool();
}

Result<std::string> JsonFile::text_or(std::string_view key, std::string_view fallback) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) return wrong(key, "must be a string");
  return std::string(value->get_string().data(), value->get_string().size());
}

Result<JsonFile> JsonFile::object_or_empty(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return JsonFile(path_, {});
  if (!value->is_object()) return wrong(key, "must be an object");
  return JsonFile(path_, value->get_object());
}

Error JsonFile::wrong(std::string_view key, std::string_view what) const {
  return make_error(ErrorCode::corrupt, path_.string() + ": \"" + std::string(key) + "\" " + std::string(what));
}

}  // namespace ragtime::encoder
