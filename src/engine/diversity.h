// Diversity: which of the ranked hits are shown when the best ones repeat each other. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace ragtime::engine {

// What is compared of a text.
class TextProfile {
 public:
  explicit TextProfile(std::string_view text);

  // But for white space.
  bool same_text(const TextProfile& other) const;
  // Runs of three terms that both texts have, divided by those that either has (Broder 1997); 0..1. The terms are those
  // of text::analyze(). 0 when the texts differ in a number: a contract with another sum is not a copy.
  double resemblance(const TextProfile& other) const;

  // Terms by hash, with how often they occur.
  const std::vector<std::pair<std::uint64_t, float>>& counts() const { return counts_; }

 private:
  std::size_t size_ = 0;                 // Bytes but for white space.
  std::uint64_t text_ = 0;               // Of those.
  std::uint64_t numbers_ = 0;            // Of the terms with a digit, in order.
  std::vector<std::uint64_t> shingles_;  // Sorted, each once.
  std::vector<std::pair<std::uint64_t, float>> counts_;
};

inline constexpr double kNearDuplicate = 0.9;  // Resemblance.

// The indexes of the hits that stay, in order. `hits` come best first, `profiles` are theirs. A hit is hidden when
// - a better one has the same text, in whichever document: nothing that could be read is lost; or
// - a better one of any document resembles it by kNearDuplicate or more, and its own document keeps another, better
//   hit: no document disappears because a similar one exists.
std::vector<std::size_t> without_duplicates(const std::vector<SearchHit>& hits,
                                            const std::vector<TextProfile>& profiles);

// Maximal marginal relevance (Carbonell and Goldstein 1998): of `among` (indexes of hits, best first) picks `count`,
// each time the one with the largest lambda · score − (1 − lambda) · (largest cosine to one that was picked). The
// cosine is that of term counts weighted with ln(1 + N / n) over `among`. In the order of picking.
std::vector<std::size_t> pick_marginal(const std::vector<SearchHit>& hits, const std::vector<TextProfile>& profiles,
                                       const std::vector<std::size_t>& among, std::size_t count, float lambda);

}  // namespace ragtime::engine
