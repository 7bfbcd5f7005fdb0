#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "index/lexical_segment.h"
#include "index/snapshot.h"

namespace ragtime::index {
namespace {

template <class T>
Result<std::vector<T>> read_column(const SnapshotReader& reader, std::string_view name) {
  RAGTIME_TRY(const auto values, reader.column<T>(name));
  return std::vector<T>(values.begin(), values.end());
}

Error corrupt(std::string_view what) {
  return make_error(ErrorCode::corrupt, "lexical index: " + std::string(what));
}

// A varint that ends before `end`; false when there is none.
bool read_bounded(const std::uint8_t*& at, const std::uint8_t* end, std::uint32_t& value) {
  value = 0;
  for (unsigned shift = 0; at != end && shift < 32; shift += 7) {
    const std::uint8_t byte = *at++;
    value |= (byte & 0x7Fu) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// Whether everything that reading relies on holds, whatever the columns contain.
class Checker {
 public:
  explicit Checker(const FixedLexicalColumns& columns) : c_(columns), terms_(columns.terms.size()) {}

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

  // Also counts the chunks of each term.
  bool forward_lists_fit() {
    chunks_.assign(terms_, 0);
    seen_.assign(terms_, 0);
    std::uint64_t begin = 0;
    for (std::uint32_t chunk = 0; chunk < c_.ids.size(); ++chunk) {
      const std::uint64_t end = c_.forward_ends[chunk];
      if (end < begin || end > c_.forward.size() || !forward_list_fits(chunk, begin, end)) return false;
      begin = end;
    }
    return begin == c_.forward.size();
  }

  bool postings_fit() {
    std::uint32_t block = 0;
    for (TermId term = 0; term < terms_; ++term) {
      const TermEntry& entry = c_.terms[term];
      if (entry.count == 0 || entry.count != chunks_[term] || entry.begin > payload()) return false;
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

  bool forward_list_fits(std::uint32_t chunk, std::uint64_t begin, std::uint64_t end) {
    const std::uint8_t* at = c_.forward.data() + begin;
    const std::uint8_t* stop = c_.forward.data() + end;
    std::uint32_t value = 0;
    if (!read_bounded(at, stop, value) || value > c_.lengths[chunk]) return false;
    for (std::uint32_t i = 0; i < c_.lengths[chunk]; ++i) {
      if (!read_bounded(at, stop, value) || value >= terms_) return false;
      chunks_[value] += seen_[value] != chunk + 1;
      seen_[value] = chunk + 1;
    }
    return at == stop;
  }

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

  bool full_block_fits(std::size_t begin, std::int64_t& before) const {
    if (begin > payload() || payload() - begin < 2) return false;
    const std::uint8_t* bytes = c_.postings.data() + begin;
    for (const unsigned bits : {bytes[0], bytes[1]}) {
      if (bits > kPackedBitsMax && bits != 32) return false;
    }
    if (payload() - begin - 2 < (bytes[0] + bytes[1]) * kPostingsBlock / 8) return false;
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
      if (!read_bounded(at, end, gap) || !read_bounded(at, end, code) || !posting_fits(gap, code, before)) return false;
    }
    return true;
  }

  const FixedLexicalColumns& c_;
  std::size_t terms_;
  const PostingsKernels& kernels_ = best_postings_kernels();
  std::vector<std::uint32_t> chunks_;  // By term: how many chunks have it.
  std::vector<std::uint32_t> seen_;    // By term: the last of them, plus one.
};

Result<void> check(const FixedLexicalColumns& columns) {
  Checker checker(columns);
  if (!checker.sizes_fit()) return corrupt("columns of different sizes");
  if (!checker.ids_ascend()) return corrupt("chunk ids out of order");
  if (!checker.terms_fit()) return corrupt("terms outside their text");
  if (!checker.forward_lists_fit()) return corrupt("a damaged forward list");
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
  return std::make_shared<const LexicalSegment>(std::move(c), options, 0);
}

}  // namespace ragtime::index
