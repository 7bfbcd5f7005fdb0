// HnswSegment: a graph over compressed codes (Malkov & Yashunin 2018). A walk turns away by 1-bit codes and ranks by 4-bit
// codes; the 8-bit codes of the best that it met, `effort` of them, give the scores.
//
// Filters: selections so small that looking at each vector is cheaper are looked at; otherwise the walk goes on until
// it has met enough, in proportion to how few pass; and where the best that pass lie away from the query, so that too
// few were met all the same, each is looked at after all. Recall does not depend on the filter, time does. Memory at P
// padded dimensions: P bytes of 8-bit code, P / 8 of 1-bit code, 16 of factors, 112 of links, some 6 on upper levels, 8
// of id: 574 bytes at 384.
#pragma once

#include "index/hnsw_builder.h"

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

  float score(const QueryCode& query, std::size_t ordinal) const;
  void search_listed(const QueryCode& code, const OrdinalFilter& filter, TopK& best) const;
  // Those of the best `breadth` that pass the filter.
  std::vector<Hit> search_graph(const QueryCode& code, std::size_t breadth, const OrdinalFilter& filter) const;
  std::span<const Twin> twins_of(std::uint32_t ordinal) const;

  HnswNodes nodes_;
  std::vector<HnswLevel> levels_;  // The lowest first.
  std::vector<Twin> twins_;
};

}  // namespace ragtime::index
