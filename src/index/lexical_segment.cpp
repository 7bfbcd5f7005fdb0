#include "index/lexical_segment.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ragtime::index {
namespace {

constexpr std::size_t kFrequenciesMin = 17;  // The kernels may read so many.
// Terms in one of so many chunks have columns; then a column takes about as much as their postings and scores.
constexpr std::size_t kDenseShare = 8;
constexpr std::size_t kDenseChunksMin = 512;
constexpr std::size_t kColumnPadding = 64;  // The kernels may read so much behind a column.
constexpr std::uint32_t kColumnCodeMax = std::numeric_limits<std::uint8_t>::max() - 1;

template <class T>
std::size_t bytes_of(const std::vector<T>& values) {
  return values.capacity() * sizeof(T);
}

std::vector<float> frequencies_of(std::span<const FieldCounts> counts, float heading_weight) {
  std::vector<float> frequencies;
  frequencies.reserve(std::max(counts.size() + 1, kFrequenciesMin));
  frequencies.push_back(0);
  for (const FieldCounts& count : counts) {
    frequencies.push_back(weighted_frequency(count, heading_weight));
  }
  frequencies.resize(std::max(counts.size() + 1, kFrequenciesMin), 0);
  return frequencies;
}

void decode_tail(const std::uint8_t* bytes, std::uint32_t before, PostingBlock& into) {
  for (std::size_t i = 0; i < into.size; ++i) {
    into.ordinals[i] = before += read_varint(bytes) + 1;
    into.codes[i] = read_varint(bytes);
  }
  std::fill(into.ordinals + into.size, into.ordinals + kPostingsBlock, ~std::uint32_t{0});
}

// Without saturations.
PostingList list_of(const FixedLexicalColumns& columns, TermId term) {
  const TermEntry& entry = columns.terms[term];
  PostingList list{.bytes = columns.postings.data() + entry.begin, .count = entry.count};
  list.blocks = (list.count + kPostingsBlock - 1) / kPostingsBlock;
  if (list.blocks < 2) return list;
  list.lasts = columns.block_lasts.data() + entry.block;
  list.begins = columns.block_begins.data() + entry.block;
  return list;
}

}  // namespace

FixedLexicalColumns fixed(LexicalColumns c) {
  return {.ids = AlignedColumn(std::move(c.ids)),
          .lengths = AlignedColumn(std::move(c.lengths)),
          .forward_ends = AlignedColumn(std::move(c.forward_ends)),
          .forward = AlignedColumn(std::move(c.forward)),
          .frequencies = AlignedColumn(std::move(c.frequencies)),
          .term_text = std::move(c.term_text),
          .term_ends = std::move(c.term_ends),
          .terms = AlignedColumn(std::move(c.terms)),
          .postings = AlignedColumn(std::move(c.postings)),
          .block_lasts = AlignedColumn(std::move(c.block_lasts)),
          .block_begins = AlignedColumn(std::move(c.block_begins))};
}

void decode_block(const PostingsKernels& kernels, const PostingList& list, std::size_t block, PostingBlock& into) {
  into.size = list.block_size(block);
  const std::uint8_t* bytes = list.bytes + (list.begins == nullptr ? 0 : list.begins[block]);
  const std::uint32_t before = block == 0 ? ~std::uint32_t{0} : list.lasts[block - 1];
  if (into.size < kPostingsBlock) return decode_tail(bytes, before, into);
  const unsigned gap_bits = bytes[0];
  kernels.unpack(bytes + 2, gap_bits, into.ordinals);
  kernels.sum_gaps(before, into.ordinals);
  kernels.unpack(bytes + 2 + gap_bits * kPostingsBlock / 8, bytes[1], into.codes);
}

bool LexicalSegment::Shared::is_dense(std::size_t count) const {
  return columns.ids.size() >= kDenseChunksMin && count * kDenseShare >= columns.ids.size();
}

const std::uint8_t* LexicalSegment::Shared::column(TermId term) const {
  const auto found = std::lower_bound(dense_terms.begin(), dense_terms.end(), term);
  if (found == dense_terms.end() || *found != term) return nullptr;
  return marks.data() + static_cast<std::size_t>(found - dense_terms.begin()) * (columns.ids.size() + kColumnPadding);
}

// False when a code is too large for a mark of one byte.
bool LexicalSegment::Shared::fill_column(TermId term, std::uint8_t* into) const {
  const PostingList list = list_of(columns, term);
  PostingBlock decoded;
  std::uint32_t largest = 0;
  for (std::size_t block = 0; block < list.blocks; ++block) {
    decode_block(best_postings_kernels(), list, block, decoded);
    for (std::size_t i = 0; i < decoded.size; ++i) {
      into[decoded.ordinals[i]] = static_cast<std::uint8_t>(decoded.codes[i] + 1);
      largest = std::max(largest, decoded.codes[i]);
    }
  }
  return largest <= kColumnCodeMax;
}

