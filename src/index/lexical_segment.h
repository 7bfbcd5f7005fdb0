// LexicalSegment: an immutable inverted index of chunks, with a forward list of terms per chunk.
//
// Ordinals number the chunks by ascending id, term numbers go by falling frequency. A posting list holds ascending
// ordinals with a frequency code each, in blocks of 128: two bytes with the bits per gap and per code, gaps less one,
// codes (pack_values). The last block, when it is not full, is a sequence of pairs of varints. Lists of more than one
// block have, for each block, its last ordinal, its beginning and its largest saturation, tf / (tf + norm). Terms that
// many chunks have also have a column, a mark for every chunk, made in memory from their lists. What depends on the
// options of the ranking is made in memory too, so that it can change without the rest, which segments then share.
// Thread safety: immutable.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "index/aligned_column.h"
#include "index/hit.h"
#include "index/lexical_index.h"
#include "index/postings_kernels.h"
#include "index/term_table.h"

namespace ragtime::index {

using Ordinal = std::uint32_t;

// What a frequency code stands for: how often a term occurs in a chunk.
struct FieldCounts {
  std::uint32_t body = 0;
  std::uint32_t heading = 0;
};

inline float weighted_frequency(FieldCounts counts, float heading_weight) {
  return static_cast<float>(counts.body) + heading_weight * static_cast<float>(counts.heading);
}

// The part of a norm that does not depend on length. Never 0, so that a frequency of 0 scores 0 even without k1.
inline float norm_base(const LexicalOptions& options) {
  return std::max(options.k1 * (1 - options.b), std::numeric_limits<float>::min());
}

struct TermEntry {
  std::uint64_t begin = 0;  // Of its postings, in bytes.
  std::uint32_t count = 0;  // Of its postings.
  std::uint32_t block = 0;  // The first of its entries in the block columns; lists of one block have none.
};

template <template <class> class Column>
struct BasicLexicalColumns {
  Column<ChunkId> ids;                 // By ordinal, ascending.
  Column<std::uint32_t> lengths;       // By ordinal: terms of body and headings.
  Column<std::uint64_t> forward_ends;  // By ordinal.
  Column<std::uint8_t> forward;        // Varints: how many terms of headings, those, and those of the body.
  Column<FieldCounts> frequencies;     // By code.
  std::vector<char> term_text;         // By term number, as in TermTable.
  std::vector<std::uint32_t> term_ends;
  Column<TermEntry> terms;             // By term number.
  Column<std::uint8_t> postings;       // With kPackedPadding more bytes.
  Column<std::uint32_t> block_lasts;   // Ordinals.
  Column<std::uint32_t> block_begins;  // Bytes from the beginning of the list.
};

template <class T>
using GrowingColumn = std::vector<T>;
using LexicalColumns = BasicLexicalColumns<GrowingColumn>;       // While they are built.
using FixedLexicalColumns = BasicLexicalColumns<AlignedColumn>;  // As a segment has them, its own or a snapshot's.
FixedLexicalColumns fixed(LexicalColumns columns);               // Copies nothing.

struct PostingList {
  const std::uint8_t* bytes = nullptr;
  std::size_t count = 0;
  float saturation = 0;
  std::size_t blocks = 0;  // At least 1, but the pointers below are null when it is 1.
  const std::uint32_t* lasts = nullptr;
  const std::uint32_t* begins = nullptr;
  const float* saturations = nullptr;
  const std::uint8_t* marks = nullptr;  // The term's column; null: none.

  std::size_t block_size(std::size_t block) const {
    return block + 1 < blocks ? kPostingsBlock : count - block * kPostingsBlock;
  }
};

// One decoded block; unused ordinals are the largest number.
struct PostingBlock {
  alignas(64) std::uint32_t ordinals[kPostingsBlock];
  alignas(64) std::uint32_t codes[kPostingsBlock];
  std::size_t size = 0;
};

void decode_block(const PostingsKernels& kernels, const PostingList& list, std::size_t block, PostingBlock& into);

// The terms of one chunk.
struct ForwardList {
  std::vector<TermId> terms;  // Those of the headings, then those of the body.
  std::size_t headings = 0;   // How many are of headings.
};

class LexicalSegment {
 public:
  // `sequence`: the last change of the index that is in it. `sequences`: by ordinal, the change that added the chunk;
  // empty when nobody will ask.
  LexicalSegment(FixedLexicalColumns columns, const LexicalOptions& options, std::uint64_t sequence,
                 std::vector<std::uint64_t> sequences = {});
  // The same chunks with other options.
  LexicalSegment(const LexicalSegment& other, const LexicalOptions& options);

