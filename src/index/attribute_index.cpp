#include "index/attribute_index.h"

#include <algorithm>
#include <cmath>
#include <variant>

namespace ragtime::index {
namespace {

bool is_nan(const AttributeValue& value) {
  const auto* number = std::get_if<double>(&value);
  return number != nullptr && std::isnan(*number);
}

}  // namespace

AttributeIndex::AttributeIndex(std::span<const Entry> entries) {
  std::map<std::string_view, std::vector<std::pair<const AttributeValue*, Slot>>> by_key;
  for (const Entry& entry : entries) {
    all_.add(entry.slot);
    for (const auto& [key, value] : *entry.attributes) {
      if (!is_nan(value)) by_key[key].emplace_back(&value, entry.slot);
    }
  }
  for (auto& [key, pairs] : by_key) columns_.emplace(key, column_of(std::move(pairs)));
  all_.runOptimize();
}

AttributeIndex::Column AttributeIndex::column_of(std::vector<std::pair<const AttributeValue*, Slot>> pairs) {
  std::sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) {
    if (*a.first < *b.first) return true;
    if (*b.first < *a.first) return false;
    return a.second < b.second;
  });
  Column column;
  column.slots.reserve(pairs.size());
  for (const auto& [value, slot] : pairs) {
    if (column.values.empty() || column.values.back() < *value) {
      column.values.push_back(*value);
      column.begins.push_back(column.slots.size());
    }
    column.slots.push_back(slot);
  }
  column.begins.push_back(column.slots.size());
  return column;
}

AttributeIndex::Positions AttributeIndex::equal_to(const Column& column, const AttributeValue& value) {
  if (is_nan(value)) return {0, 0};
  const auto [first, last] = std::equal_range(column.values.begin(), column.values.end(), value);
  return {first - column.values.begin(), last - column.values.begin()};
}

// Among values of the same type, of those that have an order.
AttributeIndex::Positions AttributeIndex::ordered(const Column& column, FilterOp op, const AttributeValue& value) {
  if (is_nan(value) || std::holds_alternative<bool>(value)) return {0, 0};
  const auto begin = column.values.begin();
  const auto before = [&](const AttributeValue& other) { return other.index() < value.index(); };
  const auto until = [&](const AttributeValue& other) { return other.index() <= value.index(); };
  const auto first = std::partition_point(begin, column.values.end(), before);
  const auto last = std::partition_point(first, column.values.end(), until);
  const auto [lower, upper] = std::equal_range(first, last, value);
  switch (op) {
    case FilterOp::gt:
      return {upper - begin, last - begin};
    case FilterOp::gte:
      return {lower - begin, last - begin};
    case FilterOp::lt:
      return {first - begin, lower - begin};
    case FilterOp::lte:
      return {first - begin, upper - begin};
    default:
      return {0, 0};
  }
}

Roaring AttributeIndex::compare(const Filter& filter) const {
  Roaring matches;
  const auto found = columns_.find(filter.key);
  if (found == columns_.end()) return matches;
  const Column& column = found->second;
  const auto take = [&](const Positions& positions) {
    const std::size_t begin = column.begins[positions.first];
    matches.addMany(column.begins[positions.second] - begin, column.slots.data() + begin);
  };
  const bool has_order = filter.op == FilterOp::gt || filter.op == FilterOp::gte || filter.op == FilterOp::lt ||
                         filter.op == FilterOp::lte;
  if (has_order) {
    if (!filter.values.empty()) take(ordered(column, filter.op, filter.values.front()));
    return matches;
  }
  for (const auto& value : filter.values) take(equal_to(column, value));
  return matches;
}

Roaring AttributeIndex::all_of(const std::vector<Filter>& filters) const {
  Roaring matches = all_;
  for (const auto& filter : filters) {
    if (matches.isEmpty()) break;
    matches &= select(filter);
  }
  return matches;
}

Roaring AttributeIndex::any_of(const std::vector<Filter>& filters) const {
  Roaring matches;
  for (const auto& filter : filters) matches |= select(filter);
  return matches;
}

Roaring AttributeIndex::select(const Filter& filter) const {
  switch (filter.op) {
    case FilterOp::all_of:
      return all_of(filter.children);
    case FilterOp::any_of:
      return any_of(filter.children);
    case FilterOp::ne:
    case FilterOp::nin:
      return all_ - compare(filter);
    default:
      return compare(filter);
  }
}

}  // namespace ragtime::index
