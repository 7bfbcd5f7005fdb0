// The kernels' source, compiled once per instruction set with VECTOR_LANES floats in a vector.
//
// Nothing from the standard library's inline functions: those would be shared by the linker, and a processor without
// the instruction set could end up in this file's version.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "index/vector_kernels.h"

#ifndef VECTOR_LANES
#define VECTOR_LANES 4
#endif

namespace ragtime::index {
namespace {

using Floats = float __attribute__((vector_size(4 * VECTOR_LANES)));
using Ints = std::int32_t __attribute__((vector_size(4 * VECTOR_LANES)));
using FloatsAt = float __attribute__((vector_size(4 * VECTOR_LANES), aligned(4), may_alias));

#define VECTOR_INLINE inline __attribute__((always_inline))

VECTOR_INLINE Floats load(const float* at) {
  return *reinterpret_cast<const FloatsAt*>(at);
}

VECTOR_INLINE float sum_of(Floats values) {
  float sum = 0;
  for (std::size_t i = 0; i < VECTOR_LANES; ++i) sum += values[i];
  return sum;
}

VECTOR_INLINE float dot_inline(const float* a, const float* b, std::size_t size) {
  Floats sums[4] = {};
  std::size_t i = 0;
  for (; i + 4 * VECTOR_LANES <= size; i += 4 * VECTOR_LANES) {
    for (std::size_t j = 0; j < 4; ++j) sums[j] += load(a + i + j * VECTOR_LANES) * load(b + i + j * VECTOR_LANES);
  }
  for (; i + VECTOR_LANES <= size; i += VECTOR_LANES) sums[0] += load(a + i) * load(b + i);
  float sum = sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

float dot(const float* a, const float* b, std::size_t size) {
  return dot_inline(a, b, size);
}

void dot_rows(const float* query, const float* rows, std::size_t count, std::size_t size, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = dot_inline(query, rows + i * size, size);
}

#if defined(__AVX512BW__)

// Adds products of 64 codes below 16 with 64 query coordinates, in groups, to 16 sums.
VECTOR_INLINE __m512i add_products(__m512i sums, __m512i codes, __m512i query) {
#if defined(__AVX512VNNI__)
  return _mm512_dpbusd_epi32(sums, codes, query);
#else
  return _mm512_add_epi32(sums, _mm512_madd_epi16(_mm512_maddubs_epi16(codes, query), _mm512_set1_epi16(1)));
#endif
}

VECTOR_INLINE std::int32_t dot_nibbles_inline(const std::uint8_t* codes, const std::int8_t* query, std::size_t half) {
  const __m512i mask = _mm512_set1_epi8(15);
  __m512i even = _mm512_setzero_si512();
  __m512i odd = _mm512_setzero_si512();
  std::size_t i = 0;
  for (; i + 64 <= half; i += 64) {
    const __m512i bytes = _mm512_loadu_si512(codes + i);
    even = add_products(even, _mm512_and_si512(bytes, mask), _mm512_loadu_si512(query + i));
    odd = add_products(odd, _mm512_and_si512(_mm512_srli_epi16(bytes, 4), mask), _mm512_loadu_si512(query + half + i));
  }
  if (i < half) {
    constexpr __mmask64 kRest = 0xffffffff;
    const __m512i bytes = _mm512_maskz_loadu_epi8(kRest, codes + i);
    even = add_products(even, _mm512_and_si512(bytes, mask), _mm512_maskz_loadu_epi8(kRest, query + i));
    odd = add_products(odd, _mm512_and_si512(_mm512_srli_epi16(bytes, 4), mask),
                       _mm512_maskz_loadu_epi8(kRest, query + half + i));
  }
  return _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd));
}

#elif defined(__AVX2__)

VECTOR_INLINE __m256i add_products(__m256i sums, __m256i codes, __m256i query) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, query), _mm256_set1_epi16(1)));
}
VECTOR_INLINE __m256i load_bytes(const void* at) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}

