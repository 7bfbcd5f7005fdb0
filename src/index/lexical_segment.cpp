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
  const std::size_t marks = (std::size_t{1} << frequency_code_bits(counts.size())) + 1;
  std::vector<float> frequencies;
  frequencies.reserve(std::max(marks, kFrequenciesMin));
  frequencies.push_back(0);
  for (const FieldCounts& count : counts) {
    frequencies.push_back(weighted_frequency(count, heading_weight));
  }
  frequencies.resize(std::max(marks, kFrequenciesMin), 0);
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
  marks = AlignedColumn<std::uint8_t>(static_cast<std::size_t>(count) * stride);
  for (TermId term = 0; term < columns.terms.size(); ++term) {
    if (!dense(columns.terms[term])) continue;
    std::uint8_t* column = marks.data() + dense_terms.size() * stride;
    if (fill_column(term, column)) {
      dense_terms.push_back(term);
    } else {
      std::fill_n(column, stride, std::uint8_t{0});
    }
  }
}

LexicalSegment::Saturations LexicalSegment::computed_saturations() const {
  const FixedLexicalColumns& columns = shared_->columns;
  const PostingScore by{.frequencies = frequencies_.data(),
                        .lengths = columns.lengths.data(),
                        .weight = 1,
                        .norm_base = norm_base(options_),
                        .norm_slope = options_.k1 * options_.b / average_length()};
  const PostingsKernels& kernels = best_postings_kernels();
  std::vector<float> terms(columns.terms.size(), 0);
  std::vector<float> blocks(columns.block_lasts.size(), 0);
  PostingBlock decoded;
  float scores[kPostingsBlock];
  for (TermId term = 0; term < columns.terms.size(); ++term) {
    const PostingList list = list_of(columns, term);
    for (std::size_t block = 0; block < list.blocks; ++block) {
      decode_block(kernels, list, block, decoded);
      kernels.score(decoded.ordinals, decoded.codes, decoded.size, by, scores);
      const float largest = *std::max_element(scores, scores + decoded.size);
      if (list.blocks > 1) blocks[columns.terms[term].block + block] = largest;
      terms[term] = std::max(terms[term], largest);
    }
  }
  return {.terms = AlignedColumn<float>(std::move(terms)), .blocks = AlignedColumn<float>(std::move(blocks))};
}

std::shared_ptr<const LexicalSegment::Shared> LexicalSegment::Shared::of(FixedLexicalColumns columns,
                                                                         std::uint64_t sequence,
                                                                         std::vector<std::uint64_t> sequences) {
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
  return shared;
}

LexicalSegment::LexicalSegment(FixedLexicalColumns columns, const LexicalOptions& options, std::uint64_t sequence,
                               std::vector<std::uint64_t> sequences)
    : shared_(Shared::of(std::move(columns), sequence, std::move(sequences))),
      options_(options),
      frequencies_(frequencies_of(shared_->columns.frequencies.span(), options.heading_weight)),
      saturations_(computed_saturations()) {}

LexicalSegment::LexicalSegment(const LexicalSegment& other, const LexicalOptions& options)
    : shared_(other.shared_),
      options_(options),
      frequencies_(frequencies_of(shared_->columns.frequencies.span(), options.heading_weight)),
      saturations_(computed_saturations()) {}

LexicalSegment::LexicalSegment(std::shared_ptr<const Shared> shared, const LexicalOptions& options,
                               Saturations saturations)
    : shared_(std::move(shared)),
      options_(options),
      frequencies_(frequencies_of(shared_->columns.frequencies.span(), options.heading_weight)),
      saturations_(std::move(saturations)) {}

std::optional<Ordinal> LexicalSegment::find(ChunkId id) const {
  const auto& ids = shared_->columns.ids;
  const auto found = std::lower_bound(ids.begin(), ids.end(), id);
  if (found == ids.end() || *found != id) return std::nullopt;
  return static_cast<Ordinal>(found - ids.begin());
}

void LexicalSegment::read_forward(Ordinal chunk, ForwardList& into) const {
  const FixedLexicalColumns& columns = shared_->columns;
  const std::uint8_t* bytes = columns.forward.data() + (chunk == 0 ? 0 : columns.forward_ends[chunk - 1]);
  const std::uint8_t* end = columns.forward.data() + columns.forward_ends[chunk];
  std::uint32_t headings = 0;
  std::uint32_t term = 0;
  std::size_t read = 0;
  if (!read_bounded_varint(bytes, end, headings)) headings = 0;
  into.terms.resize(std::min<std::size_t>(columns.lengths[chunk], static_cast<std::size_t>(end - bytes)));
  for (TermId& into_term : into.terms) {
    if (!read_bounded_varint(bytes, end, term) || term >= columns.terms.size()) break;
    into_term = term;
    ++read;
  }
  into.terms.resize(read);
  into.headings = std::min<std::size_t>(headings, read);
}

PostingList LexicalSegment::postings(TermId term) const {
  PostingList list = list_of(shared_->columns, term);
  list.saturation = saturations_.terms[term];
  if (list.blocks < 2) return list;
  list.saturations = saturations_.blocks.data() + shared_->columns.terms[term].block;
  if (shared_->is_dense(list.count)) list.marks = shared_->column(term);
  return list;
}

std::size_t LexicalSegment::bytes() const {
  const FixedLexicalColumns& c = shared_->columns;
  return c.ids.bytes() + c.lengths.bytes() + c.forward_ends.bytes() + c.forward.bytes() + c.frequencies.bytes() +
         c.terms.bytes() + saturations_.terms.bytes() + c.postings.bytes() + c.block_lasts.bytes() +
         c.block_begins.bytes() + saturations_.blocks.bytes() + terms().bytes() + bytes_of(frequencies_) +
         bytes_of(shared_->sequences) + bytes_of(shared_->dense_terms) + shared_->marks.bytes();
}

}  // namespace ragtime::index
