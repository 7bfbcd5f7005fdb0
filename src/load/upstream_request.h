// What the scripted upstream reads out of a request's body.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "load/script.h"

namespace ragtime::load {

struct UpstreamRequest {
  ScriptRequest script;
  std::string prompt;                  // Every message's text, for the prefix cache.
  std::size_t tokens_max = 0;          // max_tokens of the request; 0: none.
  boost::json::object body;
};

// Errors: invalid_argument with a sentence for what is not a proper request.
Result<UpstreamRequest> read_request(Operation operation, std::string_view body);

// Model and stream alone, found without parsing: for the instant mode, where the mock must cost little.
ScriptRequest scan_request(Operation operation, std::string_view body);

}  // namespace ragtime::load