VECTOR_INLINE std::int32_t dot_nibbles_inline(const std::uint8_t* codes, const std::int8_t* query, std::size_t half) {
  const __m256i mask = _mm256_set1_epi8(15);
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  for (std::size_t i = 0; i < half; i += 32) {
    const __m256i bytes = load_bytes(codes + i);
    even = add_products(even, _mm256_and_si256(bytes, mask), load_bytes(query + i));
    odd = add_products(odd, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask), load_bytes(query + half + i));
  }
  const __m256i sums = _mm256_add_epi32(even, odd);
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return _mm_cvtsi128_si32(four);
}

#else

VECTOR_INLINE std::int32_t dot_nibbles_inline(const std::uint8_t* codes, const std::int8_t* query, std::size_t half) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < half; ++i) {
    sum += (codes[i] & 15) * query[i] + (codes[i] >> 4) * query[half + i];
  }
  return sum;
}

#endif

std::int32_t dot_nibbles(const std::uint8_t* codes, const std::int8_t* query, std::size_t half) {
  return dot_nibbles_inline(codes, query, half);
}

void dot_nibble_rows(const std::uint8_t* codes, std::size_t stride, std::size_t count, const std::int8_t* query,
                     std::size_t half, std::int32_t* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = dot_nibbles_inline(codes + i * stride, query, half);
}

void dot_nibble_list(const std::uint8_t* const* codes, std::size_t count, const std::int8_t* query, std::size_t half,
                     std::int32_t* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = dot_nibbles_inline(codes[i], query, half);
}

std::int64_t dot_fine(const std::uint8_t* high, const std::uint8_t* low, const std::int8_t* coarse,
                      const std::int8_t* fine, std::size_t half) {
  const std::int64_t by_coarse =
      16 * std::int64_t{dot_nibbles_inline(high, coarse, half)} + dot_nibbles_inline(low, coarse, half);
  const std::int64_t by_fine =
      16 * std::int64_t{dot_nibbles_inline(high, fine, half)} + dot_nibbles_inline(low, fine, half);
  return 128 * by_coarse + by_fine;
}

#if defined(__AVX512VPOPCNTDQ__)

void bit_distances(const std::uint64_t* codes, std::size_t blocks, const std::uint64_t* planes, std::size_t words,
                   std::int32_t* out) {
  static_assert(kBitBlock == 8 && kQueryPlanes == 4);
  for (std::size_t block = 0; block < blocks; ++block) {
    __m512i sums[kQueryPlanes] = {};
    for (std::size_t word = 0; word < words; ++word) {
      const __m512i bits = _mm512_loadu_si512(codes + (block * words + word) * kBitBlock);
      for (std::size_t p = 0; p < kQueryPlanes; ++p) {
        const __m512i plane = _mm512_set1_epi64(static_cast<long long>(planes[p * words + word]));
        sums[p] = _mm512_add_epi64(sums[p], _mm512_popcnt_epi64(_mm512_xor_si512(bits, plane)));
      }
    }
    const __m512i low = _mm512_add_epi64(sums[0], _mm512_slli_epi64(sums[1], 1));
    const __m512i high = _mm512_add_epi64(sums[2], _mm512_slli_epi64(sums[3], 1));
    const __m512i all = _mm512_add_epi64(low, _mm512_slli_epi64(high, 2));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + block * kBitBlock), _mm512_cvtepi64_epi32(all));
  }
}

#else

void bit_distances(const std::uint64_t* codes, std::size_t blocks, const std::uint64_t* planes, std::size_t words,
                   std::int32_t* out) {
  for (std::size_t block = 0; block < blocks; ++block) {
    for (std::size_t vector = 0; vector < kBitBlock; ++vector) {
      const std::uint64_t* code = codes + block * words * kBitBlock + vector;
      std::int32_t sum = 0;
      for (std::size_t word = 0; word < words; ++word) {
        for (std::size_t p = 0; p < kQueryPlanes; ++p) {
          sum += __builtin_popcountll(code[word * kBitBlock] ^ planes[p * words + word]) << p;
        }
      }
      out[block * kBitBlock + vector] = sum;
    }
  }
}

#endif

void upper_bounds(const std::int32_t* values, const float* scale, const float* add, const float* error,
                  std::size_t count, const BoundTerms& by, float* out) {
  const BoundTerms terms = by;
  for (std::size_t i = 0; i < count; ++i) {
    const float product = terms.offset + terms.factor * static_cast<float>(values[i]);
    out[i] = terms.base + add[i] + scale[i] * product + terms.slack * error[i];
  }
}

