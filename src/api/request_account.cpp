#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "api/limits.h"

namespace ragtime::api {
namespace {

constexpr std::int64_t kBytesPerToken = 4;
constexpr std::int64_t kAnswerTokens = 256;  // When the request does not say.

// What follows `"name":`, or nothing. A quote behind a backslash belongs to a text that merely speaks of the field.
std::string_view field_value(std::string_view json, std::string_view quoted_name) {
  for (std::size_t at = json.find(quoted_name); at != std::string_view::npos; at = json.find(quoted_name, at + 1)) {
    if (at > 0 && json[at - 1] == '\\') continue;
    std::size_t next = json.find_first_not_of(" \t\r\n", at + quoted_name.size());
    if (next == std::string_view::npos || json[next] != ':') continue;
    next = json.find_first_not_of(" \t\r\n", next + 1);
    if (next != std::string_view::npos) return json.substr(next);
  }
  return {};
}

std::int64_t answer_tokens(std::string_view json) {
  for (const std::string_view name : {"\"max_completion_tokens\"", "\"max_tokens\"", "\"max_output_tokens\""}) {
    const std::string_view value = field_value(json, name);
    std::int64_t tokens = 0;
    const auto [end, status] = std::from_chars(value.data(), value.data() + value.size(), tokens);
    if (status == std::errc() && tokens > 0) return tokens;
  }
  return kAnswerTokens;
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
  need.stream = use == TokenUse::prompt_and_answer && field_value(body, "\"stream\"").starts_with("true");
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
