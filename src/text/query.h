// What a person typed into a search box, as terms and phrases for a lexical index.
//
// Thread safety: parse_query() is pure; UserWords may be read from any threads once it is filled.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace ragtime::text {

// Words that a person wants to be found as wholes: names of products and of people, terms of a trade. They act on
// queries alone, so that a new list needs no new index.
class UserWords {
 public:
  UserWords() = default;
  // One word a line; empty lines and those that begin with # do not count.
  explicit UserWords(std::string_view lines);

  void add(std::string_view word);
  // Those in the text, folded, in its order: the longest at each place, none inside another. Words of letters do not
  // begin or end within others.
  std::vector<std::string> find_in(std::string_view utf8) const;
  bool empty() const { return words_.empty(); }
  std::size_t size() const { return words_.size(); }

 private:
  std::unordered_set<std::string> words_;  // Folded.
  std::size_t bytes_max_ = 0;              // Of the longest.
};

using PhraseTerms = std::vector<std::string>;

struct SearchTerms {
  // As index_terms() gives them; where some are Chinese, the others three times (MRR@10 of cmrc2018 .987 against .985,
  // xquad-zh .964, .959).
  std::vector<std::string> terms;
  std::vector<PhraseTerms> phrases;  // Between straight double quotes, full-width ones included: must be in a result.
  std::vector<PhraseTerms> words;    // The user's words of more than one term: should be in a result.
};

SearchTerms parse_query(std::string_view utf8, const UserWords& words = {});

}  // namespace ragtime::text
