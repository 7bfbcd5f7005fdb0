#include "index/crc32c.h"

#include <cstring>
#include <random>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace ragtime::index {
namespace {

// Bit by bit, from the definition.
std::uint32_t crc32c(std::span<const std::byte> bytes) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (const std::byte byte : bytes) {
    crc ^= static_cast<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
  }
  return ~crc;
}

std::uint32_t by_definition(std::span<const std::byte> bytes) {
  const std::size_t rounds = bytes.size() / 32;
  std::vector<std::byte> last;
  for (std::size_t lane = 0; lane < 4; ++lane) {
    std::vector<std::byte> words;
    for (std::size_t round = 0; round < rounds; ++round) {
      const auto word = bytes.subspan(round * 32 + lane * 8, 8);
      words.insert(words.end(), word.begin(), word.end());
    }
    const std::uint32_t value = ~crc32c(words);
    const auto* raw = reinterpret_cast<const std::byte*>(&value);
    last.insert(last.end(), raw, raw + 4);
  }
  const auto rest = bytes.subspan(rounds * 32);
  last.insert(last.end(), rest.begin(), rest.end());
  return crc32c(last);
}

TEST(Crc32c, TheReferenceHasTheCheckValueOfTheCatalogue) {
  const std::string_view digits = "123456789";
  EXPECT_EQ(crc32c(std::as_bytes(std::span(digits))), 0xe3069283U);
}

TEST(Crc32c, BothPathsEqualTheDefinition) {
  constexpr std::uint32_t kSeed = 11;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  std::vector<std::byte> bytes(300);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (std::size_t size = 0; size < 200; ++size) {
      const auto part = std::span<const std::byte>(bytes).subspan(begin, size);
      const std::uint32_t expected = by_definition(part);
      EXPECT_EQ(interleaved_crc32c(part), expected) << begin << " " << size;
      EXPECT_EQ(portable_interleaved_crc32c(part), expected) << begin << " " << size;
    }
  }
}

TEST(Crc32c, EveryChangedBitChangesIt) {
  std::vector<std::byte> bytes(77, std::byte{0x5a});
  const std::uint32_t whole = interleaved_crc32c(bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_NE(interleaved_crc32c(bytes), whole) << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
  }
}

}  // namespace
}  // namespace ragtime::index
