#include "encoder/lowercase_tokenizer.h"

#include <filesystem>
#include <utility>

#include <gtest/gtest.h>

#include "base/id.h"
#include "encoder/encoder_model.h"
#include "encoder/test_model.h"

namespace ragtime::encoder {
namespace {

// Gives the bytes of a text as tokens.
class Bytes final : public Tokenizer {
 public:
  TokenSequence encode(std::string_view text, std::size_t) const override { return {text.begin(), text.end()}; }
  TokenPair encode_pair(std::string_view first, std::string_view second, std::size_t tokens_max) const override {
    return {encode(std::string(first).append(second), tokens_max), {}};
  }
  TokenId id_max() const override { return 127; }
  std::size_t cjk_entries() const override { return 7; }
};

TEST(LowercaseTokenizerTest, FollowsUnicode) {
  const Bytes bytes;
  const auto lower = lowercase_before(std::make_unique<Bytes>());
  EXPECT_EQ(lower->encode("The ÉLAN", 8), bytes.encode("the élan", 8));
  EXPECT_EQ(lower->encode("ΟΔΟΣ", 8), bytes.encode("οδος", 8)) << "the last sigma has a form of its own";
  EXPECT_EQ(lower->encode("İ", 8), bytes.encode("i̇", 8));
  EXPECT_EQ(lower->encode("", 8), TokenSequence());
}

TEST(LowercaseTokenizerTest, LeavesTheRestAsItIs) {
  const auto lower = lowercase_before(std::make_unique<Bytes>());
  EXPECT_EQ(lower->encode_pair("A", "B", 8).ids, (TokenSequence{'A', 'B'}));
  EXPECT_EQ(lower->id_max(), 127);
  EXPECT_EQ(lower->cjk_entries(), 7u);
}

TEST(LowercaseTokenizerTest, AModelMayAskForIt) {
  const std::filesystem::path directory = std::filesystem::path(testing::TempDir()) / make_id("lowercase-");
  TestModel(1).write(directory);
  write_file(directory / "tokenizer_config.json", R"({"do_lower_case":false})");
  const auto tokens = [&](const char* text) {
    return load_encoder_model(directory, ModelHead::none, Precision::f32).value().tokenizer->encode(text, 20);
  };
  EXPECT_NE(tokens("The QUICK fox"), tokens("the quick fox"));
  write_file(directory / "sentence_bert_config.json", R"({"do_lower_case":true})");
  EXPECT_EQ(tokens("The QUICK fox"), tokens("the quick fox"));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace ragtime::encoder
