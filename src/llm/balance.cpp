#include "llm/balance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/check.h"

namespace ragtime::llm {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

// The place of the least value; one of several by lot.
template <class Value>
std::size_t least(std::size_t count, Random& random, Value value) {
  std::size_t best = 0;
  std::size_t equals = 0;
  double best_value = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < count; ++i) {
    const double v = value(i);
    if (v > best_value) continue;
    equals = v < best_value ? 1 : equals + 1;
    best_value = v;
    if (equals == 1 || std::uniform_int_distribution<std::size_t>(1, equals)(random) == 1) best = i;
  }
  return best;
}

double load_after(const Candidate& candidate, const Placement& placement) {
  return (candidate.load + placement.load) / candidate.weight;
}

std::size_t least_load(std::span<const Candidate> candidates, const Placement& placement, Random& random) {
  return least(candidates.size(), random, [&](std::size_t i) { return load_after(candidates[i], placement); });
}

std::size_t power_of_two(std::span<const Candidate> candidates, const Placement& placement, Random& random) {
  if (candidates.size() == 1) return 0;
  std::uniform_int_distribution<std::size_t> any(0, candidates.size() - 1);
  std::uniform_int_distribution<std::size_t> another(0, candidates.size() - 2);
  const std::size_t a = any(random);
  std::size_t b = another(random);
  if (b >= a) ++b;
  // Of equal ones the first drawn, which is as random as the other.
  return load_after(candidates[b], placement) < load_after(candidates[a], placement) ? b : a;
}

// Negative, so that the least wins: the weighted rendezvous score is -weight / ln(u) with u uniform in (0, 1).
double rendezvous(const Candidate& candidate, std::uint64_t prefix) {
  const double u = (static_cast<double>(mix(candidate.identity ^ mix(prefix)) >> 11) + 0.5) * 0x1p-53;
  return candidate.affinity_weight / std::log(u);
}

std::size_t by_prefix(std::span<const Candidate> candidates, const Placement& placement, Random& random) {
  double load = placement.load;
  double weight = 0;
  for (const Candidate& candidate : candidates) {
    load += candidate.load;
    weight += candidate.weight;
  }
  const auto overloaded = [&](const Candidate& candidate) {
    const double share = kAffinityOverload * load * candidate.weight / weight;
    return candidate.load + placement.load > std::max(kAffinityLoadMin, share);
  };
  std::vector<std::size_t> fit;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!overloaded(candidates[i])) fit.push_back(i);
  }
  if (fit.empty()) return least_load(candidates, placement, random);
  return fit[least(fit.size(), random, [&](std::size_t i) { return rendezvous(candidates[fit[i]], placement.prefix); })];
}

}  // namespace

std::size_t choose(Balance balance, std::span<const Candidate> candidates, const Placement& placement, Random& random) {
  RAGTIME_CHECK(!candidates.empty());
  switch (balance) {
    case Balance::power_of_two:
      return power_of_two(candidates, placement, random);
    case Balance::round_robin:
      return least(candidates.size(), random, [&](std::size_t i) { return candidates[i].turns; });
    case Balance::prefix:
      if (placement.prefix != 0) return by_prefix(candidates, placement, random);
      break;
    case Balance::least_load:
      break;
  }
  return least_load(candidates, placement, random);
}

std::uint64_t stable_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  hash = mix(hash);
  return text.empty() ? 0 : hash == 0 ? 1 : hash;
}

}  // namespace ragtime::llm
