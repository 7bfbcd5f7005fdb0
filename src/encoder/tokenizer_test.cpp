#include "encoder/tokenizer.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "encoder/sentencepiece_model.h"
#include "encoder/test_model.h"

namespace ragtime::encoder {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kData = std::filesystem::path(RAGTIME_SOURCE_DIR) / "tests/data/tokenizer";

std::string text_of(const json::value& value) {
  return {value.as_string().data(), value.as_string().size()};
}

// tools/golden_tokens.py made the ids by running Hugging Face tokenizers.
class GoldenTokens : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(GoldenTokens, AreEqual) {
  const auto tokenizer = load_tokenizer(kData / GetParam().first);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  std::ifstream file(kData / "golden.jsonl");
  std::size_t count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const auto golden = json::parse(line);
    const auto& texts = golden.at("texts").as_array();
    const auto& expected = golden.at("ids").at(GetParam().second);
    if (texts.size() == 1) {
      EXPECT_EQ((*tokenizer)->encode(text_of(texts[0]), 1'000'000), json::value_to<TokenSequence>(expected)) << line;
    } else {
      const auto pair = (*tokenizer)->encode_pair(text_of(texts[0]), text_of(texts[1]), 1'000'000);
      EXPECT_EQ(pair.ids, json::value_to<TokenSequence>(expected.at(0))) << line;
      EXPECT_EQ(pair.types, json::value_to<TokenSequence>(expected.at(1))) << line;
    }
  }
  EXPECT_GT(count, 250u);
}

INSTANTIATE_TEST_SUITE_P(All, GoldenTokens,
                         testing::Values(std::pair("wordpiece", "wordpiece"), std::pair("unigram", "unigram"),
                                         std::pair("xlm_roberta", "unigram"),
                                         std::pair("byte_level_bpe", "byte_level_bpe"),
                                         std::pair("roberta", "byte_level_bpe")),
                         [](const auto& one) { return std::string(one.param.first); });

class LoadTokenizer : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) / ("tokenizer_test." + std::to_string(::getpid()));
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Tokenizer> load(const std::string& json) const {
    write_file(directory_ / "tokenizer.json", json);
    auto tokenizer = load_tokenizer(directory_);
    EXPECT_TRUE(tokenizer) << tokenizer.error().message;
    return tokenizer ? std::move(*tokenizer) : nullptr;
  }

  std::string error(const std::string& json) const {
    write_file(directory_ / "tokenizer.json", json);
    auto tokenizer = load_tokenizer(directory_);
    return tokenizer ? "none" : tokenizer.error().message;
  }

  std::filesystem::path directory_;
};

std::string unigram(const std::string& more = "") {
  return R"({"pre_tokenizer":{"type":"Metaspace","replacement":"_"},"model":{"type":"Unigram","unk_id":0,"vocab":)"
         R"([["<unk>",0],["_",-2],["a",-3],["_a",-3],["b",-3],["ab",-4]]})" +
         more + "}";
}

std::string bpe(const std::string& merges, const std::string& more = "") {
  return R"({"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":)"
         R"({"a":0,"b":1,"c":2,"ab":3,"bc":4,"abc":5},"merges":)" +
         merges + "}" + more + "}";
}

TEST_F(LoadTokenizer, UnigramTakesTheLikeliestPieces) {
  const auto tokenizer = load(unigram());
  EXPECT_THAT(tokenizer->encode("ab a", 100), ElementsAre(1, 5, 3));  // _ ab beats _a b with -6 to -6: first offered.
  EXPECT_THAT(tokenizer->encode("axxb", 100), ElementsAre(3, 0, 4));  // Unknown characters are one token.
  EXPECT_EQ(tokenizer->id_max(), 5);
}

TEST_F(LoadTokenizer, BpeMergesTheEarliestPairFirst) {
  EXPECT_THAT(load(bpe(R"(["b c","a b","a bc"])"))->encode("abc", 100), ElementsAre(5));
  EXPECT_THAT(load(bpe(R"([["a","b"],["b","c"]])"))->encode("abc", 100), ElementsAre(3, 2));
  EXPECT_THAT(load(bpe("[]"))->encode("a?b", 100), ElementsAre(0, 1));  // No token for the byte, and no unk_token.
}

