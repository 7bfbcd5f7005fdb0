#include "encoder/wordpiece.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "encoder/test_model.h"

namespace ragtime::encoder {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> split(std::string_view text, NormalizerOptions options = {}) {
  std::vector<std::string> out;
  for (const std::u32string& word : BertNormalizer(options).words(text)) {
    std::string bytes;
    for (char32_t c : word) {
      if (c < 0x80) {
        bytes += static_cast<char>(c);
      } else if (c < 0x800) {
        bytes += {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3F))};
      } else if (c < 0x10000) {
        bytes += {static_cast<char>(0xE0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 0x3F)),
                  static_cast<char>(0x80 | (c & 0x3F))};
      } else {
        bytes += {static_cast<char>(0xF0 | (c >> 18)), static_cast<char>(0x80 | ((c >> 12) & 0x3F)),
                  static_cast<char>(0x80 | ((c >> 6) & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
      }
    }
    out.push_back(bytes);
  }
  return out;
}

TEST(BertNormalizer, LowersStripsAndSplits) {
  EXPECT_THAT(split("Héllo, WÖRLD!it's"), ElementsAre("hello", ",", "world", "!", "it", "'", "s"));
  EXPECT_THAT(split("İstanbul $5 a_b"), ElementsAre("istanbul", "$", "5", "a", "_", "b"));
}

TEST(BertNormalizer, IdeographsStandAlone) {
  EXPECT_THAT(split("abc你好def。"), ElementsAre("abc", "你", "好", "def", "。"));
  EXPECT_THAT(split("カタカナ"), ElementsAre("カタカナ"));
  NormalizerOptions off;
  off.split_cjk = false;
  EXPECT_THAT(split("abc你好", off), ElementsAre("abc你好"));
}

TEST(BertNormalizer, DropsControlsAndInvalidBytes) {
  EXPECT_THAT(split(std::string("a\0b\x07"
                                "c\xff"
                                "d\xEF\xBF\xBD"
                                "e\xE2\x80\x8B"
                                "f",
                                15)),
              ElementsAre("abcdef"));
  EXPECT_THAT(split("a\xC2\xA0"
                    "b\xE3\x80\x80"
                    "c\td"),
              ElementsAre("a", "b", "c", "d"));
}

TEST(BertNormalizer, CharactersNewerThanUnicode8AreLetters) {
  EXPECT_THAT(split("a\u061Db"), ElementsAre("a\u061Db"));          // Punctuation since Unicode 14.
  EXPECT_THAT(split("a\u166Db"), ElementsAre("a", "\u166D", "b"));  // Punctuation until Unicode 12.
}

TEST(BertNormalizer, KeepsWhatItIsToldToKeep) {
  NormalizerOptions cased;
  cased.lowercase = cased.strip_accents = false;
  EXPECT_THAT(split("Élan", cased), ElementsAre("Élan"));
  NormalizerOptions lower;
  lower.strip_accents = false;
  EXPECT_THAT(split("Élan", lower), ElementsAre("élan"));
}

class WordPieceTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) / ("wordpiece_test." + std::to_string(::getpid()));
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  WordPiece tiny() const {
    WordPieceConfig config;
    const TestModel model(1);
    for (std::size_t i = 0; i < model.vocabulary.size(); ++i) {
      config.vocabulary.emplace_back(model.vocabulary[i], static_cast<TokenId>(i));
    }
    config.special_tokens = {{"[CLS]", 2}, {"[SEP]", 3}, {"[MASK]", 4}};
    return std::move(*WordPiece::create(std::move(config)));
  }

  std::filesystem::path directory_;
};

TEST_F(WordPieceTest, TakesTheLongestPieces) {
  EXPECT_THAT(tiny().encode("The fox jumped", 100), ElementsAre(2, 5, 8, 9, 11, 3));
  EXPECT_THAT(tiny().encode("abc你好", 100), ElementsAre(2, 17, 18, 19, 20, 21, 3));
}

TEST_F(WordPieceTest, AWordThatDoesNotFitIsUnknownAsAWhole) {
  EXPECT_THAT(tiny().encode("jumpx dog", 100), ElementsAre(2, 1, 16, 3));
  EXPECT_THAT(tiny().encode("a" + std::string(99, 'b'), 1000), testing::SizeIs(102));
  EXPECT_THAT(tiny().encode("a" + std::string(100, 'b'), 1000), ElementsAre(2, 1, 3));
}

