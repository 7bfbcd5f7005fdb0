// Filter: a condition on a document's attributes, in OpenAI's grammar (comparison and compound filters).
//
// A value; copies are deep. Thread safety: const members may be called from any thread.
#pragma once

#include <string>
#include <vector>

#include "base/attributes.h"

namespace ragtime::index {

enum class FilterOp { eq, ne, gt, gte, lt, lte, in, nin, all_of, any_of };

struct Filter {
  FilterOp op = FilterOp::all_of;
  std::string key;                     // Comparisons only.
  std::vector<AttributeValue> values;  // One value; several for in and nin.
  std::vector<Filter> children;        // all_of ("and") and any_of ("or") only.

  // A missing key matches only ne and nin. Values of different types are unequal and never ordered.
  bool matches(const Attributes& attributes) const;

  bool operator==(const Filter&) const = default;
};

// Nesting deeper than this is refused where filters enter.
inline constexpr int kFilterDepthMax = 16;

}  // namespace ragtime::index
