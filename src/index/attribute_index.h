// AttributeIndex: which documents a filter matches, without looking at each.
//
// Every key has a column: its values in order, each with the slots of its documents. Equality and order are found by
// binary search; negation is the difference from all slots, as a missing key matches it too. select() answers exactly
// as Filter::matches() does. Documents are named by slots, small integers of the caller's.
// Thread safety: immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <roaring/roaring.hh>

#include "base/attributes.h"
#include "index/filter.h"

namespace ragtime::index {

class AttributeIndex {
 public:
  using Slot = std::uint32_t;
  struct Entry {
    Slot slot = 0;
    const Attributes* attributes = nullptr;  // Copied.
  };

  AttributeIndex() = default;
  // Precondition: slots are distinct.
  explicit AttributeIndex(std::span<const Entry> entries);

  Roaring select(const Filter& filter) const;
  std::size_t size() const { return all_.cardinality(); }

 private:
  struct Column {
    std::vector<AttributeValue> values;  // Ascending by type, then value; distinct, without NaN, which equals nothing.
    std::vector<std::size_t> begins;     // Of each value's slots, and the end.
    std::vector<Slot> slots;
  };
  using Positions = std::pair<std::size_t, std::size_t>;  // Of values, end exclusive.

  static Column column_of(std::vector<std::pair<const AttributeValue*, Slot>> pairs);
  static Positions equal_to(const Column& column, const AttributeValue& value);
  static Positions ordered(const Column& column, FilterOp op, const AttributeValue& value);
  Roaring compare(const Filter& filter) const;
  Roaring any_of(const std::vector<Filter>& filters) const;
  Roaring all_of(const std::vector<Filter>& filters) const;

  Roaring all_;
  std::map<std::string, Column, std::less<>> columns_;
};

}  // namespace ragtime::index