TEST_F(WordPieceTest, EmptyTextsAreTwoTokens) {
  EXPECT_THAT(tiny().encode("", 100), ElementsAre(2, 3));
  EXPECT_THAT(tiny().encode(" \n\t ", 100), ElementsAre(2, 3));
}

TEST_F(WordPieceTest, TruncatesButKeepsTheEnds) {
  EXPECT_THAT(tiny().encode("the the the the", 4), ElementsAre(2, 5, 5, 3));
  EXPECT_THAT(tiny().encode("jumps jumps", 4), ElementsAre(2, 9, 10, 3));
  EXPECT_THAT(tiny().encode("the[MASK][MASK]", 3), ElementsAre(2, 5, 3));
  EXPECT_THAT(tiny().encode("the", 2), ElementsAre(2, 3));
}

TEST_F(WordPieceTest, SpecialTokensInTheTextAreRecognised) {
  EXPECT_THAT(tiny().encode("the [MASK]fox[SEP]", 100), ElementsAre(2, 5, 4, 8, 3, 3));
  EXPECT_THAT(tiny().encode("[mask]", 100), ElementsAre(2, 1, 1, 1, 3));
}

TEST_F(WordPieceTest, CountsCjkEntries) {
  EXPECT_EQ(tiny().cjk_entries(), 2u);
}

TEST_F(WordPieceTest, LoadsVocabTxt) {
  TestModel(1).write(directory_);
  const auto tokenizer = WordPiece::load(directory_);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->encode("The [MASK] jumped.", 100), tiny().encode("The [MASK] jumped.", 100));
  EXPECT_EQ(tokenizer->id_max(), 23);
}

std::string tokenizer_json(const std::string& normalizer, const std::string& model_type, const std::string& added) {
  return R"({"normalizer":)" + normalizer + R"(,"pre_tokenizer":{"type":"BertPreTokenizer"},"added_tokens":)" + added +
         R"(,"model":{"type":")" + model_type +
         R"(","unk_token":"<u>","vocab":{"<u>":0,"[CLS]":1,"[SEP]":2,"Fox":3,"fox":4}}})";
}

TEST_F(WordPieceTest, LoadsTokenizerJson) {
  write_file(directory_ / "tokenizer.json",
             tokenizer_json(R"({"type":"BertNormalizer","lowercase":false})", "WordPiece",
                            R"([{"id":9,"content":"<x>","special":true}])"));
  const auto tokenizer = WordPiece::load(directory_);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_THAT(tokenizer->encode("Fox fox<x> FOX", 100), ElementsAre(1, 3, 4, 9, 0, 2));
  EXPECT_EQ(tokenizer->id_max(), 9);
}

TEST_F(WordPieceTest, RefusesWhatItCannotReproduce) {
  const std::string bert = R"({"type":"BertNormalizer"})";
  const auto message = [&](const std::string& json) {
    write_file(directory_ / "tokenizer.json", json);
    return WordPiece::load(directory_).error().message;
  };
  EXPECT_THAT(message(tokenizer_json(bert, "BPE", "[]")), HasSubstr("model of type BPE is not supported"));
  EXPECT_THAT(message(tokenizer_json(R"({"type":"NFC"})", "WordPiece", "[]")), HasSubstr("normalizer of type NFC"));
  EXPECT_THAT(message(tokenizer_json(bert, "WordPiece", R"([{"id":3,"content":"x","normalized":true}])")),
              HasSubstr("added token x"));
  EXPECT_THAT(message(tokenizer_json(bert, "WordPiece", R"([{"id":-3,"content":"x"}])")), HasSubstr("bad id"));
  EXPECT_THAT(message("{"), HasSubstr("tokenizer.json is not valid JSON"));
  EXPECT_THAT(message(R"({"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},)"
                      R"("model":{"type":"WordPiece","vocab":{"a":1,"b":1}}})"),
              HasSubstr("repeated id"));
}

TEST_F(WordPieceTest, NamesWhatIsMissing) {
  EXPECT_THAT(WordPiece::load(directory_).error().message, HasSubstr("neither tokenizer.json nor vocab.txt"));
  write_file(directory_ / "vocab.txt", "[UNK]\n[CLS]\n");
  const auto tokenizer = WordPiece::load(directory_);
  EXPECT_EQ(tokenizer.error().code, ErrorCode::corrupt);
  EXPECT_THAT(tokenizer.error().message, HasSubstr("vocab.txt: the vocabulary lacks the token [SEP]"));
}

}  // namespace
}  // namespace ragtime::encoder
