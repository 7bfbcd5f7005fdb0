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
// A typedef: in an alias Clang leaves the alignment out, and its stores fault.
typedef float FloatsAt __attribute__((vector_size(4 * VECTOR_LANES), aligned(4), may_alias));
static_assert(alignof(FloatsAt) == 4);

#define VECTOR_INLINE inline __attribute__((always_inline))

VECTOR_INLINE Floats load(const float* at) {
  return *reinterpret_cast<const FloatsAt*>(at);
}

template <class Vector>
VECTOR_INLINE auto sum_of(Vector values) {
  decltype(+values[0]) sum = 0;
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

VECTOR_INLINE __m512i nibble_sums(const std::uint8_t* codes, const std::int8_t* query, std::size_t half) {
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
  return _mm512_add_epi32(even, odd);
}

VECTOR_INLINE std::int32_t dot_nibbles_inline(const std::uint8_t* codes, const std::int8_t* query, std::size_t half) {
  return _mm512_reduce_add_epi32(nibble_sums(codes, query, half));
}

// The sums of the elements of four vectors.
VECTOR_INLINE __m128i four_sums(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i eight = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
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
  std::size_t i = 0;
#if defined(__AVX512BW__)
  for (; i + 4 <= count; i += 4) {
    const std::uint8_t* at = codes + i * stride;
    const __m128i sums =
        four_sums(nibble_sums(at, query, half), nibble_sums(at + stride, query, half),
                  nibble_sums(at + 2 * stride, query, half), nibble_sums(at + 3 * stride, query, half));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), sums);
  }
#endif
  for (; i < count; ++i) out[i] = dot_nibbles_inline(codes + i * stride, query, half);
}

void dot_nibble_list(const std::uint8_t* const* codes, std::size_t count, const std::int8_t* query, std::size_t half,
                     std::int32_t* out) {
  std::size_t i = 0;
#if defined(__AVX512BW__)
  for (; i + 4 <= count; i += 4) {
    const __m128i sums = four_sums(nibble_sums(codes[i], query, half), nibble_sums(codes[i + 1], query, half),
                                   nibble_sums(codes[i + 2], query, half), nibble_sums(codes[i + 3], query, half));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), sums);
  }
#endif
  for (; i < count; ++i) out[i] = dot_nibbles_inline(codes[i], query, half);
}

std::int64_t dot_fine(const std::uint8_t* high, const std::uint8_t* low, const std::int8_t* coarse,
                      const std::int8_t* fine, std::size_t half) {
#if defined(__AVX512BW__)
  const __m128i sums = four_sums(nibble_sums(high, coarse, half), nibble_sums(low, coarse, half),
                                 nibble_sums(high, fine, half), nibble_sums(low, fine, half));
  std::int32_t four[4];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(four), sums);
  return 128 * (16 * std::int64_t{four[0]} + four[1]) + (16 * std::int64_t{four[2]} + four[3]);
#else
  const std::int64_t by_coarse =
      16 * std::int64_t{dot_nibbles_inline(high, coarse, half)} + dot_nibbles_inline(low, coarse, half);
  const std::int64_t by_fine =
      16 * std::int64_t{dot_nibbles_inline(high, fine, half)} + dot_nibbles_inline(low, fine, half);
  return 128 * by_coarse + by_fine;
#endif
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

