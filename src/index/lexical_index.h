// LexicalIndex: an inverted index with BM25 ranking, with changes visible at once.
//
// score = Σ idf(t) · tf·(k1+1) / (tf + k1·(1 − b + b·len/avglen)), idf = ln(1 + (N − df + 0.5)/(df + 0.5))
// (Robertson & Zaragoza 2009, with Lucene's non-negative idf). N, df and avglen are those of the living chunks,
// whatever was removed before, so that a rebuilt index gives the same scores. tf adds up over the fields of a chunk,
// each with its weight; len counts body and headings alike, unweighted.
//
// An index is an immutable base segment (compressed postings, block maxima), the chunks added since, and the set of
// those removed since; see vector_index.h, which works the same way.
// Thread safety: LexicalView may be read from any threads. LexicalIndex belongs to one writer at a time, view() and
// merge() excepted: they may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "index/hit.h"
#include "index/selection.h"

namespace ragtime::index {

class LexicalSegment;
class SnapshotReader;
class SnapshotWriter;

struct LexicalOptions {
  float k1 = 0.9f;
  float b = 0.4f;
  // Of a term in title or headings, against 1 in the body; 0: does not count. 2 is better than 1 on every set with
  // titles (nDCG@10 of cranfield .498 against .485, squad-dev .8720, .8718, cmrc2018 .9881, .9878); 3 loses on
  // squad-dev.
  float heading_weight = 2.0f;

  bool operator==(const LexicalOptions&) const = default;
};

struct LexicalQuery {
  std::vector<std::string> terms;  // As text::index_terms() gives them; a repeated term counts as often.
  // Chunks without one of them next to each other, as text::phrase_terms() gives them, do not appear.
  std::vector<std::vector<std::string>> phrases{};
  // Each scores as one term more, which occurs where its terms stand next to each other.
  std::vector<std::vector<std::string>> words{};
  std::size_t k = 10;
  const Selection* selection = nullptr;  // Null: all.
};

struct LexicalIndexReport {
  std::size_t chunks = 0;   // Living.
  std::size_t recent = 0;   // Of them outside the base.
  std::size_t removed = 0;  // Still taking space.
  std::size_t terms = 0;    // Distinct, of the base.
  std::size_t bytes = 0;    // Resident, of all parts.
};

class LexicalView {
 public:
  virtual ~LexicalView() = default;
  // The best `k`, best first; equal scores by lower id. Only chunks with at least one of the terms or words appear.
  virtual std::vector<Hit> search(const LexicalQuery& query) const = 0;
  // The BM25 score of each chunk; 0 for those absent or without any of the terms.
  virtual std::vector<float> scores(const std::vector<std::string>& terms, std::span<const ChunkId> ids) const = 0;
  virtual std::size_t size() const = 0;
  virtual LexicalIndexReport report() const = 0;
};

class LexicalIndex {
 public:
  struct Addition {
    ChunkId id = 0;
    std::vector<std::string> heading{};  // Terms of title and headings, as text::index_terms() gives them.
    std::vector<std::string> body{};     // Terms of the text, likewise.
  };

  explicit LexicalIndex(LexicalOptions options = {});
  ~LexicalIndex();
  LexicalIndex(LexicalIndex&&) noexcept;
  LexicalIndex& operator=(LexicalIndex&&) noexcept;

  // Removes, then adds; ids to remove that are absent are ignored. The next view() shows all of it.
  // Precondition: added ids are not in the index after the removals.
  void apply(std::span<const ChunkId> removed, std::span<const Addition> added);

  // For a start, in two steps: chunks made ready, on any thread and several at a time, and taken in as they are, but
  // for those that are in the index already. Precondition: no merge() has been of a view without them, as their change
  // has no number.
  static std::shared_ptr<const LexicalSegment> segment(std::span<const Addition> added, const LexicalOptions& options);
  void add(std::shared_ptr<const LexicalSegment> added);

  std::shared_ptr<const LexicalView> view() const;

  // Scores from the next view() on. Goes over all postings once, but indexes nothing anew.
  void set_options(const LexicalOptions& options);

  bool merge_due() const;
  // Builds a new base out of `view`. Long, on the caller's thread.
  std::shared_ptr<const LexicalSegment> merge(const LexicalView& view) const;
  // Makes it the base, and carries over what changed since the view it was built from.
  void adopt(std::shared_ptr<const LexicalSegment> base);

  // The base alone; see VectorIndex.
  void save(SnapshotWriter& writer) const;
  // The same for what merge() gave; from any thread.
  static void save_base(SnapshotWriter& writer, const LexicalSegment& base);
  static Result<LexicalIndex> load(const SnapshotReader& reader, LexicalOptions options);
  std::span<const ChunkId> base_ids() const;

  // What a view shows outside its base, to be saved by save_base(); null when that is nothing. From any thread.
  static std::shared_ptr<const LexicalSegment> recent(const LexicalView& view);
  // For add(). Errors: corrupt.
  static Result<std::shared_ptr<const LexicalSegment>> load_segment(const SnapshotReader& reader,
                                                                    const LexicalOptions& options);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime::index
