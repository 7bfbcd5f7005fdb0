#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "index/lexical_segment.h"
#include "index/snapshot.h"

namespace ragtime::index {
namespace {

constexpr unsigned kSummedBitsMax = 24;
static_assert(kPostingsBlock << kSummedBitsMax <= std::uint32_t{1} << 31);

template <class T>
Result<std::vector<T>> read_column(const SnapshotReader& reader, std::string_view name) {
  RAGTIME_TRY(const auto values, reader.column<T>(name));
  return std::vector<T>(values.begin(), values.end());
}

Error corrupt(std::string_view what) {
  return make_error(ErrorCode::corrupt, "lexical index: " + std::string(what));
}

// Whether what reading relies on holds, whatever the columns contain. Forward lists are the exception: they are most of
// the bytes, a search reads few of them, and read_forward() finds its way by itself.
class Checker {
 public:
  explicit Checker(const FixedLexicalColumns& columns)
      : c_(columns), terms_(columns.terms.size()), code_bits_(frequency_code_bits(columns.frequencies.size())) {}

  bool sizes_fit() const {
    const std::size_t chunks = c_.ids.size();
    return chunks < ~Ordinal{0} && c_.lengths.size() == chunks && c_.forward_ends.size() == chunks &&
           terms_ < ~TermId{0} && c_.term_ends.size() == terms_ && c_.postings.size() >= kPackedPadding &&
           c_.block_begins.size() == c_.block_lasts.size();
  }

  bool ids_ascend() const {
    for (std::size_t i = 0; i < c_.ids.size(); ++i) {
      if (c_.ids[i] < 0 || (i > 0 && c_.ids[i - 1] >= c_.ids[i])) return false;
    }
    return true;
  }

  bool terms_fit() const {
    return std::is_sorted(c_.term_ends.begin(), c_.term_ends.end()) &&
           c_.term_text.size() == (c_.term_ends.empty() ? 0 : c_.term_ends.back());
  }

  bool forward_ends_fit() const {
    return std::is_sorted(c_.forward_ends.begin(), c_.forward_ends.end()) &&
           c_.forward.size() == (c_.forward_ends.empty() ? 0 : c_.forward_ends.back());
  }

  bool postings_fit() const {
    std::uint32_t block = 0;
    for (TermId term = 0; term < terms_; ++term) {
      const TermEntry& entry = c_.terms[term];
      if (entry.count == 0 || entry.begin > payload()) return false;
      const bool has_blocks = entry.count > kPostingsBlock;
      const auto blocks = static_cast<std::uint32_t>((entry.count + kPostingsBlock - 1) / kPostingsBlock);
      if (has_blocks && (entry.block != block || blocks > c_.block_lasts.size() - block)) return false;
      if (!list_fits(entry, has_blocks)) return false;
      block += has_blocks ? blocks : 0;
    }
    return block == c_.block_lasts.size();
  }

 private:
  std::size_t payload() const { return c_.postings.size() - kPackedPadding; }

  bool list_fits(const TermEntry& entry, bool has_blocks) const {
    std::int64_t before = -1;
    std::size_t begin = entry.begin;
    for (std::uint32_t done = 0; done < entry.count; done += kPostingsBlock) {
      const std::uint32_t block = entry.block + done / kPostingsBlock;
      if (has_blocks) begin = entry.begin + c_.block_begins[block];
      const bool is_full = entry.count - done >= kPostingsBlock;
      const bool fits = is_full ? full_block_fits(begin, before) : tail_fits(begin, entry.count - done, before);
      if (!fits || (has_blocks && c_.block_lasts[block] != before)) return false;
    }
    return true;
  }

  bool posting_fits(std::uint32_t gap, std::uint32_t code, std::int64_t& before) const {
    before += std::int64_t{gap} + 1;
    return before < static_cast<std::int64_t>(c_.ids.size()) && code < c_.frequencies.size();
  }

  // Gaps of so few bits cannot add up to a whole turn of the numbers, so that the last ordinal speaks for all of them,
  // and codes of so few bits have a frequency, if only 0.
  bool full_block_fits(std::size_t begin, std::int64_t& before) const {
    if (begin > payload() || payload() - begin < 2) return false;
    const std::uint8_t* bytes = c_.postings.data() + begin;
    for (const unsigned bits : {bytes[0], bytes[1]}) {
      if (bits > kPackedBitsMax && bits != 32) return false;
    }
    if (payload() - begin - 2 < (bytes[0] + bytes[1]) * kPostingsBlock / 8) return false;
    if (bytes[0] > kSummedBitsMax || bytes[1] > code_bits_) return wide_block_fits(bytes, before);
    std::uint32_t ordinals[kPostingsBlock];
    kernels_.unpack(bytes + 2, bytes[0], ordinals);
    kernels_.sum_gaps(static_cast<std::uint32_t>(before), ordinals);
    const std::int64_t last = ordinals[kPostingsBlock - 1];
    if (last <= before || last >= static_cast<std::int64_t>(c_.ids.size())) return false;
    before = last;
    return true;
  }

