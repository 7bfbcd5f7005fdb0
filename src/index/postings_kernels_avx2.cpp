#include "index/postings_kernels.h"

#if defined(__AVX2__)
#include <algorithm>
#include <array>
#include <cstring>

#include <immintrin.h>

namespace ragtime::index {
namespace {

constexpr std::size_t kLanes = 8;

// Where 8 packed values lie: four in each of two loads of 16 bytes, the second of which may begin in mid-byte.
struct alignas(32) Layout {
  std::array<std::uint8_t, 32> bytes{};
  std::array<std::uint32_t, kLanes> shifts{};
};

constexpr auto kLayouts = [] {
  std::array<Layout, kPackedBitsMax + 1> layouts{};
  for (unsigned bits = 0; bits <= kPackedBitsMax; ++bits) {
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const unsigned bit = lane < 4 ? lane * bits : (lane - 4) * bits + bits % 2 * 4;
      for (unsigned i = 0; i < 4; ++i) layouts[bits].bytes[lane * 4 + i] = static_cast<std::uint8_t>(bit / 8 + i);
      layouts[bits].shifts[lane] = bit % 8;
    }
  }
  return layouts;
}();

__m256i load(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

void store(std::uint32_t* to, __m256i value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value);
}

void unpack(const std::uint8_t* packed, unsigned bits, std::uint32_t* values) {
  if (bits > kPackedBitsMax) {
    std::memcpy(values, packed, kPostingsBlock * sizeof(*values));
    return;
  }
  const __m256i bytes = load(kLayouts[bits].bytes.data());
  const __m256i shifts = load(kLayouts[bits].shifts.data());
  const __m256i mask = _mm256_set1_epi32((1 << bits) - 1);
  for (std::size_t i = 0; i < kPostingsBlock; i += kLanes, packed += bits) {
    const __m256i both = _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(packed + bits / 2),
                                             reinterpret_cast<const __m128i*>(packed));
    const __m256i spread = _mm256_shuffle_epi8(both, bytes);
    store(values + i, _mm256_and_si256(_mm256_srlv_epi32(spread, shifts), mask));
  }
}

void sum_gaps(std::uint32_t before, std::uint32_t* values) {
  __m256i carry = _mm256_set1_epi32(static_cast<int>(before));
  for (std::size_t i = 0; i < kPostingsBlock; i += kLanes) {
    __m256i x = _mm256_add_epi32(load(values + i), _mm256_set1_epi32(1));
    x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
    x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
    const __m256i low_sum = _mm256_permutevar8x32_epi32(x, _mm256_set1_epi32(3));
    x = _mm256_add_epi32(x, _mm256_blend_epi32(_mm256_setzero_si256(), low_sum, 0xF0));
    x = _mm256_add_epi32(x, carry);
    carry = _mm256_permutevar8x32_epi32(x, _mm256_set1_epi32(7));
    store(values + i, x);
  }
}

// Unsigned to float, each half exactly and their sum rounded once, as one conversion would.
__m256 to_float(__m256i values) {
  const __m256 high = _mm256_cvtepi32_ps(_mm256_srli_epi32(values, 16));
  const __m256 low = _mm256_cvtepi32_ps(_mm256_and_si256(values, _mm256_set1_epi32(0xFFFF)));
  return _mm256_add_ps(_mm256_mul_ps(high, _mm256_set1_ps(65536)), low);
}

__m256 norms_of(const PostingScore& by, __m256i lengths) {
  return _mm256_add_ps(_mm256_set1_ps(by.norm_base), _mm256_mul_ps(_mm256_set1_ps(by.norm_slope), to_float(lengths)));
}

__m256 scores_of(const PostingScore& by, __m256i marks, __m256 norms) {
  const __m256 tf = _mm256_i32gather_ps(by.frequencies, marks, 4);
  return _mm256_div_ps(_mm256_mul_ps(_mm256_set1_ps(by.weight), tf), _mm256_add_ps(tf, norms));
}

