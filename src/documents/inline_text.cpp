#include "documents/inline_text.h"

#include <utility>

#include "text/utf8.h"

namespace ragtime::documents {
namespace {

bool is_space(char32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F;
}

// Controls, soft hyphen, zero-width space, word joiner, byte order mark.
bool is_invisible(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x200B || c == 0x2060 || c == 0xFEFF;
}

constexpr std::string_view kWhiteSpace = " \t\n\r";

}  // namespace

bool is_written_without_spaces(char32_t c) {
  const bool hangul = (c >= 0x1100 && c <= 0x11FF) || (c >= 0x3130 && c <= 0x318F) || (c >= 0xAC00 && c <= 0xD7AF);
  const bool cjk_punctuation = (c >= 0x3001 && c <= 0x303F) || (c >= 0xFF01 && c <= 0xFF65);
  return !hangul && (cjk_punctuation || text::is_cjk(c));
}

void InlineText::add(std::string_view utf8) {
  for (std::size_t position = 0; position < utf8.size();) {
    const std::size_t begin = position;
    const char32_t c = text::next_code_point(utf8, position);
    if (is_space(c)) {
      space_ = true;
      line_break_ = line_break_ || c == '\n';
    } else if (!is_invisible(c)) {
      begin_word(c);
      put(c, utf8.substr(begin, position - begin));
    }
  }
}

void InlineText::add_verbatim(std::string_view utf8) {
  for (std::size_t position = 0; position < utf8.size();) {
    const std::size_t begin = position;
    const char32_t c = text::next_code_point(utf8, position);
    if (c != '\n' && c != '\t' && is_invisible(c)) continue;
    if (line_ || space_) begin_word(c);
    put(c, utf8.substr(begin, position - begin));
  }
}

void InlineText::start_line(std::string_view prefix) {
  line_ = true;
  prefix_ = prefix;
}

std::string InlineText::take() {
  std::string result = std::exchange(text_, {});
  *this = InlineText();
  result.erase(result.find_last_not_of(kWhiteSpace) + 1);
  // Leading spaces on the first line are indentation of code; empty lines are nothing.
  std::size_t line = 0;
  for (std::size_t i = 0; i < result.size() && kWhiteSpace.find(result[i]) != std::string_view::npos; ++i) {
    if (result[i] == '\n') line = i + 1;
  }
  result.erase(0, line);
  return result;
}

void InlineText::put(char32_t code_point, std::string_view bytes) {
  // An invalid byte decodes to the replacement character; the text must stay valid UTF-8.
  text_ += code_point == 0xFFFD ? std::string_view("\xEF\xBF\xBD") : bytes;
  last_ = code_point;
}

void InlineText::begin_word(char32_t code_point) {
  if (line_) {
    if (!text_.empty()) text_ += '\n';
    text_ += prefix_;
  } else if (space_ && !text_.empty() && last_ != '\n') {
    const bool tight = line_break_ && is_written_without_spaces(last_) && is_written_without_spaces(code_point);
    if (!tight) text_ += ' ';
  }
  line_ = space_ = line_break_ = false;
}

}  // namespace ragtime::documents
