#include "server/configuration.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>

#include "server/configuration_fields.h"
#include "server/configuration_toml.h"

namespace ragtime::server {
namespace {

// Overrides fields from the environment. An empty variable counts as not set.
class EnvironmentReader final : public FieldVisitor {
 public:
  explicit EnvironmentReader(const Environment& environment) : environment_(environment) {}

  void field(std::string_view, std::string& value, const FieldRules& rules) override {
    const auto text = lookup(rules);
    if (!text) return;
    value = *text;
    judge(rules, violation(value, rules));
  }

  void field(std::string_view, std::int64_t& value, const FieldRules& rules) override {
    if (const auto number = parse_number<std::int64_t>(rules, "an integer")) value = *number;
  }

  void field(std::string_view, double& value, const FieldRules& rules) override {
    if (const auto number = parse_number<double>(rules, "a number")) value = *number;
  }

  void field(std::string_view, bool& value, const FieldRules& rules) override {
    auto text = lookup(rules);
    if (!text) return;
    std::transform(text->begin(), text->end(), text->begin(), [](unsigned char c) { return std::tolower(c); });
    if (*text == "true" || *text == "1" || *text == "yes" || *text == "on") {
      value = true;
    } else if (*text == "false" || *text == "0" || *text == "no" || *text == "off") {
      value = false;
    } else {
      judge(rules, fmt::format("must be true or false, not \"{}\"", *text));
    }
  }

  void field(std::string_view, std::vector<std::string>& value, const FieldRules& rules) override {
    const auto text = lookup(rules);
    if (!text) return;
    value.clear();
    std::istringstream parts(*text);
    for (std::string part; std::getline(parts, part, ',');) {
      value.push_back(part);
      judge(rules, violation(part, rules));
    }
  }

  void section(std::string_view, const std::function<void()>& body) override { body(); }
  std::size_t list_size(std::string_view, std::size_t current) override { return current; }
  void list_item(std::string_view, std::size_t, const std::function<void()>& body) override { body(); }
  std::vector<std::string> further_names(std::string_view) override { return {}; }

  const std::optional<Error>& error() const { return error_; }

 private:
  std::optional<std::string> lookup(const FieldRules& rules) const {
    if (rules.environment.empty()) return std::nullopt;
    auto value = environment_(rules.environment);
    return value && !value->empty() ? value : std::nullopt;
  }

  template <class T>
  std::optional<T> parse_number(const FieldRules& rules, std::string_view kind) {
    const auto text = lookup(rules);
    if (!text) return std::nullopt;
    T value = 0;
    const auto [end, status] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (status != std::errc() || end != text->data() + text->size()) {
      judge(rules, fmt::format("must be {}, not \"{}\"", kind, *text));
    } else {
      judge(rules, violation(static_cast<double>(value), rules));
    }
    return value;
  }

  void judge(const FieldRules& rules, const std::string& problem) {
    if (problem.empty() || error_) return;
    error_ =
        make_error(ErrorCode::invalid_argument, fmt::format("environment variable {} {}", rules.environment, problem));
  }

  const Environment& environment_;
  std::optional<Error> error_;
};

// Names the place of a setting as well as it is known: the file's line, or just the dotted path.
Error located(Error error, const std::string& name, const std::map<std::string, std::size_t>& lines) {
  std::string path = error.param;
  while (!path.empty()) {
    if (const auto found = lines.find(path); found != lines.end()) {
      error.message = fmt::format("{}:{}: {}: {}", name, found->second, error.param, error.message);
      return error;
    }
    path.resize(std::min(path.size(), path.find_last_of(".[") == std::string::npos ? 0 : path.find_last_of(".[")));
  }
  if (!error.param.empty()) error.message = error.param + ": " + error.message;
  return error;
}

Result<std::string> read_file(const std::string& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) {
    return make_error(ErrorCode::not_found, fmt::format("the configuration file {} is a directory", file));
  }
  std::ifstream in(file, std::ios::binary);
  // Not `stream << in.rdbuf()`: that fails on an empty file, which is a valid configuration.
  std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in) return make_error(ErrorCode::not_found, fmt::format("cannot read the configuration file {}", file));
  return content;
}

std::string find_configuration_file(const ConfigurationFlags& flags) {
  if (!flags.file.empty()) return flags.file;
  std::error_code ignored;
  return std::filesystem::exists("ragtime.toml", ignored) ? "ragtime.toml" : "";
}

// A flag belongs to the command line, so its mistakes are located there and not in the file.
Result<void> apply_flags(const ConfigurationFlags& flags, ParsedToml& parsed) {
  const auto apply = [&](const std::string& flag, std::string& setting, const std::string& path) {
    if (flag.empty()) return;
    setting = flag;
    parsed.lines.erase(path);
  };
  apply(flags.data_dir, parsed.settings.server.data_dir, "server.data_dir");
  apply(flags.listen, parsed.settings.server.listen, "server.listen");
  apply(flags.log_level, parsed.settings.log.level, "log.level");
  const FieldRules levels{.allowed = {"debug", "info", "warning", "error"}};
  if (const auto problem = violation(parsed.settings.log.level, levels); !problem.empty()) {
    return make_error(ErrorCode::invalid_argument, "--log-level " + problem);
  }
  return {};
}

Result<void> check_located(const ParsedToml& parsed, const std::string& name) {
  auto checked = check_consistency(parsed.settings);
  if (checked.has_error()) return located(checked.error(), name, parsed.lines);
  return {};
}

}  // namespace

Environment process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
}

Result<Configuration> parse_configuration(std::string_view toml, const std::string& name,
                                          const Environment& environment) {
  RAGTIME_TRY(auto parsed, read_toml(toml, name, environment));
  RAGTIME_TRY_DONE(check_located(parsed, name));
  return std::move(parsed.settings);
}

Result<LoadedConfiguration> load_configuration(const ConfigurationFlags& flags, const Environment& environment) {
  LoadedConfiguration out;
  out.file = find_configuration_file(flags);
  std::string text;
  if (!out.file.empty()) {
    RAGTIME_TRY(text, read_file(out.file));
  }
  RAGTIME_TRY(auto parsed, read_toml(text, out.file, environment));
  EnvironmentReader overrides(environment);
  visit_fields(parsed.settings, overrides);
  if (overrides.error()) return *overrides.error();
  RAGTIME_TRY_DONE(apply_flags(flags, parsed));
  RAGTIME_TRY_DONE(check_located(parsed, out.file));
  out.settings = std::move(parsed.settings);
  return out;
}

}  // namespace ragtime::server
