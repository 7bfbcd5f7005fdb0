#include "server/encoder_lookup.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class EncoderLookupTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(models_); }
  void TearDown() override { fs::remove_all(models_); }
  fs::path add(const std::string& name) {
    fs::create_directories(models_ / name);
    std::ofstream(models_ / name / "config.json") << "{}";
    return models_ / name;
  }
  fs::path models_ = fs::path(::testing::TempDir()) / make_id("models-");
};

TEST_F(EncoderLookupTest, ANameUnderTheDataDirectory) {
  const fs::path directory = add("bge");
  const auto found = find_encoder({"bge", "auto"}, models_);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->directory, directory);
  EXPECT_EQ(found->name, "bge");
}

TEST_F(EncoderLookupTest, ADirectory) {
  const fs::path directory = add("bge");
  const auto found = find_encoder({directory.string() + "/", "auto"}, "/nowhere");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->name, "bge");
}

TEST_F(EncoderLookupTest, EmptyMeansNoneAndSaysNothing) {
  const auto found = find_encoder({"", "auto"}, models_);
  ASSERT_TRUE(found.has_value());
  EXPECT_FALSE(found->directory.has_value());
  EXPECT_EQ(found->notice, "");
}

TEST_F(EncoderLookupTest, AModelAskedForByNameMustBeThere) {
  const auto found = find_encoder({"bge", "auto"}, models_);
  ASSERT_TRUE(found.has_error());
  EXPECT_EQ(found.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(found.error().message, HasSubstr("ragtime model add"));
}

TEST_F(EncoderLookupTest, FingerprintChangesWithTheFiles) {
  const fs::path directory = add("bge");
  const std::string first = model_fingerprint(directory);
  EXPECT_EQ(model_fingerprint(directory), first);
  std::ofstream(directory / "config.json") << "{\"changed\":1}";
  const std::string second = model_fingerprint(directory);
  EXPECT_NE(second, first);
  std::ofstream(directory / "model.safetensors") << "weights";
  EXPECT_NE(model_fingerprint(directory), second);
}

TEST_F(EncoderLookupTest, FingerprintHoldsThePrecisionThatWasChosen) {
  const fs::path directory = add("bge");
  const auto fingerprint = [&](encoder::Precision precision) {
    return encoder_fingerprint(directory, precision).value();
  };
  const auto chosen = encoder::choose_precision(encoder::Precision::automatic).value();
  EXPECT_EQ(fingerprint(encoder::Precision::automatic), fingerprint(chosen));
  for (const auto other : {encoder::Precision::f32, encoder::Precision::bf16, encoder::Precision::int8}) {
    if (other == chosen || encoder::choose_precision(other).has_error()) continue;
    EXPECT_NE(fingerprint(other), fingerprint(chosen));
  }
  EXPECT_THAT(fingerprint(encoder::Precision::f32), HasSubstr(model_fingerprint(directory)));
}

TEST_F(EncoderLookupTest, AModelOfTheListIsFoundByDirectoryOrName) {
  const fs::path directory = add("cross");
  EXPECT_EQ(find_model("cross", models_).value(), directory);
  EXPECT_EQ(find_model(directory.string(), "/nowhere").value(), directory);
  EXPECT_EQ(find_model("absent", models_).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace ragtime::server
