// ChatBody: what the gateway must know of a client's request, read without building the JSON, and the request as an
// upstream gets it: the client's bytes but for the model's name and the wish for usage.
//
// Thread safety: values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ragtime::llm {

struct ChatBody {
  // Bytes of the body.
  struct Span {
    std::size_t begin = 0;
    std::size_t size = 0;
    std::string_view of(std::string_view body) const { return body.substr(begin, size); }
  };
  // A place to change. `text` goes there, or the model's name when it is nothing.
  struct Edit {
    Span span;
    std::optional<std::string_view> text;
  };

  std::string model;  // Decoded; empty when there is none.
  bool stream = false;
  bool include_usage = false;  // The client asked for it.
  std::int64_t choices = 1;    // "n"
  std::optional<std::int64_t> tokens_max;
  Span first_message;       // Of "messages", or "prompt"; what conversations with the same beginning share.
  Span tools;               // The value of "tools"; empty without.
  std::vector<Edit> edits;  // In order of their places.
};

// Of keys that come twice the last counts, as with most parsers; all of them are changed.
// Errors: invalid_argument for what is not one JSON object, with the place.
Result<ChatBody> read_chat_body(std::string_view body);

// The request for an upstream that calls its model `model`. Precondition: `parsed` was read from `body`.
std::string body_for_upstream(std::string_view body, const ChatBody& parsed, std::string_view model);

}  // namespace ragtime::llm
