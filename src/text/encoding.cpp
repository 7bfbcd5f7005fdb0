#include "text/encoding.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include <unicode/ucnv.h>
#include <unicode/ucsdet.h>
#include <unicode/unistr.h>

#include "text/utf8.h"

namespace ragtime::text {
namespace {

constexpr std::size_t kSampleBytes = 64u << 10;
constexpr std::size_t kBinarySampleBytes = 8u << 10;

struct Encoding {
  const char* name;       // As reported.
  const char* converter;  // As ICU calls it.
};

constexpr std::array kMultiByteEncodings = {
    Encoding{"GB18030", "gb18030"}, Encoding{"Big5", "Big5-HKSCS"},         Encoding{"Shift_JIS", "ibm-943_P15A-2003"},
    Encoding{"EUC-JP", "euc-jp"},   Encoding{"EUC-KR", "windows-949-2000"},
};

bool starts_with(std::string_view bytes, std::string_view prefix) {
  return bytes.substr(0, prefix.size()) == prefix;
}

std::string normalize_line_ends(std::string text) {
  if (text.find('\r') == std::string::npos) return text;
  std::size_t out = 0;
  for (std::size_t in = 0; in < text.size(); ++in) {
    const bool pair = text[in] == '\r' && in + 1 < text.size() && text[in + 1] == '\n';
    if (!pair) text[out++] = text[in] == '\r' ? '\n' : text[in];
  }
  text.resize(out);
  return text;
}

DecodedText decoded(std::string text, std::string encoding) {
  if (starts_with(text, "\xEF\xBB\xBF")) text.erase(0, 3);
  return {normalize_line_ends(std::move(text)), std::move(encoding)};
}

// Nothing when a byte sequence is illegal or unassigned. A sample may end inside a character.
std::optional<icu::UnicodeString> convert(std::string_view bytes, const char* converter_name, bool is_sample) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UConverter, decltype(&ucnv_close)> converter(ucnv_open(converter_name, &status), &ucnv_close);
  ucnv_setToUCallBack(converter.get(), UCNV_TO_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &status);
  if (U_FAILURE(status)) return std::nullopt;
  icu::UnicodeString text;
  const char* source = bytes.data();
  std::array<UChar, 4096> buffer;
  do {
    status = U_ZERO_ERROR;
    UChar* target = buffer.data();
    ucnv_toUnicode(converter.get(), &target, buffer.data() + buffer.size(), &source, bytes.data() + bytes.size(),
                   nullptr, !is_sample, &status);
    text.append(buffer.data(), static_cast<std::int32_t>(target - buffer.data()));
  } while (status == U_BUFFER_OVERFLOW_ERROR);
  if (U_FAILURE(status)) return std::nullopt;
  return text;
}

bool is_forbidden_control(char32_t c) {
  const bool is_allowed = c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1B || c == 0x1A || c == 0x08;
  return (c < 0x20 && !is_allowed) || c == 0x7F;
}

// Characters that make up a large part of any text in their language.
const std::unordered_set<char32_t>& frequent_han() {
  static const std::unordered_set<char32_t> set = [] {
    const std::u32string_view list =
        U"的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多"
        U"天而能好都然没"
        U"日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把"
        U"法此实回二理美点"
        U"月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听"
        U"世气信北少关并"
        U"內加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死"
        U"常提感金何更反"
        U"合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱"
        U"让认算论百吃义"
        // Traditional forms.
        U"這個們來時國會對說為過還學後裡麼沒發無開見經頭動兩長樣現將與進實點種聲話兒問機給幾業間門東電氣關並內卻產萬體"
        U"別處總場師書員"
        U"華報馬張難數應車題統請愛讓認論義當從總請檔測試資訊網語";
    return std::unordered_set<char32_t>(list.begin(), list.end());
  }();
  return set;
}

// How much one decoded character speaks for the encoding that produced it.
double character_score(char32_t c) {
  if (c >= 0x4E00 && c <= 0x9FFF) return frequent_han().contains(c) ? 1.0 : 0.3;
  if (c >= 0x3041 && c <= 0x30FE) return 0.8;                                    // Kana.
  if (c >= 0xAC00 && c <= 0xD7A3) return 0.65;                                   // Hangul syllables.
  if ((c >= 0x3000 && c <= 0x3002) || (c >= 0x3008 && c <= 0x3011)) return 0.7;  // Ideographic punctuation.
  if (c == 0xFF0C || c == 0xFF1A || c == 0xFF1B || c == 0xFF01 || c == 0xFF1F) return 0.7;
  if (c >= 0x2010 && c <= 0x2026) return 0.3;
  return 0;
}

// Mean over the characters beyond ASCII; about 0.6 for text in the language, 0.35 for a look-alike.
double plausibility(const icu::UnicodeString& text) {
  double sum = 0;
  int count = 0;
  int hangul = 0;
  int han = 0;
  for (std::int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    const auto c = static_cast<char32_t>(text.char32At(i));
    if (c < 0x80) continue;
    ++count;
    sum += character_score(c);
    hangul += c >= 0xAC00 && c <= 0xD7A3;
    han += c >= 0x4E00 && c <= 0x9FFF;
  }
  if (count == 0) return 0;
  // Modern Korean has next to no Han; Chinese bytes read as Korean have both.
  const bool is_mixture = hangul > 0 && han * 5 > hangul;
  return is_mixture ? 0.3 * sum / count : sum / count;
}

struct Candidate {
  std::string name;
  std::string converter;
  double score = 0;
};

// Byte pairs of the rows that hold the everyday characters of GB 2312; rarely so in a look-alike.
double everyday_rows_share(std::string_view bytes) {
  std::size_t pairs = 0;
  std::size_t everyday = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    if (lead < 0x81) continue;
    const auto trail = static_cast<unsigned char>(bytes[++i]);
    ++pairs;
    everyday += trail >= 0xA1 && ((lead >= 0xB0 && lead <= 0xD7) || lead == 0xA1 || lead == 0xA3);
  }
  return pairs == 0 ? 0 : static_cast<double>(everyday) / static_cast<double>(pairs);
}

