// ListSegment: vectors in lists around centroids, of which a search scans those with a chance. The kinds ivf, pq,
// ivf_pq.
//
// A vector x lies in the list of the nearest centroid c and is stored as codes of the residual r = x − c: a short one
// to scan, either the 1-bit code of vector_codes.h (ivf) or one by product quantisation (pq, ivf_pq), and the 8-bit
// code to score with. Since <x, y> = <c, y> + <r, y>, one form of the query serves all lists. pq has a single list.
//
// A search takes lists by falling <c, y> + t · s, s being |y| / √d times the list's spread, √(Σ|r|⁴ / Σ|r|²), which
// copies of the centroid do not lower, and ends where that does not reach the worst of the best k so far and 2,048
// vectors have been scanned; t = log2(effort), less under a selection, by as much as was measured: the worst of
// k is farther away then, where fewer vectors are far above their centroid. Of a list then only blocks that have selected vectors are scanned. In a list, the 8-bit code is looked at only where the short one's error
// bound leaves a chance.
//
// pq and ivf_pq are for where memory is short: their 8-bit codes lie in a file, that of the snapshot or one without a
// name in SegmentOptions::files, by ordinal, so that building and merging read and write it in order. A search queues
// what its short codes leave a chance and looks at the best bounds first, so that it touches few pages of the file; they
// are the system's to keep or to drop. Short codes alone would find .77 of the ten best among 100,000 of text, where with
// some 60 looked at .95 to .99 are found. Without a directory, and from snapshots that are no files, they are resident.
//
// Memory at P padded dimensions and lists of hundreds of vectors, and 4 · d for each list besides; there are √n of them,
// but at least 128 vectors for each:
//   ivf        P / 8 + P + 28 bytes for each vector
//   pq, ivf_pq P / 8 + 24 bytes, 72 at 384, and P + 4 in the file
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "index/aligned_column.h"
#include "index/product_quantizer.h"
#include "index/reach_steps.h"
#include "index/vector_codes.h"
#include "index/vector_segment.h"

namespace ragtime::index {

class ListSegment final : public VectorSegment {
 public:
  template <VectorKind kind>
  static std::shared_ptr<VectorSegment> build(const VectorRows& rows, const SegmentOptions& options) {
    return build_kind(kind, rows, options);
  }
  template <VectorKind kind>
  static Result<std::shared_ptr<VectorSegment>> load(const SnapshotReader& reader, std::string_view prefix,
                                                     std::size_t dimensions, std::vector<ChunkId> ids) {
    return load_kind(kind, reader, prefix, dimensions, std::move(ids));
  }

  VectorKind kind() const override { return kind_; }
  EffortRange effort_range() const override;
  void search(const SegmentQuery& query, TopK& best) const override;
  void scores(std::span<const float> query, std::span<const std::uint32_t> ordinals,
              std::span<float> out) const override;
  void reconstruct(std::size_t ordinal, std::span<float> out) const override;
  std::size_t bytes() const override;
  std::size_t file_bytes() const override { return fine_in_file_ ? columns_.fine.bytes() : 0; }
  void release_file_pages() const override;
  void save(SnapshotWriter& writer, std::string_view prefix) const override;

 private:
  struct Query;
  struct Chance;
  struct Fit;
  class Builder;

  // Slots are places of vectors; each list begins at a multiple of kCodeBlock of them.
  struct Lists {
    std::vector<float> centroids;       // Row-major.
    std::vector<std::uint32_t> begins;  // Slots.
    std::vector<std::uint32_t> sizes;   // Vectors.
    std::vector<float> spreads;         // As above.
    std::vector<float> radii;           // Lengths of the longest residuals.
    std::size_t size() const { return sizes.size(); }
  };
  // By slot; zeros in the slots between lists.
  struct Columns {
    AlignedColumn<std::uint32_t> ordinals;
    AlignedColumn<std::uint64_t> bits;     // Of ivf: blocks as VectorKernels say.
    AlignedColumn<std::uint8_t> products;  // Of pq and ivf_pq: blocks as ProductKernels say.
    AlignedColumn<std::uint8_t> high;      // half() bytes for each vector. Of ivf, as fine_scale.
    AlignedColumn<std::uint8_t> low;
    AlignedColumn<float> scan_scale;
    AlignedColumn<float> scan_error;
    AlignedColumn<float> fine_scale;
    AlignedColumn<std::uint8_t> fine;  // Of pq and ivf_pq, by ordinal: high, low and scale of each vector.
  };
  struct FineCode {
    const std::uint8_t* high = nullptr;
    const std::uint8_t* low = nullptr;
    float scale = 0;
  };

