#include "encoder/safetensors.h"

#include <array>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "encoder/test_model.h"

namespace ragtime::encoder {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string file_with(const std::string& header, std::size_t data_bytes) {
  return with_length(header) + std::string(data_bytes, '\0');
}

TEST(Safetensors, ReadsWhatWasWritten) {
  const std::string bytes = to_safetensors({{"a", {{2, 2}, {1, 2, 3, 4}}}, {"b", {{1}, {-5}}}});
  const auto file = Safetensors::parse(bytes, "m");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT(*file->read("a", std::array<std::size_t, 2>{2, 2}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(*file->read("b", std::array<std::size_t, 1>{1}), ElementsAre(-5));
  EXPECT_FALSE(file->contains("c"));
}

TEST(Safetensors, ConvertsHalfAndBfloat) {
  // 1.5, -2, 2^-24 (the smallest subnormal), 65504 (the largest half).
  const std::string halves = {'\x00', '\x3e', '\x00', '\xc0', '\x01', '\x00', '\xff', '\x7b'};
  const std::string bfloats = {'\xc0', '\x3f', '\x80', '\xc0'};  // 1.5, -4
  const std::string header =
      R"({"h":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]}})";
  const std::string bytes = with_length(header) + halves + bfloats;
  const auto file = Safetensors::parse(bytes, "m");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT(*file->read("h", std::array<std::size_t, 1>{4}), ElementsAre(1.5f, -2.f, std::ldexp(1.f, -24), 65504.f));
  EXPECT_THAT(*file->read("b", std::array<std::size_t, 1>{2}), ElementsAre(1.5f, -4.f));
}

TEST(Safetensors, ReadNamesFileAndTensor) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::string bytes = to_safetensors({{"a", {{2}, {1, 2}}}, {"bad", {{1}, {nan}}}});
  const auto file = Safetensors::parse(bytes, "dir/model.safetensors");
  ASSERT_TRUE(file);
  const auto message = [&](const char* name, std::size_t size) {
    return file->read(name, std::array<std::size_t, 1>{size}).error().message;
  };
  EXPECT_EQ(message("none", 1), "dir/model.safetensors: tensor none is missing");
  EXPECT_EQ(message("a", 3), "dir/model.safetensors: tensor a has shape [2], expected [3]");
  EXPECT_EQ(message("bad", 1), "dir/model.safetensors: tensor bad holds a NaN or an infinity");
}

TEST(Safetensors, RefusesToReadIntegersAsFloats) {
  const std::string bytes = file_with(R"({"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8);
  const auto values = Safetensors::parse(bytes, "m")->read("i", std::array<std::size_t, 1>{1});
  ASSERT_TRUE(values.has_error());
  EXPECT_EQ(values.error().code, ErrorCode::unsupported);
}

struct BadFile {
  const char* name;
  std::string bytes;
  const char* message;
};

class BadSafetensors : public testing::TestWithParam<BadFile> {};

TEST_P(BadSafetensors, IsRefusedWithAReason) {
  const auto file = Safetensors::parse(GetParam().bytes, "m");
  ASSERT_TRUE(file.has_error());
  EXPECT_THAT(file.error().message, HasSubstr(GetParam().message));
  EXPECT_THAT(file.error().message, HasSubstr("m: "));
}

std::string one(const std::string& fields) {
  return R"({"t":{)" + fields + "}}";
}

INSTANTIATE_TEST_SUITE_P(
    All, BadSafetensors,
    testing::Values(
        BadFile{"empty", "", "too short"}, BadFile{"huge_length", std::string(8, '\xff'), "not a safetensors file"},
        BadFile{"header_beyond_file", with_length("{}").substr(0, 9), "truncated inside the header"},
        BadFile{"not_json", file_with("{nope", 0), "not valid JSON"},
        BadFile{"deep_json", file_with(std::string(5000, '['), 0), "not valid JSON"},
        BadFile{"array", file_with("[]", 0), "not a JSON object"},
        BadFile{"entry_not_object", file_with(R"({"t":1})", 0), "tensor t is not described"},
        BadFile{"no_dtype", file_with(one(R"("shape":[1],"data_offsets":[0,4])"), 4), "no dtype"},
        BadFile{"strange_dtype", file_with(one(R"("dtype":"F99","shape":[1],"data_offsets":[0,4])"), 4),
                "unknown dtype"},
        BadFile{"negative_shape", file_with(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4),
                "no valid shape"},
        BadFile{"no_offsets", file_with(one(R"("dtype":"F32","shape":[1])"), 4), "no valid data_offsets"},
        BadFile{"three_offsets", file_with(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,4])"), 4),
                "data_offsets"},
        BadFile{"outside", file_with(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), 4), "outside the file"},
        BadFile{
            "far_outside",
            file_with(one(R"("dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615])"), 4),
            "outside the file"},
        BadFile{"backwards", file_with(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), 4),
                "outside the file"},
        BadFile{"overflowing_shape",
                file_with(one(R"("dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,16])"), 16),
                "does not fit its shape"},
        BadFile{"short_data", file_with(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), 4), "does not fit"},
        BadFile{"bytes_left_over", file_with(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), 8),
                "do not cover"},
        BadFile{"overlap",
                file_with(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                          R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                          4),
                "overlap"}),
    [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace ragtime::encoder
