#include <algorithm>

#include <fmt/format.h>

#include "api/limits.h"
#include "llm/json_cursor.h"

namespace ragtime::api {
namespace {

constexpr std::int64_t kBytesPerToken = 4;
constexpr std::int64_t kAnswerTokens = 256;  // When the request does not say.
constexpr std::int64_t kAnswerTokensMax = 1'000'000'000;

// What the body asks for, as far as it is JSON.
void read_wishes(std::string_view body, Need& need) {
  std::int64_t answer = kAnswerTokens;
  llm::JsonCursor cursor(body);
  std::string_view key;
  if (!cursor.enter_object()) cursor.skip_value();
  while (cursor.next_member(key)) {
    if (key == "stream") {
      need.stream = cursor.boolean().value_or(false);
    } else if (key == "max_tokens" || key == "max_completion_tokens" || key == "max_output_tokens") {
      if (const auto limit = cursor.integer(); limit && *limit > 0) answer = std::min(*limit, kAnswerTokensMax);
    } else {
      cursor.skip_value();
    }
  }
  need.tokens += answer;
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
  if (use != TokenUse::none) need.tokens = static_cast<std::int64_t>(body.size()) / kBytesPerToken;
  if (use == TokenUse::prompt_and_answer) read_wishes(body, need);
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
