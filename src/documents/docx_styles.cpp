#include "documents/docx_styles.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace ragtime::documents {
namespace {

constexpr int kInheritanceMax = 32;
constexpr int kListLevelMax = 8;
constexpr int kBodyText = 9;
constexpr int kUnset = -1;
constexpr int kNoList = -2;  // Said on purpose, against an inherited list.

std::string_view without_prefix(const char* name) {
  const std::string_view whole = name;
  return whole.substr(whole.find(':') + 1);
}

// "heading 3" or "Heading3" is 2; -1 for other names. Word keeps the English name in every language.
int level_of_heading_name(std::string_view name) {
  std::string lower;
  for (const char c : name) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (!lower.starts_with("heading")) return -1;
  const std::size_t digit = lower.find_first_not_of(' ', 7);
  if (digit == std::string::npos || digit + 1 != lower.size() || lower[digit] < '1' || lower[digit] > '9') return -1;
  return lower[digit] - '1';
}

int number_of(pugi::xml_node node, int missing) {
  const std::string_view value = attribute(node, "val");
  return value.empty() ? missing : std::atoi(std::string(value).c_str());
}

}  // namespace

std::string_view local_name(pugi::xml_node node) {
  return without_prefix(node.name());
}

pugi::xml_node child(pugi::xml_node node, std::string_view name) {
  return node.find_child([&](pugi::xml_node candidate) { return local_name(candidate) == name; });
}

std::string_view attribute(pugi::xml_node node, std::string_view name) {
  return node.find_attribute([&](pugi::xml_attribute candidate) { return without_prefix(candidate.name()) == name; })
      .value();
}

bool is_on(pugi::xml_node node) {
  const std::string_view value = attribute(node, "val");
  return value != "0" && value != "false" && value != "off";
}

void DocxStyles::read(const pugi::xml_document& styles_part) {
  for (const pugi::xml_node& node : styles_part.document_element().children()) {
    if (local_name(node) != "style") continue;
    const std::string_view id = attribute(node, "styleId");
    styles_.emplace(std::string(id), describe(id, node));
  }
}

DocxStyles::Style DocxStyles::describe(std::string_view id, pugi::xml_node node) {
  Style style;
  const std::string_view name = attribute(child(node, "name"), "val");
  style.based_on = attribute(child(node, "basedOn"), "val");
  style.is_title = name == "Title" || name == "title" || id == "Title";
  style.outline_level = std::max(level_of_heading_name(name), level_of_heading_name(id));
  read_properties(child(node, "pPr"), style);
  return style;
}

void DocxStyles::read_properties(pugi::xml_node properties, Style& style) {
  if (const pugi::xml_node outline = child(properties, "outlineLvl")) style.outline_level = number_of(outline, -1);
  const pugi::xml_node numbering = child(properties, "numPr");
  if (!numbering) return;
  const bool none = number_of(child(numbering, "numId"), 1) == 0;
  style.list_level = none ? kNoList : std::clamp(number_of(child(numbering, "ilvl"), 0), 0, kListLevelMax);
}

ParagraphStyle DocxStyles::resolve(pugi::xml_node properties) const {
  Style merged;
  const std::string_view id = attribute(child(properties, "pStyle"), "val");
  if (!id.empty() && styles_.empty()) merged.outline_level = level_of_heading_name(id);
  read_properties(properties, merged);
  std::string_view next = id;
  for (int step = 0; step < kInheritanceMax && !next.empty(); ++step) {
    const auto found = styles_.find(next);
    if (found == styles_.end()) break;
    if (merged.outline_level == kUnset) merged.outline_level = found->second.outline_level;
    if (merged.list_level == kUnset) merged.list_level = found->second.list_level;
    merged.is_title = merged.is_title || found->second.is_title;
    next = found->second.based_on;
  }
  ParagraphStyle result;
  result.is_title = merged.is_title;
  result.list_level = std::max(merged.list_level, kUnset);
  if (merged.outline_level >= 0 && merged.outline_level < kBodyText) {
    result.heading_level = std::min(merged.outline_level + 1, 6);
  } else if (merged.is_title) {
    result.heading_level = 1;
  }
  return result;
}

}  // namespace ragtime::documents
