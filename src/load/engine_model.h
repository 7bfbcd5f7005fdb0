// EngineModel: how a model server under load behaves: a limited batch, a limited KV cache, a queue in front of them,
// and tokens that come slower the more requests run. Sans I/O; figures under vLLM's metric names.
//
// A request enters when a slot and its KV blocks are free, first come first served.
// Thread safety: belongs to one event loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "load/script.h"

namespace ragtime::load {

// "20": always 20 ms. "exp:20": exponentially distributed with a mean of 20 ms.
struct Delay {
  double mean_ms = 0;
  bool exponential = false;

  static Result<Delay> parse(std::string_view text);
  std::chrono::microseconds sample(std::mt19937_64& random) const;
};

struct EngineConfig {
  Delay ttft;                      // From admission to the first token, without prefill.
  Delay itl;                       // Between two tokens of a request that runs alone.
  double prefill_tokens_per_ms = 0;  // Prompt tokens that are not cached; 0: no time.
  double slowdown = 0;             // Each further running request adds this share to `itl`.
  std::size_t slots = 256;         // Requests that run at once.
  std::size_t kv_blocks = 0;       // 0: no limit.
  std::size_t block_tokens = 16;
  std::size_t queue_max = 0;       // More are answered with 503; 0: no limit.
  bool prefix_cache = false;       // Prompts that begin alike save prefill.
  std::uint64_t seed = 1;
};

class EngineModel {
 public:
  explicit EngineModel(EngineConfig config) : config_(config), random_(config.seed) {}

  struct Work {
    std::size_t prompt_tokens = 0;
    std::size_t answer_tokens = 0;
    std::size_t cached_tokens = 0;
  };

  // Whether another one may wait. False: the queue is full.
  bool accepts() const { return config_.queue_max == 0 || waiting_ < config_.queue_max; }
  bool has_room(const Work& work) const;
  void enqueue() { ++waiting_; }
  void dequeue() { --waiting_; }
  void enter(const Work& work);
  void leave(const Work& work, std::size_t tokens_sent, std::string_view finished_reason,
             std::chrono::duration<double> duration);

  // How many of the prompt's tokens are cached; remembers the prompt.
  std::size_t take_prefix(std::string_view prompt);

  // Whether such a step can take any time.
  bool paces(Step::Pace pace) const;
  std::chrono::microseconds delay(Step::Pace pace, const Work& work);
  std::string metrics(std::string_view model, bool old_names) const;
  std::size_t running() const { return running_; }
  std::size_t waiting() const { return waiting_; }

 private:
  std::size_t blocks(const Work& work) const;

  const EngineConfig config_;
  std::mt19937_64 random_;
  std::size_t running_ = 0;
  std::size_t waiting_ = 0;
  std::size_t blocks_used_ = 0;
  std::uint64_t prompt_tokens_ = 0;
  std::uint64_t generated_tokens_ = 0;
  std::uint64_t prefix_queries_ = 0;
  std::uint64_t prefix_hits_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> finished_;
  double duration_sum_ = 0;
  std::uint64_t duration_count_ = 0;
  std::list<std::uint64_t> prefix_order_;  // Youngest first.
  std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> prefixes_;
};

}  // namespace ragtime::load