// As many planes as a query has, in registers where a code fits one.
struct QueryPlanes {
  __m512i planes[kQueryPlanes];
};
VECTOR_INLINE QueryPlanes load_planes(const std::uint64_t* planes, std::size_t words, __mmask8 present) {
  QueryPlanes loaded;
  for (std::size_t p = 0; p < kQueryPlanes; ++p) {
    loaded.planes[p] = _mm512_maskz_loadu_epi64(present, planes + p * words);
  }
  return loaded;
}
VECTOR_INLINE __mmask8 words_present(std::size_t words) {
  return static_cast<__mmask8>(words >= 8 ? 0xff : (1u << words) - 1);
}
VECTOR_INLINE __m512i bit_sums(const std::uint8_t* code, const QueryPlanes& query, __mmask8 present) {
  const __m512i bits = _mm512_maskz_loadu_epi64(present, code);
  __m512i sums = _mm512_popcnt_epi64(_mm512_xor_si512(bits, query.planes[kQueryPlanes - 1]));
  for (std::size_t p = kQueryPlanes - 1; p-- > 0;) {
    sums = _mm512_add_epi64(_mm512_add_epi64(sums, sums), _mm512_popcnt_epi64(_mm512_xor_si512(bits, query.planes[p])));
  }
  return sums;
}
// Each sum is below 2^32, and so the upper halves are zeros to fold away.
VECTOR_INLINE __m128i four_bit_sums(const __m512i (&sums)[4]) {
  const __m512i ab = _mm512_or_si512(sums[0], _mm512_slli_epi64(sums[1], 32));
  const __m512i cd = _mm512_or_si512(sums[2], _mm512_slli_epi64(sums[3], 32));
  const __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i eight = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
}

// Four pairs of floats, by place.
VECTOR_INLINE void load_pairs(const std::uint8_t* const (&at)[4], __m128& first, __m128& second) {
  const auto pair = [](const std::uint8_t* from) {
    return _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  };
  const __m128 low = _mm_unpacklo_ps(pair(at[0]), pair(at[1]));
  const __m128 high = _mm_unpacklo_ps(pair(at[2]), pair(at[3]));
  first = _mm_movelh_ps(low, high);
  second = _mm_movehl_ps(high, low);
}

void bit_bounds(const std::uint8_t* const* heads, std::size_t count, const std::uint64_t* planes, std::size_t words,
                const BoundTerms& by, float* out) {
  const BoundTerms terms = by;
  const QueryPlanes query = load_planes(planes, words, words_present(words));
  for (std::size_t i = 0; i < count; i += 4) {
    const std::size_t last = count - 1;
    const std::uint8_t* four[4];
    for (std::size_t v = 0; v < 4; ++v) four[v] = heads[i + v < last ? i + v : last];
    __m512i sums[4];
    for (std::size_t v = 0; v < 4; ++v) sums[v] = bit_sums(four[v], query, words_present(words));
    for (std::size_t at = 8; at < words; at += 8) {
      const __mmask8 present = words_present(words - at);
      const QueryPlanes rest = load_planes(planes + at, words, present);
      for (std::size_t v = 0; v < 4; ++v) {
        sums[v] = _mm512_add_epi64(sums[v], bit_sums(four[v] + 8 * at, rest, present));
      }
    }
    for (std::size_t v = 0; v < 4; ++v) four[v] += 8 * words;
    __m128 add, scale;
    load_pairs(four, add, scale);
    const __m128 product = _mm_fmadd_ps(_mm_cvtepi32_ps(four_bit_sums(sums)), _mm_set1_ps(terms.factor),
                                        _mm_set1_ps(terms.offset + terms.slack));
    const __m128 bounds = _mm_add_ps(_mm_fmadd_ps(scale, product, add), _mm_set1_ps(terms.base));
    const std::size_t taken = count - i < 4 ? count - i : 4;
    _mm_mask_storeu_ps(out + i, static_cast<__mmask8>((1u << taken) - 1), bounds);
  }
}

#else

void bit_bounds(const std::uint8_t* const* heads, std::size_t count, const std::uint64_t* planes, std::size_t words,
                const BoundTerms& by, float* out) {
  const BoundTerms terms = by;
  for (std::size_t i = 0; i < count; ++i) {
    std::int32_t sum = 0;
    for (std::size_t word = 0; word < words; ++word) {
      std::uint64_t bits = 0;
      __builtin_memcpy(&bits, heads[i] + 8 * word, sizeof bits);
      for (std::size_t p = 0; p < kQueryPlanes; ++p) sum += __builtin_popcountll(bits ^ planes[p * words + word]) << p;
    }
    float factors[2];
    __builtin_memcpy(factors, heads[i] + 8 * words, sizeof factors);
    const float product = terms.offset + terms.slack + terms.factor * static_cast<float>(sum);
    out[i] = terms.base + factors[0] + factors[1] * product;
  }
}

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

