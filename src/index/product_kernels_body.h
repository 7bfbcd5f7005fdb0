// The kernels' source, compiled once per instruction set with PRODUCT_LANES floats in a vector and PRODUCT_ROWS rows in
// a tile, so that a tile's sums fill the registers.
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
  // Vector 2i in the lower, vector 2i + 1 in the upper half of 32 bits.
  const __m256i first = _mm256_unpacklo_epi16(evens, odds);
  const __m256i second = _mm256_unpackhi_epi16(evens, odds);
  const __m256i low = _mm256_permute2x128_si256(first, second, 0x20);
  const __m256i high = _mm256_permute2x128_si256(first, second, 0x31);
  const __m512i before_low = _mm512_loadu_si512(out);
  const __m512i before_high = _mm512_loadu_si512(out + 16);
  _mm512_storeu_si512(out, _mm512_add_epi32(before_low, _mm512_cvtepu16_epi32(low)));
  _mm512_storeu_si512(out + 16, _mm512_add_epi32(before_high, _mm512_cvtepu16_epi32(high)));
}

// Two blocks at once, since they share the tables; two pairs fill a register.
PRODUCT_INLINE void add_two_blocks(const std::uint8_t* first, const std::uint8_t* second, std::size_t pairs,
                                   const std::uint8_t* table, std::int32_t* out) {
  CodeSums a{_mm512_setzero_si512(), _mm512_setzero_si512()};
  CodeSums b = a;
  for (std::size_t pair = 0; pair < pairs; pair += 2) {
    const __mmask64 present = pair + 1 < pairs ? ~__mmask64{0} : __mmask64{0xffffffff};
    const __m512i tables = _mm512_maskz_loadu_epi8(present, table + pair * 2 * kCodewords);
    const __m512i low = _mm512_shuffle_i32x4(tables, tables, 0xa0);
    const __m512i high = _mm512_shuffle_i32x4(tables, tables, 0xf5);
    add_sums(a, _mm512_maskz_loadu_epi8(present, first + pair * kCodeBlock), low, high);
    add_sums(b, _mm512_maskz_loadu_epi8(present, second + pair * kCodeBlock), low, high);
  }
  store_sums(a, out);
  if (second != first) store_sums(b, out + kCodeBlock);
}

void table_sums(const std::uint8_t* codes, std::size_t blocks, std::size_t pairs, const std::uint8_t* table,
                std::int32_t* out) {
  const std::size_t stride = pairs * kCodeBlock;
  for (std::size_t i = 0; i < blocks * kCodeBlock; ++i) out[i] = 0;
  for (std::size_t block = 0; block < blocks; block += 2) {
    const std::uint8_t* first = codes + block * stride;
    const std::uint8_t* second = block + 1 < blocks ? first + stride : first;
    for (std::size_t from = 0; from < pairs; from += kPairsAtOnce) {
      const std::size_t taken = pairs - from < kPairsAtOnce ? pairs - from : kPairsAtOnce;
      add_two_blocks(first + from * kCodeBlock, second + from * kCodeBlock, taken, table + from * 2 * kCodewords,
                     out + block * kCodeBlock);
    }
  }
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

PRODUCT_INLINE void add_block(const std::uint8_t* codes, std::size_t pairs, const std::uint8_t* table,
                              std::int32_t* out) {
  const __m256i mask = _mm256_set1_epi8(15);
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    const __m256i bytes = load_bytes(codes + pair * kCodeBlock);
    const std::uint8_t* tables = table + pair * 2 * kCodewords;
    const __m256i low = _mm256_shuffle_epi8(load_table(tables), _mm256_and_si256(bytes, mask));
    const __m256i high =
        _mm256_shuffle_epi8(load_table(tables + kCodewords), _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask));
    even = _mm256_add_epi16(even, _mm256_add_epi16(low, high));
    odd = _mm256_add_epi16(odd, _mm256_add_epi16(_mm256_srli_epi16(low, 8), _mm256_srli_epi16(high, 8)));
  }
  even = _mm256_sub_epi16(even, _mm256_slli_epi16(odd, 8));
  const __m256i first = _mm256_unpacklo_epi16(even, odd);
  const __m256i second = _mm256_unpackhi_epi16(even, odd);
  add_16(out, _mm256_castsi256_si128(first));
  add_16(out + 8, _mm256_castsi256_si128(second));
  add_16(out + 16, _mm256_extracti128_si256(first, 1));
  add_16(out + 24, _mm256_extracti128_si256(second, 1));
}

void table_sums(const std::uint8_t* codes, std::size_t blocks, std::size_t pairs, const std::uint8_t* table,
                std::int32_t* out) {
  for (std::size_t i = 0; i < blocks * kCodeBlock; ++i) out[i] = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    for (std::size_t from = 0; from < pairs; from += kPairsAtOnce) {
      const std::size_t taken = pairs - from < kPairsAtOnce ? pairs - from : kPairsAtOnce;
      add_block(codes + (block * pairs + from) * kCodeBlock, taken, table + from * 2 * kCodewords,
                out + block * kCodeBlock);
    }
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

constexpr ProductKernels make_product_kernels(const char* name) {
  return {name, panel_products, nearest_codeword, table_sums};
}

}  // namespace
}  // namespace ragtime::index
