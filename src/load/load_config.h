// What a load run does: against whom, which requests, how many at once or per second, and what counts as good.
//
// Thread safety: values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ragtime::load {

struct LoadTarget {
  std::string name;     // In reports; the URL when empty.
  std::string url;      // Base with /v1: "http://127.0.0.1:8000/v1".
  std::string model;
  std::string api_key;  // Sent as a bearer token; empty: none.
  std::vector<std::pair<std::string, std::string>> headers;
};

enum class LoadOperation : unsigned char { chat, completions, embeddings, rerank, search };

struct Slo {
  std::optional<double> ttft_ms;  // At the first content.
  std::optional<double> tpot_ms;
  std::optional<double> e2e_ms;
  bool empty() const { return !ttft_ms && !tpot_ms && !e2e_ms; }
};

struct LoadConfig {
  LoadOperation operation = LoadOperation::chat;
  bool stream = true;
  bool include_usage = true;     // Asks streams for their token counts.
  std::size_t answer_tokens = 128;  // max_tokens of a request; 0: not sent.
  std::string extra_json;        // Members for every body, for example "\"temperature\":0".
  std::string store;             // Of searches.

  // Closed loop: `concurrency` requests at any time. Open loop: requests are sent at `rate` per second, whatever
  // happened to earlier ones, and latencies count from the time at which a request should have been sent.
  std::size_t concurrency = 1;
  double rate = 0;               // Above 0: open loop.
  bool poisson = true;           // Of the open loop; else evenly.
  std::size_t in_flight_max = 20'000;  // Of the open loop; more are counted as not sent.

  std::size_t requests = 0;      // Ends after so many; 0: after `duration`.
  std::chrono::milliseconds duration{10'000};
  std::chrono::milliseconds warm_up{0};  // Requests before that are not counted.
  std::chrono::milliseconds ramp{0};     // Over which the closed loop starts its requests.
  std::chrono::milliseconds timeout{120'000};  // Of one request.
  std::uint64_t seed = 1;

  Slo slo;
  std::optional<std::string> reference;  // The text that every answer must be.
  bool fresh_connections = false;        // A new connection for every request.
};

}  // namespace ragtime::load
