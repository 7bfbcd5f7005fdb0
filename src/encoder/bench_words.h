// BenchWords: random texts of English words that every WordPiece vocabulary knows, one token each.
//
// Thread safety: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

namespace ragtime::encoder {

class BenchWords {
 public:
  explicit BenchWords(std::uint32_t seed) : random_(seed) {}

  std::string text(std::size_t words) {
    std::string out;
    for (std::size_t i = 0; i < words; ++i) {
      if (i > 0) out += ' ';
      out += kWords[random_() % kWords.size()];
    }
    return out;
  }
  std::mt19937& random() { return random_; }

 private:
  static constexpr std::array kWords = {
      "time",    "year",   "people",  "way",    "day",      "man",      "thing",   "woman",      "life",   "child",
      "world",   "school", "state",   "family", "group",    "country",  "problem", "hand",       "part",   "place",
      "case",    "week",   "company", "system", "program",  "question", "work",    "government", "number", "night",
      "point",   "home",   "water",   "room",   "mother",   "area",     "money",   "story",      "fact",   "month",
      "book",    "eye",    "job",     "word",   "business", "issue",    "side",    "kind",       "head",   "house",
      "service", "friend", "father",  "power",  "hour",     "game",     "line",    "end",        "member", "law"};

  std::mt19937 random_;
};

}  // namespace ragtime::encoder
