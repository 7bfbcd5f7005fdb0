// Product kernels: products of many vectors with many centroids, and of one query with product-quantised codes, once
// per instruction set.
//
// Those of integers give the same bits everywhere; those of floats differ in the order of additions.
// best_product_kernels() picks at run time. Thread safety: all functions are pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ragtime::index {

// Centroids that lie together in a panel: value i of centroid c at [i * kPanelWidth + c].
inline constexpr std::size_t kPanelWidth = 32;
// Vectors whose 4-bit codes lie together: of codes 2p and 2p + 1 of vector v, the first is in the lower bits of byte
// [p * kCodeBlock + v], the second in the upper bits. As few as a register takes, so that one vector's codes lie in
// few cache lines.
inline constexpr std::size_t kCodeBlock = 16;
// Codewords of one subspace: what 4 bits tell apart.
inline constexpr std::size_t kCodewords = 16;

struct ProductKernels {
  const char* name;

  // out[i * kPanelWidth + c] = <rows + i * size, centroid c of the panel>
  void (*panel_products)(const float* rows, std::size_t count, std::size_t size, const float* panel, float* out);

  // The nearest of kCodewords codewords to a vector of `size` values; codebook[i * kCodewords + c] is value i of c.
  std::uint8_t (*nearest_codeword)(const float* vector, std::size_t size, const float* codebook);

  // For `blocks` blocks of kCodeBlock vectors of 2 · pairs codes: out[v] = Σ_m table[m * kCodewords + code m of v].
  void (*table_sums)(const std::uint8_t* codes, std::size_t blocks, std::size_t pairs, const std::uint8_t* table,
                     std::int32_t* out);
};

// That sum for one vector, whose first byte of codes is given: for one of a block it is faster.
std::int32_t table_sum(const std::uint8_t* codes, std::size_t pairs, const std::uint8_t* table);

const ProductKernels& portable_product_kernels();
// Null where this processor lacks the instructions.
const ProductKernels* avx2_product_kernels();
const ProductKernels* avx512_product_kernels();
const ProductKernels& best_product_kernels();

}  // namespace ragtime::index