TEST_F(LoadTokenizer, PairsAreCutLongestFirst) {
  const auto tokenizer =
      load(bpe("[]", R"(,"post_processor":{"type":"BertProcessing","cls":["<s>",8],"sep":["</s>",9]})"));
  const auto pair = tokenizer->encode_pair("aaaa", "b", 6);
  EXPECT_THAT(pair.ids, ElementsAre(8, 0, 0, 9, 1, 9));
  EXPECT_THAT(pair.types, ElementsAre(0, 0, 0, 0, 1, 1));
  EXPECT_THAT(tokenizer->encode_pair("aaaa", "bbbb", 6).ids, ElementsAre(8, 0, 9, 1, 1, 9));
  EXPECT_THAT(tokenizer->encode_pair("aaaa", "bbbb", 2).ids, ElementsAre(8, 9));
  EXPECT_EQ(tokenizer->id_max(), 9);
}

TEST_F(LoadTokenizer, AddedTokensTakeTheirSpaces) {
  const auto tokenizer = load(bpe("[]", R"(,"added_tokens":[{"id":7,"content":"<m>","lstrip":true},)"
                                        R"({"id":6,"content":"cc","single_word":true}])"));
  EXPECT_THAT(tokenizer->encode("a  <m>b", 100), ElementsAre(0, 7, 1));
  EXPECT_THAT(tokenizer->encode("cc acc", 100), ElementsAre(6, 0, 2, 2));
}

TEST_F(LoadTokenizer, InvalidBytesAreReplaced) {
  const auto tokenizer = load(unigram());
  EXPECT_EQ(tokenizer->encode("a\xff\xfe", 100), tokenizer->encode("a\uFFFD\uFFFD", 100));
}

TEST_F(LoadTokenizer, RefusalsNameFileAndKey) {
  EXPECT_THAT(error(R"({"model":{"type":"WordLevel"}})"), HasSubstr("tokenizer.json: \"model\": type WordLevel"));
  EXPECT_THAT(error(R"({})"), HasSubstr("\"model\" must be an object"));
  EXPECT_THAT(error(R"({"model":{"type":"Unigram","unk_id":0}})"), HasSubstr("\"vocab\" is missing"));
  EXPECT_THAT(error(R"({"model":{"type":"Unigram","unk_id":3,"vocab":[["a",1]]}})"), HasSubstr("\"unk_id\""));
  EXPECT_THAT(error(R"({"model":{"type":"Unigram","unk_id":0,"vocab":[["a"]]}})"), HasSubstr("number 0"));
  EXPECT_THAT(error(unigram(R"(,"normalizer":{"type":"Nmt"})")), HasSubstr("\"normalizer\": type Nmt"));
  EXPECT_THAT(error(unigram(R"(,"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAA"})")),
              HasSubstr("precompiled_charsmap\" is not base64"));
  EXPECT_THAT(error(unigram(R"(,"normalizer":{"type":"Precompiled","precompiled_charsmap":"/////w=="})")),
              HasSubstr("precompiled_charsmap\" is damaged"));
  EXPECT_THAT(error(unigram(R"x(,"normalizer":{"type":"Replace","pattern":{"Regex":"(a|b)"},"content":""})x")),
              HasSubstr("Replace with the pattern '(a|b)'"));
  EXPECT_THAT(error(unigram(R"(,"post_processor":{"type":"TemplateProcessing","single":[],"pair":[]})")),
              HasSubstr("\"single\" must have one place"));
  EXPECT_THAT(error(bpe(R"(["a x"])")), HasSubstr("\"merges\" names x"));
  EXPECT_THAT(error(bpe(R"(["a"])")), HasSubstr("\"merges\" has an entry"));
  EXPECT_THAT(error(bpe("[]", R"(,"added_tokens":[{"id":0.5,"content":"x"}])")), HasSubstr("bad id"));
}

TEST_F(LoadTokenizer, NamesWhatIsMissing) {
  const auto none = load_tokenizer(directory_);
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
  EXPECT_THAT(none.error().message, HasSubstr("holds no tokenizer"));
  write_file(directory_ / "sentencepiece.bpe.model", "\x0a\x7fz");
  EXPECT_THAT(load_tokenizer(directory_).error().message,
              HasSubstr("sentencepiece.bpe.model: the SentencePiece model"));
  std::filesystem::remove(directory_ / "sentencepiece.bpe.model");
  write_file(directory_ / "vocab.json", R"({"<s>":0,"</s>":1,"a":2})");
  write_file(directory_ / "merges.txt", "#version: 0.2\na\n");
  EXPECT_THAT(load_tokenizer(directory_).error().message, HasSubstr("merges.txt:2"));
}

}  // namespace
}  // namespace ragtime::encoder
