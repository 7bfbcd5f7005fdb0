#include "index/term_table.h"

#include <bit>
#include <functional>
#include <limits>
#include <utility>

#include "base/check.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kSlotsMin = 16;

}  // namespace

std::uint32_t TermTable::hash(std::string_view term) {
  const std::uint64_t hash = std::hash<std::string_view>{}(term);
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

TermTable::TermTable(std::vector<char> text, std::vector<std::uint32_t> ends)
    : text_(std::move(text)), ends_(std::move(ends)) {
  grow(std::bit_ceil(ends_.size() * 3 / 2 + kSlotsMin));
}

TermId TermTable::intern(std::string_view term) {
  if ((ends_.size() + 1) * 3 > slots_.size() * 2) grow(std::max(slots_.size() * 2, kSlotsMin));
  const std::uint32_t hash = TermTable::hash(term);
  Slot& slot = slots_[slot_of(term, hash)];
  if (slot.id_plus_one != 0) return slot.id_plus_one - 1;
  RAGTIME_CHECK(text_.size() + term.size() <= std::numeric_limits<std::uint32_t>::max());
  text_.insert(text_.end(), term.begin(), term.end());
  ends_.push_back(static_cast<std::uint32_t>(text_.size()));
  slot = {hash, static_cast<std::uint32_t>(ends_.size())};
  return slot.id_plus_one - 1;
}

std::optional<TermId> TermTable::find(std::string_view term, std::uint32_t hash) const {
  if (slots_.empty()) return std::nullopt;
  const Slot& slot = slots_[slot_of(term, hash)];
  if (slot.id_plus_one == 0) return std::nullopt;
  return slot.id_plus_one - 1;
}

std::string_view TermTable::term(TermId id) const {
  const std::uint32_t begin = id == 0 ? 0 : ends_[id - 1];
  return {text_.data() + begin, ends_[id] - begin};
}

std::size_t TermTable::bytes() const {
  return text_.capacity() + ends_.capacity() * sizeof(std::uint32_t) + slots_.capacity() * sizeof(Slot);
}

// The slot of the term, or the empty one where it belongs.
std::size_t TermTable::slot_of(std::string_view text, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].id_plus_one != 0) {
    if (slots_[at].hash == hash && term(slots_[at].id_plus_one - 1) == text) break;
    at = (at + 1) & mask;
  }
  return at;
}

void TermTable::grow(std::size_t slots) {
  slots_.assign(slots, {});
  for (TermId id = 0; id < ends_.size(); ++id) {
    const std::uint32_t hash = TermTable::hash(term(id));
    slots_[slot_of(term(id), hash)] = {hash, id + 1};
  }
}

}  // namespace ragtime::index
