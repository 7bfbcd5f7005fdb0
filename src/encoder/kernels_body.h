// The kernels' source, compiled once per instruction set with KERNEL_LANES floats in a vector.
//
// Only built-in vector types and nothing from the standard library's inline functions: those would be shared by the
// linker, and a processor without the instruction set could end up in this file's version.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#include "encoder/kernels.h"

#ifndef KERNEL_LANES
#define KERNEL_LANES 4
#endif

namespace ragtime::encoder {
namespace {

constexpr std::size_t kLanes = KERNEL_LANES;
constexpr float kLowest = -3.0e38f;

using Floats = float __attribute__((vector_size(4 * KERNEL_LANES)));
using Ints = std::int32_t __attribute__((vector_size(4 * KERNEL_LANES)));
using Shorts = std::uint16_t __attribute__((vector_size(2 * KERNEL_LANES)));
using Bytes = std::uint8_t __attribute__((vector_size(KERNEL_LANES)));
// The same at any address. Typedefs: in an alias Clang leaves the alignment out, and its stores fault.
typedef float FloatsAt __attribute__((vector_size(4 * KERNEL_LANES), aligned(4), may_alias));
typedef std::int32_t IntsAt __attribute__((vector_size(4 * KERNEL_LANES), aligned(4), may_alias));
typedef std::uint16_t ShortsAt __attribute__((vector_size(2 * KERNEL_LANES), aligned(2), may_alias));
using Short = std::uint16_t __attribute__((may_alias));
typedef std::uint8_t BytesAt __attribute__((vector_size(KERNEL_LANES), aligned(1), may_alias));
static_assert(alignof(FloatsAt) == 4 && alignof(IntsAt) == 4 && alignof(ShortsAt) == 2 && alignof(BytesAt) == 1);

#define KERNEL_INLINE inline __attribute__((always_inline))

KERNEL_INLINE Floats load(const float* at) {
  return *reinterpret_cast<const FloatsAt*>(at);
}
KERNEL_INLINE void store(float* at, Floats values) {
  *reinterpret_cast<FloatsAt*>(at) = values;
}
KERNEL_INLINE Floats fill(float value) {
  return Floats{} + value;
}
KERNEL_INLINE Floats larger(Floats a, Floats b) {
  return a > b ? a : b;
}
KERNEL_INLINE Floats smaller(Floats a, Floats b) {
  return a < b ? a : b;
}
KERNEL_INLINE Floats absolute(Floats v) {
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(v) & 0x7fffffff);
}
// Lane i holds what lane i ^ distance held.
KERNEL_INLINE Floats exchanged(Floats values, std::size_t distance) {
#ifdef __clang__  // Makes one shuffle of the loop; GCC does not.
  Floats out{};
  for (std::size_t i = 0; i < kLanes; ++i) out[i] = values[i ^ distance];
  return out;
#else
  Ints from{};
  for (std::size_t i = 0; i < kLanes; ++i) from[i] = static_cast<std::int32_t>(i ^ distance);
  return __builtin_shuffle(values, from);
#endif
}
KERNEL_INLINE float sum(Floats values) {
#pragma GCC unroll 4
  for (std::size_t distance = kLanes / 2; distance > 0; distance /= 2) values += exchanged(values, distance);
  return values[0];
}
KERNEL_INLINE float largest(Floats values) {
#pragma GCC unroll 4
  for (std::size_t distance = kLanes / 2; distance > 0; distance /= 2) {
    values = larger(values, exchanged(values, distance));
  }
  return values[0];
}
KERNEL_INLINE float square_root(float value) {
  return __builtin_sqrtf(value);
}
KERNEL_INLINE std::size_t round_up(std::size_t size) {
  return (size + kLanes - 1) / kLanes * kLanes;
}

// Cephes' method: eˣ = 2ⁿ · eʳ with |r| ≤ ln 2 / 2; relative error some 2e-7. Arguments are clamped to ±87.
KERNEL_INLINE Floats exponential(Floats x) {
  constexpr float kRound = 12582912.f;  // 1.5 · 2²³: adding it leaves the nearest integer in the low bits.
  x = smaller(larger(x, fill(-87.f)), fill(87.f));
  const Floats shifted = x * 1.44269504088896341f + kRound;
  const Floats n = shifted - kRound;
  const Floats r = x - n * 0.693359375f + n * 2.12194440e-4f;
  Floats p = fill(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.f;
  const Ints exponent = (reinterpret_cast<Ints>(shifted) + (127 - 0x4b400000)) << 23;
  return p * reinterpret_cast<Floats>(exponent);
}

// x · Φ(x) = max(x, 0) - |x| · Φ(-|x|), with Φ by formula 7.1.26 of Abramowitz and Stegun.
KERNEL_INLINE Floats gelu_erf_of(Floats x) {
  const Floats z = absolute(x) * 0.70710678118654752f;
  const Floats t = 1.f / (1.f + 0.3275911f * z);
  Floats p = fill(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  return larger(x, Floats{}) - 0.5f * absolute(x) * (p * t) * exponential(-(z * z));
}

// x · (1/2 + x · P(x²)) with the argument of P clamped to 4.5²; P minimises the error of the whole.
KERNEL_INLINE Floats gelu_erf_coarse_of(Floats x) {
  const Floats c = smaller(larger(x, fill(-4.5f)), fill(4.5f));
  const Floats t = c * c;
  Floats p = fill(3.036428747e-11f);
  p = p * t - 3.314669428e-09f;
  p = p * t + 1.591000398e-07f;
  p = p * t - 4.451736004e-06f;
  p = p * t + 8.142524166e-05f;
  p = p * t - 1.037591835e-03f;
  p = p * t + 9.585204534e-03f;
  p = p * t - 6.598465890e-02f;
  p = p * t + 3.987126052e-01f;
  return x * (0.5f + c * p);
}

// x · (1 + tanh u) / 2 = x / (1 + e⁻²ᵘ)
KERNEL_INLINE Floats gelu_tanh_of(Floats x) {
  const Floats u = x * (1.5957691216057308f + 0.07135481282f * x * x);
  return x / (1.f + exponential(-u));
}

KERNEL_INLINE Floats relu_of(Floats x) {
  return larger(x, Floats{});
}

// Calls f(index, vector) for whole vectors and once for the rest, which is padded with zeros and given its size.
template <Floats (*Function)(Floats)>
KERNEL_INLINE void apply(float* row, std::size_t size) {
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) store(row + i, Function(load(row + i)));
  if (i == size) return;
  Floats rest{};
  for (std::size_t j = i; j < size; ++j) rest[j - i] = row[j];
  rest = Function(rest);
  for (std::size_t j = i; j < size; ++j) row[j] = rest[j - i];
}

void gelu_erf(float* row, std::size_t size) {
  apply<gelu_erf_of>(row, size);
}
void gelu_erf_coarse(float* row, std::size_t size) {
  apply<gelu_erf_coarse_of>(row, size);
}
void gelu_tanh(float* row, std::size_t size) {
  apply<gelu_tanh_of>(row, size);
}
void relu(float* row, std::size_t size) {
  apply<relu_of>(row, size);
}

void layer_norm(float* row, std::size_t size, const float* scale, const float* shift, float epsilon) {
  Floats totals{};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) totals += load(row + i);
  float total = sum(totals);
  for (; i < size; ++i) total += row[i];
  const float mean = total / static_cast<float>(size);

  Floats squares{};
  for (i = 0; i + kLanes <= size; i += kLanes) {
    const Floats centred = load(row + i) - mean;
    squares += centred * centred;
  }
  float square = sum(squares);
  for (; i < size; ++i) square += (row[i] - mean) * (row[i] - mean);
  const float factor = 1.f / square_root(square / static_cast<float>(size) + epsilon);

  for (i = 0; i + kLanes <= size; i += kLanes) {
    store(row + i, (load(row + i) - mean) * factor * load(scale + i) + load(shift + i));
  }
  for (; i < size; ++i) row[i] = (row[i] - mean) * factor * scale[i] + shift[i];
}

KERNEL_INLINE Shorts to_bf16_of(Floats values) {
#ifdef __AVX512BF16__
  return reinterpret_cast<Shorts>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(values)));