void score(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count, const PostingScore& by,
           float* scores) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m256i lengths = _mm256_i32gather_epi32(reinterpret_cast<const int*>(by.lengths), load(ordinals + i), 4);
    const __m256i marks = _mm256_add_epi32(load(codes + i), _mm256_set1_epi32(1));
    _mm256_storeu_ps(scores + i, scores_of(by, marks, norms_of(by, lengths)));
  }
  portable_postings_kernels().score(ordinals + i, codes + i, count - i, by, scores + i);
}

void accumulate(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count, const PostingScore& by,
                std::uint32_t first, float* window) {
  float scores[kPostingsBlock];
  score(ordinals, codes, count, by, scores);
  for (std::size_t i = 0; i < count; ++i) window[ordinals[i] - first] += scores[i];
}

void accumulate_column(const std::uint8_t* marks, std::size_t size, const PostingScore& by, float* window) {
  PostingScore rest = by;
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    const __m256i eight = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(marks + i)));
    const __m256 scores = scores_of(by, eight, norms_of(by, load(by.lengths + i)));
    _mm256_storeu_ps(window + i, _mm256_add_ps(_mm256_loadu_ps(window + i), scores));
  }
  rest.lengths += i;
  portable_postings_kernels().accumulate_column(marks + i, size - i, rest, window + i);
}

std::size_t collect(const float* values, std::size_t size, float floor, std::uint32_t* positions) {
  const __m256 least = _mm256_set1_ps(floor);
  std::size_t count = 0;
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    auto kept =
        static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(values + i), least, _CMP_GE_OQ)));
    for (; kept != 0; kept &= kept - 1) {
      positions[count++] = static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(__builtin_ctz(kept));
    }
  }
  for (; i < size; ++i) {
    if (values[i] >= floor) positions[count++] = static_cast<std::uint32_t>(i);
  }
  return count;
}

std::size_t complete(const Mark* marks, std::size_t count, const PostingScore& by, float floor,
                     const Candidates& candidates) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; i += kLanes) {
    const std::size_t lanes = std::min(kLanes, count - i);
    alignas(32) std::uint32_t given[kLanes] = {};
    std::copy_n(marks + i, lanes, given);
    const __m256 norms = _mm256_loadu_ps(candidates.norms + i);
    const __m256 sums = _mm256_add_ps(_mm256_loadu_ps(candidates.scores + i), scores_of(by, load(given), norms));
    alignas(32) float scores[kLanes];
    _mm256_store_ps(scores, sums);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      candidates.positions[kept] = candidates.positions[i + lane];
      candidates.norms[kept] = candidates.norms[i + lane];
      candidates.scores[kept] = scores[lane];
      kept += scores[lane] >= floor;
    }
  }
  return kept;
}

std::size_t count_below(const std::uint32_t* ordinals, std::uint32_t wanted) {
  const __m256i flip = _mm256_set1_epi32(static_cast<int>(0x80000000u));  // Unsigned order as signed.
  const __m256i bound = _mm256_xor_si256(_mm256_set1_epi32(static_cast<int>(wanted)), flip);
  int count = 0;
  for (std::size_t i = 0; i < kPostingsBlock; i += kLanes) {
    const __m256i below = _mm256_cmpgt_epi32(bound, _mm256_xor_si256(load(ordinals + i), flip));
    count += __builtin_popcount(static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(below))));
  }
  return static_cast<std::size_t>(count);
}

}  // namespace

const PostingsKernels* avx2_postings_kernels() {
  static const PostingsKernels kKernels = [] {
    PostingsKernels kernels = portable_postings_kernels();
    kernels.name = "avx2";
    kernels.unpack = unpack;
    kernels.sum_gaps = sum_gaps;
    kernels.score = score;
    kernels.accumulate = accumulate;
    kernels.accumulate_column = accumulate_column;
    kernels.collect = collect;
    kernels.complete = complete;
    kernels.count_below = count_below;
    return kernels;
  }();
  const bool present = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
  return present ? &kKernels : nullptr;
}

}  // namespace ragtime::index

#else

namespace ragtime::index {

const PostingsKernels* avx2_postings_kernels() {
  return nullptr;
}

}  // namespace ragtime::index
#endif