  bool wide_block_fits(const std::uint8_t* bytes, std::int64_t& before) const {
    std::uint32_t gaps[kPostingsBlock];
    std::uint32_t codes[kPostingsBlock];
    kernels_.unpack(bytes + 2, bytes[0], gaps);
    kernels_.unpack(bytes + 2 + bytes[0] * kPostingsBlock / 8, bytes[1], codes);
    for (std::size_t i = 0; i < kPostingsBlock; ++i) {
      if (!posting_fits(gaps[i], codes[i], before)) return false;
    }
    return true;
  }

  bool tail_fits(std::size_t begin, std::size_t count, std::int64_t& before) const {
    if (begin > payload()) return false;
    const std::uint8_t* at = c_.postings.data() + begin;
    const std::uint8_t* end = c_.postings.data() + payload();
    std::uint32_t gap = 0;
    std::uint32_t code = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!read_bounded_varint(at, end, gap) || !read_bounded_varint(at, end, code) || !posting_fits(gap, code, before)) return false;
    }
    return true;
  }

  const FixedLexicalColumns& c_;
  std::size_t terms_;
  unsigned code_bits_;
  const PostingsKernels& kernels_ = best_postings_kernels();
};

Result<void> check(const FixedLexicalColumns& columns) {
  const Checker checker(columns);
  if (!checker.sizes_fit()) return corrupt("columns of different sizes");
  if (!checker.ids_ascend()) return corrupt("chunk ids out of order");
  if (!checker.terms_fit()) return corrupt("terms outside their text");
  if (!checker.forward_ends_fit()) return corrupt("forward lists outside their column");
  if (!checker.postings_fit()) return corrupt("a damaged posting list");
  return {};
}

}  // namespace

void LexicalSegment::save(SnapshotWriter& writer) const {
  const FixedLexicalColumns& c = shared_->columns;
  writer.column("lexical.ids", c.ids.span());
  writer.column("lexical.lengths", c.lengths.span());
  writer.column("lexical.forward_ends", c.forward_ends.span());
  writer.column("lexical.forward", c.forward.span());
  writer.column("lexical.frequencies", c.frequencies.span());
  writer.column("lexical.term_text", std::span(terms().text()));
  writer.column("lexical.term_ends", std::span(terms().ends()));
  writer.column("lexical.terms", c.terms.span());
  writer.column("lexical.postings", c.postings.span());
  writer.column("lexical.block_lasts", c.block_lasts.span());
  writer.column("lexical.block_begins", c.block_begins.span());
  writer.column("lexical.saturated_by", std::span<const LexicalOptions>(&options_, 1));
  writer.column("lexical.saturations", saturations_.terms.span());
  writer.column("lexical.block_saturations", saturations_.blocks.span());
}

// Nothing when they are of another ranking or not there, as in files of former versions.
std::optional<LexicalSegment::Saturations> LexicalSegment::saved_saturations(const SnapshotReader& reader,
                                                                             const FixedLexicalColumns& columns,
                                                                             const LexicalOptions& options) {
  const auto by = reader.column<LexicalOptions>("lexical.saturated_by");
  if (!by.has_value() || by->size() != 1 || by->front() != options) return std::nullopt;
  auto terms = reader.keep<float>("lexical.saturations", columns.terms.size());
  auto blocks = reader.keep<float>("lexical.block_saturations", columns.block_lasts.size());
  if (!terms.has_value() || !blocks.has_value()) return std::nullopt;
  return Saturations{std::move(*terms), std::move(*blocks)};
}

Result<std::shared_ptr<const LexicalSegment>> LexicalSegment::load(const SnapshotReader& reader,
                                                                   const LexicalOptions& options) {
  FixedLexicalColumns c;
  RAGTIME_TRY(c.ids, reader.keep<ChunkId>("lexical.ids"));
  RAGTIME_TRY(c.lengths, reader.keep<std::uint32_t>("lexical.lengths"));
  RAGTIME_TRY(c.forward_ends, reader.keep<std::uint64_t>("lexical.forward_ends"));
  RAGTIME_TRY(c.forward, reader.keep<std::uint8_t>("lexical.forward"));
  RAGTIME_TRY(c.frequencies, reader.keep<FieldCounts>("lexical.frequencies"));
  RAGTIME_TRY(c.term_text, read_column<char>(reader, "lexical.term_text"));
  RAGTIME_TRY(c.term_ends, read_column<std::uint32_t>(reader, "lexical.term_ends"));
  RAGTIME_TRY(c.terms, reader.keep<TermEntry>("lexical.terms"));
  RAGTIME_TRY(c.postings, reader.keep<std::uint8_t>("lexical.postings"));
  RAGTIME_TRY(c.block_lasts, reader.keep<std::uint32_t>("lexical.block_lasts"));
  RAGTIME_TRY(c.block_begins, reader.keep<std::uint32_t>("lexical.block_begins"));
  RAGTIME_TRY_DONE(check(c));
  auto saturations = saved_saturations(reader, c, options);
  if (!saturations) return std::make_shared<const LexicalSegment>(std::move(c), options, 0);
  return std::shared_ptr<const LexicalSegment>(
      new LexicalSegment(Shared::of(std::move(c), 0), options, std::move(*saturations)));
}

}  // namespace ragtime::index
