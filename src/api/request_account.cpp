#include <algorithm>
#include <charconv>
#include <cstring>
#include <initializer_list>

#include <fmt/format.h>

#include "api/limits.h"

namespace ragtime::api {
namespace {

constexpr std::int64_t kBytesPerToken = 4;
constexpr std::int64_t kAnswerTokens = 256;  // When the request does not say.

// As string_view::find(), at the speed of the C library: bodies may be long and full of quotes.
std::size_t find_text(std::string_view text, std::string_view what, std::size_t from) {
  if (from >= text.size()) return std::string_view::npos;
  const void* found = ::memmem(text.data() + from, text.size() - from, what.data(), what.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

// The value behind a name that ends at `end`; empty when no colon follows.
std::string_view value_after(std::string_view json, std::size_t end) {
  std::size_t next = json.find_first_not_of(" \t\r\n", end);
  if (next == std::string_view::npos || json[next] != ':') return {};
  next = json.find_first_not_of(" \t\r\n", next + 1);
  return next == std::string_view::npos ? std::string_view() : json.substr(next);
}

// The first value of a field whose name is one of `names`, all of which begin with `beginning`. A quote behind a
// backslash belongs to a text that merely speaks of the field.
std::string_view field_value(std::string_view json, std::string_view beginning,
                             std::initializer_list<std::string_view> names) {
  for (std::size_t at = find_text(json, beginning, 0); at != std::string_view::npos;
       at = find_text(json, beginning, at + 1)) {
    if (at > 0 && json[at - 1] == '\\') continue;
    for (const std::string_view name : names) {
      if (!json.substr(at).starts_with(name)) continue;
      const std::string_view value = value_after(json, at + name.size());
      if (!value.empty()) return value;
    }
  }
  return {};
}

std::int64_t answer_tokens(std::string_view json) {
  const std::string_view value = field_value(
      json, "\"max_", {"\"max_completion_tokens\"", "\"max_tokens\"", "\"max_output_tokens\""});
  std::int64_t tokens = 0;
  const auto [end, status] = std::from_chars(value.data(), value.data() + value.size(), tokens);
  return status == std::errc() && tokens > 0 ? tokens : kAnswerTokens;
}

bool asks_for_stream(std::string_view json) {
  return field_value(json, "\"stream\"", {"\"stream\""}).starts_with("true");
}

const RequestAccount* account_of(const http::Request& request) {
  return static_cast<const RequestAccount*>(request.attachment.get());
}

void set_rate(http::Headers& headers, std::string_view what, const std::optional<Gcra::State>& state) {
  if (!state) return;
  headers.set(fmt::format("x-ratelimit-limit-{}", what), std::to_string(state->limit));
  headers.set(fmt::format("x-ratelimit-remaining-{}", what), std::to_string(state->remaining));
  headers.set(fmt::format("x-ratelimit-reset-{}", what), reset_text(state->reset_after));
}

}  // namespace

std::shared_ptr<Limiter::Admission> admission_of(const http::Request& request) {
  const RequestAccount* account = account_of(request);
  return account ? account->admission : nullptr;
}

llm::Priority priority_of(const http::Request& request) {
  const auto admission = admission_of(request);
  return admission ? admission->priority() : llm::Priority::normal;
}

void settle_usage(const std::shared_ptr<Limiter::Admission>& admission, const llm::ChatUsage& usage) {
  if (admission) admission->settle(usage.prompt_tokens + usage.completion_tokens);
}

llm::Priority allowed_priority(const http::Request& request, const Caller& caller) {
  const auto own = parse_priority(caller.limits.priority);
  const auto asked = parse_priority(request.headers.find("x-ragtime-priority").value_or(""));
  const bool free_choice = !own && caller.key_id.empty();  // No key exists to say what is allowed.
  const llm::Priority most = free_choice ? llm::Priority::high : own.value_or(llm::Priority::normal);
  return std::min(asked.value_or(own.value_or(llm::Priority::normal)), most);
}

Need estimate_need(std::string_view body, TokenUse use) {
  Need need;
  need.stream = use == TokenUse::prompt_and_answer && asks_for_stream(body);
  if (use != TokenUse::none) need.tokens = static_cast<std::int64_t>(body.size()) / kBytesPerToken;
  if (use == TokenUse::prompt_and_answer) need.tokens += answer_tokens(body);
  return need;
}

void set_rate_headers(http::Headers& headers, const RateState& rates) {
  set_rate(headers, "requests", rates.requests);
  set_rate(headers, "tokens", rates.tokens);
}

std::string reset_text(std::chrono::nanoseconds duration) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  if (ms < 1000) return fmt::format("{}ms", ms);
  const std::int64_t seconds = (ms + 999) / 1000;
  return seconds < 60 ? fmt::format("{}s", seconds) : fmt::format("{}m{}s", seconds / 60, seconds % 60);
}

}  // namespace ragtime::api
