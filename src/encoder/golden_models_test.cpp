// Tiny BERT and RoBERTa models against what `transformers` computes for them (tools/golden_models.py).
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "encoder/bert_encoder.h"
#include "encoder/encoder_model.h"
#include "encoder/test_model.h"

namespace ragtime::encoder {
namespace {

namespace json = boost::json;

constexpr double kTolerance = 1e-4;

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t value = 0xCBF29CE484222325;
  for (const char byte : text) value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  return value;
}

// The same numbers as weights_of() in the script.
std::vector<float> weights_of(const std::string& name, std::size_t count) {
  std::vector<float> values;
  const bool norm = name.ends_with("LayerNorm.weight");
  for (std::size_t i = 1; i <= count; ++i) {
    std::uint64_t z = fnv1a(name) + i * 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z = z ^ (z >> 31);
    values.push_back((static_cast<float>(z >> 40) / 8388608.f - 1.f) * 0.5f + (norm ? 1.f : 0.f));
  }
  return values;
}

struct GoldenModel {
  json::object model;
  std::string bytes;  // As safetensors.

  std::string name() const { return json::value_to<std::string>(model.at("name")); }
};

std::vector<GoldenModel> read_models() {
  std::ifstream file(RAGTIME_SOURCE_DIR "/tests/data/encoder/golden_models.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<GoldenModel> models;
  const json::value parsed = json::parse(text);
  for (const json::value& entry : parsed.as_array()) {
    TestTensors tensors;
    for (const auto& [name, shape] : entry.at("tensors").as_object()) {
      TestTensor tensor{json::value_to<std::vector<std::size_t>>(shape), {}};
      std::size_t count = 1;
      for (std::size_t dimension : tensor.shape) count *= dimension;
      tensor.values = weights_of(name, count);
      tensors[name] = std::move(tensor);
    }
    models.push_back({entry.as_object(), to_safetensors(tensors)});
  }
  return models;
}

class GoldenModels : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(directory_); }

  Result<ModelConfig> config_of(const GoldenModel& golden) const {
    auto config = golden.model.at("config").as_object();
    // Left out where it equals the default of transformers.
    for (const auto& [key, value] : json::object{{"num_attention_heads", 4}, {"type_vocab_size", 2}}) {
      if (!config.contains(key)) config[key] = value;
    }
    write_file(directory_ / "config.json", json::serialize(config));
    return load_model_config(directory_);
  }

  std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) / ("golden_models_test." + std::to_string(::getpid()));
};

void expect_row(const json::value& expected, const float* row, const std::string& what) {
  const auto values = json::value_to<std::vector<double>>(expected);
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(row[i], values[i], kTolerance) << what << " column " << i;
}

std::vector<float> mean_of(const std::vector<float>& hidden, std::size_t width) {
  std::vector<float> mean(width);
  pool(Pooling::mean, hidden, mean);
  return mean;
}

TEST_F(GoldenModels, EqualTransformers) {
  const auto models = read_models();
  ASSERT_EQ(models.size(), 5u);
  for (const GoldenModel& golden : models) {
    SCOPED_TRACE(golden.name());
    const auto config = config_of(golden);
    ASSERT_TRUE(config) << config.error().message;
    const auto weights = Safetensors::parse(golden.bytes, "golden");
    const auto bert = BertEncoder::load(*weights, config->bert);
    ASSERT_TRUE(bert) << bert.error().message;
    const std::size_t width = config->bert.hidden;
    for (const json::value& entry : golden.model.at("cases").as_array()) {
      const std::vector<TokenSequence> ids = {json::value_to<TokenSequence>(entry.at("ids"))};
      const std::vector<std::vector<std::int32_t>> types = {
          json::value_to<std::vector<std::int32_t>>(entry.at("types"))};
      const auto hidden = bert->encode(ids, types);
      ASSERT_EQ(hidden.size(), ids[0].size() * width);
      if (const json::value* logit = entry.as_object().if_contains("logit")) {
        const auto head = ClassifierHead::load(*weights, width);
        ASSERT_TRUE(head) << head.error().message;
        EXPECT_NEAR(head->score({hidden.data(), width}), json::value_to<double>(*logit), kTolerance) << ids[0].size();
        continue;
      }
      expect_row(entry.at("first"), hidden.data(), "first");
      expect_row(entry.at("last"), hidden.data() + hidden.size() - width, "last");
      expect_row(entry.at("mean"), mean_of(hidden, width).data(), "mean");
    }
  }
}

// The longest sequence of the golden cases is as long as the models allow: their position tables end there.
TEST_F(GoldenModels, RobertaHasFewerPositionsThanRows) {
  const auto models = read_models();
  const auto roberta = config_of(models[1]);
  EXPECT_EQ(roberta->bert.position_offset, 2u);
  EXPECT_EQ(roberta->tokens_max, 40u);
  EXPECT_EQ(config_of(models[0])->bert.position_offset, 0u);
}

TEST_F(GoldenModels, AClassifierOfTwoLabelsIsRefused) {
  TestTensors tensors;
  tensors["pooler.dense.weight"] = {{4, 4}, std::vector<float>(16)};
  tensors["pooler.dense.bias"] = {{4}, std::vector<float>(4)};
  tensors["classifier.weight"] = {{2, 4}, std::vector<float>(8)};
  tensors["classifier.bias"] = {{2}, std::vector<float>(2)};
  const std::string bytes = to_safetensors(tensors);
  const auto head = ClassifierHead::load(*Safetensors::parse(bytes, "two.safetensors"), 4);
  ASSERT_TRUE(head.has_error());
  EXPECT_THAT(head.error().message, testing::HasSubstr("classifier.weight has shape [2, 4], expected [1, 4]"));
}

}  // namespace
}  // namespace ragtime::encoder
