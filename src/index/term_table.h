// TermTable: strings numbered from 0 in the order they came, found by hashing.
//
// Thread safety: const members may be called from any threads together; intern() belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ragtime::index {

using TermId = std::uint32_t;

class TermTable {
 public:
  TermTable() = default;
  // Terms of `text`, one behind the other; ends[i] is where term i ends. Precondition: ends ascend up to text.size().
  TermTable(std::vector<char> text, std::vector<std::uint32_t> ends);

  // The number of the term, new or not. Precondition: all terms together are below 4 GiB.
  TermId intern(std::string_view term);
  std::optional<TermId> find(std::string_view term) const { return find(term, hash(term)); }
  // Of a term that is looked for in several tables: by its hash, which is the same for all.
  std::optional<TermId> find(std::string_view term, std::uint32_t hash) const;
  static std::uint32_t hash(std::string_view term);

  std::string_view term(TermId id) const;
  std::size_t size() const { return ends_.size(); }
  std::size_t bytes() const;
  const std::vector<char>& text() const { return text_; }
  const std::vector<std::uint32_t>& ends() const { return ends_; }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t id_plus_one = 0;  // 0: empty.
  };

  std::size_t slot_of(std::string_view term, std::uint32_t hash) const;
  void grow(std::size_t slots);

  std::vector<char> text_;
  std::vector<std::uint32_t> ends_;
  std::vector<Slot> slots_;  // A power of two, at most two thirds full.
};

}  // namespace ragtime::index