void LexicalSegment::Shared::make_columns() {
  const auto dense = [&](const TermEntry& term) { return is_dense(term.count); };
  const std::size_t stride = columns.ids.size() + kColumnPadding;
  const auto count = std::count_if(columns.terms.begin(), columns.terms.end(), dense);
  marks.reserve(static_cast<std::size_t>(count) * stride);
  for (TermId term = 0; term < columns.terms.size(); ++term) {
    if (!dense(columns.terms[term])) continue;
    marks.resize(marks.size() + stride);
    if (fill_column(term, marks.data() + marks.size() - stride)) {
      dense_terms.push_back(term);
    } else {
      marks.resize(marks.size() - stride);
    }
  }
}

void LexicalSegment::compute_saturations() {
  const FixedLexicalColumns& columns = shared_->columns;
  const PostingScore by{.frequencies = frequencies_.data(),
                        .lengths = columns.lengths.data(),
                        .weight = 1,
                        .norm_base = norm_base(options_),
                        .norm_slope = options_.k1 * options_.b / average_length()};
  const PostingsKernels& kernels = best_postings_kernels();
  saturations_.assign(columns.terms.size(), 0);
  block_saturations_.assign(columns.block_lasts.size(), 0);
  PostingBlock decoded;
  float scores[kPostingsBlock];
  for (TermId term = 0; term < columns.terms.size(); ++term) {
    const PostingList list = list_of(columns, term);
    for (std::size_t block = 0; block < list.blocks; ++block) {
      decode_block(kernels, list, block, decoded);
      kernels.score(decoded.ordinals, decoded.codes, decoded.size, by, scores);
      const float largest = *std::max_element(scores, scores + decoded.size);
      if (list.blocks > 1) block_saturations_[columns.terms[term].block + block] = largest;
      saturations_[term] = std::max(saturations_[term], largest);
    }
  }
}

LexicalSegment::LexicalSegment(FixedLexicalColumns columns, const LexicalOptions& options, std::uint64_t sequence,
                               std::vector<std::uint64_t> sequences)
    : options_(options), frequencies_(frequencies_of(columns.frequencies.span(), options.heading_weight)) {
  auto shared = std::make_shared<Shared>();
  shared->terms = TermTable(std::move(columns.term_text), std::move(columns.term_ends));
  shared->columns = std::move(columns);
  const auto& lengths = shared->columns.lengths;
  shared->length_sum = std::accumulate(lengths.begin(), lengths.end(), std::uint64_t{0});
  shared->average_length =
      static_cast<float>(shared->length_sum) / static_cast<float>(std::max<std::size_t>(lengths.size(), 1));
  shared->sequence = sequence;
  shared->sequences = std::move(sequences);
  shared->make_columns();
  shared_ = std::move(shared);
  compute_saturations();
}

LexicalSegment::LexicalSegment(const LexicalSegment& other, const LexicalOptions& options)
    : shared_(other.shared_),
      options_(options),
      frequencies_(frequencies_of(shared_->columns.frequencies.span(), options.heading_weight)) {
  compute_saturations();
}

std::optional<Ordinal> LexicalSegment::find(ChunkId id) const {
  const auto& ids = shared_->columns.ids;
  const auto found = std::lower_bound(ids.begin(), ids.end(), id);
  if (found == ids.end() || *found != id) return std::nullopt;
  return static_cast<Ordinal>(found - ids.begin());
}

void LexicalSegment::read_forward(Ordinal chunk, ForwardList& into) const {
  const FixedLexicalColumns& columns = shared_->columns;
  const std::uint8_t* bytes = columns.forward.data() + (chunk == 0 ? 0 : columns.forward_ends[chunk - 1]);
  into.headings = read_varint(bytes);
  into.terms.resize(columns.lengths[chunk]);
  for (TermId& term : into.terms) term = read_varint(bytes);
}

PostingList LexicalSegment::postings(TermId term) const {
  PostingList list = list_of(shared_->columns, term);
  list.saturation = saturations_[term];
  if (list.blocks < 2) return list;
  list.saturations = block_saturations_.data() + shared_->columns.terms[term].block;
  if (shared_->is_dense(list.count)) list.marks = shared_->column(term);
  return list;
}

std::size_t LexicalSegment::bytes() const {
  const FixedLexicalColumns& c = shared_->columns;
  return c.ids.bytes() + c.lengths.bytes() + c.forward_ends.bytes() + c.forward.bytes() + c.frequencies.bytes() +
         c.terms.bytes() + bytes_of(saturations_) + c.postings.bytes() + c.block_lasts.bytes() +
         c.block_begins.bytes() + bytes_of(block_saturations_) + terms().bytes() + bytes_of(frequencies_) +
         bytes_of(shared_->sequences) + bytes_of(shared_->dense_terms) + bytes_of(shared_->marks);
}

}  // namespace ragtime::index
