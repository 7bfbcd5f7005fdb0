#include "index/postings_kernels.h"

#if defined(__AVX512F__) && defined(__AVX512VBMI__)
#include <array>
#include <cstring>

#include <immintrin.h>

namespace ragtime::index {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kSmallCodes = 16;  // As many frequencies as fit a register.

// Where 16 packed values lie: the bytes that each begins in, and the bits before it there.
struct alignas(64) Layout {
  std::array<std::uint8_t, 64> bytes{};
  std::array<std::uint32_t, kLanes> shifts{};
};

constexpr auto kLayouts = [] {
  std::array<Layout, kPackedBitsMax + 1> layouts{};
  for (unsigned bits = 0; bits <= kPackedBitsMax; ++bits) {
    for (unsigned i = 0; i < 64; ++i) layouts[bits].bytes[i] = static_cast<std::uint8_t>(i / 4 * bits / 8 + i % 4);
    for (unsigned i = 0; i < kLanes; ++i) layouts[bits].shifts[i] = i * bits % 8;
  }
  return layouts;
}();

void unpack(const std::uint8_t* packed, unsigned bits, std::uint32_t* values) {
  if (bits > kPackedBitsMax) {
    std::memcpy(values, packed, kPostingsBlock * sizeof(*values));
    return;
  }
  const __m512i bytes = _mm512_load_si512(kLayouts[bits].bytes.data());
  const __m512i shifts = _mm512_load_si512(kLayouts[bits].shifts.data());
  const __m512i mask = _mm512_set1_epi32((1 << bits) - 1);
  for (std::size_t i = 0; i < kPostingsBlock; i += kLanes, packed += 2 * bits) {
    const __m512i spread = _mm512_maskz_permutexvar_epi8(~__mmask64{0}, bytes, _mm512_loadu_si512(packed));
    _mm512_storeu_si512(values + i, _mm512_and_si512(_mm512_maskz_srlv_epi32(0xFFFF, spread, shifts), mask));
  }
}

template <int kShift>
__m512i add_shifted(__m512i x) {
  return _mm512_add_epi32(x, _mm512_maskz_alignr_epi32(0xFFFF, x, _mm512_setzero_si512(), 16 - kShift));
}

void sum_gaps(std::uint32_t before, std::uint32_t* values) {
  const __m512i last_lane = _mm512_set1_epi32(15);
  __m512i carry = _mm512_set1_epi32(static_cast<int>(before));
  for (std::size_t i = 0; i < kPostingsBlock; i += kLanes) {
    __m512i x = _mm512_add_epi32(_mm512_loadu_si512(values + i), _mm512_set1_epi32(1));
    x = add_shifted<8>(add_shifted<4>(add_shifted<2>(add_shifted<1>(x))));
    x = _mm512_add_epi32(x, carry);
    carry = _mm512_maskz_permutexvar_epi32(0xFFFF, last_lane, x);
    _mm512_storeu_si512(values + i, x);
  }
}

__mmask16 lanes_left(std::size_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xFFFF : (1u << count) - 1);
}

__m512 frequencies_of(__mmask16 lanes, __m512i codes, const float* frequencies) {
  if (_mm512_mask_cmpge_epu32_mask(lanes, codes, _mm512_set1_epi32(kSmallCodes)) == 0) {
    return _mm512_maskz_permutexvar_ps(lanes, codes, _mm512_loadu_ps(frequencies));
  }
  return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, codes, frequencies, 4);
}

void score(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count, const PostingScore& by,
           float* scores) {
  const __m512 weight = _mm512_set1_ps(by.weight);
  const __m512 base = _mm512_set1_ps(by.norm_base);
  const __m512 slope = _mm512_set1_ps(by.norm_slope);
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = lanes_left(count - i);
    const __m512i at = _mm512_maskz_loadu_epi32(lanes, ordinals + i);
    const __m512i lengths = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, at, by.lengths, 4);
    const __m512 norm = _mm512_add_ps(base, _mm512_mul_ps(slope, _mm512_maskz_cvtepu32_ps(lanes, lengths)));
    const __m512 tf = frequencies_of(lanes, _mm512_maskz_loadu_epi32(lanes, codes + i), by.frequencies);
    const __m512 result = _mm512_maskz_div_ps(lanes, _mm512_mul_ps(weight, tf), _mm512_add_ps(tf, norm));
    _mm512_mask_storeu_ps(scores + i, lanes, result);
  }
}

void accumulate(const std::uint32_t* ordinals, const float* scores, std::size_t count, std::uint32_t first,
                float* window) {
  const __m512i origin = _mm512_set1_epi32(static_cast<int>(first));
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = lanes_left(count - i);
    const __m512i at = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(lanes, ordinals + i), origin);
    const __m512 sums = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, at, window, 4);
    const __m512 added = _mm512_add_ps(sums, _mm512_maskz_loadu_ps(lanes, scores + i));
    _mm512_mask_i32scatter_ps(window, lanes, at, added, 4);
  }
}

std::size_t collect(const float* values, std::size_t size, float floor, std::uint32_t* positions) {
  const __m512 least = _mm512_set1_ps(floor);
  const __m512i lane_numbers = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  std::size_t count = 0;
  for (std::size_t i = 0; i < size; i += kLanes) {
    const __mmask16 lanes = lanes_left(size - i);
    const __mmask16 kept = _mm512_mask_cmp_ps_mask(lanes, _mm512_maskz_loadu_ps(lanes, values + i), least, _CMP_GE_OQ);
    if (kept == 0) continue;
    const __m512i here = _mm512_add_epi32(lane_numbers, _mm512_set1_epi32(static_cast<int>(i)));
    _mm512_storeu_si512(positions + count, _mm512_maskz_compress_epi32(kept, here));
    count += static_cast<std::size_t>(__builtin_popcount(kept));
  }
  return count;
}

std::size_t count_below(const std::uint32_t* ordinals, std::uint32_t wanted) {
  const __m512i bound = _mm512_set1_epi32(static_cast<int>(wanted));
  int count = 0;
  for (std::size_t i = 0; i < kPostingsBlock; i += kLanes) {
    count += __builtin_popcount(_mm512_cmplt_epu32_mask(_mm512_loadu_si512(ordinals + i), bound));
  }
  return static_cast<std::size_t>(count);
}

}  // namespace

const PostingsKernels* avx512_postings_kernels() {
  static constexpr PostingsKernels kKernels{"avx512", unpack, sum_gaps, score, accumulate, collect, count_below};
  const bool present = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("popcnt");
  return present ? &kKernels : nullptr;
}

}  // namespace ragtime::index

#else

namespace ragtime::index {

const PostingsKernels* avx512_postings_kernels() {
  return nullptr;
}

}  // namespace ragtime::index
#endif
