// Codes of vectors: RaBitQ's 1-bit codes with their error bound (Gao & Long 2024) and codes of 4 and 8 bits in its
// manner (Gao et al. 2024).
//
// A vector x is taken less a centroid c and rotated at random: r = R(x − c). Its 1-bit code is the signs of r, its
// 8-bit code u = round(r / Δ + 127.5) with Δ = max|r| / 127.5, of which the upper four bits are the 4-bit code. With r̂
// the coordinates that a code stands for, and q = R(y − c) for a query y,
//   <x, y> ≈ <r̂, q> · |r|² / <r̂, r> + <x − c, c> + <c, y>
// without bias, with a standard deviation of |r| · |q| · tan(r̂, r) / √(P − 1) in P coordinates.
// Building the same code out of a decoded vector gives the same code, if the centroid is the same.
// Thread safety: immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/aligned_column.h"
#include "index/rotation.h"
#include "index/vector_kernels.h"
#include "index/vector_segment.h"

namespace ragtime::index {

// What estimates out of one code need: score = base + add + scale · (product of code and query); the standard deviation
// is error · QueryCode's deviation.
struct CodeTerms {
  float add = 0;
  float bit_scale = 0;
  float bit_error = 0;
  float coarse_scale = 0;
  float coarse_error = 0;
  float fine_scale = 0;
  float fine_error = 0;  // Of the 8-bit code against the query's coarse part.
};

// A query as codes are compared with it.
struct QueryCode {
  float base = 0;  // <c, y>
  float bit_step = 0;
  float bit_deviation = 0;
  float coarse_step = 0;  // Of a unit of `coarse`.
  float coarse_deviation = 0;
  float fine_deviation = 0;
  std::int64_t coarse_sum = 0;        // Σ coarse
  std::int64_t sum = 0;               // Σ 128 · coarse + fine
  AlignedColumn<std::int8_t> coarse;  // q ≈ coarse_step · coarse ≈ coarse_step / 128 · (128 · coarse + fine)
  AlignedColumn<std::int8_t> fine;
  std::vector<std::uint64_t> planes;  // q ≈ bit_step · Σ_p 2^p · (1 or −1), kQueryPlanes of them.
};

class CodeFrame {
 public:
  // Precondition: the centroid has `dimensions` values.
  CodeFrame(std::size_t dimensions, std::uint64_t seed, std::vector<float> centroid);

  // Around the mean of the rows; or that of options.previous, if its codes fit these rows nearly as well.
  static std::shared_ptr<const CodeFrame> fit(const VectorRows& rows, const SegmentOptions& options);

  std::size_t dimensions() const { return rotation_.dimensions(); }
  std::size_t coordinates() const { return rotation_.padded_dimensions(); }
  std::size_t words() const { return coordinates() / 64; }  // Of a 1-bit code.
  std::size_t half() const { return coordinates() / 2; }    // Bytes of a 4-bit code.

  // r for a vector; coordinates() values.
  void rotate(std::span<const float> vector, std::span<float> rotated) const;
  // Codes of a rotated vector: `high` and `low` have half() bytes each, laid out as VectorKernels say. `add` needs the
  // vector itself and is left 0.
  CodeTerms encode_rotated(std::span<const float> rotated, std::uint8_t* high, std::uint8_t* low) const;
  CodeTerms encode(std::span<const float> vector, std::span<float> rotated, std::uint8_t* high,
                   std::uint8_t* low) const;
  // The rotated vector that an 8-bit code stands for, and the vector.
  void decode_rotated(const std::uint8_t* high, const std::uint8_t* low, float scale, std::span<float> rotated) const;
  void decode(const std::uint8_t* high, const std::uint8_t* low, float scale, std::span<float> vector) const;

  // `planes` are those that 1-bit codes are compared with.
  QueryCode prepare(std::span<const float> query, bool with_planes = true) const;
  // The same into `code`, whose memory is used again.
  void prepare(std::span<const float> query, QueryCode& code, bool with_planes = true) const;
  // For a query given as R(y − c); base becomes 0.
  void prepare_rotated(std::span<const float> rotated, QueryCode& code, bool with_planes = true) const;

  void save(SnapshotWriter& writer, std::string_view prefix) const;
  static Result<std::shared_ptr<const CodeFrame>> load(const SnapshotReader& reader, std::string_view prefix,
                                                       std::size_t dimensions);

 private:
  Rotation rotation_;
  std::uint64_t seed_;
  std::vector<float> centroid_;
};

// Segments that have a frame, so that the next one can take it over.
class FramedSegment : public VectorSegment {
 public:
  FramedSegment(std::size_t dimensions, std::vector<ChunkId> ids, std::shared_ptr<const CodeFrame> frame)
      : VectorSegment(dimensions, std::move(ids)), frame_(std::move(frame)) {}
  const std::shared_ptr<const CodeFrame>& frame() const { return frame_; }

 private:
  std::shared_ptr<const CodeFrame> frame_;
};

// The inner product by an 8-bit code.
inline float fine_score(const VectorKernels& kernels, const QueryCode& query, const std::uint8_t* high,
                        const std::uint8_t* low, std::size_t half, float scale, float add) {
  const std::int64_t product = kernels.dot_fine(high, low, query.coarse.data(), query.fine.data(), half);
  const double centred = static_cast<double>(product) - 127.5 * static_cast<double>(query.sum);
  return query.base + add + scale * query.coarse_step / 128.0f * static_cast<float>(centred);
}

}  // namespace ragtime::index
