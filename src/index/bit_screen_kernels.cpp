// Compiled for any processor; each variant says itself what it needs.
#include <array>

#include "index/bit_screen.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ragtime::index {
namespace {

#define SCREEN_INLINE inline __attribute__((always_inline))

SCREEN_INLINE std::size_t screen_singly(const BitScreenTask& task, std::uint32_t* positions) {
  const float offset = task.terms.offset + task.terms.slack;
  std::size_t found = 0;
  for (std::size_t row = 0; row < task.rows; ++row) {
    const std::uint64_t* code = task.heads + row / kBitBlock * kBitBlock * task.words + row % kBitBlock;
    int sum = 0;
    for (std::size_t word = 0; word < task.words; ++word) {
      sum += __builtin_popcountll(code[word * kBitBlock] ^ task.planes[word]);
      sum += 2 * __builtin_popcountll(code[word * kBitBlock] ^ task.planes[task.words + word]);
    }
    positions[found] = static_cast<std::uint32_t>(row);
    found += task.scales[row] * (offset + task.terms.factor * static_cast<float>(sum)) >= task.floor ? 1 : 0;
  }
  return found;
}

std::size_t screen_portably(const BitScreenTask& task, std::uint32_t* positions) {
  return screen_singly(task, positions);
}

#if defined(__x86_64__)

__attribute__((target("popcnt"))) std::size_t screen_by_popcnt(const BitScreenTask& task, std::uint32_t* positions) {
  return screen_singly(task, positions);
}

#define SCREEN_AVX512 __attribute__((target("avx512f,avx512dq,avx512vpopcntdq,popcnt")))

// Rows of codes that are fetched ahead.
constexpr std::size_t kAhead = 128;

template <std::size_t Words>
SCREEN_AVX512 SCREEN_INLINE __m256i eight_sums(const std::uint64_t* codes, const __m512i (&planes)[2 * Words]) {
  __m512i ones = _mm512_setzero_si512();
  __m512i twos = _mm512_setzero_si512();
  for (std::size_t word = 0; word < Words; ++word) {
    const __m512i bits = _mm512_loadu_si512(codes + word * kBitBlock);
    _mm_prefetch(reinterpret_cast<const char*>(codes + word * kBitBlock + kAhead * Words), _MM_HINT_T0);
    ones = _mm512_add_epi64(ones, _mm512_popcnt_epi64(_mm512_xor_si512(bits, planes[word])));
    twos = _mm512_add_epi64(twos, _mm512_popcnt_epi64(_mm512_xor_si512(bits, planes[Words + word])));
  }
  return _mm512_cvtepi64_epi32(_mm512_add_epi64(ones, _mm512_add_epi64(twos, twos)));
}

template <std::size_t Words>
SCREEN_AVX512 std::size_t screen_sixteen(const BitScreenTask& task, std::uint32_t* positions) {
  __m512i planes[2 * Words];
  for (std::size_t i = 0; i < 2 * Words; ++i) planes[i] = _mm512_set1_epi64(static_cast<long long>(task.planes[i]));
  const __m512 offset = _mm512_set1_ps(task.terms.offset + task.terms.slack);
  const __m512 factor = _mm512_set1_ps(task.terms.factor);
  const __m512 floor = _mm512_set1_ps(task.floor);
  __m512i rows = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  std::size_t found = 0;
  for (std::size_t row = 0; row < task.rows; row += BitScreen::kGroup) {
    const std::uint64_t* codes = task.heads + row * Words;
    const __m512i low = _mm512_castsi256_si512(eight_sums<Words>(codes, planes));
    const __m512i sums = _mm512_inserti64x4(low, eight_sums<Words>(codes + kBitBlock * Words, planes), 1);
    const __m512 product = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), factor, offset);
    const __m512 bounds = _mm512_mul_ps(_mm512_loadu_ps(task.scales + row), product);
    const __mmask16 kept = _mm512_cmp_ps_mask(bounds, floor, _CMP_GE_OQ);
    if (kept != 0) {
      _mm512_storeu_si512(positions + found, _mm512_maskz_compress_epi32(kept, rows));
      found += static_cast<std::size_t>(__builtin_popcount(kept));
    }
    rows = _mm512_add_epi32(rows, _mm512_set1_epi32(BitScreen::kGroup));
  }
  return found;
}

std::size_t screen_by_avx512(const BitScreenTask& task, std::uint32_t* positions) {
  return task.words == 2 ? screen_sixteen<2>(task, positions) : screen_sixteen<3>(task, positions);
}

#endif

}  // namespace

std::span<const BitScreenKernel> bit_screen_kernels() {
#if defined(__x86_64__)
  static constexpr std::array<BitScreenKernel, 3> kKernels{screen_by_avx512, screen_by_popcnt, screen_portably};
  static const std::size_t lacking = []() -> std::size_t {
    if (!__builtin_cpu_supports("popcnt")) return 2;
    const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                            __builtin_cpu_supports("avx512vpopcntdq");
    return has_avx512 ? 0 : 1;
  }();
  return std::span(kKernels).subspan(lacking);
#else
  static constexpr std::array<BitScreenKernel, 1> kKernels{screen_portably};
  return kKernels;
#endif
}

}  // namespace ragtime::index
