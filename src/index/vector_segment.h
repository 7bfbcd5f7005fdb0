// VectorSegment: an immutable set of vectors, searchable in one way. Every kind of vector index implements this seam.
//
// Vectors are addressed by ordinal: their position in the ascending order of their ids, from 0. A segment is built once
// out of VectorRows, then only read; what changes afterwards (removals, additions) is the business of VectorIndex,
// which passes removals down as an OrdinalFilter. A segment keeps nothing of the rows; of a snapshot it keeps the
// columns alone that are large, where they lie: see aligned_column.h. Scores are inner products, within 0.01 of the
// exact ones of unit vectors for kinds that compress.
//
// To add a kind: derive from VectorSegment, write build and load functions of the two types of VectorSegmentFactory,
// and enter them in the table in vector_segment.cpp. The contract suite (vector_contract_test.cpp) then runs over it.
// Thread safety: const members may be called from any threads together; set_profile() belongs to whoever builds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/hit.h"
#include "index/ordinal_filter.h"
#include "index/top_k.h"
#include "index/vector_index.h"

namespace ragtime::index {

class SnapshotReader;
class SnapshotWriter;

// The vectors to build a segment from. They may be decoded on reading, so read ranges, each few times.
class VectorRows {
 public:
  virtual ~VectorRows() = default;
  virtual std::size_t dimensions() const = 0;
  virtual std::span<const ChunkId> ids() const = 0;  // Ascending, distinct; their count is the number of rows.
  // Writes rows first … first + out.size() / dimensions() − 1, row-major. Precondition: they exist.
  virtual void read(std::size_t first, std::span<float> out) const = 0;
};

// Calls function(first, values) with the values of all rows in turn, row-major, `most` rows at a time.
template <class Function>
void for_row_blocks(const VectorRows& rows, std::size_t most, Function function) {
  std::vector<float> values;
  const std::size_t count = rows.ids().size();
  for (std::size_t first = 0; first < count; first += most) {
    values.resize(std::min(most, count - first) * rows.dimensions());
    rows.read(first, values);
    function(first, std::span<const float>(values));
  }
}

// Rows that lie in memory. Borrows both.
class MemoryRows final : public VectorRows {
 public:
  MemoryRows(std::size_t dimensions, std::span<const ChunkId> ids, std::span<const float> values);
  std::size_t dimensions() const override { return dimensions_; }
  std::span<const ChunkId> ids() const override { return ids_; }
  void read(std::size_t first, std::span<float> out) const override;

 private:
  std::size_t dimensions_;
  std::span<const ChunkId> ids_;
  std::span<const float> values_;
};

struct SegmentOptions {
  std::uint64_t seed = 0;  // Of everything random: equal rows, seeds and machines give equal segments.
  const VectorSegment* previous =
      nullptr;  // What the rows mostly come from, if anything: parameters fitted to data may
                // be taken over from it, so that repeated merging does not add up errors.
  std::filesystem::path files{};  // A directory for columns that need not be resident; empty: they stay in memory.
  std::stop_token stop{};         // Asked for by kinds that take minutes: they give null then.
};

struct SegmentQuery {
  std::span<const float> vector;
  std::size_t effort = 0;  // Within effort_range(): rescore confidence, candidates kept, lists probed: the kind's own.
  const OrdinalFilter* filter = nullptr;  // Never null. Results pass it, and recall holds however few do.
  double recall_target = 0.95;            // What the effort is for.
  // A vector that the filter leaves out and that is not to help in finding others either, as though it had never been
  // there: for calibration.
  std::optional<std::size_t> absent{};
};

// How much effort reaches which recall of the first ten, measured by calibrate() on the segment's own vectors.
struct EffortPoint {
  double recall = 1;
  std::uint64_t effort = 0;
};

// What is known of a segment beyond its vectors; saved with it.
struct SegmentProfile {
  std::vector<EffortPoint> efforts{};  // Both ascending. Empty: exact, or never calibrated.
  std::string reason{};                // Why this kind.
};

struct EffortRange {
  std::size_t least = 0;
  std::size_t most = 0;  // Equal to least for kinds without a choice. Doubling is a sensible step in between.
};

class VectorSegment {
 public:
  VectorSegment(std::size_t dimensions, std::vector<ChunkId> ids);
  virtual ~VectorSegment() = default;
  VectorSegment(const VectorSegment&) = delete;
  VectorSegment& operator=(const VectorSegment&) = delete;

