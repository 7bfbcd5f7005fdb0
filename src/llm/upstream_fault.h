// UpstreamFault: how a request to a model server went wrong, and what may be done about it. Pure.
//
// Thread safety: values and pure functions.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"
#include "llm/endpoint_pool.h"

namespace ragtime::llm {

enum class FaultKind {
  connection,  // None, lost, or broken HTTP.
  silence,     // A time limit passed.
  cut,         // The answer ended early, or was given up.
  malformed,   // What came is no answer in OpenAI's shape.
  status,      // The server said so, by the status of its reply or in an error object.
};

struct UpstreamFault {
  FaultKind kind = FaultKind::connection;
  int status = 0;       // With FaultKind::status.
  std::string message;  // One line, in the server's words where it had any.
  std::string code;     // Of the error object: "context_length_exceeded"; often empty.
  std::optional<std::chrono::milliseconds> retry_after{};
};

// What the rules say about a fault before the commit point.
struct FaultVerdict {
  Outcome outcome = Outcome::failed;
  bool other_endpoint = true;  // Another endpoint of the same model may succeed.
  bool same_endpoint = true;   // So may the same one, after a pause.
  bool other_model = true;     // So may a fallback.
  bool relay = false;          // If nothing else is left the server's reply goes to the client as it came.
};

FaultVerdict judge(const UpstreamFault& fault);

// The fault of a reply with this status, which is not 200. `body` is its body, whole or in part.
UpstreamFault fault_of_reply(int status, std::string_view body);

// Nothing unless the text is an object that reports an error: {"error": …}, {"object": "error", …}.
std::optional<UpstreamFault> fault_of_object(std::string_view json);

// "Retry-After": seconds, or an HTTP date. Nothing when it is neither.
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text);

// How long the reply asks to be left alone: "retry-after-ms" of OpenAI's servers, else "Retry-After".
std::optional<std::chrono::milliseconds> retry_after_of(const http::Headers& headers);

// The same as an error for the client, once nothing is left to try.
Error client_error(const UpstreamFault& fault, std::string_view model);

}  // namespace ragtime::llm
