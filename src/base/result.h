// Result<T>: a value or an Error. Every function that can fail for reasons outside the program returns one.
//
// The codes say what the caller should do, not which component failed; the message says the rest to a human.
// Exceptions are for the unexpected and are caught at three boundaries: a request, a background task, main().
// Thread safety: values, as safe as the T inside.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/system/result.hpp>

namespace ragtime {

enum class ErrorCode {
  invalid_argument,    // Fix the request; `param` names the part.
  unauthenticated,     // Send a valid key.
  permission_denied,   // The key's scopes do not allow this.
  not_found,           // No such thing for this tenant.
  conflict,            // The thing is in a state that forbids this, or exists already.
  too_large,           // Send less.
  unsupported,         // Send another kind: file type, encoding, model task.
  resource_exhausted,  // A named limit was hit: wait, then retry.
  unavailable,         // Something outside is down: retry, or use a fallback.
  deadline_exceeded,   // The time given was not enough.
  cancelled,           // The caller went away.
  corrupt,             // Stored or received data is damaged: rebuild or discard it.
  internal,            // A defect of ours.
};

// The code's stable name, for logs and metrics.
std::string_view name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  // One line for a human: what happened and what to do next.
  std::string param;    // The request field or configuration key at fault, or empty.
  // When known: how long to wait before a retry can succeed.
  std::optional<std::chrono::milliseconds> retry_after{};
};

template <class T>
using Result = boost::system::result<T, Error>;

// Makes Result<T>::value() on an error throw std::runtime_error. Found by Boost through the namespace of Error.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& location);

inline Error make_error(ErrorCode code, std::string message, std::string param = {}) {
  return Error{code, std::move(message), std::move(param)};
}

}  // namespace ragtime

// RAGTIME_TRY(auto value, expression): evaluates a Result; returns its error from the enclosing function,
// or moves the value out. RAGTIME_CO_TRY is the same inside a coroutine. The _DONE forms are for Result<void>.
#define RAGTIME_CONCAT_INNER(a, b) a##b
#define RAGTIME_CONCAT(a, b) RAGTIME_CONCAT_INNER(a, b)
#define RAGTIME_TRY_IMPL(RETURN, TEMP, DECLARATION, ...) \
  auto&& TEMP = (__VA_ARGS__);                           \
  if (!TEMP.has_value()) RETURN std::move(TEMP).error(); \
  DECLARATION = std::move(*TEMP)
#define RAGTIME_TRY(declaration, ...) \
  RAGTIME_TRY_IMPL(return, RAGTIME_CONCAT(ragtime_try_, __LINE__), declaration, __VA_ARGS__)
#define RAGTIME_CO_TRY(declaration, ...) \
  RAGTIME_TRY_IMPL(co_return, RAGTIME_CONCAT(ragtime_try_, __LINE__), declaration, __VA_ARGS__)
#define RAGTIME_TRY_DONE(...)                                                 \
  do {                                                                        \
    if (auto ragtime_done = (__VA_ARGS__); !ragtime_done.has_value())         \
      return std::move(ragtime_done).error();                                 \
  } while (false)
#define RAGTIME_CO_TRY_DONE(...)                                              \
  do {                                                                        \
    if (auto ragtime_done = (__VA_ARGS__); !ragtime_done.has_value())         \
      co_return std::move(ragtime_done).error();                              \
  } while (false)
