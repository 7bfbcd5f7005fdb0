#include "api/filters.h"

#include <limits>

#include <fmt/format.h>

#include "text/utf8.h"

namespace ragtime::api {
namespace {

constexpr double kNumberMax = std::numeric_limits<double>::max();

std::optional<AttributeValue> read_value(const JsonNode& node, bool boolean_allowed) {
  if (node.is_string()) return AttributeValue(node.string());
  if (node.is_number()) return AttributeValue(node.number(-kNumberMax, kNumberMax));
  if (node.is_boolean() && boolean_allowed) return AttributeValue(node.boolean_or(false));
  if (!node.present()) {
    node.reject_missing();
  } else {
    node.reject_type(boolean_allowed ? "a string, a number or a boolean" : "a string or a number");
  }
  return std::nullopt;
}

index::Filter read_comparison(const JsonNode& node, index::FilterOp op) {
  index::Filter filter;
  filter.op = op;
  filter.key = node["key"].string();
  const JsonNode value = node["value"];
  const bool listed = op == index::FilterOp::in || op == index::FilterOp::nin;
  const bool ordered = op != index::FilterOp::eq && op != index::FilterOp::ne && !listed;
  if (!listed) {
    if (auto single = read_value(value, !ordered)) filter.values.push_back(std::move(*single));
    return filter;
  }
  if (!value.present()) value.reject_missing();
  for (const JsonNode& item : value.items(1000)) {
    if (auto each = read_value(item, true)) filter.values.push_back(std::move(*each));
  }
  return filter;
}

index::Filter read_any(const JsonNode& node, int depth);

index::Filter read_compound(const JsonNode& node, index::FilterOp op, int depth) {
  index::Filter filter;
  filter.op = op;
  const JsonNode children = node["filters"];
  if (!children.present()) children.reject_missing();
  for (const JsonNode& child : children.items(kFilterChildrenMax)) {
    filter.children.push_back(read_any(child, depth + 1));
  }
  return filter;
}

std::optional<index::FilterOp> op_of(std::string_view type) {
  using index::FilterOp;
  static constexpr std::pair<std::string_view, FilterOp> kOps[] = {
      {"eq", FilterOp::eq},      {"ne", FilterOp::ne},    {"gt", FilterOp::gt}, {"gte", FilterOp::gte},
      {"lt", FilterOp::lt},      {"lte", FilterOp::lte},  {"in", FilterOp::in}, {"nin", FilterOp::nin},
      {"and", FilterOp::all_of}, {"or", FilterOp::any_of}};
  for (const auto& [name, op] : kOps) {
    if (name == type) return op;
  }
  return std::nullopt;
}

index::Filter read_any(const JsonNode& node, int depth) {
  if (depth > index::kFilterDepthMax) {
    node.reject(fmt::format("Invalid '{}': filters may be nested {} deep.", node.path(), index::kFilterDepthMax));
    return {};
  }
  if (!node.present()) node.reject_missing();
  const JsonNode type = node["type"];
  const std::string name = type.string();
  const auto op = op_of(name);
  if (!op) {
    type.reject(
        fmt::format("Invalid value for '{}': '{}'. Supported values are: 'eq', 'ne', 'gt', 'gte', 'lt', 'lte', "
                    "'in', 'nin', 'and', 'or'.",
                    type.path(), name));
    return {};
  }
  const bool compound = *op == index::FilterOp::all_of || *op == index::FilterOp::any_of;
  return compound ? read_compound(node, *op, depth) : read_comparison(node, *op);
}

std::size_t count_nodes(const index::Filter& filter) {
  std::size_t count = 1;
  for (const index::Filter& child : filter.children) count += count_nodes(child);
  return count;
}

// The fields of an object within OpenAI's limits on their number and names.
std::vector<std::pair<std::string, JsonNode>> read_pairs(const JsonNode& node) {
  auto members = node.members();
  if (members.size() > kAttributesMax) {
    node.reject(fmt::format("Invalid '{}': at most {} pairs are allowed, but got {}.", node.path(), kAttributesMax,
                            members.size()));
    members.clear();
  }
  for (const auto& [key, value] : members) {
    if (key.empty() || text::count_code_points(key) > kAttributeKeyCharsMax) {
      node.reject(fmt::format("Invalid '{}': keys have 1 to {} characters.", node.path(), kAttributeKeyCharsMax));
    }
  }
  return members;
}

}  // namespace

std::optional<index::Filter> read_filter(const JsonNode& node) {
  if (!node.present()) return std::nullopt;
  index::Filter filter = read_any(node, 1);
  if (count_nodes(filter) > kFilterNodesMax) {
    node.reject(fmt::format("Invalid '{}': at most {} conditions are allowed in all.", node.path(), kFilterNodesMax));
  }
  return filter;
}

Attributes read_attributes(const JsonNode& node) {
  Attributes attributes;
  for (const auto& [key, value] : read_pairs(node)) {
    if (value.is_string()) {
      attributes[key] = value.string(kAttributeValueCharsMax);
    } else if (auto other = read_value(value, true)) {
      attributes[key] = std::move(*other);
    }
  }
  return attributes;
}

storage::Metadata read_metadata(const JsonNode& node) {
  storage::Metadata metadata;
  for (const auto& [key, value] : read_pairs(node)) metadata[key] = value.string(kAttributeValueCharsMax);
  return metadata;
}

ChunkSizes read_chunking_strategy(const JsonNode& node) {
  ChunkSizes sizes;
  if (!node.present()) return sizes;
  if (node["type"].choice({"auto", "static"}) == "auto") return sizes;
  const JsonNode values = node["static"];
  if (!values.present()) values.reject_missing();
  sizes.size = static_cast<int>(values["max_chunk_size_tokens"].integer(100, 4096));
  sizes.overlap = static_cast<int>(values["chunk_overlap_tokens"].integer(0, sizes.size / 2));
  return sizes;
}

}  // namespace ragtime::api
