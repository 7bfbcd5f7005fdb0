#include "index/lexical_builder.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "base/check.h"

namespace ragtime::index {
namespace {

constexpr TermId kNoTerm = ~TermId{0};

// Numbers pairs of counts in the order they come, nearly always without hashing.
class CountNumbers {
 public:
  std::uint32_t number(FieldCounts counts) {
    if (counts.body < kBodies && counts.heading < kHeadings) {
      std::uint32_t& known = common_[counts.heading * kBodies + counts.body];
      if (known == 0) known = add(counts) + 1;
      return use(known - 1);
    }
    const std::uint64_t key = std::uint64_t{counts.heading} << 32 | counts.body;
    const auto [entry, is_new] = rare_.try_emplace(key, 0);
    if (is_new) entry->second = add(counts);
    return use(entry->second);
  }

  // Renumbers by falling use: result[number] is the new one, `sorted` the counts by it.
  std::vector<std::uint32_t> rank(std::vector<FieldCounts>& sorted) const {
    std::vector<std::uint32_t> order(counts_.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return uses_[a] > uses_[b]; });
    std::vector<std::uint32_t> ranks(order.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) {
      ranks[order[i]] = i;
      sorted.push_back(counts_[order[i]]);
    }
    return ranks;
  }

 private:
  static constexpr std::uint32_t kBodies = 64;
  static constexpr std::uint32_t kHeadings = 16;

  std::uint32_t add(FieldCounts counts) {
    counts_.push_back(counts);
    uses_.push_back(0);
    return static_cast<std::uint32_t>(counts_.size() - 1);
  }
  std::uint32_t use(std::uint32_t number) {
    ++uses_[number];
    return number;
  }

  std::uint32_t common_[kBodies * kHeadings] = {};  // Number plus one.
  std::unordered_map<std::uint64_t, std::uint32_t> rare_;
  std::vector<FieldCounts> counts_;
  std::vector<std::uint64_t> uses_;
};

struct Posting {
  Ordinal chunk = 0;
  std::uint32_t code = 0;
};

// The tokens of all chunks, terms numbered finally.
struct Tokens {
  std::vector<TermId>& terms;
  const std::vector<std::uint64_t>& ends;
  const std::vector<std::uint32_t>& headings;

  std::span<const TermId> of(std::size_t chunk) const {
    const std::uint64_t begin = chunk == 0 ? 0 : ends[chunk - 1];
    return std::span<const TermId>(terms).subspan(begin, ends[chunk] - begin);
  }
};

// Postings grouped by term, by ascending chunk within.
class Inverter {
 public:
  explicit Inverter(const Tokens& tokens, std::size_t terms) : tokens_(tokens), begins_(terms + 1, 0) {
    seen_.assign(terms, 0);
    for (std::size_t chunk = 0; chunk < tokens.ends.size(); ++chunk) count(chunk);
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    postings_.resize(begins_.back());
    std::vector<std::uint64_t> next(begins_.begin(), begins_.end() - 1);
    counts_.assign(terms, {});
    for (std::size_t chunk = 0; chunk < tokens.ends.size(); ++chunk) fill(chunk, next);
  }

  std::span<const Posting> of(TermId term) const {
    return std::span(postings_).subspan(begins_[term], begins_[term + 1] - begins_[term]);
  }
  const CountNumbers& numbers() const { return numbers_; }

 private:
  void count(std::size_t chunk) {
    const auto mark = static_cast<std::uint32_t>(chunk + 1);
    for (const TermId term : tokens_.of(chunk)) {
      begins_[term + 1] += seen_[term] != mark;
      seen_[term] = mark;
    }
  }

  void fill(std::size_t chunk, std::vector<std::uint64_t>& next) {
    const auto terms = tokens_.of(chunk);
    for (std::size_t i = 0; i < terms.size(); ++i) {
      ++(i < tokens_.headings[chunk] ? counts_[terms[i]].heading : counts_[terms[i]].body);
    }
    for (const TermId term : terms) {
      FieldCounts& counts = counts_[term];
      if (counts.body + counts.heading == 0) continue;
      postings_[next[term]++] = {static_cast<Ordinal>(chunk), numbers_.number(counts)};
      counts = {};
    }
  }

  const Tokens& tokens_;
  std::vector<std::uint64_t> begins_;
  std::vector<std::uint32_t> seen_;
  std::vector<FieldCounts> counts_;
  std::vector<Posting> postings_;
  CountNumbers numbers_;
};

class PostingWriter {
 public:
  PostingWriter(LexicalColumns& columns, std::span<const std::uint32_t> codes) : columns_(columns), codes_(codes) {}

