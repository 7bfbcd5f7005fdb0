#include "index/postings_kernels.h"

#if defined(__AVX512F__) && defined(__AVX512VBMI__)
#include <array>
#include <cstring>

#include <immintrin.h>

namespace ragtime::index {
namespace {

constexpr std::size_t kLanes = 16;
constexpr int kSmallMarks = 16;  // As many frequencies as fit a register.

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

__m512 frequencies_of(__mmask16 lanes, __m512i marks, const float* frequencies) {
  if (_mm512_mask_cmpge_epu32_mask(lanes, marks, _mm512_set1_epi32(kSmallMarks)) == 0) {
    return _mm512_maskz_permutexvar_ps(lanes, marks, _mm512_loadu_ps(frequencies));
  }
  return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, marks, frequencies, 4);
}

__m512 norms_of(__mmask16 lanes, const PostingScore& by, __m512i lengths) {
  const __m512 slope = _mm512_set1_ps(by.norm_slope);
  return _mm512_add_ps(_mm512_set1_ps(by.norm_base), _mm512_mul_ps(slope, _mm512_maskz_cvtepu32_ps(lanes, lengths)));
}

__m512 scores_of(__mmask16 lanes, const PostingScore& by, __m512i marks, __m512 norms) {
  const __m512 tf = frequencies_of(lanes, marks, by.frequencies);
  return _mm512_maskz_div_ps(lanes, _mm512_mul_ps(_mm512_set1_ps(by.weight), tf), _mm512_add_ps(tf, norms));
}

// Of postings.
__m512 scores_at(__mmask16 lanes, const PostingScore& by, __m512i ordinals, const std::uint32_t* codes) {
  const __m512i lengths = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, ordinals, by.lengths, 4);
  const __m512i marks = _mm512_add_epi32(_mm512_maskz_loadu_epi32(lanes, codes), _mm512_set1_epi32(1));
  return scores_of(lanes, by, marks, norms_of(lanes, by, lengths));
}

void score(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count, const PostingScore& by,
           float* scores) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = lanes_left(count - i);
    const __m512i at = _mm512_maskz_loadu_epi32(lanes, ordinals + i);
    _mm512_mask_storeu_ps(scores + i, lanes, scores_at(lanes, by, at, codes + i));
  }
}

void accumulate(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count, const PostingScore& by,
                std::uint32_t first, float* window) {
  const __m512i origin = _mm512_set1_epi32(static_cast<int>(first));
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = lanes_left(count - i);
    const __m512i ordinal = _mm512_maskz_loadu_epi32(lanes, ordinals + i);
    const __m512i at = _mm512_sub_epi32(ordinal, origin);
    const __m512 sums = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, at, window, 4);
    const __m512 added = _mm512_add_ps(sums, scores_at(lanes, by, ordinal, codes + i));
    _mm512_mask_i32scatter_ps(window, lanes, at, added, 4);
  }
}

void accumulate_column(const std::uint8_t* marks, std::size_t size, const PostingScore& by, float* window) {
  for (std::size_t i = 0; i < size; i += kLanes) {
    const __mmask16 lanes = lanes_left(size - i);
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(marks + i));
    const __m512i sixteen = _mm512_maskz_cvtepu8_epi32(lanes, bytes);
    if (_mm512_test_epi32_mask(sixteen, sixteen) == 0) continue;
    const __m512 norms = norms_of(lanes, by, _mm512_maskz_loadu_epi32(lanes, by.lengths + i));
    const __m512 sums = _mm512_maskz_loadu_ps(lanes, window + i);
    _mm512_mask_storeu_ps(window + i, lanes, _mm512_add_ps(sums, scores_of(lanes, by, sixteen, norms)));
  }
}

std::size_t append_positions(__mmask16 kept, std::size_t begin, std::uint32_t* to) {
  const __m512i lane_numbers = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i here = _mm512_add_epi32(lane_numbers, _mm512_set1_epi32(static_cast<int>(begin)));
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(kept, here));
  return static_cast<std::size_t>(__builtin_popcount(kept));
}

