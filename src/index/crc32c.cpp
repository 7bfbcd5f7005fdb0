#include "index/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

namespace ragtime::index {
namespace {

static_assert(std::endian::native == std::endian::little, "words are hashed as they lie in memory");

constexpr std::size_t kLanes = 4;
constexpr std::size_t kRound = kLanes * sizeof(std::uint64_t);
constexpr std::uint32_t kPolynomial = 0x82f63b78;  // Castagnoli's, bits reversed.

// kTables[i][b]: what byte b contributes when i bytes follow it.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t i = 1; i < 8; ++i) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[i - 1][byte];
      tables[i][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

using Lanes = std::array<std::uint32_t, kLanes>;
// Takes whole rounds.
using AddRounds = void (*)(Lanes& lanes, const std::byte* data, std::size_t rounds);

std::uint32_t add_byte(std::uint32_t crc, std::uint8_t value) {
  return (crc >> 8) ^ kTables[0][(crc ^ value) & 0xff];
}

std::uint32_t add_word(std::uint32_t crc, std::uint64_t value) {
  value ^= crc;
  std::uint32_t result = 0;
  for (std::size_t i = 0; i < 8; ++i) result ^= kTables[7 - i][value >> 8 * i & 0xff];
  return result;
}

std::uint64_t load_word(const std::byte* data) {
  std::uint64_t word = 0;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

void add_rounds(Lanes& lanes, const std::byte* data, std::size_t rounds) {
  for (; rounds > 0; --rounds, data += kRound) {
    for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = add_word(lanes[i], load_word(data + i * sizeof(std::uint64_t)));
  }
}

#ifdef __x86_64__
// Four variables, since GCC keeps an array of sums in memory.
[[gnu::target("sse4.2")]] void add_rounds_sse42(Lanes& lanes, const std::byte* data, std::size_t rounds) {
  std::uint64_t a = lanes[0], b = lanes[1], c = lanes[2], d = lanes[3];
  for (; rounds > 0; --rounds, data += kRound) {
    a = _mm_crc32_u64(a, load_word(data));
    b = _mm_crc32_u64(b, load_word(data + 8));
    c = _mm_crc32_u64(c, load_word(data + 16));
    d = _mm_crc32_u64(d, load_word(data + 24));
  }
  lanes = {static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(c),
           static_cast<std::uint32_t>(d)};
}
#endif

AddRounds fastest() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("sse4.2")) return add_rounds_sse42;
#endif
  return add_rounds;
}

std::uint32_t compute(AddRounds add, std::span<const std::byte> bytes) {
  Lanes lanes;
  lanes.fill(~std::uint32_t{0});
  const std::size_t rounds = bytes.size() / kRound;
  add(lanes, bytes.data(), rounds);
  std::uint32_t crc = ~std::uint32_t{0};
  for (const std::uint32_t lane : lanes) {
    for (int shift = 0; shift < 32; shift += 8) crc = add_byte(crc, static_cast<std::uint8_t>(lane >> shift));
  }
  for (const std::byte byte : bytes.subspan(rounds * kRound)) crc = add_byte(crc, static_cast<std::uint8_t>(byte));
  return ~crc;
}

}  // namespace

std::uint32_t portable_interleaved_crc32c(std::span<const std::byte> bytes) {
  return compute(add_rounds, bytes);
}

std::uint32_t interleaved_crc32c(std::span<const std::byte> bytes) {
  static const AddRounds add = fastest();
  return compute(add, bytes);
}

}  // namespace ragtime::index
