#include "llm/upstream_fault.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <iomanip>
#include <locale>
#include <sstream>

#include "llm/chat_model.h"
#include "llm/chat_stream.h"
#include "llm/json_cursor.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::hours kRetryAfterMax{1};

// Our key or its rights: the server's words may repeat the key.
bool refuses_our_key(int status) {
  return status == 401 || status == 402 || status == 403;
}

// Wrong in the configuration, not in the client's request.
bool is_our_mistake(int status) {
  return refuses_our_key(status) || status == 404 || status == 405;
}

bool is_overload(int status) {
  return status == 429 || status == 503 || status == 529;
}

bool is_passing(int status) {
  return status == 408 || status == 425 || status >= 500;
}

// Servers word it differently; a model with a larger context may take the request.
bool is_context_overflow(const UpstreamFault& fault) {
  if (fault.code == "context_length_exceeded") return true;
  constexpr std::array<std::string_view, 4> kPhrases = {"maximum context length", "context length exceeded",
                                                        "exceeds the available context size", "context window"};
  return std::any_of(kPhrases.begin(), kPhrases.end(),
                     [&](std::string_view phrase) { return fault.message.find(phrase) != std::string::npos; });
}

// Of an error object: a number as vLLM sends it, or a word.
int status_of_error(std::string_view raw_code, std::string_view type) {
  int status = 0;
  std::from_chars(raw_code.data(), raw_code.data() + raw_code.size(), status);
  if (status >= 400 && status < 600) return status;
  for (const std::string_view word : {raw_code, type}) {
    if (word.find("rate_limit") != word.npos || word.find("overloaded") != word.npos) return 429;
    if (word.find("context_length") != word.npos || word.find("content_") != word.npos) return 400;
    if (word.find("invalid_request") != word.npos || word.find("BadRequest") != word.npos) return 400;
  }
  return 500;
}

struct ErrorFields {
  std::string message;
  std::string code;
  std::string type;

  void read(JsonCursor& cursor) {
    std::string_view key;
    while (cursor.next_member(key)) {
      const bool is_string = cursor.peek() == '"';
      const std::string_view value = cursor.skip_value();
      const auto text = [&] {
        return is_string ? decode_json_string(value.substr(1, value.size() - 2)) : std::string(value);
      };
      if (value == "null") continue;
      if (key == "message") message = text();
      if (key == "code" || key == "status_code") code = text();
      if (key == "type") type = text();
    }
  }
};

UpstreamFault reported(ErrorFields fields, std::string_view whole) {
  UpstreamFault fault;
  fault.kind = FaultKind::status;
  fault.status = status_of_error(fields.code, fields.type);
  fault.message = upstream_message(whole);
  fault.code = std::move(fields.code);
  return fault;
}

}  // namespace

FaultVerdict judge(const UpstreamFault& fault) {
  FaultVerdict verdict;
  if (fault.kind == FaultKind::silence) verdict.same_endpoint = false;
  if (fault.kind != FaultKind::status || is_passing(fault.status)) {
    if (is_overload(fault.status)) verdict.outcome = Outcome::overloaded;
    return verdict;
  }
  if (is_overload(fault.status)) {
    verdict.outcome = Outcome::overloaded;
  } else if (is_our_mistake(fault.status) || fault.status < 400) {
    verdict.same_endpoint = false;
  } else {
    verdict = {Outcome::ignored, false, false, is_context_overflow(fault), true};
  }
  return verdict;
}

UpstreamFault fault_of_reply(int status, std::string_view body) {
  UpstreamFault fault;
  fault.kind = FaultKind::status;
  fault.status = status;
  if (const auto object = fault_of_object(body)) fault.code = object->code;
  fault.message = "answered " + std::to_string(status) + ": ";
  fault.message += refuses_our_key(status) ? "it refuses the configured key" : upstream_message(body);
  return fault;
}

std::optional<UpstreamFault> fault_of_object(std::string_view json) {
  JsonCursor cursor(json);
  if (!cursor.enter_object()) return std::nullopt;
  std::string_view key;
  ErrorFields nested;
  bool has_error = false;
  bool is_error = false;
  while (cursor.next_member(key)) {
    if (key == "error") {
      has_error = cursor.peek() != 'n';
      if (cursor.enter_object()) {
        nested.read(cursor);
      } else {
        cursor.skip_value();
      }
    } else if (key == "object") {
      is_error = cursor.raw_string() == "error";
    } else {
      cursor.skip_value();
    }
  }
  if (has_error) return reported(std::move(nested), json);
  if (!is_error) return std::nullopt;
  JsonCursor again(json);
  again.enter_object();
  ErrorFields flat;
  flat.read(again);
  return reported(std::move(flat), json);
}

std::optional<milliseconds> parse_retry_after(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty()) return std::nullopt;
  if (status != std::errc() || end != text.data() + text.size()) {
    std::tm time{};
    std::istringstream in{std::string(text)};
    in.imbue(std::locale::classic());
    in >> std::get_time(&time, "%a, %d %b %Y %H:%M:%S GMT");
    if (in.fail()) return std::nullopt;
    seconds = static_cast<std::int64_t>(::timegm(&time) - std::time(nullptr));
  }
  constexpr std::int64_t kMax = std::chrono::seconds(kRetryAfterMax).count();
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kMax));
}

std::optional<milliseconds> retry_after_of(const http::Headers& headers) {
  if (const auto exact = headers.find("retry-after-ms")) {
    int count = 0;
    const auto [end, status] = std::from_chars(exact->data(), exact->data() + exact->size(), count);
    if (status == std::errc() && end == exact->data() + exact->size() && count >= 0) return milliseconds(count);
  }
  return parse_retry_after(headers.find("retry-after").value_or(""));
}

Error client_error(const UpstreamFault& fault, std::string_view model) {
  const bool overload = fault.kind == FaultKind::status && fault.status == 429;
  const ErrorCode code = overload ? ErrorCode::resource_exhausted : ErrorCode::unavailable;
  Error error = make_error(code, "the model server of '" + std::string(model) + "' " + fault.message);
  error.retry_after = fault.retry_after;
  if (fault.kind == FaultKind::silence) error.param = kTimeLimit;
  return error;
}

}  // namespace ragtime::llm
