// Parity with sentence-transformers and Hugging Face tokenizers on the texts of tools/golden_embeddings.py.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <gtest/gtest.h>
#include <unistd.h>

#include "encoder/text_encoder.h"
#include "encoder/wordpiece.h"

namespace ragtime::encoder {
namespace {

constexpr std::size_t kTexts = 200;
constexpr std::size_t kDimensions = 384;

struct GoldenText {
  std::string kind;
  std::string text;
  std::vector<TokenId> tokens;
};

// The directory of all-MiniLM-L6-v2, or empty.
std::filesystem::path find_model() {
  std::vector<std::filesystem::path> candidates;
  if (const char* named = std::getenv("RAGTIME_MODEL_DIR")) candidates.emplace_back(named);
  candidates.emplace_back(RAGTIME_SOURCE_DIR "/data/models/all-MiniLM-L6-v2");
  candidates.emplace_back(RAGTIME_SOURCE_DIR "/build/models/all-MiniLM-L6-v2");
  for (const auto& candidate : candidates) {
    if (std::filesystem::exists(candidate / "model.safetensors")) return candidate;
  }
  return {};
}

std::filesystem::path golden_file(const char* name) {
  return std::filesystem::path(RAGTIME_SOURCE_DIR) / "tests" / "data" / "encoder" / name;
}

std::vector<GoldenText> read_texts() {
  std::vector<GoldenText> texts;
  std::ifstream file(golden_file("texts.jsonl"));
  for (std::string line; std::getline(file, line);) {
    const auto entry = boost::json::parse(line).as_object();
    texts.push_back({boost::json::value_to<std::string>(entry.at("kind")),
                     boost::json::value_to<std::string>(entry.at("text")),
                     boost::json::value_to<std::vector<TokenId>>(entry.at("tokens"))});
  }
  return texts;
}

float from_half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1f;
  const float mantissa = static_cast<float>(bits & 0x3ff);
  const float magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024.f, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

std::vector<float> read_vectors() {
  std::ifstream file(golden_file("embeddings.f16"), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<float> values;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    std::uint16_t half = 0;
    std::memcpy(&half, bytes.data() + i, sizeof half);
    values.push_back(from_half(half));
  }
  return values;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return dot / std::sqrt(aa * bb);
}

class Golden : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = find_model();
    if (directory_.empty()) GTEST_SKIP() << "no all-MiniLM-L6-v2: run scripts/fetch_model.sh or set RAGTIME_MODEL_DIR";
    texts_ = read_texts();
    ASSERT_EQ(texts_.size(), kTexts);
  }

  std::filesystem::path directory_;
  std::vector<GoldenText> texts_;
};

TEST_F(Golden, TokensAreEqual) {
  const auto tokenizer = WordPiece::load(directory_);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  for (std::size_t i = 0; i < kTexts; ++i) {
    EXPECT_EQ(tokenizer->encode(texts_[i].text, 256), texts_[i].tokens) << "line " << i + 1 << ", " << texts_[i].kind;
  }
}

TEST_F(Golden, VocabTxtGivesTheSameTokens) {
  if (!std::filesystem::exists(directory_ / "vocab.txt")) GTEST_SKIP() << "the model has no vocab.txt";
  const auto copy = std::filesystem::path(testing::TempDir()) / ("golden_vocab." + std::to_string(::getpid()));
  std::filesystem::create_directories(copy);
  std::filesystem::copy_file(directory_ / "vocab.txt", copy / "vocab.txt");
  const auto tokenizer = WordPiece::load(copy);
  std::filesystem::remove_all(copy);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  for (const GoldenText& golden : texts_) EXPECT_EQ(tokenizer->encode(golden.text, 256), golden.tokens) << golden.kind;
}

struct Parity {
  Precision precision;
  double cosine_min;
};

class GoldenEmbeddings : public Golden, public testing::WithParamInterface<Parity> {};

TEST_P(GoldenEmbeddings, AreEqual) {
  if (choose_precision(GetParam().precision).has_error()) GTEST_SKIP() << "not on this processor";
  async::ThreadPool pool({.name = "test", .threads = 2});
  EncoderConfig config;
  config.precision = GetParam().precision;
  const auto embedder = open_embedder(directory_, "all-MiniLM-L6-v2", pool, config);
  ASSERT_TRUE(embedder) << embedder.error().message;
  EXPECT_EQ((*embedder)->info().dimensions, kDimensions);
  EXPECT_EQ((*embedder)->info().tokens_max, 256u);
  EXPECT_FALSE((*embedder)->info().covers_cjk);
  const std::vector<float> expected = read_vectors();
  ASSERT_EQ(expected.size(), kTexts * kDimensions);

  std::vector<std::string> texts;
  for (const GoldenText& golden : texts_) texts.push_back(golden.text);
  RequestContext context("request", "tenant", Deadline::never());
  const auto out = async::sync_wait((*embedder)->embed(std::move(texts), EmbedPurpose::document, context));
  ASSERT_TRUE(out) << out.error().message;
  double least = 1;
  for (std::size_t i = 0; i < kTexts; ++i) {
    EXPECT_EQ(out->token_counts[i], texts_[i].tokens.size());
    const double similarity = cosine(out->row(i), {expected.data() + i * kDimensions, kDimensions});
    EXPECT_GE(similarity, GetParam().cosine_min) << "line " << i + 1 << ", " << texts_[i].kind;
    least = std::min(least, similarity);
  }
  std::cout << "least cosine of " << kTexts << " texts: " << std::setprecision(9) << least << "\n";
}

INSTANTIATE_TEST_SUITE_P(All, GoldenEmbeddings,
                         testing::Values(Parity{Precision::f32, 0.99999}, Parity{Precision::bf16, 0.9995},
                                         Parity{Precision::int8, 0.99}),
                         [](const auto& each) { return std::string(precision_name(each.param.precision)); });

}  // namespace
}  // namespace ragtime::encoder
