#include "documents/charset.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <unicode/ucnv.h>
#include <unicode/unistr.h>

#include "text/encoding.h"
#include "text/utf8.h"

namespace ragtime::documents {
namespace {

// How far browsers look for a declaration, times four for pages with long scripts before it.
constexpr std::size_t kDeclarationBytes = 4096;

bool has_byte_order_mark(std::string_view bytes) {
  return bytes.starts_with("\xEF\xBB\xBF") || bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF");
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

std::size_t find_ignoring_case(std::string_view text, std::string_view lower_needle, std::size_t from) {
  const auto found =
      std::search(text.begin() + static_cast<std::ptrdiff_t>(std::min(from, text.size())), text.end(),
                  lower_needle.begin(), lower_needle.end(), [](char a, char b) { return lower(a) == b; });
  return found == text.end() ? std::string_view::npos : static_cast<std::size_t>(found - text.begin());
}

// What browsers read for names that pages use loosely.
std::string converter_name(std::string_view charset) {
  std::string name(charset);
  std::ranges::transform(name, name.begin(), lower);
  if (name == "gb2312" || name == "gbk" || name == "x-gbk" || name == "gb_2312-80") return "gb18030";
  if (name == "iso-8859-1" || name == "latin1" || name == "us-ascii" || name == "ascii") return "windows-1252";
  return name;
}

// Empty when ICU does not know the charset or the bytes do not fit it.
std::string convert(std::string_view bytes, const std::string& charset) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UConverter, decltype(&ucnv_close)> converter(ucnv_open(charset.c_str(), &status), &ucnv_close);
  if (U_FAILURE(status)) return {};
  const icu::UnicodeString unicode(bytes.data(), static_cast<int32_t>(bytes.size()), converter.get(), status);
  if (U_FAILURE(status)) return {};
  std::string utf8;
  unicode.toUTF8String(utf8);
  return utf8;
}

}  // namespace

std::string_view declared_charset(std::string_view html) {
  html = html.substr(0, kDeclarationBytes);
  for (std::size_t meta = find_ignoring_case(html, "<meta", 0); meta != std::string_view::npos;
       meta = find_ignoring_case(html, "<meta", meta + 1)) {
    const std::string_view tag = html.substr(meta, html.find('>', meta) - meta);
    const std::size_t at = find_ignoring_case(tag, "charset", 0);
    if (at == std::string_view::npos) continue;
    std::string_view value = tag.substr(at + 7);
    const std::size_t begin = value.find_first_not_of(" \t\r\n=\"'");
    if (begin == std::string_view::npos) continue;
    value.remove_prefix(begin);
    return value.substr(0, value.find_first_of(" \t\r\n\"';/>"));
  }
  return {};
}

Result<std::string> decode_html(std::string_view bytes) {
  if (!has_byte_order_mark(bytes) && !text::is_valid_utf8(bytes)) {
    const std::string_view charset = declared_charset(bytes);
    std::string converted = charset.empty() ? std::string() : convert(bytes, converter_name(charset));
    if (!converted.empty()) return converted;
  }
  RAGTIME_TRY(text::DecodedText decoded, text::decode_text(bytes));
  return std::move(decoded.text);
}

}  // namespace ragtime::documents
