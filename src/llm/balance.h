// Balance: which of several endpoints takes the next request. Pure functions of their loads and of a random generator.
//
// Loads are counted in requests: those in flight, tokens in flight as parts of a request, and what polling adds.
// Equal candidates are drawn from at random, so that no order of the configuration becomes a preference.
// Sources: power of two choices, Mitzenmacher 2001; weighted rendezvous hashing, Thaler and Ravishankar 1998; the bound
// on loads, Mirrokni, Thorup and Zadimoghaddam 2018.
// Thread safety: pure; a Random belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>

namespace ragtime::llm {

using Random = std::mt19937_64;

enum class Balance : std::uint8_t {
  least_load,    // The least load per weight.
  power_of_two,  // The lesser of two drawn at random: for several gateways that do not see each other's requests.
  round_robin,   // In turn, by weight.
  prefix,        // The same prefix to the same endpoint, while that is not overloaded.
};

struct Candidate {
  double load = 0;             // Without the request to be placed.
  double weight = 1;           // Above 0.
  double turns = 0;            // Requests taken so far, each divided by the weight at that time.
  double affinity_weight = 1;  // As configured, so that a gradual return does not move prefixes about.
  std::uint64_t identity = 0;  // stable_hash() of what names the endpoint.
};

struct Placement {
  double load = 1;           // What the request will add.
  std::uint64_t prefix = 0;  // stable_hash() of the prefix; 0: none.
};

// A prefix leaves its endpoint only above this load, however small the average is.
inline constexpr double kAffinityLoadMin = 8;
// ... and above this multiple of the endpoint's share of all load.
inline constexpr double kAffinityOverload = 1.25;

// The place of the chosen one. Precondition: there is a candidate.
std::size_t choose(Balance balance, std::span<const Candidate> candidates, const Placement& placement, Random& random);

// The same in every process: FNV-1a, finished so that near texts are far apart. Never 0 for a text that is not empty.
std::uint64_t stable_hash(std::string_view text);

}  // namespace ragtime::llm