  void write(std::span<const Posting> postings) {
    const std::uint64_t begin = columns_.postings.size();
    columns_.terms.push_back({.begin = begin,
                              .count = static_cast<std::uint32_t>(postings.size()),
                              .block = static_cast<std::uint32_t>(columns_.block_lasts.size())});
    const bool has_entries = postings.size() > kPostingsBlock;
    std::uint32_t before = ~std::uint32_t{0};
    for (; !postings.empty(); postings = postings.subspan(std::min(kPostingsBlock, postings.size()))) {
      const auto block = postings.first(std::min(kPostingsBlock, postings.size()));
      if (has_entries) {
        columns_.block_lasts.push_back(block.back().chunk);
        columns_.block_begins.push_back(static_cast<std::uint32_t>(columns_.postings.size() - begin));
      }
      block.size() == kPostingsBlock ? write_full(block, before) : write_tail(block, before);
      before = block.back().chunk;
    }
  }

 private:
  void write_full(std::span<const Posting> block, std::uint32_t before) {
    std::uint32_t gaps[kPostingsBlock];
    std::uint32_t codes[kPostingsBlock];
    std::uint32_t all_gaps = 0;
    std::uint32_t all_codes = 0;
    for (std::size_t i = 0; i < kPostingsBlock; ++i) {
      all_gaps |= gaps[i] = block[i].chunk - before - 1;
      all_codes |= codes[i] = codes_[block[i].code];
      before = block[i].chunk;
    }
    columns_.postings.push_back(static_cast<std::uint8_t>(packed_bits(all_gaps)));
    columns_.postings.push_back(static_cast<std::uint8_t>(packed_bits(all_codes)));
    append_packed(gaps, packed_bits(all_gaps));
    append_packed(codes, packed_bits(all_codes));
  }

  void append_packed(const std::uint32_t* values, unsigned bits) {
    const std::size_t begin = columns_.postings.size();
    columns_.postings.resize(begin + bits * kPostingsBlock / 8);
    pack_values(values, bits, columns_.postings.data() + begin);
  }

  void write_tail(std::span<const Posting> block, std::uint32_t before) {
    for (const Posting& posting : block) {
      append_varint(posting.chunk - before - 1, columns_.postings);
      append_varint(codes_[posting.code], columns_.postings);
      before = posting.chunk;
    }
  }

  LexicalColumns& columns_;
  std::span<const std::uint32_t> codes_;
};

// Renumbers terms by falling frequency, leaving out those that do not occur.
void rank_terms(const TermTable& terms, std::vector<TermId>& tokens, LexicalColumns& columns) {
  std::vector<std::uint32_t> uses(terms.size(), 0);
  for (const TermId term : tokens) ++uses[term];
  std::vector<TermId> order(terms.size());
  std::iota(order.begin(), order.end(), 0u);
  std::erase_if(order, [&](TermId term) { return uses[term] == 0; });
  std::stable_sort(order.begin(), order.end(), [&](TermId a, TermId b) { return uses[a] > uses[b]; });
  std::vector<TermId> ranks(terms.size(), kNoTerm);
  for (TermId i = 0; i < order.size(); ++i) {
    ranks[order[i]] = i;
    const std::string_view text = terms.term(order[i]);
    columns.term_text.insert(columns.term_text.end(), text.begin(), text.end());
    columns.term_ends.push_back(static_cast<std::uint32_t>(columns.term_text.size()));
  }
  for (TermId& term : tokens) term = ranks[term];
}

void write_forward(const Tokens& tokens, LexicalColumns& columns) {
  for (std::size_t chunk = 0; chunk < tokens.ends.size(); ++chunk) {
    const auto terms = tokens.of(chunk);
    append_varint(tokens.headings[chunk], columns.forward);
    for (const TermId term : terms) append_varint(term, columns.forward);
    columns.forward_ends.push_back(columns.forward.size());
    columns.lengths.push_back(static_cast<std::uint32_t>(terms.size()));
  }
}

void write_postings(const Tokens& tokens, LexicalColumns& columns) {
  const Inverter inverter(tokens, columns.term_ends.size());
  const auto codes = inverter.numbers().rank(columns.frequencies);
  PostingWriter writer(columns, codes);
  for (TermId term = 0; term < columns.term_ends.size(); ++term) writer.write(inverter.of(term));
  columns.postings.resize(columns.postings.size() + kPackedPadding);
}

}  // namespace

void LexicalBuilder::add(ChunkId id, std::span<const TermId> heading, std::span<const TermId> body,
                         std::uint64_t sequence) {
  RAGTIME_CHECK(ids_.empty() || ids_.back() < id);
  ids_.push_back(id);
  sequences_.push_back(sequence);
  tokens_.insert(tokens_.end(), heading.begin(), heading.end());
  tokens_.insert(tokens_.end(), body.begin(), body.end());
  headings_.push_back(static_cast<std::uint32_t>(heading.size()));
  ends_.push_back(tokens_.size());
}

std::shared_ptr<const LexicalSegment> LexicalBuilder::finish(std::uint64_t sequence, bool keep_sequences) && {
  LexicalColumns columns;
  rank_terms(terms_, tokens_, columns);
  const Tokens tokens{tokens_, ends_, headings_};
  write_forward(tokens, columns);
  write_postings(tokens, columns);
  columns.ids = std::move(ids_);
  if (!keep_sequences) sequences_.clear();
  return std::make_shared<LexicalSegment>(fixed(std::move(columns)), options_, sequence, std::move(sequences_));
}

}  // namespace ragtime::index