#else
  const Ints bits = reinterpret_cast<Ints>(values);
  const Ints rounded = bits + 0x7fff + ((bits >> 16) & 1);
  return __builtin_convertvector((rounded >> 16) & 0xffff, Shorts);
#endif
}

void to_bf16(const float* row, std::size_t size, std::uint16_t* out) {
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) *reinterpret_cast<ShortsAt*>(out + i) = to_bf16_of(load(row + i));
  Floats rest{};
  for (std::size_t j = i; j < size; ++j) rest[j - i] = row[j];
  const Shorts shorts = to_bf16_of(rest);
  auto* to = reinterpret_cast<Short*>(out);
  for (std::size_t j = i; j < size; ++j) to[j] = shorts[j - i];
}

RowScale quantize(const float* row, std::size_t size, std::uint8_t* out) {
  Floats low = fill(row[0]);
  Floats high = low;
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    low = smaller(low, load(row + i));
    high = larger(high, load(row + i));
  }
  float least = -largest(-low);
  float most = largest(high);
  for (; i < size; ++i) {
    least = row[i] < least ? row[i] : least;
    most = row[i] > most ? row[i] : most;
  }
  const float scale = (most - least) / 255.f;
  const float inverse = scale > 0 ? 1.f / scale : 0.f;
  for (i = 0; i + kLanes <= size; i += kLanes) {
    const Ints steps = __builtin_convertvector((load(row + i) - least) * inverse + 0.5f, Ints);
    *reinterpret_cast<BytesAt*>(out + i) = __builtin_convertvector(steps, Bytes);
  }
  for (; i < size; ++i) out[i] = static_cast<std::uint8_t>((row[i] - least) * inverse + 0.5f);
  return {scale, least};
}

