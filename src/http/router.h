// Router: the table of routes, matched by method and path pattern.
//
// Filled at start, then constant. Thread safety: const members may be called from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/message.h"

namespace ragtime::http {

using Handler = std::function<Task<Response>(Request&, RequestContext&)>;

enum class BodyMode { memory, stream };

struct Route {
  std::string method;
  std::string pattern;  // "/v1/files/{file_id}"; "{name...}" as the last part takes the rest with its slashes.
  Handler handler;
  BodyMode body_mode = BodyMode::memory;
  std::size_t body_bytes_max = 4u << 20;
  std::chrono::milliseconds timeout{30'000};  // The context's deadline, from the end of the request's head.
};

class Router {
 public:
  // Precondition: no other route has the same method and pattern.
  void add(Route route);

  struct Match {
    const Route* route = nullptr;
    std::map<std::string, std::string> params;
    std::vector<std::string> allowed;  // Methods that this path has, when only the method was wrong.
  };
  // `path` is as it was received, still percent-encoded, so that "%2F" stays inside a parameter; its parts are compared
  // and returned decoded. Literal parts win over parameters. HEAD takes the GET route where it has none of its own.
  Match match(std::string_view method, std::string_view path) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Part {
    enum class Kind { literal, parameter, rest } kind;
    std::string text;  // The literal, or the name of the parameter.
    bool operator==(const Part& other) const;
  };
  using Pattern = std::vector<Part>;

  static Pattern parse_pattern(std::string_view pattern);
  static bool fits(const Pattern& pattern, const std::vector<std::string>& parts);
  static bool more_literal(const Pattern& a, const Pattern& b);

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  Match match_parts(std::string_view method, std::string_view path) const;

  std::vector<Route> routes_;
  std::vector<Pattern> patterns_;  // One per route.
  // Routes without parameters, which win over all others, by their path.
  std::unordered_map<std::string, std::vector<std::size_t>, Hash, std::equal_to<>> literal_;
};

}  // namespace ragtime::http