  ListSegment(VectorKind kind, std::vector<ChunkId> ids, std::shared_ptr<const CodeFrame> frame,
              std::shared_ptr<const ProductQuantizer> quantizer);
  static std::shared_ptr<VectorSegment> build_kind(VectorKind kind, const VectorRows& rows,
                                                   const SegmentOptions& options);
  static Result<std::shared_ptr<VectorSegment>> load_kind(VectorKind kind, const SnapshotReader& reader,
                                                          std::string_view prefix, std::size_t dimensions,
                                                          std::vector<ChunkId> ids);

  Result<void> load_lists(const SnapshotReader& reader, const std::string& name);
  Result<void> load_places(const SnapshotReader& reader, const std::string& name);
  Result<void> load_codes(const SnapshotReader& reader, const std::string& name);

  // From lists_.sizes: where lists begin, and how many slots there are. Precondition: the sizes add up to size().
  void lay_out();
  void make_codes(const std::filesystem::path& files);  // Zeros.
  void place(std::size_t slot, std::size_t ordinal);

  std::span<const float> centroid(std::size_t list) const;
  std::size_t list_of(std::size_t slot) const;
  bool scans_bits() const { return kind_ == VectorKind::ivf; }
  // For each slot.
  std::size_t bit_words() const { return scans_bits() ? frame_->words() : 0; }
  std::size_t product_bytes() const { return scans_bits() ? 0 : quantizer_->pairs(); }
  std::size_t fine_stride() const { return 2 * frame_->half() + sizeof(float); }
  FineCode fine_code(std::size_t slot) const;
  void prefetch_fine(std::size_t slot) const;
  void prefetch_listed(std::size_t slot) const;  // What a selection's vectors are compared by.
  const std::uint8_t* product_codes(std::size_t slot) const;  // The first byte.
  Query prepare(const SegmentQuery& query) const;
  void search_listed(const Query& query, std::span<const std::uint32_t> ordinals, TopK& best) const;
  void scan_list(const Query& query, std::size_t list, float product, const OrdinalFilter& filter, const std::uint64_t* marked, std::vector<Chance>& queue, TopK& best) const;
  // Scores up to `most` of the queue, the best bounds first, as far as they have a chance.
  void refine(const Query& query, std::size_t most, std::vector<Chance>& queue, TopK& best) const;
  float steps_part(const OrdinalFilter& filter) const;
  void measure_steps(std::span<const float> questions);  // Of the kind that sample_questions() gives.
  std::size_t listed_most() const;
  void scan_places(const Query& query, std::size_t first, std::span<const std::uint32_t> places, float product,
                   float* upper) const;
  void scan_codes(const Query& query, std::size_t first, std::size_t count, float product, float* upper) const;
  float upper_bound_of(const Query& query, std::size_t slot, float product) const;
  // Of about `count` short codes, in squares of their stored deviations, and how many.
  std::pair<double, std::size_t> squared_errors(std::span<const float> vector, std::size_t count) const;
  float score(const QueryCode& code, float product, std::size_t slot) const;

  VectorKind kind_;
  std::shared_ptr<const CodeFrame> frame_;             // Around zero: what is coded are residuals.
  std::shared_ptr<const ProductQuantizer> quantizer_;  // Null for ivf.
  Lists lists_;
  Columns columns_;
  AlignedColumn<std::uint32_t> slots_;  // By ordinal.
  bool fine_in_file_ = false;
  double deviation_ = 1;                // Of short codes by product quantisation, in their stored deviations.
  ReachSteps reach_steps_;              // In units of |y| times a list's spread.
  double mean_square_ = 0;              // Of residuals when the centroids were trained.
};

}  // namespace ragtime::index
