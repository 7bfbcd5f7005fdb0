// Engine metrics: the load that a model server reports about itself, from its text in Prometheus' format.
//
// Understands vLLM, SGLang and llama.cpp's server. Names are compared whole, never by their beginning. What is missing
// or cannot be read is unknown, never 0. Figures of several engines in one process are added up (cache use: the
// highest). Thread safety: pure.
#pragma once

#include <optional>
#include <string_view>

namespace ragtime::llm {

struct EngineSample {
  std::optional<double> running;    // Requests.
  std::optional<double> waiting;    // Requests in the queue; with vLLM those that lack capacity, where it says so.
  std::optional<double> cache_use;  // Of the KV cache, 0 to 1.

  bool known() const { return running || waiting || cache_use; }
};

EngineSample parse_engine_metrics(std::string_view text);

}  // namespace ragtime::llm
