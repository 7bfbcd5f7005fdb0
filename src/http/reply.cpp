#include "http/reply.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>

#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

#include "http/ascii.h"

namespace ragtime::http {
namespace {

bool is_framing(std::string_view name) {
  return equal_ignoring_case(name, "content-length") || equal_ignoring_case(name, "transfer-encoding") ||
         equal_ignoring_case(name, "connection") || equal_ignoring_case(name, "x-request-id");
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  const auto start = out.size();
  out.append(value);
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(start), out.end(),
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  out.append("\r\n");
}

}  // namespace

std::string format_reply_head(const Response& response, const ReplyFraming& framing, std::string_view request_id,
                              std::string_view date) {
  const auto reason =
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(static_cast<unsigned>(response.status)));
  std::string out;
  out.reserve(512);
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", response.status,
                 std::string_view(reason.data(), reason.size()));
  append_field(out, "Date", date);
  append_field(out, "x-request-id", request_id);
  for (const auto& [name, value] : response.headers.fields()) {
    if (is_token(name) && !is_framing(name)) append_field(out, name, value);
  }
  if (framing.body == ReplyFraming::Body::sized)
    append_field(out, "Content-Length", std::to_string(framing.body_bytes));
  if (framing.body == ReplyFraming::Body::chunked) append_field(out, "Transfer-Encoding", "chunked");
  if (framing.upgrade) append_field(out, "Connection", "Upgrade");
  if (!framing.keep_alive) append_field(out, "Connection", "close");
  if (framing.keep_alive && !framing.http_1_1) append_field(out, "Connection", "keep-alive");
  out.append("\r\n");
  return out;
}

std::string format_http_date(std::int64_t unix_seconds) {
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t time = unix_seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(parts.tm_wday)],
                     parts.tm_mday, kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

bool status_has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string_view method_label(std::string_view method) {
  static constexpr std::array<std::string_view, 7> kKnown = {"GET",    "HEAD",  "POST",   "PUT",
                                                             "DELETE", "PATCH", "OPTIONS"};
  const auto found = std::ranges::find(kKnown, method);
  return found == kKnown.end() ? "OTHER" : *found;
}

bool acceptable_request_id(std::string_view id) {
  const auto good = [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; };
  return !id.empty() && id.size() <= 128 && std::ranges::all_of(id, good);
}

}  // namespace ragtime::http