  std::size_t size() const { return shared_->columns.ids.size(); }
  std::span<const ChunkId> ids() const { return shared_->columns.ids.span(); }
  const LexicalOptions& options() const { return options_; }
  std::optional<Ordinal> find(ChunkId id) const;
  std::uint64_t length_sum() const { return shared_->length_sum; }
  std::span<const std::uint32_t> lengths() const { return shared_->columns.lengths.span(); }
  // Of a damaged list, what can be read.
  void read_forward(Ordinal chunk, ForwardList& into) const;

  const TermTable& terms() const { return shared_->terms; }
  PostingList postings(TermId term) const;
  std::size_t count(TermId term) const { return shared_->columns.terms[term].count; }  // Of its postings.
  // tf by mark, body + heading_weight · heading; zeros behind, for all codes of frequency_code_bits().
  std::span<const float> frequencies() const { return frequencies_; }
  float frequency(FieldCounts counts) const { return weighted_frequency(counts, options_.heading_weight); }
  float average_length() const { return shared_->average_length; }

  std::uint64_t sequence() const { return shared_->sequence; }
  std::uint64_t sequence_of(Ordinal chunk) const {
    return shared_->sequences.empty() ? 0 : shared_->sequences[chunk];
  }
  std::size_t bytes() const;

  void save(SnapshotWriter& writer) const;
  // Errors: corrupt.
  static Result<std::shared_ptr<const LexicalSegment>> load(const SnapshotReader& reader,
                                                            const LexicalOptions& options);

 private:
  // What scores can be at most, by options of the ranking.
  struct Saturations {
    AlignedColumn<float> terms;   // By term number: the largest of the whole list.
    AlignedColumn<float> blocks;  // As block_lasts.
  };
  struct Shared {
    static std::shared_ptr<const Shared> of(FixedLexicalColumns columns, std::uint64_t sequence,
                                            std::vector<std::uint64_t> sequences = {});
    const std::uint8_t* column(TermId term) const;  // Null: none.
    bool is_dense(std::size_t count) const;
    void make_columns();
    bool fill_column(TermId term, std::uint8_t* marks) const;

    FixedLexicalColumns columns;
    TermTable terms;
    std::uint64_t length_sum = 0;
    float average_length = 0;
    std::vector<TermId> dense_terms;    // Ascending: those with a column.
    AlignedColumn<std::uint8_t> marks;  // Their columns, one behind the other.
    std::uint64_t sequence = 0;
    std::vector<std::uint64_t> sequences;
  };

  LexicalSegment(std::shared_ptr<const Shared> shared, const LexicalOptions& options, Saturations saturations);
  static std::optional<Saturations> saved_saturations(const SnapshotReader& reader, const FixedLexicalColumns& columns,
                                                      const LexicalOptions& options);
  Saturations computed_saturations() const;

  std::shared_ptr<const Shared> shared_;
  LexicalOptions options_;
  std::vector<float> frequencies_;
  Saturations saturations_;
};

// Codes of so many bits may be looked up among the frequencies of a segment that has `frequencies` of them.
inline unsigned frequency_code_bits(std::size_t frequencies) {
  return frequencies < 2 ? 0 : static_cast<unsigned>(std::bit_width(frequencies - 1));
}

inline std::uint32_t read_varint(const std::uint8_t*& bytes) {
  std::uint32_t value = *bytes & 0x7Fu;
  for (unsigned shift = 7; (*bytes++ & 0x80u) != 0; shift += 7) value |= (*bytes & 0x7Fu) << shift;
  return value;
}

// A varint that ends before `end`; false when there is none.
inline bool read_bounded_varint(const std::uint8_t*& bytes, const std::uint8_t* end, std::uint32_t& value) {
  value = 0;
  for (unsigned shift = 0; bytes != end && shift < 32; shift += 7) {
    const std::uint8_t byte = *bytes++;
    value |= (byte & 0x7Fu) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

inline void append_varint(std::uint32_t value, std::vector<std::uint8_t>& bytes) {
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<std::uint8_t>(value | 0x80u));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

}  // namespace ragtime::index
