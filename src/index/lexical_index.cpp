#include "index/lexical_index.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "base/check.h"
#include "index/top_k.h"

namespace ragtime::index {
namespace {

using Slot = std::uint32_t;  // Position of a chunk in insertion order.
using TermId = std::uint32_t;

// Removed chunks stay in the postings until they are this many, or half as many as the living.
constexpr std::size_t kDeadSlotsMin = 256;

struct Posting {
  Slot slot;
  std::uint32_t frequency;
};

struct Postings {
  std::vector<Posting> entries;  // By ascending slot.
  std::uint32_t living = 0;      // Entries whose chunk has not been removed.
};

struct ChunkEntry {
  ChunkId id = 0;
  std::uint32_t length = 0;
  bool is_living = false;
  std::vector<TermId> terms;  // Distinct; to keep `living` exact on removal.
};

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

using TermCounts = std::unordered_map<std::string_view, std::uint32_t>;

TermCounts count_terms(const std::vector<std::string>& terms) {
  TermCounts counts;
  for (const std::string& term : terms) ++counts[term];
  return counts;
}

}  // namespace

struct LexicalIndex::State {
  explicit State(Bm25Options bm25) : options(bm25) {}

  std::size_t living() const { return slots.size(); }
  TermId term_id(std::string_view term);
  void add_posting(TermId term, Posting posting);
  void compact();
  void compact_postings(const std::vector<Slot>& new_slots);
  void forget_unused_terms();

  float idf(const Postings& list) const;
  void accumulate(const Postings& list, float weight, std::vector<float>& scores, std::vector<Slot>& touched) const;

  Bm25Options options;
  std::unordered_map<std::string, TermId, StringHash, std::equal_to<>> dictionary;
  std::vector<Postings> postings;  // By term id.
  std::vector<TermId> free_terms;  // Ids without a term.
  std::vector<ChunkEntry> chunks;  // By slot.
  std::unordered_map<ChunkId, Slot> slots;
  std::uint64_t living_length = 0;  // Terms of all living chunks.
};

TermId LexicalIndex::State::term_id(std::string_view term) {
  if (const auto found = dictionary.find(term); found != dictionary.end()) return found->second;
  auto id = static_cast<TermId>(postings.size());
  if (free_terms.empty()) {
    postings.emplace_back();
  } else {
    id = free_terms.back();
    free_terms.pop_back();
  }
  dictionary.emplace(term, id);
  return id;
}

void LexicalIndex::State::add_posting(TermId term, Posting posting) {
  postings[term].entries.push_back(posting);
  ++postings[term].living;
}

// Renumbers the living chunks without gaps and drops everything else.
void LexicalIndex::State::compact() {
  std::vector<Slot> new_slots(chunks.size(), 0);
  Slot next = 0;
  for (std::size_t slot = 0; slot < chunks.size(); ++slot) {
    if (!chunks[slot].is_living) continue;
    slots[chunks[slot].id] = next;
    new_slots[slot] = next++;
  }
  compact_postings(new_slots);
  std::erase_if(chunks, [](const ChunkEntry& chunk) { return !chunk.is_living; });
  chunks.shrink_to_fit();
  forget_unused_terms();
}

void LexicalIndex::State::compact_postings(const std::vector<Slot>& new_slots) {
  for (Postings& list : postings) {
    std::erase_if(list.entries, [&](const Posting& posting) { return !chunks[posting.slot].is_living; });
    for (Posting& posting : list.entries) posting.slot = new_slots[posting.slot];
    if (list.entries.size() * 2 < list.entries.capacity()) list.entries.shrink_to_fit();
  }
}

void LexicalIndex::State::forget_unused_terms() {
  std::erase_if(dictionary, [&](const auto& entry) {
    const bool is_unused = postings[entry.second].entries.empty();
    if (is_unused) free_terms.push_back(entry.second);
    return is_unused;
  });
}

float LexicalIndex::State::idf(const Postings& list) const {
  const auto count = static_cast<float>(living());
  const auto frequency = static_cast<float>(list.living);
  return std::log(1 + (count - frequency + 0.5f) / (frequency + 0.5f));
}

void LexicalIndex::State::accumulate(const Postings& list, float weight, std::vector<float>& scores,
                                     std::vector<Slot>& touched) const {
  const float k1 = options.k1;
  const float average = static_cast<float>(living_length) / static_cast<float>(living());
  const float norm_base = k1 * (1 - options.b);
  const float norm_slope = k1 * options.b / average;
  for (const Posting& posting : list.entries) {
    const ChunkEntry& chunk = chunks[posting.slot];
    if (!chunk.is_living) continue;
    const auto frequency = static_cast<float>(posting.frequency);
    const float norm = norm_base + norm_slope * static_cast<float>(chunk.length);
    if (scores[posting.slot] == 0) touched.push_back(posting.slot);
    scores[posting.slot] += weight * frequency * (k1 + 1) / (frequency + norm);
  }
}

LexicalIndex::LexicalIndex(Bm25Options options) : state_(std::make_unique<State>(options)) {}
LexicalIndex::~LexicalIndex() = default;
LexicalIndex::LexicalIndex(LexicalIndex&&) noexcept = default;
LexicalIndex& LexicalIndex::operator=(LexicalIndex&&) noexcept = default;

void LexicalIndex::add(ChunkId id, const std::vector<std::string>& terms) {
  const auto slot = static_cast<Slot>(state_->chunks.size());
  const bool is_new = state_->slots.emplace(id, slot).second;
  RAGTIME_CHECK(is_new);
  ChunkEntry entry{.id = id, .length = static_cast<std::uint32_t>(terms.size()), .is_living = true, .terms = {}};
  for (const auto& [term, frequency] : count_terms(terms)) {
    entry.terms.push_back(state_->term_id(term));
    state_->add_posting(entry.terms.back(), {slot, frequency});
  }
  entry.terms.shrink_to_fit();
  state_->living_length += entry.length;
  state_->chunks.push_back(std::move(entry));
}

void LexicalIndex::remove(ChunkId id) {
  const auto found = state_->slots.find(id);
  if (found == state_->slots.end()) return;
  ChunkEntry& entry = state_->chunks[found->second];
  for (const TermId term : entry.terms) --state_->postings[term].living;
  state_->living_length -= entry.length;
  entry = ChunkEntry{};
  state_->slots.erase(found);
  const std::size_t dead = state_->chunks.size() - state_->living();
  if (dead > std::max(kDeadSlotsMin, state_->living() / 2)) state_->compact();
}

std::vector<Hit> LexicalIndex::search(const std::vector<std::string>& terms, std::size_t k,
                                      const Accept& accept) const {
  std::vector<float> scores(state_->chunks.size(), 0);
  std::vector<Slot> touched;
  for (const auto& [term, count] : count_terms(terms)) {
    const auto found = state_->dictionary.find(term);
    if (found == state_->dictionary.end()) continue;
    const Postings& list = state_->postings[found->second];
    state_->accumulate(list, static_cast<float>(count) * state_->idf(list), scores, touched);
  }
  TopK best(k);
  for (const Slot slot : touched) {
    const Hit hit{state_->chunks[slot].id, scores[slot]};
    if (best.would_keep(hit) && (!accept || accept(hit.id))) best.offer(hit);
  }
  return std::move(best).take_sorted();
}

std::size_t LexicalIndex::size() const {
  return state_->living();
}

}  // namespace ragtime::index
