#include "http/parameters.h"

#include <algorithm>
#include <iterator>

#include "http/ascii.h"

namespace ragtime::http {
namespace {

std::string lower(std::string_view text) {
  std::string out;
  std::ranges::transform(text, std::back_inserter(out), to_lower);
  return out;
}

// Takes `"…"` from the front. A backslash only escapes a quote or a backslash: browsers send Windows paths raw.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return out;
    }
    const bool escape = text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
    if (escape) ++i;
    out += text[i];
  }
  return std::nullopt;
}

std::string take_token(std::string_view& text) {
  const auto end = std::min(text.find(';'), text.size());
  std::string out(trim(text.substr(0, end)));
  text.remove_prefix(end);
  return out;
}

}  // namespace

std::optional<ParameterisedValue> parse_parameters(std::string_view text) {
  ParameterisedValue parsed;
  parsed.value = lower(take_token(text));
  while (!text.empty()) {
    text.remove_prefix(1);  // The semicolon.
    text = trim(text);
    if (text.empty()) break;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    auto name = lower(trim(text.substr(0, equals)));
    if (!is_token(name)) return std::nullopt;
    text = trim(text.substr(equals + 1));
    auto value = text.starts_with('"') ? take_quoted(text) : take_token(text);
    if (!value) return std::nullopt;
    text = trim(text);
    if (!text.empty() && text[0] != ';') return std::nullopt;
    parsed.params.emplace(std::move(name), std::move(*value));
  }
  return parsed;
}

}  // namespace ragtime::http
