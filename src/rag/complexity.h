// Complexity: how much a question asks of a language model, and which configured model therefore answers it.
//
// Signs are counted, no model is asked: length, lists and code, several questions in one, the kind of question, words
// that ask for reasoning (English and Chinese), how long the conversation is, and how sure the search was of what it
// found. The score is a sum of small weights, 0..1; tests/data/routing/requests.tsv holds the cases it is held to.
// Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/chat_model.h"

namespace ragtime::rag {

// What a client names to have a model chosen.
inline constexpr std::string_view kAutoModel = "auto";

enum class Complexity : std::uint8_t { light, balanced, strong };
std::string_view name(Complexity complexity);

struct ComplexityThresholds {
  double balanced = 0.25;        // Scores from here on.
  double strong = 0.5;
  double confidence_low = 0.3;   // A best hit below this makes a question harder,
  double confidence_high = 0.7;  // and one above this makes a look-up easier.
};

struct ComplexityReport {
  Complexity complexity = Complexity::light;
  double score = 0;
  std::vector<std::string> reasons;  // For example "reasoning", "code"; the heaviest first.
};

// `retrieval_confidence`: the score of the best hit, 0..1; nothing when no documents were searched.
ComplexityReport assess_complexity(const std::vector<llm::ChatMessage>& messages,
                                   std::optional<double> retrieval_confidence, const ComplexityThresholds& thresholds);

// Names of configured models; an empty one is replaced by the next weaker, then by the next stronger one.
struct RoutingConfig {
  std::string light;
  std::string balanced;
  std::string strong;
  ComplexityThresholds thresholds{};
};

struct RouteChoice {
  std::string model;
  ComplexityReport report;
};

// `default_model`: when nothing is configured.
RouteChoice choose_route(const RoutingConfig& config, std::string_view default_model,
                         const std::vector<llm::ChatMessage>& messages, std::optional<double> retrieval_confidence);

}  // namespace ragtime::rag
