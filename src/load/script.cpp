#include "load/script.h"

#include <charconv>

namespace ragtime::load {

Result<ScriptSpec> ScriptSpec::parse(std::string_view text) {
  const auto at = text.find('@');
  std::string_view script = text.substr(0, at);
  if (const auto slash = script.rfind('/'); slash != std::string_view::npos) script.remove_prefix(slash + 1);
  if (script.empty()) return make_error(ErrorCode::invalid_argument, "a script needs a name");
  ScriptSpec out;
  out.name = script;
  std::string_view rest = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    const auto equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return make_error(ErrorCode::invalid_argument, "'" + std::string(item) + "' is not of the form KEY=VALUE");
    }
    out.values.insert_or_assign(std::string(item.substr(0, equals)), std::string(item.substr(equals + 1)));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
  }
  return out;
}

std::size_t ScriptSpec::number(std::string_view key, std::size_t fallback) const {
  const auto found = values.find(key);
  if (found == values.end()) return fallback;
  std::size_t out = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [stop, error] = std::from_chars(found->second.data(), end, out);
  return error == std::errc() && stop == end ? out : fallback;
}

std::string ScriptSpec::text(std::string_view key, std::string_view fallback) const {
  const auto found = values.find(key);
  return found == values.end() ? std::string(fallback) : found->second;
}

std::string_view name(Phase phase) {
  switch (phase) {
    case Phase::queued:
      return "queued";
    case Phase::head:
      return "head";
    case Phase::first_token:
      return "first_token";
    case Phase::streaming:
      return "streaming";
    case Phase::done:
      return "done";
  }
  return "";
}

}  // namespace ragtime::load
