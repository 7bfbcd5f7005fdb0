#include "rag/fallbacks.h"

#include "rag/question.h"

namespace ragtime::rag {

std::string_view model_failure_kind(const Error& error) {
  switch (error.code) {
    case ErrorCode::resource_exhausted:
      return "llm_overloaded";
    case ErrorCode::deadline_exceeded:
      return "llm_timeout";
    case ErrorCode::invalid_argument:
    case ErrorCode::too_large:
    case ErrorCode::unsupported:
      return "llm_refused";
    default:
      return error.param == llm::kTimeLimit ? "llm_timeout" : "llm_unavailable";
  }
}

std::string degraded_entry(std::string_view kind, std::string_view what, std::string_view replacement) {
  std::string entry(kind);
  entry += ':';
  entry += what;
  entry += "→";
  entry += replacement;
  return entry;
}

bool is_replaceable_search(const Error& error) {
  switch (error.code) {
    case ErrorCode::unavailable:
    case ErrorCode::internal:
    case ErrorCode::corrupt:
    case ErrorCode::resource_exhausted:
    case ErrorCode::deadline_exceeded:
      return true;
    default:
      return false;
  }
}

std::string fallback_message(const DegradationConfig& config, std::string_view question) {
  const bool chinese = is_chinese(question);
  const std::string& own = chinese ? config.message_chinese : config.message;
  return own.empty() ? (chinese ? config.message : config.message_chinese) : own;
}

}  // namespace ragtime::rag