// A stage whose partners lie in one vector: lane i becomes its partner at i ^ Width plus itself, negated in the upper
// half. As a template, so that the permutation is a constant.
template <std::size_t Width>
VECTOR_INLINE Floats butterfly_within(Floats values) {
  Floats signs{};
  for (std::size_t i = 0; i < VECTOR_LANES; ++i) signs[i] = (i & Width) != 0 ? -1.0f : 1.0f;
#ifdef __clang__  // Makes one shuffle of the loop; GCC does not.
  Floats partners{};
  for (std::size_t i = 0; i < VECTOR_LANES; ++i) partners[i] = values[i ^ Width];
#else
  Ints from{};
  for (std::size_t i = 0; i < VECTOR_LANES; ++i) from[i] = static_cast<std::int32_t>(i ^ Width);
  const Floats partners = __builtin_shuffle(values, from);
#endif
  return partners + signs * values;
}
VECTOR_INLINE Floats butterflies_within(Floats values) {
  values = butterfly_within<1>(values);
  values = butterfly_within<2>(values);
#if VECTOR_LANES >= 8
  values = butterfly_within<4>(values);
#endif
#if VECTOR_LANES >= 16
  values = butterfly_within<8>(values);
#endif
  return values;
}

// So many vectors are transformed in registers.
constexpr std::size_t kHadamardVectors = 16;

// The transform of Count vectors' values, times `scale`.
template <std::size_t Count>
VECTOR_INLINE void hadamard_in_registers(float* values, float scale) {
  Floats lanes[Count];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Count; ++i) lanes[i] = butterflies_within(load(values + i * VECTOR_LANES) * scale);
#pragma GCC unroll 4
  for (std::size_t width = 1; width < Count; width *= 2) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Count; ++i) {
      if ((i & width) != 0) continue;
      const Floats a = lanes[i];
      const Floats b = lanes[i + width];
      lanes[i] = a + b;
      lanes[i + width] = a - b;
    }
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Count; ++i) *reinterpret_cast<FloatsAt*>(values + i * VECTOR_LANES) = lanes[i];
}

void hadamard(float* values, std::size_t size) {
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(size));
  constexpr std::size_t kWhole = kHadamardVectors * VECTOR_LANES;
  constexpr std::size_t kLeast = 64;
  const std::size_t block = size < kWhole ? kLeast : kWhole;
  for (std::size_t at = 0; at < size; at += block) {
    if (block == kWhole) {
      hadamard_in_registers<kHadamardVectors>(values + at, scale);
    } else {
      hadamard_in_registers<kLeast / VECTOR_LANES>(values + at, scale);
    }
  }
  for (std::size_t width = block; width < size; width *= 2) {
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

void multiply(float* values, const float* factors, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) values[i] *= factors[i];
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

VECTOR_INLINE void store_bytes(std::int8_t* to, Ints values) {
#if VECTOR_LANES == 16
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(values)));
#else
  for (std::size_t lane = 0; lane < VECTOR_LANES; ++lane) to[lane] = static_cast<std::int8_t>(values[lane]);
#endif
}

QueryRounding round_query(const float* values, std::size_t size, float inverse, float step, std::int8_t* coarse,
                          std::int8_t* fine) {
  constexpr std::int32_t kShift = 128 * 128;  // Makes numbers positive, so that cutting off rounds down.
  constexpr float kLimit = kShift;
  Ints sums[2] = {};
  Floats squares[2] = {};
  for (std::size_t i = 0; i < size; i += VECTOR_LANES) {
    const Floats some = load(values + i);
    const Floats scaled = some * inverse;
    // What is no number is zero: it has no place among integers.
    const Floats placed = scaled > -kLimit && scaled < kLimit ? scaled : Floats{};
    const Ints number = __builtin_convertvector(placed + (kLimit + 0.5f), Ints) - kShift;
    const Ints upper = ((number + (64 + kShift)) >> 7) - 128;
    const Floats rounding = some - __builtin_convertvector(upper, Floats) * step;
    squares[0] += some * some;
    squares[1] += rounding * rounding;
    sums[0] += upper;
    sums[1] += number;
    store_bytes(coarse + i, upper);
    store_bytes(fine + i, number - 128 * upper);
  }
  return {sum_of(sums[0]), sum_of(sums[1]), sum_of(squares[0]), sum_of(squares[1])};
}

