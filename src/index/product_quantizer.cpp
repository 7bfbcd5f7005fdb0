#include "index/product_quantizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/check.h"
#include "index/kmeans.h"
#include "index/product_kernels.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kIterations = 12;
constexpr float kTableMost = 255;
constexpr std::size_t kBookSize = ProductQuantizer::kPartSize * kCodewords;

using Part = std::array<float, ProductQuantizer::kPartSize>;

Part part_of(std::span<const float> vector, std::size_t part) {
  Part values{};
  const std::size_t first = std::min(part * values.size(), vector.size());
  std::copy_n(vector.begin() + static_cast<std::ptrdiff_t>(first), std::min(values.size(), vector.size() - first),
              values.begin());
  return values;
}

// Of a part of a query with the codewords of its book; the lowest and the highest.
float part_products(const float* values, const float* book, float* products, float& lowest) {
  std::array<float, kCodewords> sums{};
  for (std::size_t i = 0; i < ProductQuantizer::kPartSize; ++i) {
    for (std::size_t c = 0; c < kCodewords; ++c) sums[c] += values[i] * book[i * kCodewords + c];
  }
  float highest = sums[0];
  lowest = sums[0];
  for (const float sum : sums) {
    lowest = std::min(lowest, sum);
    highest = std::max(highest, sum);
  }
  std::copy(sums.begin(), sums.end(), products);
  return highest;
}

}  // namespace

ProductQuantizer::ProductQuantizer(std::size_t dimensions) : dimensions_(dimensions), codebooks_(parts() * kBookSize) {}

std::span<float> ProductQuantizer::codebook(std::size_t part) {
  return std::span(codebooks_).subspan(part * kBookSize, kBookSize);
}
std::span<const float> ProductQuantizer::codebook(std::size_t part) const {
  return std::span(codebooks_).subspan(part * kBookSize, kBookSize);
}

std::shared_ptr<const ProductQuantizer> ProductQuantizer::train(std::span<const float> rows, std::size_t dimensions,
                                                                std::uint64_t seed) {
  RAGTIME_CHECK(dimensions > 0 && !rows.empty() && rows.size() % dimensions == 0);
  std::shared_ptr<ProductQuantizer> quantizer(new ProductQuantizer(dimensions));
  std::vector<float> values(rows.size() / dimensions * kPartSize);
  for (std::size_t part = 0; part < quantizer->parts(); ++part) {
    for (std::size_t i = 0; i < rows.size() / dimensions; ++i) {
      const Part row = part_of(rows.subspan(i * dimensions, dimensions), part);
      std::copy(row.begin(), row.end(), values.begin() + static_cast<std::ptrdiff_t>(i * kPartSize));
    }
    const auto words = kmeans(values, kPartSize, {kCodewords, kIterations, seed + part});
    const auto book = quantizer->codebook(part);
    // With fewer rows than codewords, the last one fills the book.
    for (std::size_t c = 0; c < kCodewords; ++c) {
      const std::size_t from = std::min(c, words.size() / kPartSize - 1);
      for (std::size_t i = 0; i < kPartSize; ++i) book[i * kCodewords + c] = words[from * kPartSize + i];
    }
  }
  return quantizer;
}

void ProductQuantizer::encode(std::span<const float> vector, std::span<std::uint8_t> codes) const {
  RAGTIME_CHECK(vector.size() == dimensions_ && codes.size() == parts());
  const auto nearest = best_product_kernels().nearest_codeword;
  for (std::size_t part = 0; part < parts(); ++part) {
    const Part values = part_of(vector, part);
    codes[part] = nearest(values.data(), kPartSize, codebook(part).data());
  }
}

void ProductQuantizer::decode(std::span<const std::uint8_t> codes, std::span<float> vector) const {
  RAGTIME_CHECK(vector.size() == dimensions_ && codes.size() == parts());
  for (std::size_t i = 0; i < dimensions_; ++i) {
    vector[i] = codebook(i / kPartSize)[i % kPartSize * kCodewords + codes[i / kPartSize] % kCodewords];
  }
}

ProductTable ProductQuantizer::table(std::span<const float> query) const {
  RAGTIME_CHECK(query.size() == dimensions_);
  std::vector<float> values(query.begin(), query.end());
  values.resize(parts() * kPartSize);
  std::vector<float> products(parts() * kCodewords);
  std::vector<float> least(parts());
  float widest = 0;
  for (std::size_t part = 0; part < least.size(); ++part) {
    const float highest = part_products(&values[part * kPartSize], &codebooks_[part * kBookSize],
                                        &products[part * kCodewords], least[part]);
    widest = std::max(widest, highest - least[part]);
  }
  ProductTable table{std::vector<std::uint8_t>(products.size()), 0, widest / kTableMost, 0};
  const float inverse = widest > 0 ? kTableMost / widest : 0;
  for (std::size_t part = 0; part < least.size(); ++part) {
    const float* from = &products[part * kCodewords];
    std::uint8_t* entries = &table.entries[part * kCodewords];
    for (std::size_t c = 0; c < kCodewords; ++c) {
      entries[c] = static_cast<std::uint8_t>(static_cast<int>((from[c] - least[part]) * inverse + 0.5f));
    }
  }
  for (const float value : least) table.offset += value;
  table.error = table.step * std::sqrt(static_cast<float>(parts()) / 12);
  return table;
}

void ProductQuantizer::save(SnapshotWriter& writer, std::string_view prefix) const {
  writer.column(std::string(prefix) + "codebooks", std::span<const float>(codebooks_));
}

Result<std::shared_ptr<const ProductQuantizer>> ProductQuantizer::load(const SnapshotReader& reader,
                                                                       std::string_view prefix,
                                                                       std::size_t dimensions) {
  RAGTIME_TRY(const auto codebooks, reader.column<float>(std::string(prefix) + "codebooks"));
  std::shared_ptr<ProductQuantizer> quantizer(new ProductQuantizer(dimensions));
  if (codebooks.size() != quantizer->codebooks_.size() ||
      !std::all_of(codebooks.begin(), codebooks.end(), [](float value) { return std::isfinite(value); })) {
    return make_error(ErrorCode::corrupt, "The codebooks of the product quantisation do not fit the vectors.");
  }
  std::copy(codebooks.begin(), codebooks.end(), quantizer->codebooks_.begin());
  return std::shared_ptr<const ProductQuantizer>(quantizer);
}

}  // namespace ragtime::index
