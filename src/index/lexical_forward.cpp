#include <algorithm>

#include "index/lexical_search.h"

namespace ragtime::index {
namespace {

std::uint64_t filter_bit(TermId term) {
  return std::uint64_t{1} << (term % 64);
}

std::uint32_t count_in(std::span<const TermId> terms, std::span<const TermId> phrase) {
  std::uint32_t count = 0;
  for (auto at = terms.begin(); (at = std::search(at, terms.end(), phrase.begin(), phrase.end())) != terms.end();
       ++at) {
    ++count;
  }
  return count;
}

}  // namespace

ForwardScorer::ForwardScorer(const LexicalPart& part, const PartQuery& query) : segment_(*part.segment), query_(query) {
  for (const WeightedTerm& term : query.terms) {
    terms_.push_back({term.id, term.weight});
    filter_ |= filter_bit(term.id);
  }
}

float ForwardScorer::score(Ordinal chunk) {
  segment_.read_forward(chunk, forward_);
  for (Term& term : terms_) term.counts = {};
  for (std::size_t i = 0; i < forward_.terms.size(); ++i) {
    const TermId id = forward_.terms[i];
    if ((filter_ & filter_bit(id)) == 0) continue;
    const auto term = std::find_if(terms_.begin(), terms_.end(), [&](const Term& one) { return one.id == id; });
    if (term != terms_.end()) ++(i < forward_.headings ? term->counts.heading : term->counts.body);
  }
  const float norm = query_.norm.base + query_.norm.slope * static_cast<float>(forward_.terms.size());
  float sum = 0;
  for (const WordPostings& word : query_.words) {
    const float frequency = segment_.frequency(count_phrase(word.phrase));
    if (frequency > 0) sum += term_score(word.weight, frequency, norm);
  }
  for (const Term& term : terms_) {
    const float frequency = segment_.frequency(term.counts);
    if (frequency > 0) sum += term_score(term.weight, frequency, norm);
  }
  return sum;
}

FieldCounts ForwardScorer::count_phrase(std::span<const TermId> phrase) const {
  if (phrase.empty()) return {};
  const auto terms = std::span<const TermId>(forward_.terms);
  return {.body = count_in(terms.subspan(forward_.headings), phrase),
          .heading = count_in(terms.first(forward_.headings), phrase)};
}

bool ForwardScorer::has_phrase(std::span<const TermId> phrase) const {
  const FieldCounts counts = count_phrase(phrase);
  return counts.body + counts.heading > 0;
}

WordPostings find_word(const LexicalPart& part, std::span<const std::string> phrase) {
  WordPostings word;
  const LexicalSegment& segment = *part.segment;
  PostingList rarest;
  for (const std::string& text : phrase) {
    const auto term = segment.terms().find(text);
    if (!term) return {};
    word.phrase.push_back(*term);
    const PostingList list = segment.postings(*term);
    if (rarest.bytes == nullptr || list.count < rarest.count) rarest = list;
  }
  ForwardScorer reader(part, {});
  PostingBlock decoded;
  for (std::size_t block = 0; block < rarest.blocks; ++block) {
    decode_block(best_postings_kernels(), rarest, block, decoded);
    for (std::size_t i = 0; i < decoded.size; ++i) {
      const Ordinal chunk = decoded.ordinals[i];
      if (part.is_removed(chunk)) continue;
      reader.score(chunk);
      const float frequency = segment.frequency(reader.count_phrase(word.phrase));
      if (frequency == 0) continue;
      word.chunks.push_back(chunk);
      word.frequencies.push_back(frequency);
    }
  }
  return word;
}

}  // namespace ragtime::index