float round_planes(const float* values, std::size_t size, float step, std::uint64_t* planes) {
  constexpr float kMost = static_cast<float>((1 << kQueryPlanes) - 1);
  const float inverse = step > 0 ? 1 / step : 0;
  const std::size_t words = size / 64;
  Floats squares{};
  for (std::size_t i = 0; i < size; i += VECTOR_LANES) {
    const Floats some = load(values + i);
    Floats level = (some * inverse + (kMost + 1)) * 0.5f;
    level = level < 0.0f ? Floats{} : level;
    const Ints bits = __builtin_convertvector(level > kMost ? Floats{} + kMost : level, Ints);
    const Floats rounding = some - (__builtin_convertvector(bits, Floats) * 2.0f - kMost) * step;
    squares += rounding * rounding;
    for (std::size_t p = 0; p < kQueryPlanes; ++p) {
      std::uint64_t& word = planes[p * words + i / 64];
      if (i % 64 == 0) word = 0;
#if VECTOR_LANES == 16
      const auto mask = static_cast<std::uint64_t>(
          _mm512_test_epi32_mask(reinterpret_cast<__m512i>(bits), _mm512_set1_epi32(1 << p)));
      word |= mask << i % 64;
#else
      for (std::size_t lane = 0; lane < VECTOR_LANES; ++lane) {
        word |= static_cast<std::uint64_t>(bits[lane] >> p & 1) << (i + lane) % 64;
      }
#endif
    }
  }
  return sum_of(squares);
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

#if defined(__AVX512F__)

// Eight values a register; slots behind the last one are zeros.
template <std::size_t Registers>
VECTOR_INLINE void insert_in_registers(std::uint64_t* values, std::size_t size, const std::uint64_t* added,
                                       std::size_t count) {
  __m512i eights[Registers];
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Registers; ++r) {
    const std::size_t left = size > 8 * r ? size - 8 * r : 0;
    eights[r] = _mm512_maskz_loadu_epi64(static_cast<__mmask8>(left < 8 ? (1u << left) - 1 : 0xff), values + 8 * r);
  }
  for (std::size_t i = 0; i < count; ++i) {
    // Where x belongs, its neighbour above is greater and its own place holds less; behind, the neighbour moves in.
    const __m512i x = _mm512_set1_epi64(static_cast<long long>(added[i]));
#pragma GCC unroll 16
    for (std::size_t last = 0; last < Registers; ++last) {
      const std::size_t r = Registers - 1 - last;
      const __m512i above = _mm512_alignr_epi64(eights[r], r > 0 ? eights[r - 1] : x, 7);
      eights[r] = _mm512_max_epu64(eights[r], _mm512_min_epu64(above, x));
    }
  }
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Registers; ++r) _mm512_storeu_si512(values + 8 * r, eights[r]);
}

#endif

std::size_t insert_descending(std::uint64_t* values, std::size_t size, std::size_t capacity, const std::uint64_t* added,
                              std::size_t count) {
#if defined(__AVX512F__)
  static_assert(kInsertRoom >= 64);
  if (capacity <= 128) {
    if (capacity <= 16) {
      insert_in_registers<2>(values, size, added, count);
    } else if (capacity <= 32) {
      insert_in_registers<4>(values, size, added, count);
    } else if (capacity <= 64) {
      insert_in_registers<8>(values, size, added, count);
    } else {
      insert_in_registers<16>(values, size, added, count);
    }
    return size + count < capacity ? size + count : capacity;
  }
#endif
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t* at = values;
    for (std::size_t left = size; left > 0;) {
      const std::size_t half = (left + 1) / 2;
      at += at[half - 1] > added[i] ? half : 0;
      left -= half;
    }
    const auto place = static_cast<std::size_t>(at - values);
    __builtin_memmove(values + place + 1, values + place, (size - place) * sizeof *values);
    values[place] = added[i];
    size += size < capacity ? 1 : 0;
  }
  return size;
}

