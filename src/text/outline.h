// Outline: the sections that a document's headings make, and their merging into groups worth a chunk of their own.
// Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/document.h"

namespace ragtime::text {

struct Section {
  std::size_t block_begin = 0;  // A heading, except for what comes before the first one.
  std::size_t block_end = 0;
  int level = 0;                      // Of the heading; 0 before the first heading.
  std::vector<std::string> headings;  // From the outermost to its own.
};

// In order and covering every block.
std::vector<Section> make_sections(std::string_view text, const std::vector<Block>& blocks);

// Joins neighbours under the same parent until they reach a quarter of `size`. `tokens` holds the size of each section.
// Returns the index of the first section of every group.
std::vector<std::size_t> group_sections(const std::vector<Section>& sections, const std::vector<int>& tokens, int size);

// What all the sections have in common, joined with " › "; the heading path of `fallback` when that is nothing.
std::string heading_path(const std::vector<Section>& sections, std::size_t begin, std::size_t end,
                         std::size_t fallback);

}  // namespace ragtime::text
