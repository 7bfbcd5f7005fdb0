#include "http/target.h"

#include "http/ascii.h"
#include "text/utf8.h"

namespace ragtime::http {
namespace {

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  c = to_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool acceptable(const std::optional<std::string>& text) {
  return text && text->find('\0') == std::string::npos && text::is_valid_utf8(*text);
}

bool has_dot_part(std::string_view raw_path) {
  while (!raw_path.empty()) {
    const auto slash = raw_path.find('/');
    const auto part = percent_decode(raw_path.substr(0, slash));
    if (part == "." || part == "..") return true;
    raw_path.remove_prefix(slash == std::string_view::npos ? raw_path.size() : slash + 1);
  }
  return false;
}

// The part after the authority of the absolute form.
std::string_view without_authority(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const auto path = target.find_first_of("/?");
    return path == std::string_view::npos ? "/" : target.substr(path);
  }
  return target;
}

Result<std::map<std::string, std::string>> parse_query(std::string_view text) {
  std::map<std::string, std::string> query;
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value = percent_decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
    if (!acceptable(name) || !acceptable(value)) {
      return make_error(ErrorCode::invalid_argument, "the query of the request is not percent-encoded UTF-8");
    }
    query[std::move(*name)] = std::move(*value);
  }
  return query;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

Result<Target> parse_target(std::string_view target) {
  const auto origin = without_authority(target);
  const auto question = origin.find('?');
  auto raw_path = origin.substr(0, question);
  if (raw_path.empty() && question == 0) raw_path = "/";
  if (raw_path.find('#') != std::string_view::npos || (!raw_path.starts_with('/') && raw_path != "*")) {
    return make_error(ErrorCode::invalid_argument, "the target of the request is not a path");
  }
  auto path = percent_decode(raw_path);
  if (!acceptable(path) || has_dot_part(raw_path)) {
    return make_error(ErrorCode::invalid_argument, "the path of the request is not percent-encoded UTF-8");
  }
  RAGTIME_TRY(auto query, parse_query(question == std::string_view::npos ? "" : origin.substr(question + 1)));
  return Target{std::string(raw_path), std::move(*path), std::move(query)};
}

}  // namespace ragtime::http
