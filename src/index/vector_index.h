// VectorIndex: the vectors of one store, searchable in one of several ways, with changes visible at once.
//
// An index is an immutable base segment, the vectors added since (scanned by codes, scored exactly), and the set of
// those removed since. A change makes a new VectorView out of these parts; a view never changes, so readers hold one and never wait.
// Merging builds a new base out of a view, of the kind that suits it now, and is the long part: it runs beside searches
// and changes, which are carried over when it is adopted. Snapshots hold the base alone; the database has the rest.
//
// Vectors are normalised by the caller, so that the inner product is the cosine.
// Thread safety: VectorView may be read from any threads. VectorIndex belongs to one writer at a time, view() and
// merge() excepted: they may be called from any thread.
#pragma once

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
#include "index/aligned_column.h"
#include "index/hit.h"
#include "index/selection.h"

namespace ragtime::index {

class SnapshotReader;
class SnapshotWriter;
class VectorSegment;

// flat: every vector in f32, exact. rabitq*: a scan of codes of 1, 4 or 8 bits, then rescoring within the error bound.
// hnsw: a graph over codes. ivf: lists of RaBitQ codes around centroids. pq, ivf_pq: product quantisation, small in
// memory, with 8-bit codes in a file.
enum class VectorKind : std::uint8_t { flat, rabitq, rabitq4, rabitq8, hnsw, ivf, pq, ivf_pq };

std::string_view vector_kind_name(VectorKind kind);
// Also "auto", which gives nothing inside. Errors: invalid_argument, which lists the names.
Result<std::optional<VectorKind>> parse_vector_kind(std::string_view name);

struct VectorIndexOptions {
  std::optional<VectorKind> kind{};  // Nothing: chosen from size, dimensions and memory budget, again at each merge.
  double recall_target = 0.95;       // Of the first ten against exact search; calibrated on the store's own vectors.
  std::size_t memory_bytes_max = 0;  // For the choice; 0: no limit.
  double scan_seconds_max = 0.0005;  // For the choice: what would take longer to scan gets a graph.
  std::filesystem::path files{};     // A directory for what of pq and ivf_pq need not be resident; empty: it is.
  std::uint64_t seed = 0x9e3779b97f4a7c15;  // Of rotations and samples, so that the same vectors give the same index.
};

struct VectorQuery {
  std::span<const float> vector;
  std::size_t k = 10;
  const Selection* selection = nullptr;   // Null: all. Recall holds however few it selects.
  std::optional<double> recall_target{};  // Overrides the option.
};

// What a store says about its index.
struct VectorIndexReport {
  VectorKind kind = VectorKind::flat;
  std::string reason;              // Why this kind, in one sentence.
  std::size_t vectors = 0;         // Living.
  std::size_t recent = 0;          // Of them outside the base.
  std::size_t removed = 0;         // Still taking space.
  std::size_t bytes = 0;           // Resident, of all parts.
  std::size_t file_bytes = 0;      // In files, read where a search needs them.
  std::optional<double> recall{};  // Estimated at calibration; nothing for exact kinds.
};

class VectorView {
 public:
  virtual ~VectorView() = default;

  // The best `k`, best first; equal scores by lower id. Scores are inner products, exact for flat and within 0.01 of it
  // for the other kinds.
  virtual std::vector<Hit> search(const VectorQuery& query) const = 0;
  // Inner products of the query with the given chunks, as precise as search(); nothing for ids that are absent.
  virtual std::vector<std::optional<float>> scores(std::span<const float> query,
                                                   std::span<const ChunkId> ids) const = 0;
  virtual bool contains(ChunkId id) const = 0;
  virtual std::size_t size() const = 0;
  virtual std::size_t dimensions() const = 0;
  virtual VectorIndexReport report() const = 0;
};

// Vectors as a snapshot has them.
struct SavedVectors {
  std::vector<ChunkId> ids;                // Ascending.
  std::vector<AlignedColumn<float>> rows;  // Of kRows ids each, the last of the rest.
  static constexpr std::size_t kRows = 4'096;

  std::span<const float> vector(std::size_t i, std::size_t dimensions) const {
    return rows[i / kRows].span().subspan(i % kRows * dimensions, dimensions);
  }
};

class VectorIndex {
 public:
  struct Addition {
    ChunkId id = 0;
    std::span<const float> vector;
  };

  VectorIndex(std::size_t dimensions, VectorIndexOptions options);
  ~VectorIndex();
  VectorIndex(VectorIndex&&) noexcept;
  VectorIndex& operator=(VectorIndex&&) noexcept;

  // Removes, then adds; ids to remove that are absent are ignored. The next view() shows all of it.
  // Preconditions: vectors have dimensions() values; added ids are not in the index after the removals.
  void apply(std::span<const ChunkId> removed, std::span<const Addition> added);

  std::shared_ptr<const VectorView> view() const;

  // Whether enough has changed since the last merge, or another kind suits better.
  bool merge_due() const;
  // Builds a new base out of `view`. Long, on the caller's thread. Reads vectors from the view itself. Null if it was
  // asked to stop in the middle.
  std::shared_ptr<const VectorSegment> merge(const VectorView& view, std::stop_token stop = {}) const;
  // Makes it the base, and carries over what changed since the view it was built from. A segment that another merge
  // has overtaken, so that its view had another base than the current one, is ignored.
  // Precondition: this index's merge() made it.
  void adopt(std::shared_ptr<const VectorSegment> base);

  // The base alone. ids(): ascending, those of the base, for comparing with the database after load().
  void save(SnapshotWriter& writer) const;
  // The same for what merge() gave, null for none; from any thread.
  static void save_base(SnapshotWriter& writer, const VectorSegment* base);
  // Errors: corrupt (checksum, bounds), unsupported (version, another machine's layout), conflict (other dimensions).
  static Result<VectorIndex> load(const SnapshotReader& reader, std::size_t dimensions, VectorIndexOptions options);
  std::span<const ChunkId> base_ids() const;

  // What a view shows outside its base. From any thread.
  static void save_recent(SnapshotWriter& writer, const VectorView& view);
  // For apply(). Errors: corrupt.
  static Result<SavedVectors> load_recent(const SnapshotReader& reader, std::size_t dimensions);

  std::size_t dimensions() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime::index
