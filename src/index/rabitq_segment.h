// RabitqSegment: a scan of 1-, 4- or 8-bit codes that computes 8-bit scores only where the error bound leaves a chance.
//
// The codes scanned give an estimate and a standard deviation for each vector. Those whose estimate plus `effort`
// eighths of the deviation reaches the worst of the best k so far get their score from the 8-bit code, in the same
// pass. Memory at P padded dimensions: P bytes of 8-bit code (the 4-bit code is a half of it), P / 8 for the 1-bit code
// if that is what is scanned, and 24 for factors and id.
#pragma once

#include "index/vector_codes.h"

namespace ragtime::index {

enum class ScanBits : std::uint8_t { one = 1, four = 4, eight = 8 };

class RabitqSegment final : public FramedSegment {
 public:
  template <ScanBits bits>
  static std::shared_ptr<VectorSegment> build(const VectorRows& rows, const SegmentOptions& options) {
    return build_with(bits, rows, options);
  }
  template <ScanBits bits>
  static Result<std::shared_ptr<VectorSegment>> load(const SnapshotReader& reader, std::string_view prefix,
                                                     std::size_t dimensions, std::vector<ChunkId> ids) {
    return load_with(bits, reader, prefix, dimensions, std::move(ids));
  }

  VectorKind kind() const override;
  EffortRange effort_range() const override { return {4, 64}; }
  void search(const SegmentQuery& query, TopK& best) const override;
  void scores(std::span<const float> query, std::span<const std::uint32_t> ordinals,
              std::span<float> out) const override;
  void reconstruct(std::size_t ordinal, std::span<float> out) const override;
  std::size_t bytes() const override;
  void save(SnapshotWriter& writer, std::string_view prefix) const override;

 private:
  struct Scan;
  // One value for each vector, and zeros to the end of the last block.
  struct Columns {
    AlignedColumn<std::uint64_t> bits;  // Blocks as VectorKernels say; only if that is what is scanned.
    AlignedColumn<std::uint8_t> high;   // half() bytes for each vector.
    AlignedColumn<std::uint8_t> low;
    AlignedColumn<float> add;
    AlignedColumn<float> scan_scale;
    AlignedColumn<float> scan_error;
    AlignedColumn<float> fine_scale;
  };

  RabitqSegment(ScanBits scan_bits, std::vector<ChunkId> ids, std::shared_ptr<const CodeFrame> frame, Columns columns);
  static Columns make_columns(ScanBits bits, std::size_t size, const CodeFrame& frame);
  static std::shared_ptr<VectorSegment> build_with(ScanBits bits, const VectorRows& rows,
                                                   const SegmentOptions& options);
  static Result<std::shared_ptr<VectorSegment>> load_with(ScanBits bits, const SnapshotReader& reader,
                                                          std::string_view prefix, std::size_t dimensions,
                                                          std::vector<ChunkId> ids);

  void store(std::size_t ordinal, std::span<const float> rotated, const CodeTerms& terms, Columns& columns) const;
  void scan_codes(const Scan& scan, std::size_t first, std::size_t count, float* upper) const;
  float score(const QueryCode& query, std::size_t ordinal) const;
  void search_listed(const QueryCode& code, std::span<const std::uint32_t> ordinals, TopK& best) const;

  ScanBits scan_bits_;
  Columns columns_;
};

}  // namespace ragtime::index
