#include "server/configuration_toml.h"

#include <optional>
#include <vector>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "server/configuration_fields.h"

namespace ragtime::server {
namespace {

std::string_view type_name(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "a list";
  if (node.is_string()) return "a text";
  if (node.is_integer()) return "an integer";
  if (node.is_floating_point()) return "a number";
  if (node.is_boolean()) return "true or false";
  return "a date or time";
}

// Replaces ${NAME} by the variable's value. The name of a missing variable is returned in `missing`.
std::string expand(std::string_view text, const Environment& environment, std::string& missing) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.substr(at, 2) == "${" ? text.find('}', at) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += text[at++];
      continue;
    }
    const std::string name(text.substr(at + 2, end - at - 2));
    const auto value = environment(name);
    if (!value) missing = name;
    out += value.value_or("");
    at = end + 1;
  }
  return out;
}

class TomlReader final : public FieldVisitor {
 public:
  TomlReader(const toml::table& root, std::string name, const Environment& environment, ParsedToml& out)
      : name_(std::move(name)), environment_(environment), out_(out) {
    scopes_.push_back({&root, "", {}});
  }

  void field(std::string_view key, std::string& value, const FieldRules& rules) override {
    const auto* node = take(key);
    if (!node) return;
    const auto text = node->value_exact<std::string>();
    if (!text) return fail_type(key, *node, "a text in quotes");
    value = expanded(key, *text);
    judge(key, violation(value, rules));
  }

  void field(std::string_view key, std::int64_t& value, const FieldRules& rules) override {
    const auto* node = take(key);
    if (!node) return;
    const auto number = node->value_exact<std::int64_t>();
    if (!number) return fail_type(key, *node, "an integer");
    value = *number;
    judge(key, violation(static_cast<double>(value), rules));
  }

  void field(std::string_view key, double& value, const FieldRules& rules) override {
    const auto* node = take(key);
    if (!node) return;
    const auto number = node->is_integer() || node->is_floating_point() ? node->value<double>() : std::nullopt;
    if (!number) return fail_type(key, *node, "a number");
    value = *number;
    judge(key, violation(value, rules));
  }

  void field(std::string_view key, bool& value, const FieldRules&) override {
    const auto* node = take(key);
    if (!node) return;
    const auto flag = node->value_exact<bool>();
    if (!flag) return fail_type(key, *node, "true or false (without quotes)");
    value = *flag;
  }

  void field(std::string_view key, std::vector<std::string>& value, const FieldRules& rules) override {
    const auto* node = take(key);
    if (!node) return;
    const auto* array = node->as_array();
    if (!array) return fail_type(key, *node, "a list of texts such as [\"a\", \"b\"]");
    value.clear();
    for (const auto& element : *array) {
      const auto text = element.value_exact<std::string>();
      if (!text) return fail_type(key, element, "only texts in the list");
      value.push_back(expanded(key, *text));
      judge(key, violation(value.back(), rules));
    }
  }

  void section(std::string_view key, const std::function<void()>& body) override {
    static const toml::table empty;
    const auto* node = take(key);
    const auto* table = node ? node->as_table() : &empty;
    if (!table) return fail_type(key, *node, fmt::format("a table: [{}]", path(key)));
    enter(*table, path(key), body);
  }

  std::size_t list_size(std::string_view key, std::size_t current) override {
    const auto* node = take(key);
    if (!node) return current;
    const auto* array = node->as_array();
    if (!array) {
      fail_type(key, *node, fmt::format("a list of tables: [[{}]]", path(key)));
      return 0;
    }
    for (const auto& element : *array) {
      if (element.is_table()) continue;
      fail_type(key, element, "a table { … }");
      return 0;
    }
    return array->size();
  }

  void list_item(std::string_view key, std::size_t index, const std::function<void()>& body) override {
    const auto* array = (*scopes_.back().table)[key].as_array();
    if (!array) return;
    const auto* table = (*array)[index].as_table();
    const std::string item = fmt::format("{}[{}]", path(key), index);
    out_.lines[item] = table->source().begin.line;
    enter(*table, item, body);
  }

  std::vector<std::string> further_names(std::string_view key) override {
    std::vector<std::string> names;
    if (const auto* table = (*scopes_.back().table)[key].as_table()) {
      for (const auto& [name, node] : *table) names.emplace_back(name.str());
    }
    return names;
  }

  // The first mistake, after the root scope has been checked for unknown keys.
  std::optional<Error> finish() {
    check_unknown();
    return error_;
  }

 private:
  struct Scope {
    const toml::table* table;
    std::string path;
    std::vector<std::string> known;
  };

  std::string path(std::string_view key) const {
    const auto& prefix = scopes_.back().path;
    return prefix.empty() ? std::string(key) : fmt::format("{}.{}", prefix, key);
  }

  const toml::node* take(std::string_view key) {
    auto& scope = scopes_.back();
    scope.known.emplace_back(key);
    const auto found = scope.table->find(key);
    if (found == scope.table->end()) return nullptr;
    out_.lines[path(key)] = found->first.source().begin.line;
    return &found->second;
  }

  void enter(const toml::table& table, std::string path, const std::function<void()>& body) {
    scopes_.push_back({&table, std::move(path), {}});
    body();
    check_unknown();
    scopes_.pop_back();
  }

  void check_unknown() {
    const auto& scope = scopes_.back();
    for (const auto& [key, node] : *scope.table) {
      if (std::find(scope.known.begin(), scope.known.end(), key.str()) != scope.known.end()) continue;
      const std::string guess = closest_name(key.str(), scope.known);
      fail(key.source().begin.line,
           fmt::format("unknown {} \"{}\"{}", node.is_table() && scope.path.empty() ? "section" : "key",
                       path(key.str()), guess.empty() ? "" : fmt::format("; did you mean \"{}\"?", guess)));
    }
  }

  std::string expanded(std::string_view key, const std::string& text) {
    std::string missing;
    std::string value = expand(text, environment_, missing);
    if (!missing.empty()) {
      judge(key, fmt::format("uses ${{{}}}, but no such environment variable is set", missing));
    }
    return value;
  }

  void judge(std::string_view key, const std::string& problem) {
    if (!problem.empty()) fail(out_.lines[path(key)], path(key) + " " + problem);
  }

  void fail_type(std::string_view key, const toml::node& node, std::string_view expected) {
    fail(node.source().begin.line, fmt::format("{} must be {}, not {}", path(key), expected, type_name(node)));
  }

  void fail(std::size_t line, const std::string& message) {
    if (error_ && error_line_ <= line) return;
    error_line_ = line;
    error_ = make_error(ErrorCode::invalid_argument, fmt::format("{}:{}: {}", name_, line, message));
  }

  const std::string name_;
  const Environment& environment_;
  ParsedToml& out_;
  std::vector<Scope> scopes_;
  std::optional<Error> error_;
  std::size_t error_line_ = 0;
};

}  // namespace

Result<ParsedToml> read_toml(std::string_view text, const std::string& name, const Environment& environment) {
  ParsedToml out;
  try {
    const toml::table root = toml::parse(text);
    TomlReader reader(root, name, environment, out);
    visit_fields(out.settings, reader);
    if (auto error = reader.finish()) return *error;
  } catch (const toml::parse_error& error) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("{}:{}: {}", name, error.source().begin.line, error.description()));
  }
  return out;
}

}  // namespace ragtime::server
