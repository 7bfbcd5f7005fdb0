#include "index/filter.h"

#include <algorithm>

namespace ragtime::index {
namespace {

bool contains(const std::vector<AttributeValue>& values, const AttributeValue& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// Numbers by value, strings by code point; true and false have no order.
bool is_ordered(FilterOp op, const AttributeValue& left, const AttributeValue& right) {
  if (left.index() != right.index() || std::holds_alternative<bool>(left)) return false;
  switch (op) {
    case FilterOp::gt:
      return left > right;
    case FilterOp::gte:
      return left >= right;
    case FilterOp::lt:
      return left < right;
    case FilterOp::lte:
      return left <= right;
    default:
      return false;
  }
}

bool compare(FilterOp op, const AttributeValue& value, const std::vector<AttributeValue>& values) {
  switch (op) {
    case FilterOp::eq:
    case FilterOp::in:
      return contains(values, value);
    case FilterOp::ne:
    case FilterOp::nin:
      return !contains(values, value);
    default:
      return !values.empty() && is_ordered(op, value, values.front());
  }
}

}  // namespace

bool Filter::matches(const Attributes& attributes) const {
  const auto child_matches = [&](const Filter& child) { return child.matches(attributes); };
  if (op == FilterOp::all_of) return std::all_of(children.begin(), children.end(), child_matches);
  if (op == FilterOp::any_of) return std::any_of(children.begin(), children.end(), child_matches);
  const auto found = attributes.find(key);
  if (found == attributes.end()) return op == FilterOp::ne || op == FilterOp::nin;
  return compare(op, found->second, values);
}

}  // namespace ragtime::index
