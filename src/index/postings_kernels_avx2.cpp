#include "index/postings_kernels.h"

#if defined(__AVX2__)
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

void score(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count, const PostingScore& by,
           float* scores) {
  const __m256 weight = _mm256_set1_ps(by.weight);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const __m256i lengths = _mm256_i32gather_epi32(reinterpret_cast<const int*>(by.lengths), load(ordinals + i), 4);
    const __m256 norm =
        _mm256_add_ps(_mm256_set1_ps(by.norm_base), _mm256_mul_ps(_mm256_set1_ps(by.norm_slope), to_float(lengths)));
    const __m256 tf = _mm256_i32gather_ps(by.frequencies, load(codes + i), 4);
    _mm256_storeu_ps(scores + i, _mm256_div_ps(_mm256_mul_ps(weight, tf), _mm256_add_ps(tf, norm)));
  }
  portable_postings_kernels().score(ordinals + i, codes + i, count - i, by, scores + i);
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
  static const PostingsKernels kKernels{"avx2",  unpack,     sum_gaps, score, portable_postings_kernels().accumulate,
                                        collect, count_below};
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
