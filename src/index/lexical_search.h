// Search in one segment: the parts of LexicalView::search().
//
// LexicalScan goes over posting lists in windows of ordinals, after block-max MAXSCORE (Ding & Suel 2011): lists whose
// bounds together stay under the k-th best score so far do not bring in chunks, they only complete those that the other
// lists brought in. Before anything is under the bound, that is plain term-at-a-time accumulation.
// ForwardScorer scores single chunks by their forward lists, and checks phrases.
// Either way, a chunk's score is the same sum in the same order, that of the terms given.
// Thread safety: each object belongs to one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/lexical_removals.h"
#include "index/lexical_segment.h"
#include "index/selection.h"
#include "index/top_k.h"

namespace ragtime::index {

// A term of a query, as a segment numbers it.
struct WeightedTerm {
  TermId id = 0;
  float weight = 0;  // idf · count · (k1 + 1)
};

// A word of a query that is a phrase of terms, as it occurs in one segment.
struct WordPostings {
  std::vector<TermId> phrase;
  float weight = 0;
  std::vector<Ordinal> chunks;     // Ascending; living ones only.
  std::vector<float> frequencies;  // Of those, weighted by field.
};

// The norm of a chunk is base + slope · length.
struct LengthNorm {
  float base = 0;
  float slope = 0;
  float average_length = 0;
};

// A segment as a view shows it.
struct LexicalPart {
  std::shared_ptr<const LexicalSegment> segment;
  std::shared_ptr<const LexicalRemovals> removals;  // Null: none.

  bool is_removed(Ordinal chunk) const { return removals != nullptr && removals->contains(chunk); }
  std::size_t removed() const { return removals == nullptr ? 0 : removals->size(); }
  std::size_t living() const { return segment->size() - removed(); }
  std::uint64_t living_length() const {
    return segment->length_sum() - (removals == nullptr ? 0 : removals->length_sum());
  }
  std::uint32_t living_count(TermId term) const {
    const auto count = static_cast<std::uint32_t>(segment->count(term));
    return count - (removals == nullptr ? 0 : std::min(count, removals->count(term)));
  }
};

// What a search looks for in one part. Words come before terms in the sum of scores.
struct PartQuery {
  std::span<const WeightedTerm> terms;  // By falling weight.
  std::span<const WordPostings> words;
  LengthNorm norm;
};

// Offers the living, selected chunks with any of the terms or words.
void scan_postings(const LexicalPart& part, const PartQuery& query, const Selection* selection, TopK& best);

// Where a phrase occurs in a part; the weight is left open. Goes over the list of its rarest term.
WordPostings find_word(const LexicalPart& part, std::span<const std::string> phrase);

class ForwardScorer {
 public:
  ForwardScorer(const LexicalPart& part, const PartQuery& query);

  // 0 without any of the terms and words.
  float score(Ordinal chunk);
  // Whether the chunk scored last has these terms next to each other, in the headings or in the body.
  bool has_phrase(std::span<const TermId> phrase) const;
  // How often it has them.
  FieldCounts count_phrase(std::span<const TermId> phrase) const;

 private:
  struct Term {
    TermId id = 0;
    float weight = 0;
    FieldCounts counts{};
  };

  const LexicalSegment& segment_;
  PartQuery query_;
  std::vector<Term> terms_;
  std::uint64_t filter_ = 0;  // Bits of the terms' low numbers.
  ForwardList forward_;
};

}  // namespace ragtime::index
