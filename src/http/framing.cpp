#include "http/framing.h"

#include <algorithm>
#include <charconv>

#include "http/ascii.h"

namespace ragtime::http {
namespace {

constexpr std::size_t kSizeDigitsMax = 15;
constexpr std::size_t kSizeLineBytesMax = 256;
constexpr std::size_t kExtensionBytesMax = 4096;
constexpr std::size_t kTrailerBytesMax = 4096;
constexpr std::size_t kTrailersMax = 32;
constexpr std::size_t kLengthDigitsMax = 18;

bool is_hex_digit(char c) {
  return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f');
}

Error bad(std::string what) {
  return make_error(ErrorCode::invalid_argument, "malformed HTTP message: " + std::move(what));
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

Result<void> add_field(std::string_view line, Underscores underscores, Headers& headers) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return bad("a field without a colon");
  const auto name = line.substr(0, colon);
  // Some servers take an underscore for a hyphen.
  const bool doubtful = underscores == Underscores::refused && name.find('_') != std::string_view::npos;
  if (!is_token(name) || doubtful) return bad("a field name that is none");
  const auto value = trim(line.substr(colon + 1));
  if (std::ranges::any_of(value, is_control)) return bad("a control character in a field");
  headers.add(name, value);
  return {};
}

Result<std::uint64_t> parse_length(std::string_view text) {
  const bool digits = !text.empty() && text.size() <= kLengthDigitsMax && std::ranges::all_of(text, is_digit);
  if (!digits || (text.size() > 1 && text[0] == '0')) return bad("a Content-Length that is no number");
  std::uint64_t length = 0;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return length;
}

// Trailers that would change who is asked, who asks, or where the message ends.
bool is_forbidden_trailer(std::string_view name) {
  static constexpr std::string_view kForbidden[] = {"content-length", "transfer-encoding", "host",
                                                    "authorization",  "connection",        "upgrade",
                                                    "cookie",         "set-cookie",
                                                    "content-type",   "content-encoding",  "expect"};
  return std::ranges::any_of(kForbidden, [&](std::string_view each) { return equal_ignoring_case(each, name); });
}

Result<void> check_trailers(std::string_view lines) {
  auto fields = parse_fields(lines, kTrailersMax, Underscores::refused);
  if (fields.has_error()) return bad("trailers that are none");
  for (const auto& [name, value] : fields->fields()) {
    if (is_forbidden_trailer(name)) return bad("the trailer \"" + name + "\" is not allowed");
  }
  return {};
}

}  // namespace

HeadScanner::State HeadScanner::scan(std::string_view bytes) {
  while (true) {
    const auto end = bytes.find('\n', scanned_);
    // A bare CR anywhere is refused as well; the last byte may be the first half of a line end.
    const auto stretch = bytes.substr(scanned_, end == std::string_view::npos ? end : end - scanned_);
    const auto carriage = stretch.find('\r');
    if (end == std::string_view::npos) {
      if (carriage == std::string_view::npos) {
        scanned_ = bytes.size();
      } else if (carriage + 1 == stretch.size()) {
        scanned_ = bytes.size() - 1;
      } else {
        return State::bad_line;
      }
      return State::more;
    }
    if (carriage == std::string_view::npos || carriage + 1 != stretch.size()) return State::bad_line;
    const bool empty = end - 1 == line_start_;
    if (first_line_ == std::string_view::npos) first_line_ = end - 1;
    scanned_ = line_start_ = end + 1;
    if (empty) return State::complete;
  }
}

Result<Headers> parse_fields(std::string_view lines, std::size_t fields_max, Underscores underscores) {
  Headers headers;
  while (!lines.empty()) {
    const auto end = lines.find("\r\n");
    if (end == std::string_view::npos) return bad("a line without its end");
    if (headers.fields().size() >= fields_max) return make_error(ErrorCode::too_large, "too many header fields");
    // A folded line begins with white space and so has no name.
    RAGTIME_TRY_DONE(add_field(lines.substr(0, end), underscores, headers));
    lines.remove_prefix(end + 2);
  }
  return headers;
}

Result<BodyLength> parse_body_length(const Headers& headers, bool http_1_1) {
  BodyLength out;
  const auto length = headers.find("content-length");
  const auto coding = headers.find("transfer-encoding");
  if (headers.count("content-length") > 1) return bad("more than one Content-Length");
  if (coding) {
    const bool plain = headers.count("transfer-encoding") == 1 && equal_ignoring_case(*coding, "chunked");
    if (!plain || !http_1_1) return bad("the only Transfer-Encoding taken is chunked, since version 1.1");
    if (length) return bad("a Content-Length beside a Transfer-Encoding");
    out.chunked = true;
  }
  if (length) {
    RAGTIME_TRY(out.bytes, parse_length(*length));
  }
  return out;
}

bool has_connection_option(const Headers& headers, std::string_view option) {
  for (const auto& [name, value] : headers.fields()) {
    if (!equal_ignoring_case(name, "connection")) continue;
    std::string_view rest = value;
    while (true) {
      const auto comma = rest.find(',');
      if (equal_ignoring_case(trim(rest.substr(0, comma)), option)) return true;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

Result<void> ChunkDecoder::parse_size(std::string_view line) {
  const auto after = std::ranges::find_if_not(line, is_hex_digit);
  const auto digits = static_cast<std::size_t>(after - line.begin());
  const auto extension = line.substr(digits);
  if (digits == 0 || digits > kSizeDigitsMax || (!extension.empty() && extension[0] != ';')) {
    return bad("a chunk without a proper size");
  }
  extension_bytes_ += extension.size();
  if (extension_bytes_ > kExtensionBytesMax || std::ranges::any_of(extension, is_control)) {
    return bad("chunk extensions that are too long or no text");
  }
  std::from_chars(line.data(), line.data() + digits, left_, 16);
  state_ = left_ == 0 ? State::trailers : State::data;
  return {};
}

Result<std::size_t> ChunkDecoder::collect_line(std::string_view input, std::size_t bytes_max) {
  const auto newline = input.find('\n');
  const std::size_t taken = newline == std::string_view::npos ? input.size() : newline + 1;
  if (line_.size() + taken > bytes_max) return bad("a line in a chunked body is too long");
  line_.append(input.substr(0, taken));
  return taken;
}

Result<std::size_t> ChunkDecoder::take_size_line(std::string_view input) {
  RAGTIME_TRY(const std::size_t taken, collect_line(input, kSizeLineBytesMax));
  const bool ended = line_.ends_with('\n');
  const auto carriage = line_.find('\r');
  const bool bare = carriage == std::string::npos ? ended : carriage + (ended ? 2 : 1) != line_.size();
  if (bare) return bad("a line in a chunked body has a bad end");
  if (!ended) return taken;
  line_.resize(carriage);
  RAGTIME_TRY_DONE(parse_size(line_));
  line_.clear();
  return taken;
}

Result<std::size_t> ChunkDecoder::take_data_end(std::string_view input) {
  static constexpr std::string_view kEnd = "\r\n";
  std::size_t taken = 0;
  for (; taken < input.size() && line_.size() < kEnd.size(); ++taken) {
    if (input[taken] != kEnd[line_.size()]) return bad("a chunk is not as long as its size");
    line_ += input[taken];
  }
  if (line_.size() == kEnd.size()) {
    line_.clear();
    state_ = State::size_line;
  }
  return taken;
}

Result<std::size_t> ChunkDecoder::take_trailers(std::string_view input) {
  RAGTIME_TRY(const std::size_t taken, collect_line(input, kTrailerBytesMax));
  const auto state = trailers_.scan(line_);
  if (state == HeadScanner::State::bad_line) return bad("a line of the trailers has a bad end");
  if (state == HeadScanner::State::more) return taken;
  RAGTIME_TRY_DONE(check_trailers(std::string_view(line_).substr(0, line_.size() - 2)));
  state_ = State::done;
  return taken;
}

Result<std::size_t> ChunkDecoder::decode(std::string_view input, std::string& out, std::size_t bytes_max) {
  std::size_t used = 0;
  const std::size_t end = out.size() + bytes_max;
  while (used < input.size() && state_ != State::done) {
    const auto rest = input.substr(used);
    if (state_ != State::data) {
      auto taken = state_ == State::size_line  ? take_size_line(rest)
                   : state_ == State::data_end ? take_data_end(rest)
                                               : take_trailers(rest);
      if (taken.has_error()) return taken;
      used += *taken;
      continue;
    }
    const std::size_t room = end - out.size();
    if (room == 0) break;
    const auto piece = rest.substr(0, std::min<std::uint64_t>(left_, room));
    out += piece;
    used += piece.size();
    left_ -= piece.size();
    if (left_ == 0) state_ = State::data_end;
  }
  return used;
}

void BodyDecoder::start(Kind kind, std::uint64_t bytes) {
  kind_ = kind;
  left_ = kind == Kind::sized ? bytes : 0;
  chunks_ = ChunkDecoder();
}

Result<std::size_t> BodyDecoder::decode(std::string_view input, std::string& out, std::size_t bytes_max) {
  if (kind_ == Kind::chunked) return chunks_.decode(input, out, bytes_max);
  const std::uint64_t wanted = kind_ == Kind::until_close ? bytes_max : std::min<std::uint64_t>(left_, bytes_max);
  const auto piece = input.substr(0, wanted);
  out += piece;
  if (kind_ == Kind::sized) left_ -= piece.size();
  return piece.size();
}

std::optional<std::uint64_t> BodyDecoder::bytes_left() const {
  if (done()) return 0;
  if (kind_ == Kind::sized) return left_;
  return std::nullopt;
}

}  // namespace ragtime::http
