// The kernels' source, compiled once per instruction set with PRODUCT_LANES floats in a vector and PRODUCT_ROWS rows in
// a tile, so that a tile's sums fill the registers; PRODUCT_BLOCKS blocks of codes share their tables likewise.
//
// Nothing from the standard library's inline functions: those would be shared by the linker, and a processor without
// the instruction set could end up in this file's version.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "index/product_kernels.h"

#ifndef PRODUCT_LANES
#define PRODUCT_LANES 4
#define PRODUCT_ROWS 1
#define PRODUCT_BLOCKS 1
#endif

namespace ragtime::index {
namespace {

using Floats = float __attribute__((vector_size(4 * PRODUCT_LANES)));
// A typedef: in an alias Clang leaves the alignment out, and its stores fault.
typedef float FloatsAt __attribute__((vector_size(4 * PRODUCT_LANES), aligned(4), may_alias));
static_assert(alignof(FloatsAt) == 4);

#define PRODUCT_INLINE inline __attribute__((always_inline))

constexpr std::size_t kVectors = kPanelWidth / PRODUCT_LANES;

template <std::size_t Rows>
PRODUCT_INLINE void tile_products(const float* rows, std::size_t size, const float* panel, float* out) {
  Floats sums[Rows][kVectors] = {};
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const Floats values = *reinterpret_cast<const FloatsAt*>(panel + i * kPanelWidth + v * PRODUCT_LANES);
      for (std::size_t r = 0; r < Rows; ++r) sums[r][v] += rows[r * size + i] * values;
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      *reinterpret_cast<FloatsAt*>(out + r * kPanelWidth + v * PRODUCT_LANES) = sums[r][v];
    }
  }
}

void panel_products(const float* rows, std::size_t count, std::size_t size, const float* panel, float* out) {
  std::size_t i = 0;
  for (; i + PRODUCT_ROWS <= count; i += PRODUCT_ROWS) {
    tile_products<PRODUCT_ROWS>(rows + i * size, size, panel, out + i * kPanelWidth);
  }
  for (; i < count; ++i) tile_products<1>(rows + i * size, size, panel, out + i * kPanelWidth);
}

std::uint8_t nearest_codeword(const float* vector, std::size_t size, const float* codebook) {
  float distances[kCodewords] = {};
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t c = 0; c < kCodewords; ++c) {
      const float difference = vector[i] - codebook[i * kCodewords + c];
      distances[c] += difference * difference;
    }
  }
  std::size_t nearest = 0;
  for (std::size_t c = 1; c < kCodewords; ++c) nearest = distances[c] < distances[nearest] ? c : nearest;
  return static_cast<std::uint8_t>(nearest);
}

// Pairs of codes whose sums fit 16 bits: 2 · 128 · 255 < 2^16.
[[maybe_unused]] constexpr std::size_t kPairsAtOnce = 128;

#if defined(__AVX512BW__)

struct CodeSums {
  __m512i even;  // Of vectors with even numbers, in 16 bits; what odd ones add to the upper bits is taken off later.
  __m512i odd;
};

PRODUCT_INLINE void add_sums(CodeSums& sums, __m512i codes, __m512i low_table, __m512i high_table) {
  const __m512i mask = _mm512_set1_epi8(15);
  const __m512i low = _mm512_shuffle_epi8(low_table, _mm512_and_si512(codes, mask));
  const __m512i high = _mm512_shuffle_epi8(high_table, _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask));
  sums.even = _mm512_add_epi16(sums.even, _mm512_add_epi16(low, high));
  sums.odd = _mm512_add_epi16(sums.odd, _mm512_add_epi16(_mm512_srli_epi16(low, 8), _mm512_srli_epi16(high, 8)));
}

PRODUCT_INLINE void store_sums(const CodeSums& sums, std::int32_t* out) {
  const __m512i even = _mm512_sub_epi16(sums.even, _mm512_slli_epi16(sums.odd, 8));
  const __m256i evens = _mm256_add_epi16(_mm512_castsi512_si256(even), _mm512_extracti64x4_epi64(even, 1));
  const __m256i odds = _mm256_add_epi16(_mm512_castsi512_si256(sums.odd), _mm512_extracti64x4_epi64(sums.odd, 1));
  const __m128i all_even = _mm_add_epi16(_mm256_castsi256_si128(evens), _mm256_extracti128_si256(evens, 1));
  const __m128i all_odd = _mm_add_epi16(_mm256_castsi256_si128(odds), _mm256_extracti128_si256(odds, 1));
  const __m256i in_order = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi16(all_even, all_odd)),
                                                   _mm_unpackhi_epi16(all_even, all_odd), 1);
  _mm512_storeu_si512(out, _mm512_add_epi32(_mm512_loadu_si512(out), _mm512_cvtepu16_epi32(in_order)));
}

PRODUCT_INLINE __mmask64 bytes_present(std::size_t bytes) {
  return bytes >= 64 ? ~__mmask64{0} : (__mmask64{1} << bytes) - 1;
}

