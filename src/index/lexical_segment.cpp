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

std::vector<float> frequencies_of(const std::vector<FieldCounts>& counts, float heading_weight) {
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

// False when a code is too large for a mark of one byte.
bool mark_block(const PostingBlock& block, std::uint8_t* column) {
  for (std::size_t i = 0; i < block.size; ++i) {
    column[block.ordinals[i]] = static_cast<std::uint8_t>(block.codes[i] + 1);
  }
  return *std::max_element(block.codes, block.codes + block.size) <= kColumnCodeMax;
}

}  // namespace

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

void LexicalSegment::compute_saturations(const LexicalOptions& options) {
  const PostingScore by{.frequencies = frequencies_.data(),
                        .lengths = columns_.lengths.data(),
                        .weight = 1,
                        .norm_base = norm_base(options),
                        .norm_slope = options.k1 * options.b / average_length_};
  const PostingsKernels& kernels = best_postings_kernels();
  saturations_.assign(columns_.terms.size(), 0);
  const auto dense = [&](const TermEntry& term) { return is_dense(term.count); };
  const auto columns = std::count_if(columns_.terms.begin(), columns_.terms.end(), dense);
  marks_.reserve(static_cast<std::size_t>(columns) * (size() + kColumnPadding));
  block_saturations_.assign(columns_.block_lasts.size(), 0);
  PostingBlock decoded;
  float scores[kPostingsBlock];
  for (TermId term = 0; term < columns_.terms.size(); ++term) {
    const PostingList list = postings(term);
    bool fits = true;
    std::uint8_t* const column = is_dense(list.count) ? add_column(term) : nullptr;
    for (std::size_t block = 0; block < list.blocks; ++block) {
      decode_block(kernels, list, block, decoded);
      kernels.score(decoded.ordinals, decoded.codes, decoded.size, by, scores);
      if (column != nullptr) fits = mark_block(decoded, column) && fits;
      const float largest = *std::max_element(scores, scores + decoded.size);
      if (list.blocks > 1) block_saturations_[columns_.terms[term].block + block] = largest;
      saturations_[term] = std::max(saturations_[term], largest);
    }
    if (!fits) drop_column();
  }
}

bool LexicalSegment::is_dense(std::size_t count) const {
  return size() >= kDenseChunksMin && count * kDenseShare >= size();
}

std::uint8_t* LexicalSegment::add_column(TermId term) {
  dense_terms_.push_back(term);
  marks_.resize(marks_.size() + size() + kColumnPadding);
  return marks_.data() + marks_.size() - size() - kColumnPadding;
}

void LexicalSegment::drop_column() {
  dense_terms_.pop_back();
  marks_.resize(marks_.size() - size() - kColumnPadding);
}

const std::uint8_t* LexicalSegment::column(TermId term) const {
  const auto found = std::lower_bound(dense_terms_.begin(), dense_terms_.end(), term);
  if (found == dense_terms_.end() || *found != term) return nullptr;
  return marks_.data() + static_cast<std::size_t>(found - dense_terms_.begin()) * (size() + kColumnPadding);
}

LexicalSegment::LexicalSegment(LexicalColumns columns, const LexicalOptions& options, std::uint64_t sequence,
                               std::vector<std::uint64_t> sequences)
    : columns_(std::move(columns)),
      terms_(std::move(columns_.term_text), std::move(columns_.term_ends)),
      heading_weight_(options.heading_weight),
      frequencies_(frequencies_of(columns_.frequencies, options.heading_weight)),
      length_sum_(std::accumulate(columns_.lengths.begin(), columns_.lengths.end(), std::uint64_t{0})),
      average_length_(static_cast<float>(length_sum_) / static_cast<float>(std::max<std::size_t>(size(), 1))),
      sequence_(sequence),
      sequences_(std::move(sequences)) {
  compute_saturations(options);
}

std::optional<Ordinal> LexicalSegment::find(ChunkId id) const {
  const auto found = std::lower_bound(columns_.ids.begin(), columns_.ids.end(), id);
  if (found == columns_.ids.end() || *found != id) return std::nullopt;
  return static_cast<Ordinal>(found - columns_.ids.begin());
}

void LexicalSegment::read_forward(Ordinal chunk, ForwardList& into) const {
  const std::uint8_t* bytes = columns_.forward.data() + (chunk == 0 ? 0 : columns_.forward_ends[chunk - 1]);
  into.headings = read_varint(bytes);
  into.terms.resize(columns_.lengths[chunk]);
  for (TermId& term : into.terms) term = read_varint(bytes);
}

PostingList LexicalSegment::postings(TermId term) const {
  const TermEntry& entry = columns_.terms[term];
  PostingList list{.bytes = columns_.postings.data() + entry.begin, .count = entry.count};
  list.saturation = saturations_[term];
  list.blocks = (list.count + kPostingsBlock - 1) / kPostingsBlock;
  if (list.blocks < 2) return list;
  list.lasts = columns_.block_lasts.data() + entry.block;
  list.begins = columns_.block_begins.data() + entry.block;
  list.saturations = block_saturations_.data() + entry.block;
  if (is_dense(list.count)) list.marks = column(term);
  return list;
}

std::size_t LexicalSegment::bytes() const {
  const LexicalColumns& c = columns_;
  return bytes_of(c.ids) + bytes_of(c.lengths) + bytes_of(c.forward_ends) + bytes_of(c.forward) +
         bytes_of(c.frequencies) + bytes_of(c.terms) + bytes_of(saturations_) + bytes_of(c.postings) +
         bytes_of(c.block_lasts) + bytes_of(c.block_begins) + bytes_of(block_saturations_) + terms_.bytes() +
         bytes_of(frequencies_) + bytes_of(sequences_) + bytes_of(dense_terms_) + bytes_of(marks_);
}

}  // namespace ragtime::index
