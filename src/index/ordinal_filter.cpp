#include "index/ordinal_filter.h"

#include <bit>

namespace ragtime::index {
namespace {

// The first position from `from` on whose id is not less than `id`: doubling steps, as the ids sought ascend too.
std::size_t gallop(std::span<const ChunkId> ids, std::size_t from, ChunkId id) {
  std::size_t step = 1;
  std::size_t low = from;
  while (from + step < ids.size() && ids[from + step] < id) {
    low = from + step;
    step *= 2;
  }
  const std::size_t high = std::min(from + step + 1, ids.size());
  return static_cast<std::size_t>(std::lower_bound(ids.begin() + static_cast<std::ptrdiff_t>(low),
                                                   ids.begin() + static_cast<std::ptrdiff_t>(high), id) -
                                  ids.begin());
}

// Selections with fewer members than one in so many are listed member by member.
constexpr std::size_t kMarkedFrom = 400;
// Ids are kept by words if there are so many in a word, on average.
constexpr std::size_t kInWordLeast = 4;

}  // namespace

std::vector<IdWord> OrdinalFilter::words_of(std::span<const ChunkId> ids) {
  std::vector<IdWord> words;
  if (ids.empty() || ids.front() < 0 || ids.back() >> 32 != 0) return words;
  std::size_t count = 1;
  for (std::size_t i = 1; i < ids.size(); ++i) count += ids[i] / 64 != ids[i - 1] / 64 ? 1 : 0;
  if (count > 2 + ids.size() / kInWordLeast) return words;
  words.reserve(count);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto word = static_cast<std::uint32_t>(ids[i] / 64);
    if (words.empty() || words.back().word != word) words.push_back({0, word, static_cast<std::uint32_t>(i)});
    words.back().ids |= std::uint64_t{1} << ids[i] % 64;
  }
  return words;
}

std::optional<std::size_t> OrdinalFilter::mark(std::vector<std::uint64_t>& bits) const {
  if (id_words_.empty()) return std::nullopt;
  const std::size_t words = (ids_.size() + 63) / 64;
  if (selection_ == nullptr) {
    bits.assign(words + 1, ~std::uint64_t{0});
    if (ids_.size() % 64 != 0) bits[words - 1] >>= 64 - ids_.size() % 64;
    bits[words] = 0;
  } else {
    bits.assign(words + 1, 0);
    mark_selected(bits);
  }
  for (std::size_t word = 0; removed_ != nullptr && word < words; ++word) bits[word] &= ~removed_->word(word);
  return best_vector_kernels().count_bits(bits.data(), words);
}

void OrdinalFilter::mark_selected(std::vector<std::uint64_t>& bits) const {
  constexpr std::size_t kBlockWords = Selection::kBlockIds / 64;
  Selection::Block room;
  for (std::size_t first = 0, end = 0; first < id_words_.size(); first = end) {
    const std::size_t number = id_words_[first].word / kBlockWords;
    const auto is_before = [&](const IdWord& at) { return at.word / kBlockWords == number; };
    end = static_cast<std::size_t>(std::partition_point(id_words_.begin() + static_cast<std::ptrdiff_t>(first),
                                                        id_words_.end(), is_before) -
                                   id_words_.begin());
    const std::uint64_t* block = selection_->block(number, room);
    if (block == nullptr) continue;
    best_vector_kernels().pack_bits(id_words_.data() + first, end - first, block, number * kBlockWords, bits.data());
  }
}

std::vector<std::uint32_t> OrdinalFilter::list(std::span<const std::uint64_t> bits, std::size_t count) {
  std::vector<std::uint32_t> ordinals(count);
  std::size_t at = 0;
  for (std::size_t word = 0; word < bits.size(); ++word) {
    for (std::uint64_t left = bits[word]; left != 0; left &= left - 1) {
      ordinals[at++] = static_cast<std::uint32_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(left)));
    }
  }
  return ordinals;
}

bool OrdinalFilter::is_thin() const {
  return selection_ != nullptr && selection_->size() < ids_.size() / kMarkedFrom;
}

std::vector<std::uint32_t> OrdinalFilter::list() const {
  std::vector<std::uint64_t> bits;
  if (const auto count = is_thin() ? std::nullopt : mark(bits)) return list(bits, *count);
  std::vector<std::uint32_t> ordinals;
  ordinals.reserve(matches_max());
  const auto keep_living = [&](std::size_t ordinal) {
    if (removed_ == nullptr || !removed_->contains(ordinal)) ordinals.push_back(static_cast<std::uint32_t>(ordinal));
  };
  if (selection_ == nullptr) {
    for (std::size_t ordinal = 0; ordinal < ids_.size(); ++ordinal) keep_living(ordinal);
    return ordinals;
  }
  if (is_dense()) {
    for (const ChunkId id : selection_->ids()) {
      if (id > ids_.back()) break;
      if (id >= ids_.front()) keep_living(static_cast<std::size_t>(id - ids_.front()));
    }
    return ordinals;
  }
  std::size_t at = 0;
  for (const ChunkId id : selection_->ids()) {
    at = gallop(ids_, at, id);
    if (at == ids_.size()) break;
    if (ids_[at] == id) keep_living(at);
  }
  return ordinals;
}

}  // namespace ragtime::index
