#include "text/encoding.h"

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <unicode/ucnv.h>
#include <unicode/unistr.h>

namespace ragtime::text {
namespace {

using namespace std::string_view_literals;

std::string encode(std::string_view utf8, const char* encoding) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UConverter, decltype(&ucnv_close)> converter(ucnv_open(encoding, &status), &ucnv_close);
  const auto units = icu::UnicodeString::fromUTF8({utf8.data(), static_cast<std::int32_t>(utf8.size())});
  std::string bytes(static_cast<std::size_t>(units.length()) * 6 + 8, '\0');
  const std::int32_t length = ucnv_fromUChars(converter.get(), bytes.data(), static_cast<std::int32_t>(bytes.size()),
                                              units.getBuffer(), units.length(), &status);
  EXPECT_TRUE(U_SUCCESS(status)) << encoding;
  bytes.resize(static_cast<std::size_t>(length));
  return bytes;
}

constexpr std::string_view kChinese = "数据库系统的性能取决于索引结构。当查询到达时，服务器先解析请求，再访问缓存。\n";
constexpr std::string_view kTraditional =
    "資料庫系統的效能取決於索引結構。當查詢到達時，伺服器先解析請求，再存取快取。\n";
constexpr std::string_view kJapanese =
    "データベースの性能は索引の構造によって決まります。問い合わせが届くと、サーバーは要求を解析します。\n";
constexpr std::string_view kKorean = "데이터베이스의 성능은 색인 구조에 따라 결정됩니다. 서버는 요청을 분석합니다.\n";
constexpr std::string_view kRussian =
    "Производительность базы данных зависит от структуры индекса. Сервер разбирает запрос.\n";
constexpr std::string_view kFrench =
    "Les performances dépendent de l'index. Le serveur reçoit une requête, l'analyse et répond à l'été.\n";
constexpr std::string_view kGerman =
    "Die Leistung hängt vom Index ab. Größe und Übertragung müssen natürlich geprüft werden.\n";

struct Case {
  std::string_view text;
  const char* encoding;
};

class DecodeText : public testing::TestWithParam<Case> {};

TEST_P(DecodeText, FindsTheEncoding) {
  const auto result = decode_text(encode(GetParam().text, GetParam().encoding));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->text, GetParam().text) << "taken for " << result->encoding;
}

INSTANTIATE_TEST_SUITE_P(
    Encodings, DecodeText,
    testing::Values(Case{kChinese, "UTF-8"}, Case{kChinese, "GB18030"}, Case{kChinese, "GBK"},
                    Case{"你好，世界", "GB18030"}, Case{"姓名,年龄,城市\n张三,25,北京\n李四,31,上海\n", "GB18030"},
                    Case{"# config\nkey = value  # 注释：缓存大小\nsize = 10\n", "GB18030"},
                    Case{"锦瑟无端五十弦，一弦一柱思华年。", "GB18030"}, Case{kTraditional, "Big5"},
                    Case{"臺灣的首都是臺北", "Big5"}, Case{kJapanese, "Shift_JIS"}, Case{kJapanese, "EUC-JP"},
                    Case{kJapanese, "ISO-2022-JP"}, Case{kKorean, "EUC-KR"}, Case{kRussian, "windows-1251"},
                    Case{kRussian, "KOI8-R"}, Case{kFrench, "windows-1252"}, Case{kGerman, "windows-1252"},
                    Case{kFrench, "UTF-8"}, Case{kChinese, "UTF-16LE"}, Case{kChinese, "UTF-16BE"},
                    Case{"Plain English text.\nTwo lines.\n", "UTF-16LE"}, Case{kChinese, "UTF-16"},
                    Case{kChinese, "UTF-32"}));

TEST(Encoding, NamesTheEncoding) {
  EXPECT_EQ(decode_text(kChinese)->encoding, "UTF-8");
  EXPECT_EQ(decode_text(encode(kChinese, "GB18030"))->encoding, "GB18030");
  EXPECT_EQ(decode_text(encode(kTraditional, "Big5"))->encoding, "Big5");
  EXPECT_EQ(decode_text("\xFF\xFE" + encode(kChinese, "UTF-16LE"))->encoding, "UTF-16LE");
}

TEST(Encoding, LongTextIsJudgedByASampleAndConvertedWhole) {
  std::string text;
  while (text.size() < 400'000) text += kChinese;
  const auto result = decode_text(encode(text, "GB18030"));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->text, text);
}

TEST(Encoding, ByteOrderMarksGoAndLineEndsBecomeNewlines) {
  EXPECT_EQ(decode_text("\xEF\xBB\xBF"
                        "a\r\nb\rc\n")
                ->text,
            "a\nb\nc\n");
  EXPECT_EQ(decode_text("\r\n\r\n")->text, "\n\n");
  EXPECT_EQ(decode_text("")->text, "");
}

TEST(Encoding, AFewDamagedBytesStayUtf8) {
  std::string text;
  for (int i = 0; i < 20; ++i) text += kChinese;
  const auto result = decode_text(text + "\xFF\n" + text);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->encoding, "UTF-8");
  EXPECT_EQ(result->text, text + "\uFFFD\n" + text);
}

TEST(Encoding, ColouredLogsAreUtf8) {
  EXPECT_EQ(decode_text("\x1B[31merror\x1B[0m 错误\n")->encoding, "UTF-8");
}

TEST(Encoding, BinaryIsUnsupported) {
  const std::string_view png = "\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\1\0"sv;
  const std::string_view elf =
      "\x7F"
      "ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0>\0"sv;
  for (const std::string_view bytes : {png, elf, "text with one \0 NUL"sv, "\1\2\3\4\5\6"sv}) {
    EXPECT_TRUE(looks_binary(bytes));
    const auto result = decode_text(bytes);
    ASSERT_TRUE(result.has_error());
    EXPECT_EQ(result.error().code, ErrorCode::unsupported);
  }
  EXPECT_FALSE(looks_binary("plain\ttext\r\n"));
  EXPECT_FALSE(looks_binary(encode(kChinese, "GB18030")));
  EXPECT_FALSE(looks_binary(encode(kChinese, "UTF-16")));
  EXPECT_FALSE(looks_binary(""));
}

TEST(Encoding, ANulFarBehindIsFound) {
  EXPECT_TRUE(decode_text(std::string(20'000, 'a') + '\0').has_error());
}

TEST(Encoding, BrokenUtf16IsUnsupported) {
  EXPECT_TRUE(decode_text("\xFF\xFE\x00\xD8\x41\x00"sv).has_error());
}

}  // namespace
}  // namespace ragtime::text
