#include "http/multipart.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/parameters.h"

namespace ragtime::http {
namespace {

using Kind = MultipartParser::Event::Kind;

constexpr const char* kType = "multipart/form-data; boundary=XX";

// One line per part with its bytes joined, so that how the data was cut does not matter.
struct Collector {
  void take(const std::vector<MultipartParser::Event>& events) {
    for (const auto& event : events) {
      switch (event.kind) {
        case Kind::part_begin:
          text += "<" + event.name + "|" + event.filename + "|" + event.content_type + ">";
          break;
        case Kind::part_data:
          EXPECT_FALSE(event.data.empty());
          text += event.data;
          break;
        case Kind::part_end:
          text += ";";
          break;
        case Kind::end:
          text += ".";
          break;
      }
    }
  }
  std::string text;
};

std::string parse_pieces(std::initializer_list<std::string_view> pieces, const char* type = kType) {
  auto parser = MultipartParser::create(type);
  Collector collector;
  for (const auto piece : pieces) {
    auto events = parser->feed(piece);
    if (events.has_error()) return collector.text + "!" + events.error().message;
    collector.take(*events);
  }
  if (!parser->finished()) collector.text += "?";
  return collector.text;
}

std::string parse(std::string_view body) {
  const std::string expected = parse_pieces({body});
  for (std::size_t split = 0; split <= body.size(); ++split) {
    EXPECT_EQ(parse_pieces({body.substr(0, split), body.substr(split)}), expected) << "split at " << split;
  }
  auto parser = MultipartParser::create(kType);
  Collector collector;
  for (const char c : body) {
    auto events = parser->feed(std::string_view(&c, 1));
    if (events.has_error()) return expected;
    collector.take(*events);
  }
  if (!parser->finished()) collector.text += "?";
  EXPECT_EQ(collector.text, expected);
  return expected;
}

std::string part(std::string disposition, std::string data) {
  return "--XX\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + data + "\r\n";
}

TEST(Multipart, FieldsAndFiles) {
  EXPECT_EQ(parse(part("name=\"purpose\"", "assistants") +
                  "--XX\r\ncontent-disposition: form-data; name=file; filename=\"a.txt\"\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\nX-Other: y\r\n\r\nline\r\nnext\r\n--XX--\r\n"),
            "<purpose||>assistants;<file|a.txt|text/plain; charset=utf-8>line\r\nnext;.");
}

TEST(Multipart, PreambleEpilogueAndPaddingAreIgnored) {
  EXPECT_EQ(
      parse("preamble --XX\r\n--XX \t\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--XX--epilogue --XX\r\n"),
      "<a||>b;.");
}

TEST(Multipart, DataMayLookAlmostLikeABoundary) {
  EXPECT_EQ(parse(part("name=a", "\r\n--X\r\n--\r\r\n-XX--XX\r\n") + "--XX--"),
            "<a||>\r\n--X\r\n--\r\r\n-XX--XX\r\n;.");
}

TEST(Multipart, EmptyPartAndEmptyForm) {
  EXPECT_EQ(parse(part("name=a", "") + "--XX--"), "<a||>;.");
  EXPECT_EQ(parse("--XX--\r\n"), ".");
}

TEST(Multipart, FileNames) {
  EXPECT_EQ(parse(part(R"(name="a\"b"; filename="C:\dir\x; y.txt")", "") + "--XX--"), R"(<a"b|C:\dir\x; y.txt|>;.)");
  EXPECT_EQ(parse(part("name=f; filename=x; filename*=UTF-8''%E6%A3%80.txt", "") + "--XX--"), "<f|检.txt|>;.");
  EXPECT_EQ(parse(part("name=f; filename=\"检索.txt\"", "") + "--XX--"), "<f|检索.txt|>;.");
}

TEST(Multipart, ACutBodyIsNotFinished) {
  EXPECT_EQ(parse(part("name=a", "b")), "<a||>?");  // The last bytes could still begin a boundary.
  EXPECT_EQ(parse(part("name=a", "b") + "--XX"), "<a||>b;?");
  EXPECT_EQ(parse(""), "?");
}

TEST(Multipart, BadSyntaxIsAnError) {
  EXPECT_THAT(parse("--XX\r\nContent-Type: a\r\n\r\nb\r\n--XX--"),
              testing::HasSubstr("!multipart body: a part has no"));
  EXPECT_THAT(parse("--XX\r\n\r\nb\r\n--XX--"), testing::HasSubstr("no Content-Disposition"));
  EXPECT_THAT(parse(part("filename=x", "")), testing::HasSubstr("has no name"));
  EXPECT_THAT(parse("--XX\r\nContent-Disposition: attachment; name=a\r\n\r\n"), testing::HasSubstr("not form-data"));
  EXPECT_THAT(parse("--XX\r\nno colon\r\n\r\n"), testing::HasSubstr("malformed"));
  EXPECT_THAT(parse("--XXY\r\n"), testing::HasSubstr("followed by other text"));
  EXPECT_THAT(parse(part("name=f; filename*=UTF-8''%zz", "")), testing::HasSubstr("broken encoding"));
}

TEST(Multipart, AHeadIsBounded) {
  const std::string long_line(17u << 10, 'a');
  EXPECT_THAT(parse_pieces({"--XX\r\nX: ", long_line}), testing::HasSubstr("16 KiB"));
  EXPECT_THAT(parse_pieces({"--XX\r\nX: " + long_line + "\r\n\r\n"}), testing::HasSubstr("16 KiB"));
  EXPECT_THAT(parse_pieces({"--XX", std::string(300, ' ')}), testing::HasSubstr("too long"));
}

TEST(Multipart, NeedsAFormDataTypeWithABoundary) {
  for (const char* type : {"", "application/json", "multipart/mixed; boundary=a", "multipart/form-data",
                           "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a"}) {
    const auto parser = MultipartParser::create(type);
    ASSERT_TRUE(parser.has_error()) << type;
    EXPECT_EQ(parser.error().code, ErrorCode::invalid_argument);
  }
  EXPECT_TRUE(MultipartParser::create("multipart/form-data; boundary=" + std::string(71, 'a')).has_error());
  EXPECT_EQ(parse_pieces({"--a b--"}, "Multipart/Form-Data; charset=x; Boundary=\"a b\""), ".");
}

TEST(Parameters, ParsesTokensAndQuotedStrings) {
  const auto parsed = parse_parameters(R"(Text/Plain ; Charset="a;\"b" ;x=y; )");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->value, "text/plain");
  EXPECT_EQ(parsed->params.at("charset"), "a;\"b");
  EXPECT_EQ(parsed->params.at("x"), "y");
  EXPECT_FALSE(parse_parameters("a; b"));
  EXPECT_FALSE(parse_parameters("a; b c=d"));
  EXPECT_FALSE(parse_parameters("a; b=\"c\" d"));
}

}  // namespace
}  // namespace ragtime::http
