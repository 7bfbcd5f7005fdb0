#include "engine/lexical_overlap.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <string_view>
#include <unordered_map>

namespace ragtime::engine {
namespace {

constexpr float kPairShare = 0.15f;
constexpr std::size_t kNear = 8;  // Terms apart.
constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

using TermNumbers = std::unordered_map<std::string_view, std::size_t>;

TermNumbers number_terms(const std::vector<std::string>& query) {
  TermNumbers numbers;
  for (const auto& term : query) numbers.emplace(term, numbers.size());
  return numbers;
}

// Of one text: which terms it has, and behind them which pairs of neighbours (i, i + 1) it has close together.
std::vector<bool> features(const std::vector<std::string>& text, const TermNumbers& numbers) {
  const std::size_t terms = numbers.size();
  std::vector<bool> present(terms + (terms > 0 ? terms - 1 : 0));
  std::vector<std::size_t> last(terms, kNever);
  const auto near = [&](std::size_t term, std::size_t at) { return last[term] != kNever && at - last[term] <= kNear; };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto found = numbers.find(text[at]);
    if (found == numbers.end()) continue;
    const std::size_t term = found->second;
    last[term] = at;
    present[term] = true;
    if (term > 0 && near(term - 1, at)) present[terms + term - 1] = true;
    if (term + 1 < terms && near(term + 1, at)) present[terms + term] = true;
  }
  return present;
}

std::vector<float> rarities(const std::vector<std::vector<bool>>& texts) {
  const auto count = static_cast<float>(texts.size());
  std::vector<float> rarity;
  for (std::size_t i = 0; i < texts.front().size(); ++i) {
    float having = 0;
    for (const auto& present : texts) having += present[i] ? 1.0f : 0.0f;
    rarity.push_back(std::log(1 + (count - having + 0.5f) / (having + 0.5f)));
  }
  return rarity;
}

// The weighted share of the features in [begin, end).
float share(const std::vector<bool>& present, const std::vector<float>& weights, std::size_t begin, std::size_t end) {
  float got = 0;
  float all = 0;
  for (std::size_t i = begin; i < end; ++i) {
    all += weights[i];
    if (present[i]) got += weights[i];
  }
  return all > 0 ? got / all : 0;
}

}  // namespace

std::vector<float> lexical_overlap(const std::vector<std::string>& query,
                                   const std::vector<std::vector<std::string>>& texts) {
  const TermNumbers numbers = number_terms(query);
  if (numbers.empty() || texts.empty()) return std::vector<float>(texts.size(), 0.0f);
  std::vector<std::vector<bool>> present;
  for (const auto& text : texts) present.push_back(features(text, numbers));
  const auto weights = rarities(present);
  const std::size_t terms = numbers.size();
  const float pair_share = terms > 1 ? kPairShare : 0;
  std::vector<float> scores;
  for (const auto& each : present) {
    scores.push_back((1 - pair_share) * share(each, weights, 0, terms) +
                     pair_share * share(each, weights, terms, weights.size()));
  }
  return scores;
}

}  // namespace ragtime::engine
