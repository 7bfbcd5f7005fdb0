#include "index/lexical_view.h"

#include <algorithm>
#include <cmath>

namespace ragtime::index {
namespace {

// Fewer selected chunks are scored one by one.
constexpr std::size_t kScoredSingly = 1024;

using Phrase = std::vector<TermId>;

// Nothing when a term does not occur in the part, and so no phrase with it.
std::optional<std::vector<Phrase>> numbered(const LexicalSegment& segment,
                                            const std::vector<std::vector<std::string>>& phrases) {
  std::vector<Phrase> result;
  for (const auto& phrase : phrases) {
    Phrase numbers;
    for (const std::string& text : phrase) {
      const auto term = segment.terms().find(text);
      if (!term) return std::nullopt;
      numbers.push_back(*term);
    }
    if (!numbers.empty()) result.push_back(std::move(numbers));
  }
  return result;
}

struct HashedTerm {
  std::uint32_t hash = 0;
  std::string_view text;
};

// So that equal terms are neighbours.
std::vector<HashedTerm> sorted_by_hash(const std::vector<std::string>& terms) {
  std::vector<HashedTerm> sorted;
  sorted.reserve(terms.size());
  for (const std::string& term : terms) sorted.push_back({TermTable::hash(term), term});
  std::sort(sorted.begin(), sorted.end(), [](const HashedTerm& a, const HashedTerm& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.text < b.text;
  });
  return sorted;
}

PostingList rarest(const LexicalSegment& segment, const std::vector<Phrase>& phrases) {
  PostingList shortest;
  for (const Phrase& phrase : phrases) {
    for (const TermId term : phrase) {
      const PostingList list = segment.postings(term);
      if (shortest.bytes == nullptr || list.count < shortest.count) shortest = list;
    }
  }
  return shortest;
}

bool has_all(const ForwardScorer& scorer, const std::vector<Phrase>& phrases) {
  return std::all_of(phrases.begin(), phrases.end(), [&](const Phrase& phrase) { return scorer.has_phrase(phrase); });
}

void score_chunks(const LexicalPart& part, const PartQuery& query, std::span<const ChunkId> ids, TopK& best) {
  ForwardScorer scorer(part, query);
  for (const ChunkId id : ids) {
    const auto chunk = part.segment->find(id);
    if (!chunk || part.is_removed(*chunk)) continue;
    const float score = scorer.score(*chunk);
    if (score > 0) best.offer({id, score});
  }
}

void search_phrases(const LexicalPart& part, const PartQuery& terms, const LexicalQuery& query, TopK& best) {
  const auto phrases = numbered(*part.segment, query.phrases);
  if (!phrases || phrases->empty()) return;
  const PostingList list = rarest(*part.segment, *phrases);
  ForwardScorer scorer(part, terms);
  PostingBlock decoded;
  for (std::size_t block = 0; block < list.blocks; ++block) {
    decode_block(best_postings_kernels(), list, block, decoded);
    for (std::size_t i = 0; i < decoded.size; ++i) {
      const Ordinal chunk = decoded.ordinals[i];
      const ChunkId id = part.segment->ids()[chunk];
      if (part.is_removed(chunk) || (query.selection != nullptr && !query.selection->contains(id))) continue;
      const float score = scorer.score(chunk);
      if (score > 0 && best.would_keep({id, score}) && has_all(scorer, *phrases)) best.offer({id, score});
    }
  }
}

}  // namespace

PartsView::PartsView(LexicalOptions options, std::vector<LexicalPart> parts, std::uint64_t sequence, bool has_base)
    : options_(options), parts_(std::move(parts)), sequence_(sequence), has_base_(has_base) {
  for (const LexicalPart& part : parts_) {
    size_ += part.living();
    length_sum_ += part.living_length();
  }
}

std::vector<std::vector<WeightedTerm>> PartsView::weigh(const std::vector<std::string>& terms) const {
  std::vector<HashedTerm> sorted = sorted_by_hash(terms);
  std::vector<std::vector<WeightedTerm>> weighted(parts_.size());
  std::vector<std::optional<TermId>> found(parts_.size());
  for (auto& in_part : weighted) in_part.reserve(sorted.size());
  for (std::size_t i = 0, next = 0; i < sorted.size(); i = next) {
    for (next = i; next < sorted.size() && sorted[next].text == sorted[i].text;) ++next;
    std::size_t frequency = 0;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      found[p] = parts_[p].segment->terms().find(sorted[i].text, sorted[i].hash);
      if (found[p]) frequency += parts_[p].living_count(*found[p]);
    }
    if (frequency == 0) continue;
    const float weight = this->weight(next - i, frequency);
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      if (found[p]) weighted[p].push_back({*found[p], weight});
    }
  }
  for (auto& in_part : weighted) {
    std::stable_sort(in_part.begin(), in_part.end(), [](auto& a, auto& b) { return a.weight > b.weight; });
  }
  return weighted;
}