// Stages whose partners lie in one vector: lane i becomes its partner at i ^ width plus itself, negated in the upper
// half.
VECTOR_INLINE Floats butterfly_within(Floats values, std::size_t width) {
  Floats signs{};
  for (std::size_t i = 0; i < VECTOR_LANES; ++i) signs[i] = (i & width) != 0 ? -1.0f : 1.0f;
#ifdef __clang__  // Makes one shuffle of the loop; GCC does not.
  Floats partners{};
  for (std::size_t i = 0; i < VECTOR_LANES; ++i) partners[i] = values[i ^ width];
#else
  Ints from{};
  for (std::size_t i = 0; i < VECTOR_LANES; ++i) from[i] = static_cast<std::int32_t>(i ^ width);
  const Floats partners = __builtin_shuffle(values, from);
#endif
  return partners + signs * values;
}

void hadamard(float* values, std::size_t size) {
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(size));
  for (std::size_t at = 0; at < size; at += VECTOR_LANES) {
    Floats lanes = load(values + at) * scale;
    for (std::size_t width = 1; width < VECTOR_LANES; width *= 2) lanes = butterfly_within(lanes, width);
    *reinterpret_cast<FloatsAt*>(values + at) = lanes;
  }
  for (std::size_t width = VECTOR_LANES; width < size; width *= 2) {
    for (std::size_t from = 0; from < size; from += 2 * width) {
      for (std::size_t at = from; at < from + width; at += VECTOR_LANES) {
        const Floats a = load(values + at);
        const Floats b = load(values + at + width);
        *reinterpret_cast<FloatsAt*>(values + at) = a + b;
        *reinterpret_cast<FloatsAt*>(values + at + width) = a - b;
      }
    }
  }
}

float largest_magnitude(const float* values, std::size_t size) {
  Floats largest{};
  std::size_t i = 0;
  for (; i + VECTOR_LANES <= size; i += VECTOR_LANES) {
    const Floats some = load(values + i);
    const Floats magnitudes = some < -some ? -some : some;
    largest = largest < magnitudes ? magnitudes : largest;
  }
  float result = 0;
  for (std::size_t lane = 0; lane < VECTOR_LANES; ++lane) result = result < largest[lane] ? largest[lane] : result;
  for (; i < size; ++i) {
    const float magnitude = values[i] < 0 ? -values[i] : values[i];
    result = result < magnitude ? magnitude : result;
  }
  return result;
}

std::size_t collect(const float* values, std::size_t count, float floor, std::uint32_t* positions) {
  std::size_t found = 0;
  std::size_t i = 0;
#if defined(__AVX512F__)
  const __m512 least = _mm512_set1_ps(floor);
  __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (; i + 16 <= count; i += 16) {
    const __mmask16 kept = _mm512_cmp_ps_mask(_mm512_loadu_ps(values + i), least, _CMP_GE_OQ);
    if (kept != 0) {
      _mm512_storeu_si512(positions + found, _mm512_maskz_compress_epi32(kept, at));
      found += static_cast<std::size_t>(__builtin_popcount(kept));
    }
    at = _mm512_add_epi32(at, _mm512_set1_epi32(16));
  }
#elif defined(__AVX2__)
  const __m256 least = _mm256_set1_ps(floor);
  for (; i + 8 <= count; i += 8) {
    int kept = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(values + i), least, _CMP_GE_OQ));
    for (; kept != 0; kept &= kept - 1) positions[found++] = static_cast<std::uint32_t>(i) + __builtin_ctz(kept);
  }
#endif
  for (; i < count; ++i) {
    positions[found] = static_cast<std::uint32_t>(i);
    found += values[i] >= floor ? 1 : 0;
  }
  return found;
}

constexpr VectorKernels make_vector_kernels(const char* name) {
  return {name,     dot,           dot_rows,     dot_nibbles, dot_nibble_rows,   dot_nibble_list,
          dot_fine, bit_distances, upper_bounds, hadamard,    largest_magnitude, collect};
}

}  // namespace
}  // namespace ragtime::index