  std::size_t dimensions() const { return dimensions_; }
  std::size_t size() const { return ids_.size(); }
  std::span<const ChunkId> ids() const { return ids_; }
  std::span<const IdWord> id_words() const { return id_words_; }  // For OrdinalFilter.
  // The ordinal of an id, or size() when absent.
  std::size_t ordinal_of(ChunkId id) const;

  const SegmentProfile& profile() const { return profile_; }
  void set_profile(SegmentProfile profile) { profile_ = std::move(profile); }
  // The least effort measured to miss three quarters of what the target allows; the most that was measured when none
  // did, or the most of the range when nothing was.
  std::size_t effort_for(double recall_target) const;

  virtual VectorKind kind() const = 0;
  virtual EffortRange effort_range() const { return {}; }
  // Offers its best hits to `best`, which may hold others already: what it would not keep need not be offered.
  virtual void search(const SegmentQuery& query, TopK& best) const = 0;
  // Inner products with the given ordinals, as precise as those of search(). `out` is as long as `ordinals`.
  virtual void scores(std::span<const float> query, std::span<const std::uint32_t> ordinals,
                      std::span<float> out) const = 0;
  // The vector as far as it is known. Building the same kind anew out of this must not lose more precision.
  virtual void reconstruct(std::size_t ordinal, std::span<float> out) const = 0;
  // Resident bytes, ids included.
  virtual std::size_t bytes() const = 0;
  // Of columns that lie in a file and are read where they are needed: resident while the system has room.
  virtual std::size_t file_bytes() const { return 0; }
  // Those columns are not needed now: what a build, calibration or saving touched of them no longer counts as resident.
  virtual void release_file_pages() const {}
  // Writes all but ids and profile (save_segment() does those) as columns whose names start with `prefix`.
  virtual void save(SnapshotWriter& writer, std::string_view prefix) const = 0;

 protected:
  std::size_t id_bytes() const { return ids_.capacity() * sizeof(ChunkId) + id_words_.capacity() * sizeof(IdWord); }

 private:
  std::size_t dimensions_;
  std::vector<ChunkId> ids_;
  std::vector<IdWord> id_words_;
  SegmentProfile profile_;
};

struct VectorSegmentFactory {
  VectorKind kind;
  std::shared_ptr<VectorSegment> (*build)(const VectorRows& rows, const SegmentOptions& options);
  // Large columns come by reader.keep(), small ones are copied; the reader is gone afterwards. Errors: corrupt, when
  // columns are absent or do not fit each other; nothing that a damaged file holds may lead outside the memory of the
  // segment later.
  Result<std::shared_ptr<VectorSegment>> (*load)(const SnapshotReader& reader, std::string_view prefix,
                                                 std::size_t dimensions, std::vector<ChunkId> ids);
};

// All kinds that are implemented.
std::span<const VectorSegmentFactory> vector_segment_factories();
// Null for a kind that is not.
const VectorSegmentFactory* vector_segment_factory(VectorKind kind);

// A whole segment in columns: kind, ids, profile and the kind's own, all named from `prefix`.
void save_segment(SnapshotWriter& writer, std::string_view prefix, const VectorSegment& segment);
// Errors: corrupt; unsupported (a kind this program does not have); conflict (other dimensions).
Result<std::shared_ptr<VectorSegment>> load_segment(const SnapshotReader& reader, std::string_view prefix,
                                                    std::size_t dimensions);

}  // namespace ragtime::index
