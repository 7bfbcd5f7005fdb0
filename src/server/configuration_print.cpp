#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "server/configuration_fields.h"
#include "server/json_text.h"

namespace ragtime::server {
namespace {

namespace json = boost::json;

constexpr std::string_view kMask = "********";

// postgres://user:secret@host → postgres://user:********@host
std::string mask_password(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const std::size_t host_end = url.find_first_of("/?#", scheme + 3);
  const std::size_t at = url.rfind('@', host_end);
  const std::size_t colon = url.find(':', scheme + 3);
  if (at == std::string::npos || at < scheme || colon > at) return url;
  return url.substr(0, colon + 1) + std::string(kMask) + url.substr(at);
}

class JsonWriter final : public FieldVisitor {
 public:
  void field(std::string_view key, std::string& value, const FieldRules& rules) override {
    if (rules.secret && !value.empty()) {
      put(key, json::string(kMask));
    } else {
      put(key, json::string(rules.url ? mask_password(value) : value));
    }
  }
  void field(std::string_view key, std::int64_t& value, const FieldRules&) override { put(key, value); }
  void field(std::string_view key, double& value, const FieldRules&) override { put(key, value); }
  void field(std::string_view key, bool& value, const FieldRules&) override { put(key, value); }
  void field(std::string_view key, std::vector<std::string>& value, const FieldRules&) override {
    put(key, json::array(value.begin(), value.end()));
  }

  void section(std::string_view key, const std::function<void()>& body) override { put(key, build(body)); }

  std::size_t list_size(std::string_view key, std::size_t current) override {
    if (current > 0) put(key, json::array());
    return current;
  }
  void list_item(std::string_view key, std::size_t, const std::function<void()>& body) override {
    json::object item = build(body);
    current_[key].as_array().push_back(std::move(item));
  }
  std::vector<std::string> further_names(std::string_view) override { return {}; }

  json::object take() { return std::move(current_); }

 private:
  void put(std::string_view key, json::value value) { current_[key] = std::move(value); }

  json::object build(const std::function<void()>& body) {
    json::object outer = std::exchange(current_, {});
    body();
    return std::exchange(current_, std::move(outer));
  }

  json::object current_;
};

json::object to_object(Configuration configuration) {
  JsonWriter writer;
  visit_fields(configuration, writer);
  return writer.take();
}

bool is_table_list(const json::value& value) {
  return value.is_array() && !value.get_array().empty() && value.get_array()[0].is_object();
}

std::string scalar(const json::value& value) {
  if (value.is_double()) return number_text(value.get_double());
  if (!value.is_array()) return json::serialize(value);
  std::string out = "[";
  for (const auto& item : value.get_array()) out += (out.size() > 1 ? ", " : "") + scalar(item);
  return out + "]";
}

std::string toml_key(std::string_view key) {
  constexpr std::string_view kBare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  const bool bare = !key.empty() && key.find_first_not_of(kBare) == std::string_view::npos;
  return bare ? std::string(key) : json::serialize(json::value(key));
}

// TOML wants a table's own values before its sub-tables.
void write_toml(const json::object& table, const std::string& path, std::string& out) {
  for (const auto& [key, value] : table) {
    if (value.is_object() || is_table_list(value)) continue;
    out += fmt::format("{} = {}\n", toml_key(key), scalar(value));
  }
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const auto& [key, value] : table) {
    const std::string inner = prefix + toml_key(key);
    if (const auto* object = value.if_object()) {
      const bool only_tables = !object->empty() && object->begin()->value().is_object();
      if (!only_tables) out += fmt::format("\n[{}]\n", inner);
      write_toml(*object, inner, out);
    } else if (is_table_list(value)) {
      for (const auto& item : value.get_array()) {
        out += fmt::format("\n[[{}]]\n", inner);
        write_toml(item.get_object(), inner, out);
      }
    }
  }
}

}  // namespace

std::string configuration_to_toml(const Configuration& configuration) {
  std::string out;
  write_toml(to_object(configuration), "", out);
  return out.substr(out.find_first_not_of('\n'));
}

std::string configuration_to_json(const Configuration& configuration) {
  return pretty_json(to_object(configuration)) + "\n";
}

}  // namespace ragtime::server
