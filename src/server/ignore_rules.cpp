#include "server/ignore_rules.h"

#include <optional>

namespace ragtime::server {
namespace {

// Matches the [...] at the start of `glob` against `c` and removes it. Nothing when there is no closing bracket.
std::optional<bool> match_class(std::string_view& glob, char c) {
  std::size_t at = 1;
  const bool negated = at < glob.size() && (glob[at] == '!' || glob[at] == '^');
  if (negated) ++at;
  bool found = false;
  for (bool first = true; at < glob.size() && (first || glob[at] != ']'); first = false) {
    if (glob[at] == '\\' && at + 1 < glob.size()) ++at;
    const auto low = static_cast<unsigned char>(glob[at++]);
    auto high = low;
    if (at + 1 < glob.size() && glob[at] == '-' && glob[at + 1] != ']') {
      high = static_cast<unsigned char>(glob[at + 1]);
      at += 2;
    }
    const auto wanted = static_cast<unsigned char>(c);
    found = found || (low <= wanted && wanted <= high);
  }
  if (at >= glob.size()) return std::nullopt;
  glob.remove_prefix(at + 1);
  return found != negated && c != '/';
}

// Removes one element of the pattern when it matches `c`.
bool match_one(std::string_view& glob, char c) {
  if (glob.front() == '?') {
    glob.remove_prefix(1);
    return c != '/';
  }
  if (glob.front() == '[') {
    if (const auto matched = match_class(glob, c)) return *matched;
  } else if (glob.front() == '\\' && glob.size() > 1) {
    glob.remove_prefix(1);
  }
  const bool same = glob.front() == c;
  glob.remove_prefix(1);
  return same;
}

// A point to go back to when the rest does not match: the last star and how much it had swallowed.
struct Star {
  std::string_view glob;
  std::size_t at = std::string_view::npos;
  bool crosses_directories = false;
};

bool take_more(const Star& star, std::string_view text) {
  return star.at != std::string_view::npos && star.at < text.size() &&
         (star.crosses_directories || text[star.at] != '/');
}

}  // namespace

// Linear back-tracking: only the last "*" of a path part and the last "**" need to be remembered.
bool glob_match(std::string_view glob, std::string_view text) {
  Star one, many;
  std::size_t at = 0;
  while (true) {
    if (glob.starts_with("**/")) {
      // Zero or more whole directories: the rest is only tried at the start of a part.
      glob.remove_prefix(3);
      for (std::size_t start = at; start != std::string_view::npos;) {
        if (glob_match(glob, text.substr(start))) return true;
        const std::size_t slash = text.find('/', start);
        start = slash == std::string_view::npos ? slash : slash + 1;
      }
      return false;
    }
    if (glob.starts_with("**")) {
      glob.remove_prefix(2);
      many = {glob, at, true};
      one = {};
      continue;
    }
    if (!glob.empty() && glob.front() == '*') {
      glob.remove_prefix(1);
      one = {glob, at, false};
      continue;
    }
    if (glob.empty() && at == text.size()) return true;
    if (!glob.empty() && at < text.size() && match_one(glob, text[at])) {
      ++at;
      continue;
    }
    Star* back = take_more(one, text) ? &one : take_more(many, text) ? &many : nullptr;
    if (!back) return false;
    if (back == &many) one = {};
    at = ++back->at;
    glob = back->glob;
  }
}

void IgnoreRules::add(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    add_line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

void IgnoreRules::add_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  while (line.ends_with(' ') && !line.ends_with("\\ ")) line.remove_suffix(1);
  if (line.empty() || line.front() == '#') return;
  Rule rule;
  if (line.front() == '!') {
    rule.negated = true;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    rule.directories_only = true;
    line.remove_suffix(1);
  }
  rule.anchored = line.find('/') != std::string_view::npos;
  if (line.starts_with('/')) line.remove_prefix(1);
  if (line.empty()) return;
  rule.pattern = line;
  rules_.push_back(std::move(rule));
}

IgnoreVerdict IgnoreRules::match(std::string_view path, bool is_directory) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->directories_only && !is_directory) continue;
    if (glob_match(rule->pattern, rule->anchored ? path : name)) {
      return rule->negated ? IgnoreVerdict::included : IgnoreVerdict::ignored;
    }
  }
  return IgnoreVerdict::no_match;
}

}  // namespace ragtime::server
