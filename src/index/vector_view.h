// The VectorView of VectorIndex: base, what is removed from it, and what was added since.
//
// Thread safety: immutable.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "index/recent_vectors.h"
#include "index/removed_set.h"
#include "index/vector_index.h"
#include "index/vector_segment.h"

namespace ragtime::index {

// What a view is made of. Copies share almost everything.
struct VectorParts {
  std::shared_ptr<const VectorSegment> base{};  // Null: none yet.
  RemovedSet base_removed{};                    // Ordinals.
  RecentVectors recent;

  std::size_t base_size() const { return base ? base->size() : 0; }
  std::size_t base_living() const { return base_size() - base_removed.size(); }
  std::size_t living() const { return base_living() + recent.living(); }
  // The living ordinal of an id.
  std::optional<std::size_t> base_ordinal(ChunkId id) const;
};

class VectorPartsView final : public VectorView {
 public:
  VectorPartsView(std::size_t dimensions, double recall_target, VectorParts parts);

  std::vector<Hit> search(const VectorQuery& query) const override;
  std::vector<std::optional<float>> scores(std::span<const float> query, std::span<const ChunkId> ids) const override;
  bool contains(ChunkId id) const override;
  std::size_t size() const override { return parts_.living(); }
  std::size_t dimensions() const override { return dimensions_; }
  VectorIndexReport report() const override;

  const VectorParts& parts() const { return parts_; }

 private:
  void search_base(const VectorQuery& query, TopK& best) const;

  std::size_t dimensions_;
  double recall_target_;
  VectorParts parts_;
};

// The living vectors of a view in the order of their ids, to build a segment from. Borrows the parts.
class LivingRows final : public VectorRows {
 public:
  LivingRows(std::size_t dimensions, const VectorParts& parts);
  std::size_t dimensions() const override { return dimensions_; }
  std::span<const ChunkId> ids() const override { return ids_; }
  void read(std::size_t first, std::span<float> out) const override;

 private:
  struct Source {
    std::uint32_t position = 0;  // Ordinal in the base, or recent row.
    bool is_recent = false;
  };

  std::size_t dimensions_;
  const VectorParts& parts_;
  std::vector<ChunkId> ids_;
  std::vector<Source> sources_;
};

}  // namespace ragtime::index
