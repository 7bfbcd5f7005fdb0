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
  // Literal parts win over parameters.
  Match match(std::string_view method, std::string_view path) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace ragtime::http
