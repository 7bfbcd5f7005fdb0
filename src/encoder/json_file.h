// JsonFile: one JSON object from a model directory, read with typed, checked access.
//
// Every error is `corrupt` (or not_found, too_large) and names the file and the key.
// Thread safety: immutable once open.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/result.h"

namespace ragtime::encoder {

// Errors: not_found, too_large (over 128 MiB), corrupt (not JSON).
Result<boost::json::value> read_json(const std::filesystem::path& path);

class JsonFile {
 public:
  // Errors: not_found, too_large, corrupt (not JSON, not an object).
  static Result<JsonFile> open(const std::filesystem::path& path);
  // As open(), but an absent file reads as an empty object.
  static Result<JsonFile> open_or_empty(const std::filesystem::path& path);
  // A part of `path` that was read already; the path names it in errors.
  static JsonFile part(std::filesystem::path path, boost::json::object object);

  // Null when absent or JSON null.
  const boost::json::value* find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }

  Result<std::size_t> size(std::string_view key, std::size_t max) const;  // Required, in [1, max].
  Result<double> number_or(std::string_view key, double fallback) const;
  Result<bool> flag_or(std::string_view key, bool fallback) const;
  Result<std::string> text_or(std::string_view key, std::string_view fallback) const;
  Result<JsonFile> object_or_empty(std::string_view key) const;

  const boost::json::object& object() const { return object_; }
  const std::filesystem::path& path() const { return path_; }
  Error wrong(std::string_view key, std::string_view what) const;

 private:
  JsonFile(std::filesystem::path path, boost::json::object object)
      : path_(std::move(path)), object_(std::move(object)) {}

  std::filesystem::path path_;
  boost::json::object object_;
};

}  // namespace ragtime::encoder