// Several blocks at once, since they share the tables; four pairs fill a register.
template <std::size_t Blocks>
PRODUCT_INLINE void add_blocks(const std::uint8_t* codes, std::size_t stride, std::size_t pairs,
                               const std::uint8_t* table, std::int32_t* out) {
  CodeSums sums[Blocks];
  for (CodeSums& sum : sums) sum = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  for (std::size_t pair = 0; pair < pairs; pair += 4) {
    const std::size_t left = pairs - pair;
    const std::uint8_t* at = table + pair * 2 * kCodewords;
    const __m512i first = _mm512_maskz_loadu_epi8(bytes_present(left * 2 * kCodewords), at);
    const __m512i second = _mm512_maskz_loadu_epi8(bytes_present(left < 2 ? 0 : (left - 2) * 2 * kCodewords), at + 64);
    const __m512i low = _mm512_shuffle_i32x4(first, second, 0x88);
    const __m512i high = _mm512_shuffle_i32x4(first, second, 0xdd);
    const __mmask64 present = bytes_present(left * kCodeBlock);
    for (std::size_t b = 0; b < Blocks; ++b) {
      add_sums(sums[b], _mm512_maskz_loadu_epi8(present, codes + b * stride + pair * kCodeBlock), low, high);
    }
  }
  for (std::size_t b = 0; b < Blocks; ++b) store_sums(sums[b], out + b * kCodeBlock);
}

#elif defined(__AVX2__)

PRODUCT_INLINE __m256i load_bytes(const void* at) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}
PRODUCT_INLINE __m256i load_table(const std::uint8_t* at) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

PRODUCT_INLINE void add_16(std::int32_t* out, __m128i sums) {
  for (std::size_t half = 0; half < 2; ++half, out += 4, sums = _mm_srli_si128(sums, 8)) {
    auto* at = reinterpret_cast<__m128i*>(out);
    _mm_storeu_si128(at, _mm_add_epi32(_mm_loadu_si128(at), _mm_cvtepu16_epi32(sums)));
  }
}

template <std::size_t Blocks>
PRODUCT_INLINE void add_blocks(const std::uint8_t* codes, std::size_t stride, std::size_t pairs,
                               const std::uint8_t* table, std::int32_t* out) {
  const __m256i mask = _mm256_set1_epi8(15);
  __m256i even[Blocks] = {};
  __m256i odd[Blocks] = {};
  for (std::size_t pair = 0; pair < pairs; pair += 2) {
    // Behind an odd number of pairs, tables of zeros.
    const bool is_last = pair + 1 == pairs;
    const __m256i first = load_bytes(table + pair * 2 * kCodewords);
    const __m256i second = is_last ? _mm256_setzero_si256() : load_bytes(table + (pair + 1) * 2 * kCodewords);
    const __m256i low_table = _mm256_permute2x128_si256(first, second, 0x20);
    const __m256i high_table = _mm256_permute2x128_si256(first, second, 0x31);
    for (std::size_t b = 0; b < Blocks; ++b) {
      const std::uint8_t* at = codes + b * stride + pair * kCodeBlock;
      const __m256i bytes = is_last ? _mm256_zextsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)))
                                    : load_bytes(at);
      const __m256i low = _mm256_shuffle_epi8(low_table, _mm256_and_si256(bytes, mask));
      const __m256i high = _mm256_shuffle_epi8(high_table, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask));
      even[b] = _mm256_add_epi16(even[b], _mm256_add_epi16(low, high));
      odd[b] = _mm256_add_epi16(odd[b], _mm256_add_epi16(_mm256_srli_epi16(low, 8), _mm256_srli_epi16(high, 8)));
    }
  }
  for (std::size_t b = 0; b < Blocks; ++b) {
    const __m256i evens = _mm256_sub_epi16(even[b], _mm256_slli_epi16(odd[b], 8));
    const __m128i all_even = _mm_add_epi16(_mm256_castsi256_si128(evens), _mm256_extracti128_si256(evens, 1));
    const __m128i all_odd = _mm_add_epi16(_mm256_castsi256_si128(odd[b]), _mm256_extracti128_si256(odd[b], 1));
    add_16(out + b * kCodeBlock, _mm_unpacklo_epi16(all_even, all_odd));
    add_16(out + b * kCodeBlock + 8, _mm_unpackhi_epi16(all_even, all_odd));
  }
}

#else

void table_sums(const std::uint8_t* codes, std::size_t blocks, std::size_t pairs, const std::uint8_t* table,
                std::int32_t* out) {
  for (std::size_t i = 0; i < blocks * kCodeBlock; ++i) out[i] = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      const std::uint8_t* bytes = codes + (block * pairs + pair) * kCodeBlock;
      const std::uint8_t* low = table + pair * 2 * kCodewords;
      for (std::size_t v = 0; v < kCodeBlock; ++v) {
        out[block * kCodeBlock + v] += low[bytes[v] & 15] + low[kCodewords + (bytes[v] >> 4)];
      }
    }
  }
}

#endif

#if defined(__AVX2__)

void table_sums(const std::uint8_t* codes, std::size_t blocks, std::size_t pairs, const std::uint8_t* table,
                std::int32_t* out) {
  constexpr std::size_t kBlocksAtOnce = PRODUCT_BLOCKS;
  const std::size_t stride = pairs * kCodeBlock;
  for (std::size_t i = 0; i < blocks * kCodeBlock; ++i) out[i] = 0;
  for (std::size_t from = 0; from < pairs; from += kPairsAtOnce) {
    const std::size_t taken = pairs - from < kPairsAtOnce ? pairs - from : kPairsAtOnce;
    const std::uint8_t* tables = table + from * 2 * kCodewords;
    const std::uint8_t* first = codes + from * kCodeBlock;
    std::size_t block = 0;
    for (; block + kBlocksAtOnce <= blocks; block += kBlocksAtOnce) {
      add_blocks<kBlocksAtOnce>(first + block * stride, stride, taken, tables, out + block * kCodeBlock);
    }
    for (; block < blocks; ++block) add_blocks<1>(first + block * stride, stride, taken, tables, out + block * kCodeBlock);
  }
}

#endif

constexpr ProductKernels make_product_kernels(const char* name) {
  return {name, panel_products, nearest_codeword, table_sums};
}

}  // namespace
}  // namespace ragtime::index
