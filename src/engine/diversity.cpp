#include "engine/diversity.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "text/analyzer.h"

namespace ragtime::engine {
namespace {

constexpr std::size_t kShingleTerms = 3;

std::uint64_t mixed(std::uint64_t hash, std::uint64_t with) {
  hash = (hash ^ with) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 32);
}

bool has_digit(const std::string& term) {
  return std::any_of(term.begin(), term.end(), [](char c) { return c >= '0' && c <= '9'; });
}

using TermWeights = std::vector<std::pair<std::uint64_t, float>>;  // Sorted by term, of length 1.

std::unordered_map<std::uint64_t, float> document_frequencies(const std::vector<TextProfile>& profiles,
                                                              const std::vector<std::size_t>& among) {
  std::unordered_map<std::uint64_t, float> frequencies;
  for (const std::size_t i : among) {
    for (const auto& [term, count] : profiles[i].counts()) ++frequencies[term];
  }
  return frequencies;
}

std::vector<TermWeights> weigh(const std::vector<TextProfile>& profiles, const std::vector<std::size_t>& among) {
  const auto frequencies = document_frequencies(profiles, among);
  const auto total = static_cast<float>(among.size());
  std::vector<TermWeights> weighted;
  for (const std::size_t i : among) {
    TermWeights& weights = weighted.emplace_back(profiles[i].counts());
    float squares = 0;
    for (auto& [term, weight] : weights) {
      weight *= std::log(1 + total / frequencies.at(term));
      squares += weight * weight;
    }
    for (auto& [term, weight] : weights) weight /= std::sqrt(squares);
  }
  return weighted;
}

float cosine(const TermWeights& a, const TermWeights& b) {
  float sum = 0;
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
    if (i->first == j->first) {
      sum += (i++)->second * (j++)->second;
    } else {
      ++(i->first < j->first ? i : j);
    }
  }
  return sum;
}

}  // namespace

TextProfile::TextProfile(std::string_view text) {
  std::string bytes(text);
  std::erase_if(bytes, [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
  size_ = bytes.size();
  text_ = std::hash<std::string>()(bytes);
  std::vector<std::uint64_t> hashes;
  for (const auto& term : text::analyze(text)) {
    hashes.push_back(std::hash<std::string>()(term));
    if (has_digit(term)) numbers_ = mixed(numbers_, hashes.back());
  }
  const std::size_t runs = hashes.size() < kShingleTerms ? 1 : hashes.size() - kShingleTerms + 1;
  for (std::size_t i = 0; i < runs; ++i) {
    std::uint64_t shingle = 0;
    for (std::size_t j = i; j < std::min(i + kShingleTerms, hashes.size()); ++j) shingle = mixed(shingle, hashes[j]);
    shingles_.push_back(shingle);
  }
  std::sort(shingles_.begin(), shingles_.end());
  shingles_.erase(std::unique(shingles_.begin(), shingles_.end()), shingles_.end());
  std::sort(hashes.begin(), hashes.end());
  for (const auto hash : hashes) {
    if (counts_.empty() || counts_.back().first != hash) counts_.emplace_back(hash, 0.0f);
    ++counts_.back().second;
  }
}

bool TextProfile::same_text(const TextProfile& other) const {
  return size_ == other.size_ && text_ == other.text_;
}

double TextProfile::resemblance(const TextProfile& other) const {
  if (numbers_ != other.numbers_) return 0;
  std::vector<std::uint64_t> both;
  std::set_intersection(shingles_.begin(), shingles_.end(), other.shingles_.begin(), other.shingles_.end(),
                        std::back_inserter(both));
  const std::size_t either = shingles_.size() + other.shingles_.size() - both.size();
  return static_cast<double>(both.size()) / static_cast<double>(either);
}

std::vector<std::size_t> without_duplicates(const std::vector<SearchHit>& hits,
                                            const std::vector<TextProfile>& profiles) {
  std::vector<std::size_t> kept;
  std::unordered_set<std::string> documents;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    const std::string document = hits[i].store_id + "/" + hits[i].file_id;
    const bool shown = documents.contains(document);
    const bool repeats = std::any_of(kept.begin(), kept.end(), [&](std::size_t k) {
      return profiles[i].same_text(profiles[k]) || (shown && profiles[i].resemblance(profiles[k]) >= kNearDuplicate);
    });
    if (repeats) continue;
    kept.push_back(i);
    documents.insert(document);
  }
  return kept;
}

std::vector<std::size_t> pick_marginal(const std::vector<SearchHit>& hits, const std::vector<TextProfile>& profiles,
                                       const std::vector<std::size_t>& among, std::size_t count, float lambda) {
  const auto weights = weigh(profiles, among);
  std::vector<float> closest(among.size(), 0.0f);
  std::vector<bool> taken(among.size(), false);
  std::vector<std::size_t> picked;
  while (picked.size() < std::min(count, among.size())) {
    std::size_t best = among.size();
    float best_value = 0;
    for (std::size_t i = 0; i < among.size(); ++i) {
      const float value = lambda * hits[among[i]].score - (1 - lambda) * closest[i];
      if (taken[i] || (best != among.size() && value <= best_value)) continue;
      best = i;
      best_value = value;
    }
    taken[best] = true;
    picked.push_back(among[best]);
    for (std::size_t i = 0; i < among.size(); ++i) {
      if (!taken[i]) closest[i] = std::max(closest[i], cosine(weights[i], weights[best]));
    }
  }
  return picked;
}

}  // namespace ragtime::engine