std::size_t count_bits(const std::uint64_t* bits, std::size_t words) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < words; ++i) sum += static_cast<std::size_t>(__builtin_popcountll(bits[i]));
  return sum;
}

// The bits of `values` at those of `mask`, moved together.
VECTOR_INLINE std::uint64_t extract_bits(std::uint64_t values, std::uint64_t mask) {
#if defined(__BMI2__)
  return _pext_u64(values, mask);
#else
  if (mask == ~std::uint64_t{0}) return values;
  std::uint64_t packed = 0;
  for (std::uint64_t left = values & mask; left != 0; left &= left - 1) {
    const std::uint64_t below = (left & -left) - 1;
    packed |= std::uint64_t{1} << __builtin_popcountll(mask & below);
  }
  return packed;
#endif
}

void pack_bits(const IdWord* id_words, std::size_t count, const std::uint64_t* bits, std::size_t word_offset,
               std::uint64_t* out) {
  constexpr auto kAll = ~std::uint64_t{0};
  if (count == 0) return;
  std::uint64_t* at = out + id_words[0].first / 64;
  std::uint64_t filling = *at;  // The word at `at`, up to `shift`.
  std::size_t shift = id_words[0].first % 64;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t packed = extract_bits(bits[id_words[i].word - word_offset], id_words[i].ids);
    const std::size_t end = shift + (id_words[i].ids == kAll ? 64 : static_cast<std::size_t>(__builtin_popcountll(id_words[i].ids)));
    filling |= packed << shift;
    if (end >= 64) {
      *at++ = filling;
      filling = packed >> 1 >> (63 - shift);
    }
    shift = end % 64;
  }
  *at = filling;
}

#if defined(__AVX512F__)
// Which of 16 numbers are set, of those present.
VECTOR_INLINE __mmask16 test_bits(const std::uint64_t* bits, __m512i numbers, __mmask16 present) {
  const __m512i halves =
      _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), present, _mm512_srli_epi32(numbers, 5), bits, 4);
  const __m512i masks = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(numbers, _mm512_set1_epi32(31)));
  return _mm512_mask_test_epi32_mask(present, halves, masks);
}
#endif

template <bool is_place>
VECTOR_INLINE std::size_t select_set(const std::uint64_t* bits, const std::uint32_t* numbers, std::size_t count,
                                     std::uint32_t* selected) {
  std::size_t found = 0;
  std::size_t i = 0;
#if defined(__AVX512F__)
  __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (; i < count; i += 16) {
    const auto present = static_cast<__mmask16>(count - i < 16 ? (1u << (count - i)) - 1 : 0xffff);
    const __m512i sixteen = _mm512_maskz_loadu_epi32(present, numbers + i);
    const __mmask16 set = test_bits(bits, sixteen, present);
    _mm512_storeu_si512(selected + found, _mm512_maskz_compress_epi32(set, is_place ? places : sixteen));
    found += static_cast<std::size_t>(__builtin_popcount(set));
    places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
  }
#endif
  for (; i < count; ++i) {
    selected[found] = is_place ? static_cast<std::uint32_t>(i) : numbers[i];
    found += bits[numbers[i] / 64] >> numbers[i] % 64 & 1;
  }
  return found;
}

std::size_t select_bits(const std::uint64_t* bits, const std::uint32_t* numbers, std::size_t count,
                        std::uint32_t* selected) {
  return select_set<false>(bits, numbers, count, selected);
}
std::size_t select_places(const std::uint64_t* bits, const std::uint32_t* numbers, std::size_t count,
                          std::uint32_t* places) {
  return select_set<true>(bits, numbers, count, places);
}

constexpr VectorKernels make_vector_kernels(const char* name) {
  return {name,         dot,      dot_rows,          dot_nibbles, dot_nibble_rows, dot_nibble_list, dot_fine, bit_distances,
          bit_bounds, upper_bounds, hadamard, multiply, largest_magnitude, round_query, round_planes, collect,
          insert_descending, count_bits, pack_bits, select_places, select_bits};
}

}  // namespace
}  // namespace ragtime::index
