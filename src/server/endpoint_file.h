// A file that lists a model's endpoints and may change at any time.
//
// JSON or TOML: a list, or an object (TOML: a table) with one under "endpoints". An element is a URL as text, or an
// object with `url` and optionally `model`, `api_key` and `weight`. Replace the file by renaming a new one over it, so
// that no half of it is ever read; what cannot be read changes nothing.
// Thread safety: pure functions; the source as its interface says.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "async/thread_pool.h"
#include "base/result.h"
#include "llm/endpoint_source.h"

namespace ragtime::server {

struct EndpointFileConfig {
  std::string file;
  std::string model;    // Of endpoints that name none.
  std::string api_key;  // The same.
};

// Errors: invalid_argument with one line that says what is wrong.
Result<std::vector<llm::EndpointConfig>> parse_endpoints(std::string_view text, const EndpointFileConfig& config);

// `blocking`, where the file is read, outlives the source.
std::unique_ptr<llm::EndpointSource> make_file_source(EndpointFileConfig config, async::ThreadPool& blocking);

}  // namespace ragtime::server
