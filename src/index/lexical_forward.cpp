#include <algorithm>

#include "index/lexical_search.h"

namespace ragtime::index {
namespace {

std::uint64_t filter_bit(TermId term) {
  return std::uint64_t{1} << (term % 64);
}

}  // namespace

ForwardScorer::ForwardScorer(const LexicalPart& part, std::span<const WeightedTerm> terms, const LengthNorm& norm)
    : segment_(*part.segment), norm_(norm) {
  for (const WeightedTerm& term : terms) {
    const auto id = segment_.terms().find(term.text);
    if (!id) continue;
    terms_.push_back({*id, term.weight});
    filter_ |= filter_bit(*id);
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
  const float norm = norm_.base + norm_.slope * static_cast<float>(forward_.terms.size());
  float sum = 0;
  for (const Term& term : terms_) {
    const float frequency = segment_.frequency(term.counts);
    if (frequency > 0) sum += term_score(term.weight, frequency, norm);
  }
  return sum;
}

bool ForwardScorer::has_phrase(std::span<const TermId> phrase) const {
  const auto begin = forward_.terms.begin();
  const auto middle = begin + static_cast<std::ptrdiff_t>(forward_.headings);
  const auto end = forward_.terms.end();
  return std::search(begin, middle, phrase.begin(), phrase.end()) != middle ||
         std::search(middle, end, phrase.begin(), phrase.end()) != end;
}

}  // namespace ragtime::index
