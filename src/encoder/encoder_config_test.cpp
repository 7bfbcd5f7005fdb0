#include "encoder/encoder_config.h"

#include <gtest/gtest.h>

namespace ragtime::encoder {
namespace {

constexpr InstructionSets kNothing;
constexpr InstructionSets kAvx512{.avx512 = true};
constexpr InstructionSets kVnni{.avx512 = true, .vnni = true};
constexpr InstructionSets kAmx{.avx512 = true, .vnni = true, .amx_bf16 = true};

TEST(ChoosePrecisionTest, AutomaticIsTheFastestOfTheProcessor) {
  EXPECT_EQ(choose_precision(Precision::automatic, kNothing).value(), Precision::f32);
  EXPECT_EQ(choose_precision(Precision::automatic, kAvx512).value(), Precision::f32);
  EXPECT_EQ(choose_precision(Precision::automatic, kVnni).value(), Precision::int8);
  EXPECT_EQ(choose_precision(Precision::automatic, kAmx).value(), Precision::bf16);
}

TEST(ChoosePrecisionTest, WhatWasAskedForIsTakenOrRefused) {
  EXPECT_EQ(choose_precision(Precision::f32, kNothing).value(), Precision::f32);
  EXPECT_EQ(choose_precision(Precision::bf16, kAvx512).value(), Precision::bf16);
  EXPECT_EQ(choose_precision(Precision::int8, kVnni).value(), Precision::int8);
  EXPECT_EQ(choose_precision(Precision::bf16, kNothing).error().code, ErrorCode::unsupported);
  EXPECT_EQ(choose_precision(Precision::int8, kAvx512).error().code, ErrorCode::unsupported);
}

TEST(ChoosePrecisionTest, ThisProcessorHasWhatItsWiderSetsNeed) {
  const InstructionSets sets = this_processor();
  EXPECT_TRUE(sets.avx512 || (!sets.vnni && !sets.amx_bf16 && !has_avx512_bf16()));
  EXPECT_EQ(choose_precision(Precision::automatic).value(), choose_precision(Precision::automatic, sets).value());
}

}  // namespace
}  // namespace ragtime::encoder
