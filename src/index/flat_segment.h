// FlatSegment: vectors in f32, compared with all of them. Exact.
#pragma once

#include "index/aligned_column.h"
#include "index/vector_segment.h"

namespace ragtime::index {

class FlatSegment final : public VectorSegment {
 public:
  FlatSegment(std::size_t dimensions, std::vector<ChunkId> ids, AlignedColumn<float> values);

  static std::shared_ptr<VectorSegment> build(const VectorRows& rows, const SegmentOptions& options);
  static Result<std::shared_ptr<VectorSegment>> load(const SnapshotReader& reader, std::string_view prefix,
                                                     std::size_t dimensions, std::vector<ChunkId> ids);

  VectorKind kind() const override { return VectorKind::flat; }
  void search(const SegmentQuery& query, TopK& best) const override;
  void scores(std::span<const float> query, std::span<const std::uint32_t> ordinals,
              std::span<float> out) const override;
  void reconstruct(std::size_t ordinal, std::span<float> out) const override;
  std::size_t bytes() const override { return id_bytes() + values_.bytes(); }
  void save(SnapshotWriter& writer, std::string_view prefix) const override;

 private:
  const float* row(std::size_t ordinal) const { return values_.data() + ordinal * dimensions(); }

  AlignedColumn<float> values_;  // Row-major.
};

}  // namespace ragtime::index