Candidate best_multi_byte(std::string_view sample, bool is_sample) {
  Candidate best;
  for (const Encoding& encoding : kMultiByteEncodings) {
    const auto text = convert(sample, encoding.converter, is_sample);
    if (!text) continue;
    double score = plausibility(*text);
    if (encoding.name == kMultiByteEncodings[0].name) score += 0.15 * everyday_rows_share(sample);
    if (score > best.score) best = {encoding.name, encoding.converter, score};
  }
  return best;
}

// ICU's detector judges the single-byte encodings by letter statistics.
Candidate best_detected(std::string_view sample, bool is_sample) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UCharsetDetector, decltype(&ucsdet_close)> detector(ucsdet_open(&status), &ucsdet_close);
  ucsdet_setText(detector.get(), sample.data(), static_cast<std::int32_t>(sample.size()), &status);
  std::int32_t count = 0;
  const UCharsetMatch** matches = ucsdet_detectAll(detector.get(), &count, &status);
  for (std::int32_t i = 0; U_SUCCESS(status) && i < count; ++i) {
    const std::string name = ucsdet_getName(matches[i], &status);
    const bool is_known = std::any_of(kMultiByteEncodings.begin(), kMultiByteEncodings.end(),
                                      [&](const Encoding& encoding) { return name == encoding.name; });
    if (is_known || starts_with(name, "UTF-")) continue;
    const double score = ucsdet_getConfidence(matches[i], &status) / 100.0;
    if (convert(sample, name.c_str(), is_sample)) return {name, name, score};
  }
  return {};
}

// These encodings are ASCII bytes with escape sequences, so they pass for UTF-8.
bool is_iso2022(std::string_view bytes) {
  if (bytes.find('\x1B') == std::string_view::npos) return false;
  const std::string_view sample = bytes.substr(0, kSampleBytes);
  return starts_with(best_detected(sample, sample.size() < bytes.size()).name, "ISO-2022");
}

Result<DecodedText> convert_all(std::string_view bytes, const std::string& converter, std::string name) {
  const auto text = convert(bytes, converter.c_str(), false);
  if (!text || text->indexOf(UChar{0}) >= 0) {
    return make_error(ErrorCode::unsupported, "the text is not valid " + name + "; save it as UTF-8");
  }
  std::string utf8;
  text->toUTF8String(utf8);
  return decoded(std::move(utf8), std::move(name));
}

std::optional<Encoding> byte_order_mark(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (starts_with(bytes, "\xFF\xFE\0\0"sv)) return Encoding{"UTF-32LE", "UTF-32"};
  if (starts_with(bytes, "\0\0\xFE\xFF"sv)) return Encoding{"UTF-32BE", "UTF-32"};
  if (starts_with(bytes, "\xFF\xFE"sv)) return Encoding{"UTF-16LE", "UTF-16"};
  if (starts_with(bytes, "\xFE\xFF"sv)) return Encoding{"UTF-16BE", "UTF-16"};
  return std::nullopt;
}