template <bool Add>
KERNEL_INLINE void dequantize_row(const std::int32_t* sums, std::size_t size, RowScale row, const ColumnScales& columns,
                                  float* out) {
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    const Floats products = __builtin_convertvector(*reinterpret_cast<const IntsAt*>(sums + i), Floats);
    Floats values =
        (products * row.scale + load(columns.sum + i) * row.minimum) * load(columns.scale + i) + load(columns.bias + i);
    if constexpr (Add) values += load(out + i);
    store(out + i, values);
  }
  for (; i < size; ++i) {
    const float value =
        (static_cast<float>(sums[i]) * row.scale + columns.sum[i] * row.minimum) * columns.scale[i] + columns.bias[i];
    out[i] = Add ? out[i] + value : value;
  }
}

void dequantize(const std::int32_t* sums, std::size_t size, RowScale row, const ColumnScales& columns, float* out) {
  dequantize_row<false>(sums, size, row, columns, out);
}
void dequantize_add(const std::int32_t* sums, std::size_t size, RowScale row, const ColumnScales& columns, float* out) {
  dequantize_row<true>(sums, size, row, columns, out);
}

// out[R][C vectors] = a[R][depth] · b[depth][C vectors]; b's rows lie `b_stride` floats apart.
template <std::size_t R, std::size_t C>
KERNEL_INLINE void multiply_block(const float* a, std::size_t a_stride, const float* b, std::size_t b_stride,
                                  std::size_t depth, float* out, std::size_t out_stride) {
  Floats sums[R][C] = {};
  for (std::size_t k = 0; k < depth; ++k) {
    Floats columns[C];
    for (std::size_t c = 0; c < C; ++c) columns[c] = load(b + k * b_stride + c * kLanes);
    for (std::size_t r = 0; r < R; ++r) {
      for (std::size_t c = 0; c < C; ++c) {
        sums[r][c] += a[r * a_stride + k] * columns[c];
      }
    }
  }
  for (std::size_t r = 0; r < R; ++r) {
    for (std::size_t c = 0; c < C; ++c) store(out + r * out_stride + c * kLanes, sums[r][c]);
  }
}

// The same for `columns` elements, a multiple of kLanes.
template <std::size_t R>
KERNEL_INLINE void multiply_rows(const float* a, std::size_t a_stride, const float* b, std::size_t columns,
                                 std::size_t depth, float* out, std::size_t out_stride) {
  std::size_t c = 0;
  for (; c + 4 * kLanes <= columns; c += 4 * kLanes) {
    multiply_block<R, 4>(a, a_stride, b + c, columns, depth, out + c, out_stride);
  }
  for (; c + 2 * kLanes <= columns; c += 2 * kLanes) {
    multiply_block<R, 2>(a, a_stride, b + c, columns, depth, out + c, out_stride);
  }
  for (; c < columns; c += kLanes) {
    multiply_block<R, 1>(a, a_stride, b + c, columns, depth, out + c, out_stride);
  }
}

