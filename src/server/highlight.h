// Snippets: the part of a passage that shows why it was found, and where the query's terms are in it.
//
// Thread safety: pure functions.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/analyzer.h"

namespace ragtime::server {

// Ranges of `passage` whose terms are terms of `query`, in order, not overlapping; stems and Chinese bigrams count.
std::vector<text::Span> find_terms(std::string_view passage, std::string_view query);

// At most `code_points` of the passage, on one line, around the densest terms, with "…" where it was cut. Every term
// goes through `mark`.
std::string make_snippet(std::string_view passage, std::string_view query, std::size_t code_points,
                         const std::function<std::string(std::string_view)>& mark);

}  // namespace ragtime::server