LengthNorm PartsView::norm() const {
  const float average = static_cast<float>(length_sum_) / static_cast<float>(std::max<std::size_t>(size_, 1));
  return {.base = norm_base(options_), .slope = options_.k1 * options_.b / average, .average_length = average};
}

// Of a term that is in `frequency` chunks and `count` times in the query.
float PartsView::weight(std::size_t count, std::size_t frequency) const {
  const auto chunks = static_cast<double>(frequency);
  const double idf = std::log(1 + (static_cast<double>(size_) - chunks + 0.5) / (chunks + 0.5));
  return static_cast<float>(static_cast<double>(count) * idf * (static_cast<double>(options_.k1) + 1));
}

std::vector<std::vector<WordPostings>> PartsView::find_words(const std::vector<std::vector<std::string>>& words) const {
  std::vector<std::vector<WordPostings>> found(parts_.size());
  for (const auto& word : words) {
    std::size_t frequency = 0;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      found[p].push_back(find_word(parts_[p], word));
      frequency += found[p].back().chunks.size();
    }
    for (auto& in_part : found) in_part.back().weight = frequency == 0 ? 0 : weight(1, frequency);
  }
  return found;
}

std::vector<Hit> PartsView::search(const LexicalQuery& query) const {
  TopK best(std::min(query.k, size_));
  if (query.k == 0 || size_ == 0) return {};
  const auto terms = weigh(query.terms);
  const auto words = find_words(query.words);
  const bool has_few = query.selection != nullptr && query.selection->size() <= kScoredSingly;
  const std::vector<ChunkId> few = has_few ? query.selection->ids() : std::vector<ChunkId>{};
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const PartQuery in_part{terms[p], words[p], norm()};
    if (!query.phrases.empty()) {
      search_phrases(parts_[p], in_part, query, best);
    } else if (has_few) {
      score_chunks(parts_[p], in_part, few, best);
    } else {
      scan_postings(parts_[p], in_part, query.selection, best);
    }
  }
  return std::move(best).take_sorted();
}

std::vector<float> PartsView::scores(const std::vector<std::string>& terms, std::span<const ChunkId> ids) const {
  std::vector<float> result(ids.size(), 0);
  const auto weighted = weigh(terms);
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const LexicalPart& part = parts_[p];
    ForwardScorer scorer(part, {weighted[p], {}, norm()});
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto chunk = part.segment->find(ids[i]);
      if (chunk && !part.is_removed(*chunk)) result[i] = scorer.score(*chunk);
    }
  }
  return result;
}

LexicalIndexReport PartsView::report() const {
  LexicalIndexReport report;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const LexicalPart& part = parts_[p];
    const bool is_base = has_base_ && p == 0;
    report.chunks += part.living();
    report.recent += is_base ? 0 : part.living();
    report.removed += part.removed();
    report.terms += is_base ? part.segment->terms().size() : 0;
    report.bytes += part.segment->bytes() + (part.removals == nullptr ? 0 : part.removals->bytes());
  }
  return report;
}

}  // namespace ragtime::index