// In place e^((x - max) · factor) of the first `length` values, zero behind them; returns their sum.
KERNEL_INLINE float exponentials(float* row, std::size_t length, std::size_t padded, float factor) {
  for (std::size_t i = length; i < padded; ++i) row[i] = kLowest;
  Floats most = fill(kLowest);
  for (std::size_t i = 0; i < padded; i += kLanes) most = larger(most, load(row + i));
  const float shift = -largest(most) * factor;
  Floats total{};
  for (std::size_t i = 0; i < padded; i += kLanes) {
    const Floats power = exponential(load(row + i) * factor + shift);
    store(row + i, power);
    total += power;
  }
  float rest = 0;
  for (std::size_t i = length; i < padded; ++i) rest += row[i];
  return sum(total) - rest;
}

struct PackedHead {
  const AttentionHead& head;
  std::size_t length;  // Rounded up to whole vectors, as `width` is.
  std::size_t width;
  float* keys;    // [head.width][length]
  float* values;  // [length][width]
  float* scores;  // [4][length]
  float* rows;    // [4][width]
};

// Transposes.
KERNEL_INLINE void pack_keys(const PackedHead& packed) {
  const AttentionHead& head = packed.head;
  for (std::size_t j = 0; j < head.length; ++j) {
    const float* key = head.key + j * head.stride;
    for (std::size_t d = 0; d < head.width; ++d) packed.keys[d * packed.length + j] = key[d];
  }
  for (std::size_t d = 0; d < head.width; ++d) {
    for (std::size_t j = head.length; j < packed.length; ++j) packed.keys[d * packed.length + j] = 0;
  }
}

KERNEL_INLINE void pack_values(const PackedHead& packed) {
  const AttentionHead& head = packed.head;
  for (std::size_t j = 0; j < head.length; ++j) {
    float* values = packed.values + j * packed.width;
    for (std::size_t d = 0; d < head.width; ++d) values[d] = head.value[j * head.stride + d];
    for (std::size_t d = head.width; d < packed.width; ++d) values[d] = 0;
  }
}

template <std::size_t R>
KERNEL_INLINE void attend_rows(const PackedHead& packed, std::size_t first) {
  const AttentionHead& head = packed.head;
  multiply_rows<R>(head.query + first * head.stride, head.stride, packed.keys, packed.length, head.width, packed.scores,
                   packed.length);
  float totals[R];
  const float factor = 1.f / square_root(static_cast<float>(head.width));
  for (std::size_t r = 0; r < R; ++r) {
    totals[r] = exponentials(packed.scores + r * packed.length, head.length, packed.length, factor);
  }
  multiply_rows<R>(packed.scores, packed.length, packed.values, packed.width, head.length, packed.rows, packed.width);
  for (std::size_t r = 0; r < R; ++r) {
    const float inverse = 1.f / totals[r];
    const float* from = packed.rows + r * packed.width;
    float* to = head.out + (first + r) * head.out_stride;
    for (std::size_t i = 0; i < head.width; ++i) to[i] = from[i] * inverse;
  }
}

void attend(const AttentionHead& head) {
  const std::size_t length = round_up(head.length);
  const std::size_t width = round_up(head.width);
  float* const keys = head.scratch;
  float* const values = keys + head.width * length;
  float* const scores = values + length * width;
  const PackedHead packed{head, length, width, keys, values, scores, scores + 4 * length};
  pack_keys(packed);
  pack_values(packed);
  std::size_t row = 0;
  for (; row + 4 <= head.length; row += 4) attend_rows<4>(packed, row);
  for (; row < head.length; ++row) attend_rows<1>(packed, row);
}

constexpr Kernels make_kernels(const char* name) {
  return {name,    layer_norm, gelu_erf,   gelu_erf_coarse, gelu_tanh, relu,
          to_bf16, quantize,   dequantize, dequantize_add,  attend,    attend};
}

#undef KERNEL_INLINE

}  // namespace
}  // namespace ragtime::encoder
