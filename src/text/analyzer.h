// Analyzer: text to index terms for lexical search, and to sentences for extractive answers.
//
// Latin words are NFKC-folded, lower-cased and stemmed (Snowball English); identifiers such as `ef_construction` or
// `ERR-4012` give the whole and their parts; Chinese gives ICU words, those of one character included, and character
// bigrams (a word of two characters counts once); full-width forms fold to half-width, traditional characters to
// simplified ones. Documents and queries use the same analysis.
// Thread safety: every member may be called from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ragtime::text {

// The terms of a text in order, repeated as often as they occur.
std::vector<std::string> analyze(std::string_view utf8);

// For a search index, of documents and queries alike: first the terms that stand next to each other where the text
// does, words, parts of identifiers, bigrams; then the wholes of identifiers, and of Chinese every character and once
// more those that are words, in place of longer words. Than analyze() it finds better where texts are mixed (xquad-zh:
// MRR@10 .959 against .955, bigrams alone .959; cmrc2018: .985, .986, .978).
std::vector<std::string> index_terms(std::string_view utf8);

// The terms that stand next to each other in index_terms() of every text with this phrase in it. Where the phrase is
// a single Chinese character, that.
std::vector<std::string> phrase_terms(std::string_view utf8);

// The text with case, compatibility forms and traditional characters folded, as terms are.
std::string fold(std::string_view utf8);

struct Span {
  std::size_t begin = 0;  // Byte offsets; end is exclusive.
  std::size_t end = 0;
};

// Sentences of the text as trimmed, non-empty spans: ICU's rules plus 。！？； for Chinese; a line break ends a
// sentence in lists, tables and code.
std::vector<Span> split_sentences(std::string_view utf8);

}  // namespace ragtime::text