std::size_t collect(const float* values, std::size_t size, float floor, std::uint32_t* positions) {
  const __m512 least = _mm512_set1_ps(floor);
  std::size_t count = 0;
  std::size_t i = 0;
  for (; i + 4 * kLanes <= size; i += 4 * kLanes) {
    __mmask16 kept[4];
    for (std::size_t j = 0; j < 4; ++j) {
      kept[j] = _mm512_cmp_ps_mask(_mm512_loadu_ps(values + i + j * kLanes), least, _CMP_GE_OQ);
    }
    if ((kept[0] | kept[1] | kept[2] | kept[3]) == 0) continue;
    for (std::size_t j = 0; j < 4; ++j) count += append_positions(kept[j], i + j * kLanes, positions + count);
  }
  for (; i < size; i += kLanes) {
    const __mmask16 lanes = lanes_left(size - i);
    const __m512 some = _mm512_maskz_loadu_ps(lanes, values + i);
    count += append_positions(_mm512_mask_cmp_ps_mask(lanes, some, least, _CMP_GE_OQ), i, positions + count);
  }
  return count;
}

void load(std::size_t count, const PostingScore& by, const float* window, const Candidates& candidates) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = lanes_left(count - i);
    const __m512i at = _mm512_maskz_loadu_epi32(lanes, candidates.positions + i);
    const __m512i lengths = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, at, by.lengths, 4);
    const __m512 scores = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, at, window, 4);
    _mm512_storeu_ps(candidates.norms + i, norms_of(lanes, by, lengths));
    _mm512_storeu_ps(candidates.scores + i, scores);
  }
}

void take_marks(const std::uint8_t* column, const std::uint32_t* positions, std::size_t count, Mark* marks) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = lanes_left(count - i);
    const __m512i at = _mm512_maskz_loadu_epi32(lanes, positions + i);
    const __m512i words = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, at, column, 1);
    _mm512_mask_storeu_epi32(marks + i, lanes, _mm512_and_si512(words, _mm512_set1_epi32(0xFF)));
  }
}

// Goes to the sixteen that the ordinal would be among, and compares it with those.
void find_marks(const std::uint32_t* ordinals, const std::uint32_t* codes, const std::uint32_t* positions,
                std::size_t count, std::uint32_t first, Mark* marks) {
  const __m256i last_lanes = _mm256_setr_epi32(15, 31, 47, 63, 79, 95, 111, 111);  // The eighth has the rest.
  const __m256i lasts = _mm256_mmask_i32gather_epi32(_mm256_setzero_si256(), 0xFF, last_lanes, ordinals, 4);
  for (std::size_t i = 0; i < count; ++i) {
    const auto wanted = static_cast<int>(first + positions[i]);
    const __mmask8 below = _mm256_cmplt_epu32_mask(lasts, _mm256_set1_epi32(wanted)) & 0x7F;
    const std::size_t begin = kLanes * static_cast<std::size_t>(__builtin_popcount(below));
    const __m512i sixteen = _mm512_loadu_si512(ordinals + begin);
    const unsigned equal = _mm512_cmpeq_epi32_mask(sixteen, _mm512_set1_epi32(wanted));
    const std::uint32_t mark = codes[begin + static_cast<unsigned>(__builtin_ctz(equal | 0x8000u))] + 1;
    marks[i] = mark & (0u - static_cast<std::uint32_t>(equal != 0));
  }
}

std::size_t complete(const Mark* marks, std::size_t count, const PostingScore& by, float floor,
                     const Candidates& candidates) {
  const __m512 least = _mm512_set1_ps(floor);
  std::size_t kept_count = 0;
  for (std::size_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = lanes_left(count - i);
    const __m512 norms = _mm512_maskz_loadu_ps(lanes, candidates.norms + i);
    const __m512i positions = _mm512_maskz_loadu_epi32(lanes, candidates.positions + i);
    const __m512 added = scores_of(lanes, by, _mm512_maskz_loadu_epi32(lanes, marks + i), norms);
    const __m512 scores = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, candidates.scores + i), added);
    const __mmask16 kept = _mm512_mask_cmp_ps_mask(lanes, scores, least, _CMP_GE_OQ);
    _mm512_storeu_si512(candidates.positions + kept_count, _mm512_maskz_compress_epi32(kept, positions));
    _mm512_storeu_ps(candidates.scores + kept_count, _mm512_maskz_compress_ps(kept, scores));
    _mm512_storeu_ps(candidates.norms + kept_count, _mm512_maskz_compress_ps(kept, norms));
    kept_count += static_cast<std::size_t>(__builtin_popcount(kept));
  }
  return kept_count;
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
  static constexpr PostingsKernels kKernels{"avx512", unpack, sum_gaps,   score,      accumulate, accumulate_column,
                                            collect,  load,   take_marks, find_marks, complete,   count_below};
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