// Share of the characters that are ASCII text, kana, Hangul or Han with their punctuation: near 1 in UTF-16 text read
// in its own byte order, small in any other bytes.
double utf16_share(std::string_view bytes, const char* converter) {
  const auto text = convert(bytes, converter, false);
  if (!text || text->isEmpty()) return 0;
  double expected = 0;
  for (std::int32_t i = 0; i < text->length(); ++i) {
    const char32_t c = text->charAt(i);
    if (c == 0 || is_forbidden_control(c)) return 0;
    expected += c < 0x80 || is_cjk(c) || (c >= 0x3000 && c <= 0x303F) || (c >= 0xFF01 && c <= 0xFF5E);
  }
  return expected / text->length();
}

// UTF-16 without a mark has NULs beside its line ends, spaces and Latin letters, always at the same parity.
std::optional<Encoding> unmarked_utf16(std::string_view bytes) {
  std::array<std::size_t, 2> nuls{};
  const std::string_view sample = bytes.substr(0, kBinarySampleBytes);
  for (std::size_t i = 0; i < sample.size(); ++i) nuls[i % 2] += sample[i] == '\0';
  if (bytes.size() % 2 != 0 || (nuls[0] > 0) == (nuls[1] > 0)) return std::nullopt;
  const Encoding encoding = nuls[1] > 0 ? Encoding{"UTF-16LE", "UTF-16LE"} : Encoding{"UTF-16BE", "UTF-16BE"};
  if (utf16_share(sample, encoding.converter) < 0.9) return std::nullopt;
  return encoding;
}

// A few damaged bytes in long UTF-8 text do not make it another encoding.
bool is_damaged_utf8(std::string_view bytes) {
  std::size_t multi_byte = 0;
  std::size_t invalid = 0;
  for (std::size_t position = 0; position < bytes.size();) {
    const std::size_t begin = position;
    const char32_t c = next_code_point(bytes, position);
    multi_byte += position - begin > 1;
    invalid += c == 0xFFFD && position - begin == 1;
  }
  return multi_byte >= 20 * invalid;
}

std::string replace_invalid(std::string_view bytes) {
  const icu::StringPiece piece(bytes.data(), static_cast<std::int32_t>(bytes.size()));
  std::string utf8;
  icu::UnicodeString::fromUTF8(piece).toUTF8String(utf8);
  return utf8;
}

Result<DecodedText> decode_by_statistics(std::string_view bytes) {
  constexpr double kConvincing = 0.45;
  const std::string_view sample = bytes.substr(0, kSampleBytes);
  const bool is_sample = sample.size() < bytes.size();
  const Candidate multi_byte = best_multi_byte(sample, is_sample);
  const Candidate detected = best_detected(sample, is_sample);
  const bool takes_multi_byte = multi_byte.score >= std::max(kConvincing, detected.score * 0.6);
  const Candidate& chosen = takes_multi_byte || detected.name.empty() ? multi_byte : detected;
  if (chosen.name.empty()) {
    return make_error(ErrorCode::unsupported, "the text's encoding is not known; save it as UTF-8");
  }
  return convert_all(bytes, chosen.converter, chosen.name);
}

}  // namespace

bool looks_binary(std::string_view bytes) {
  if (byte_order_mark(bytes) || unmarked_utf16(bytes)) return false;
  const std::string_view sample = bytes.substr(0, kBinarySampleBytes);
  std::size_t controls = 0;
  for (const char byte : sample) {
    if (byte == '\0') return true;
    controls += is_forbidden_control(static_cast<unsigned char>(byte));
  }
  return controls * 100 > sample.size();
}

Result<DecodedText> decode_text(std::string_view bytes) {
  if (const auto mark = byte_order_mark(bytes)) return convert_all(bytes, mark->converter, mark->name);
  if (const auto utf16 = unmarked_utf16(bytes)) return convert_all(bytes, utf16->converter, utf16->name);
  if (looks_binary(bytes) || bytes.find('\0') != std::string_view::npos) {
    return make_error(ErrorCode::unsupported, "the file is binary, not text");
  }
  if (!is_iso2022(bytes)) {
    if (is_valid_utf8(bytes)) return decoded(std::string(bytes), "UTF-8");
    if (is_damaged_utf8(bytes)) return decoded(replace_invalid(bytes), "UTF-8");
  }
  return decode_by_statistics(bytes);
}

}  // namespace ragtime::text
