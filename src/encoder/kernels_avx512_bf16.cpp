#if defined(__AVX512F__) && defined(__AVX512BF16__)
#define KERNEL_LANES 16
#include "encoder/encoder_config.h"
#include "encoder/kernels_body.h"

namespace ragtime::encoder {
namespace {

// Attention of one head in bf16. Sixteen queries lie in the lanes of a vector; keys, and then the elements of the
// values, are broadcast to them. So the maxima and sums of the softmax need no exchange between lanes, and the keys lie
// in memory as they came. The softmax goes over the keys once, in blocks (Milakov and Gimelshein, "Online normalizer
// calculation for softmax", 2018), and in powers of two: the queries are scaled by log₂ e / √width beforehand.
constexpr std::size_t kQueries = 16;
constexpr std::size_t kKeysAtOnce = 16;
constexpr std::size_t kBlockKeys = 128;
constexpr float kLog2E = 1.44269504088896341f;

#define KERNEL_INLINE inline __attribute__((always_inline))

// Pairs of bf16: for queries and keys neighbours in a row, for probabilities and values of two neighbouring keys.
using Pair = std::uint32_t __attribute__((may_alias));

// The buffers of one head, all of them in AttentionHead::scratch.
struct Bf16Head {
  const AttentionHead& head;
  Pair* keys;     // [length rounded up to kKeysAtOnce][width / 2]
  Pair* values;   // [length / 2 rounded up][width]
  Pair* queries;  // [width / 2][kQueries]
  float* scores;  // [kBlockKeys][kQueries], then as pairs the probabilities [kBlockKeys / 2][kQueries]
  float* sums;    // [width][kQueries]
};

struct Softmax {
  __m512 most = _mm512_set1_ps(kLowest);
  __m512 total = _mm512_setzero_ps();
};

KERNEL_INLINE __m512i as_pairs(__m512 low, __m512 high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

// The first sixteen bf16 of `pairs` become the low, the others the high halves.
KERNEL_INLINE __m512i interleaved(__m512i pairs) {
  alignas(64) static constexpr std::uint16_t kFrom[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                          8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kFrom), pairs);
}

KERNEL_INLINE __m512 multiply_add(__m512 sums, const Pair* broadcast, __m512i lanes) {
  const __m512i factor = _mm512_set1_epi32(static_cast<int>(*broadcast));
  return _mm512_dpbf16_ps(sums, reinterpret_cast<__m512bh>(factor), reinterpret_cast<__m512bh>(lanes));
}

// 2ˣ for x ≤ 0, with a relative error of 8e-5: 2^⌊x⌋ times a polynomial in the rest, which minimises that error.
KERNEL_INLINE __m512 power_of_two(__m512 x) {
  constexpr int kRoundDown = 0x09;
  const __m512 rest = _mm512_reduce_ps(x, kRoundDown);
  __m512 p = _mm512_set1_ps(7.80246985e-2f);
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(2.26067419e-1f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(6.95833164e-1f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(9.99925288e-1f));
  return _mm512_scalef_ps(p, x);
}

KERNEL_INLINE void transpose(__m512 (&rows)[16]) {
  __m512 twos[16];
  for (std::size_t i = 0; i < 16; i += 2) {
    twos[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    twos[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  }
  __m512d fours[16];  // [4 g + c]: of rows 4 g … 4 g + 3 the columns c, 4 + c, 8 + c and 12 + c.
  for (std::size_t i = 0; i < 16; i += 4) {
    for (std::size_t c = 0; c < 2; ++c) {
      const __m512d above = _mm512_castps_pd(twos[i + c]);
      const __m512d below = _mm512_castps_pd(twos[i + c + 2]);
      fours[i + 2 * c] = _mm512_unpacklo_pd(above, below);
      fours[i + 2 * c + 1] = _mm512_unpackhi_pd(above, below);
    }
  }
  for (std::size_t c = 0; c < 4; ++c) {
    const __m512d a = _mm512_shuffle_f64x2(fours[c], fours[4 + c], 0x44);
    const __m512d b = _mm512_shuffle_f64x2(fours[8 + c], fours[12 + c], 0x44);
    const __m512d d = _mm512_shuffle_f64x2(fours[c], fours[4 + c], 0xee);
    const __m512d e = _mm512_shuffle_f64x2(fours[8 + c], fours[12 + c], 0xee);
    rows[c] = _mm512_castpd_ps(_mm512_shuffle_f64x2(a, b, 0x88));
    rows[4 + c] = _mm512_castpd_ps(_mm512_shuffle_f64x2(a, b, 0xdd));
    rows[8 + c] = _mm512_castpd_ps(_mm512_shuffle_f64x2(d, e, 0x88));
    rows[12 + c] = _mm512_castpd_ps(_mm512_shuffle_f64x2(d, e, 0xdd));
  }
}

template <std::size_t W>
KERNEL_INLINE void pack_keys_bf16(const Bf16Head& packed) {
  const AttentionHead& head = packed.head;
  const std::size_t rows = (head.length + kKeysAtOnce - 1) / kKeysAtOnce * kKeysAtOnce;
  for (std::size_t j = 0; j < rows; ++j) {
    for (std::size_t d = 0; d < W; d += 32) {
      const float* key = head.key + j * head.stride + d;
      const bool present = j < head.length;
      const __m512i pairs =
          present ? as_pairs(_mm512_loadu_ps(key), _mm512_loadu_ps(key + 16)) : _mm512_setzero_si512();
      _mm512_storeu_si512(packed.keys + (j * W + d) / 2, pairs);
    }
  }
}

template <std::size_t W>
KERNEL_INLINE void pack_values_bf16(const Bf16Head& packed) {
  const AttentionHead& head = packed.head;
  for (std::size_t j = 0; j < head.length; j += 2) {
    for (std::size_t d = 0; d < W; d += 16) {
      const float* value = head.value + j * head.stride + d;
      const __m512 low = _mm512_loadu_ps(value);
      const __m512 high = j + 1 < head.length ? _mm512_loadu_ps(value + head.stride) : _mm512_setzero_ps();
      _mm512_storeu_si512(packed.values + j / 2 * W + d, interleaved(as_pairs(low, high)));
    }
  }
}

// Transposed and scaled.
template <std::size_t W>
KERNEL_INLINE void pack_queries_bf16(const Bf16Head& packed, std::size_t first, std::size_t count) {
  const AttentionHead& head = packed.head;
  const __m512 factor = _mm512_set1_ps(kLog2E / square_root(static_cast<float>(W)));
  for (std::size_t d = 0; d < W; d += 32) {
    __m512 rows[16];
    for (std::size_t r = 0; r < kQueries; ++r) {
      const float* query = head.query + (first + (r < count ? r : 0)) * head.stride + d;
      const __m512 low = _mm512_loadu_ps(query) * factor;
      const __m512 high = _mm512_loadu_ps(query + 16) * factor;
      rows[r] = _mm512_castsi512_ps(as_pairs(low, high));
    }
    transpose(rows);
    for (std::size_t k = 0; k < 16; ++k) _mm512_storeu_ps(packed.queries + (d / 2 + k) * kQueries, rows[k]);
  }
}

template <std::size_t W>
KERNEL_INLINE void score_keys(const Bf16Head& packed, std::size_t first_key, std::size_t count) {
  for (std::size_t j = 0; j < count; j += kKeysAtOnce) {
    const Pair* keys = packed.keys + (first_key + j) * (W / 2);
    __m512 sums[kKeysAtOnce] = {};
    for (std::size_t k = 0; k < W / 2; ++k) {
      const __m512i queries = _mm512_loadu_si512(packed.queries + k * kQueries);
#pragma GCC unroll 16
      for (std::size_t r = 0; r < kKeysAtOnce; ++r) sums[r] = multiply_add(sums[r], keys + r * (W / 2) + k, queries);
    }
    for (std::size_t r = 0; r < kKeysAtOnce; ++r) _mm512_storeu_ps(packed.scores + (j + r) * kQueries, sums[r]);
  }
}

KERNEL_INLINE __m512 largest_of(const float* scores, std::size_t count, __m512 most) {
  __m512 others = most;
  std::size_t j = 0;
  for (; j + 2 <= count; j += 2) {
    most = _mm512_max_ps(most, _mm512_loadu_ps(scores + j * kQueries));
    others = _mm512_max_ps(others, _mm512_loadu_ps(scores + (j + 1) * kQueries));
  }
  if (j < count) most = _mm512_max_ps(most, _mm512_loadu_ps(scores + j * kQueries));
  return _mm512_max_ps(most, others);
}

// Scores to pairs of probabilities, relative to the largest score so far; returns what earlier ones are to be
// multiplied by.
KERNEL_INLINE __m512 soften(const Bf16Head& packed, std::size_t count, Softmax& softmax) {
  const __m512 most = largest_of(packed.scores, count, softmax.most);
  const __m512 rescale = power_of_two(softmax.most - most);
  softmax.most = most;
  __m512 even = _mm512_setzero_ps();
  __m512 odd = _mm512_setzero_ps();
  for (std::size_t j = 0; j < count; j += 2) {
    const float* scores = packed.scores + j * kQueries;
    const __m512 low = power_of_two(_mm512_loadu_ps(scores) - most);
    const __m512 high = j + 1 < count ? power_of_two(_mm512_loadu_ps(scores + kQueries) - most) : _mm512_setzero_ps();
    even += low;
    odd += high;
    _mm512_storeu_si512(packed.scores + j / 2 * kQueries, interleaved(as_pairs(low, high)));
  }
  softmax.total = softmax.total * rescale + (even + odd);
  return rescale;
}

template <std::size_t W>
KERNEL_INLINE void add_values(const Bf16Head& packed, std::size_t first_key, std::size_t count, __m512 rescale) {
  for (std::size_t d = 0; d < W; d += 16) {
    const Pair* values = packed.values + first_key / 2 * W + d;
    __m512 sums[16];
    for (std::size_t r = 0; r < 16; ++r) sums[r] = _mm512_loadu_ps(packed.sums + (d + r) * kQueries) * rescale;
    for (std::size_t j = 0; j < (count + 1) / 2; ++j) {
      const __m512i probabilities = _mm512_loadu_si512(packed.scores + j * kQueries);
#pragma GCC unroll 16
      for (std::size_t r = 0; r < 16; ++r) sums[r] = multiply_add(sums[r], values + j * W + r, probabilities);
    }
    for (std::size_t r = 0; r < 16; ++r) _mm512_storeu_ps(packed.sums + (d + r) * kQueries, sums[r]);
  }
}

template <std::size_t W>
KERNEL_INLINE void attend_queries(const Bf16Head& packed, std::size_t first, std::size_t count) {
  const AttentionHead& head = packed.head;
  pack_queries_bf16<W>(packed, first, count);
  for (std::size_t d = 0; d < W; ++d) _mm512_storeu_ps(packed.sums + d * kQueries, _mm512_setzero_ps());
  Softmax softmax;
  for (std::size_t key = 0; key < head.length; key += kBlockKeys) {
    const std::size_t keys = key + kBlockKeys < head.length ? kBlockKeys : head.length - key;
    score_keys<W>(packed, key, keys);
    const __m512 rescale = soften(packed, keys, softmax);
    add_values<W>(packed, key, keys, rescale);
  }
  const __m512 inverse = 1.f / softmax.total;
  for (std::size_t d = 0; d < W; d += 16) {
    __m512 rows[16];
    for (std::size_t r = 0; r < 16; ++r) rows[r] = _mm512_loadu_ps(packed.sums + (d + r) * kQueries) * inverse;
    transpose(rows);
    for (std::size_t r = 0; r < count; ++r) _mm512_storeu_ps(head.out + (first + r) * head.out_stride + d, rows[r]);
  }
}

template <std::size_t W>
void attend_bf16(const AttentionHead& head) {
  const std::size_t rows = (head.length + kKeysAtOnce - 1) / kKeysAtOnce * kKeysAtOnce;
  auto* const keys = reinterpret_cast<Pair*>(head.scratch);
  auto* const values = keys + rows * (W / 2);
  auto* const queries = values + rows / 2 * W;
  auto* const scores = reinterpret_cast<float*>(queries + W / 2 * kQueries);
  const Bf16Head packed{head, keys, values, queries, scores, scores + kBlockKeys * kQueries};
  pack_keys_bf16<W>(packed);
  pack_values_bf16<W>(packed);
  for (std::size_t row = 0; row < head.length; row += kQueries) {
    attend_queries<W>(packed, row, row + kQueries < head.length ? kQueries : head.length - row);
  }
}

#undef KERNEL_INLINE

// The widths of nearly all models.
void attend_coarse_bf16(const AttentionHead& head) {
  if (head.width == 32) return attend_bf16<32>(head);
  if (head.width == 64) return attend_bf16<64>(head);
  attend(head);
}

constexpr Kernels make_bf16_kernels() {
  Kernels kernels = make_kernels("avx512_bf16");
  kernels.attend_coarse = attend_coarse_bf16;
  return kernels;
}

}  // namespace

const Kernels* avx512_bf16_kernels() {
  static constexpr Kernels kKernels = make_bf16_kernels();
  return has_avx512_bf16() ? &kKernels : nullptr;
}

}  // namespace ragtime::encoder

#else
#include "encoder/kernels.h"

namespace ragtime::encoder {

const Kernels* avx512_bf16_kernels() {
  return nullptr;
}

}  // namespace ragtime::encoder
#endif
