// LoadResult: what a load run measured, and how results are merged, written as JSON and read again.
//
// Thread safety: values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "load/latency_histogram.h"

namespace ragtime::load {

// Definitions, where tools disagree (docs/bench.md):
enum class Measure : unsigned char {
  ttft_role,   // Send to the first chunk with choices, also an empty one (as `vllm bench` counts).
  ttft,        // Send to the first chunk with text, reasoning or a tool call.
  itl,         // Every gap between two chunks with content, pooled.
  tpot,        // (e2e - ttft) / (output tokens - 1), per request.
  e2e,         // Send to the last chunk with choices; of whole answers to their last byte.
  refusal,     // Send to the last byte of a reply 429 or 503.
  send_delay,  // Open loop: how late the generator itself was.
};
inline constexpr std::size_t kMeasures = 7;
std::string_view name(Measure measure);

struct TimelineSecond {
  std::uint64_t started = 0;
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  std::uint64_t tokens = 0;
  double ttft_ms_sum = 0;  // Of those that ended well.
};

// What was completed within a time: rates come from it. Of a run that ends by time these are the answers that ended
// within it, whenever they began, so that the tail after the last start does not count as time.
struct CompletedWork {
  std::uint64_t ok = 0;
  std::uint64_t good = 0;
  std::uint64_t tokens = 0;
  double seconds = 0;
};

struct LoadResult {
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  std::uint64_t good = 0;  // Of `ok`: within the SLO.
  std::uint64_t output_tokens = 0;
  std::uint64_t bytes = 0;
  CompletedWork work;
  std::map<std::string, std::uint64_t> errors;  // By kind.
  std::vector<std::string> error_samples;       // The first few, in words.
  std::array<LatencyHistogram, kMeasures> latencies;
  std::vector<TimelineSecond> timeline;

  LatencyHistogram& operator[](Measure measure) { return latencies[std::size_t(measure)]; }
  const LatencyHistogram& operator[](Measure measure) const { return latencies[std::size_t(measure)]; }

  double requests_per_second() const { return per_second(work.ok); }
  double good_per_second() const { return per_second(work.good); }
  double tokens_per_second() const { return per_second(work.tokens); }
  void fail(const std::string& kind, const std::string& sample);
  // Another round of the same target.
  void merge(const LoadResult& other);

 private:
  double per_second(std::uint64_t count) const { return work.seconds > 0 ? double(count) / work.seconds : 0; }
};

boost::json::object to_json(const LoadResult& result);
// Errors: invalid_argument for an object that to_json() did not write.
Result<LoadResult> load_result_from_json(const boost::json::object& object);

}  // namespace ragtime::load
