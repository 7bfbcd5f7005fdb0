// HnswSegment: a graph over compressed codes (Malkov & Yashunin 2018). A walk turns away by 1-bit codes and ranks by 4-bit
// codes; the 8-bit codes of the best that it met, `effort` of them, give the scores.
//
// Selections so small that looking at each vector is cheaper are looked at. Up to three tenths of all, those selected are
// looked at in the cells (vector_cells.h) that may hold near ones; above, the walk is over all and as much wider as fewer
// pass, and cells follow where it meets too few. Recall does not depend on the filter, time does. Memory at P padded
// dimensions: P bytes of 8-bit code, P / 8 of 1-bit code, 16 of factors, 112 of links, some 6 on upper levels, 6 of
// cells, 8 of id: 580 bytes at 384.
#pragma once

#include "index/hnsw_builder.h"
#include "index/vector_cells.h"

namespace ragtime::index {

class HnswSegment final : public FramedSegment {
 public:
  static std::shared_ptr<VectorSegment> build(const VectorRows& rows, const SegmentOptions& options);
  static Result<std::shared_ptr<VectorSegment>> load(const SnapshotReader& reader, std::string_view prefix,
                                                     std::size_t dimensions, std::vector<ChunkId> ids);

  VectorKind kind() const override { return VectorKind::hnsw; }
  EffortRange effort_range() const override { return {10, 1024}; }
  void search(const SegmentQuery& query, TopK& best) const override;
  void scores(std::span<const float> query, std::span<const std::uint32_t> ordinals,
              std::span<float> out) const override;
  void reconstruct(std::size_t ordinal, std::span<float> out) const override;
  std::size_t bytes() const override;
  void save(SnapshotWriter& writer, std::string_view prefix) const override;

 private:
  HnswSegment(std::vector<ChunkId> ids, std::shared_ptr<const CodeFrame> frame, HnswNodes nodes,
              std::vector<HnswLevel> levels, std::vector<Twin> twins);

  void prefetch_codes(std::uint32_t ordinal) const {
    nodes_.prefetch_high(ordinal);
    nodes_.prefetch_low(ordinal);
  }
  void bound_listed(const QueryCode& code, std::span<const std::uint32_t> ordinals, std::span<float> bounds) const;
  void search_listed(const QueryCode& code, std::span<const std::uint32_t> ordinals, TopK& best) const;
  // Those of the best `breadth` that pass the filter.
  std::vector<Hit> search_graph(const QueryCode& code, std::size_t breadth, const OrdinalFilter& filter,
                                std::optional<std::size_t> absent = std::nullopt) const;
  // For selections: by cells or one by one. False, and nothing done, if bits do not pay.
  bool search_marked(const QueryCode& code, const SegmentQuery& query, TopK& best) const;
  // Those marked in this thread's workspace, so many.
  void search_cells(const QueryCode& code, const SegmentQuery& query, std::size_t matches, TopK& best) const;
  void calibrate_cells(const VectorRows& rows, std::uint64_t seed);
  // What passes of the pool of this thread's walk.
  std::vector<Hit> pool_hits(const QueryCode& code, const OrdinalFilter& filter) const;
  std::span<const Twin> twins_of(std::uint32_t ordinal) const;

  HnswNodes nodes_;
  std::vector<HnswLevel> levels_;  // The lowest first.
  std::vector<Twin> twins_;
  VectorCells cells_;
};

}  // namespace ragtime::index
