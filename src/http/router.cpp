#include "http/router.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "http/target.h"

namespace ragtime::http {
namespace {

// "/a/b" → {"a", "b"}; the path starts with a slash.
std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash);
  }
  return parts;
}

std::vector<std::string> split_decoded(std::string_view path) {
  std::vector<std::string> parts;
  for (const auto part : split(path)) {
    auto decoded = percent_decode(part);
    parts.push_back(decoded ? std::move(*decoded) : std::string(part));
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::size_t first) {
  std::string out;
  for (std::size_t i = first; i < parts.size(); ++i) {
    if (i > first) out += '/';
    out += parts[i];
  }
  return out;
}

}  // namespace

bool Router::Part::operator==(const Part& other) const {
  return kind == other.kind && (kind != Kind::literal || text == other.text);
}

Router::Pattern Router::parse_pattern(std::string_view pattern) {
  RAGTIME_CHECK(pattern.starts_with('/'));
  Pattern parsed;
  for (const auto part : split(pattern)) {
    RAGTIME_CHECK(parsed.empty() || parsed.back().kind != Part::Kind::rest);
    if (!part.starts_with('{')) {
      parsed.push_back({Part::Kind::literal, std::string(part)});
      continue;
    }
    RAGTIME_CHECK(part.ends_with('}'));
    auto name = part.substr(1, part.size() - 2);
    const bool rest = name.ends_with("...");
    if (rest) name.remove_suffix(3);
    RAGTIME_CHECK(!name.empty());
    parsed.push_back({rest ? Part::Kind::rest : Part::Kind::parameter, std::string(name)});
  }
  return parsed;
}

bool Router::fits(const Pattern& pattern, const std::vector<std::string>& parts) {
  const bool rest = pattern.back().kind == Part::Kind::rest;
  if (rest ? parts.size() < pattern.size() : parts.size() != pattern.size()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i].kind == Part::Kind::literal && pattern[i].text != parts[i]) return false;
    if (pattern[i].kind == Part::Kind::parameter && parts[i].empty()) return false;
  }
  return true;
}

bool Router::more_literal(const Pattern& a, const Pattern& b) {
  return std::ranges::lexicographical_compare(a, b, {}, &Part::kind, &Part::kind);
}

void Router::add(Route route) {
  auto pattern = parse_pattern(route.pattern);
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    RAGTIME_CHECK(routes_[i].method != route.method || patterns_[i] != pattern);
  }
  const bool literal =
      std::ranges::all_of(pattern, [](const Part& part) { return part.kind == Part::Kind::literal; });
  if (literal) literal_[route.pattern].push_back(routes_.size());
  routes_.push_back(std::move(route));
  patterns_.push_back(std::move(pattern));
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  // A path with escapes is not found here, but by its decoded parts.
  if (const auto found = literal_.find(path); found != literal_.end()) {
    for (const auto i : found->second) {
      if (routes_[i].method == method) return {&routes_[i], {}, {}};
    }
  }
  return match_parts(method, path);
}

Router::Match Router::match_parts(std::string_view method, std::string_view path) const {
  Match match;
  if (!path.starts_with('/')) return match;
  const auto parts = split_decoded(path);
  std::vector<std::size_t> fitting;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (fits(patterns_[i], parts)) fitting.push_back(i);
  }
  const auto best_of = [&](std::string_view wanted) {
    const std::size_t* best = nullptr;
    for (const auto& i : fitting) {
      if (routes_[i].method == wanted && (best == nullptr || more_literal(patterns_[i], patterns_[*best]))) best = &i;
    }
    return best;
  };
  const std::size_t* best = best_of(method);
  if (best == nullptr && method == "HEAD") best = best_of("GET");
  if (best == nullptr) {
    for (const auto i : fitting) match.allowed.push_back(routes_[i].method);
    if (std::ranges::find(match.allowed, "GET") != match.allowed.end()) match.allowed.emplace_back("HEAD");
    std::ranges::sort(match.allowed);
    const auto repeated = std::ranges::unique(match.allowed);
    match.allowed.erase(repeated.begin(), repeated.end());
    return match;
  }
  match.route = &routes_[*best];
  for (std::size_t i = 0; i < patterns_[*best].size(); ++i) {
    const auto& part = patterns_[*best][i];
    if (part.kind == Part::Kind::parameter) match.params[part.text] = parts[i];
    if (part.kind == Part::Kind::rest) match.params[part.text] = join(parts, i);
  }
  return match;
}

}  // namespace ragtime::http
