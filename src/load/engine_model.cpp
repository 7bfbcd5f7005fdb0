#include "load/engine_model.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include <fmt/format.h>

namespace ragtime::load {
namespace {

constexpr std::size_t kPrefixBytes = 64;  // Of text per block of 16 tokens.
constexpr std::size_t kPrefixTokens = 16;
constexpr std::size_t kPrefixesMax = 1u << 16;
constexpr double kDelayMsMax = 3'600'000;

std::uint64_t chained_hash(std::uint64_t previous, std::string_view block) {
  std::uint64_t hash = previous ^ 1469598103934665603ull;
  for (const unsigned char byte : block) hash = (hash ^ byte) * 1099511628211ull;
  return hash;
}

}  // namespace

Result<Delay> Delay::parse(std::string_view text) {
  constexpr std::string_view kExponential = "exp:";
  Delay out;
  std::string_view digits = text;
  if (digits.starts_with(kExponential)) {
    out.exponential = true;
    digits.remove_prefix(kExponential.size());
  }
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.mean_ms);
  if (error != std::errc() || stop != digits.data() + digits.size() || out.mean_ms < 0 || out.mean_ms > kDelayMsMax) {
    return make_error(ErrorCode::invalid_argument,
                      "'" + std::string(text) + "' is no delay: use milliseconds, for example 20 or exp:20");
  }
  return out;
}

std::chrono::microseconds Delay::sample(std::mt19937_64& random) const {
  if (mean_ms <= 0) return std::chrono::microseconds(0);
  const double ms = exponential ? std::exponential_distribution<double>(1 / mean_ms)(random) : mean_ms;
  return std::chrono::microseconds(static_cast<std::int64_t>(ms * 1000));
}

std::size_t EngineModel::blocks(const Work& work) const {
  return (work.prompt_tokens + work.answer_tokens + config_.block_tokens - 1) / config_.block_tokens;
}

bool EngineModel::has_room(const Work& work) const {
  if (running_ >= config_.slots) return false;
  // A request that is larger than the whole cache runs alone rather than never.
  return config_.kv_blocks == 0 || running_ == 0 || blocks_used_ + blocks(work) <= config_.kv_blocks;
}

void EngineModel::enter(const Work& work) {
  ++running_;
  blocks_used_ += blocks(work);
  prompt_tokens_ += work.prompt_tokens;
}

void EngineModel::leave(const Work& work, std::size_t tokens_sent, std::string_view finished_reason,
                        std::chrono::duration<double> duration) {
  --running_;
  blocks_used_ -= blocks(work);
  generated_tokens_ += tokens_sent;
  ++finished_[std::string(finished_reason)];
  duration_sum_ += duration.count();
  ++duration_count_;
}

std::size_t EngineModel::take_prefix(std::string_view prompt) {
  if (!config_.prefix_cache) return 0;
  const std::size_t capacity = config_.kv_blocks > 0 ? config_.kv_blocks : kPrefixesMax;
  std::size_t matched = 0;
  bool matching = true;
  std::uint64_t hash = 0;
  for (std::size_t at = 0; at + kPrefixBytes <= prompt.size(); at += kPrefixBytes) {
    hash = chained_hash(hash, prompt.substr(at, kPrefixBytes));
    const auto found = prefixes_.find(hash);
    matching = matching && found != prefixes_.end();
    if (matching) ++matched;
    if (found != prefixes_.end()) {
      prefix_order_.splice(prefix_order_.begin(), prefix_order_, found->second);
      continue;
    }
    prefix_order_.push_front(hash);
    prefixes_.emplace(hash, prefix_order_.begin());
    if (prefixes_.size() > capacity) {
      prefixes_.erase(prefix_order_.back());
      prefix_order_.pop_back();
    }
  }
  prefix_queries_ += prompt.size() / kPrefixBytes * kPrefixTokens;
  prefix_hits_ += matched * kPrefixTokens;
  return matched * kPrefixTokens;
}

bool EngineModel::paces(Step::Pace pace) const {
  if (pace == Step::Pace::first_token) return config_.ttft.mean_ms > 0 || config_.prefill_tokens_per_ms > 0;
  return pace == Step::Pace::next_token && config_.itl.mean_ms > 0;
}

std::chrono::microseconds EngineModel::delay(Step::Pace pace, const Work& work) {
  if (pace == Step::Pace::none) return std::chrono::microseconds(0);
  if (pace == Step::Pace::first_token) {
    const std::size_t fresh = work.prompt_tokens - std::min(work.prompt_tokens, work.cached_tokens);
    const double prefill_ms = config_.prefill_tokens_per_ms > 0 ? double(fresh) / config_.prefill_tokens_per_ms : 0;
    return config_.ttft.sample(random_) + std::chrono::microseconds(static_cast<std::int64_t>(prefill_ms * 1000));
  }
  const double factor = 1 + config_.slowdown * double(running_ > 0 ? running_ - 1 : 0);
  const auto alone = config_.itl.sample(random_);
  return std::chrono::microseconds(static_cast<std::int64_t>(double(alone.count()) * factor));
}

std::string EngineModel::metrics(std::string_view model, bool old_names) const {
  const std::string labels = fmt::format("{{engine=\"0\",model_name=\"{}\"}}", model);
  const double usage = config_.kv_blocks > 0 ? double(blocks_used_) / double(config_.kv_blocks)
                                             : double(running_) / double(std::max<std::size_t>(1, config_.slots));
  std::string out;
  const auto sample = [&](std::string_view type, std::string_view name, double value) {
    out += fmt::format("# HELP vllm:{0} {0}\n# TYPE vllm:{0} {1}\nvllm:{0}{2} {3}\n", name, type, labels, value);
  };
  sample("gauge", "num_requests_running", double(running_));
  sample("gauge", "num_requests_waiting", double(waiting_));
  out += fmt::format(
      "# TYPE vllm:num_requests_waiting_by_reason gauge\n"
      "vllm:num_requests_waiting_by_reason{{engine=\"0\",model_name=\"{0}\",reason=\"capacity\"}} {1}\n"
      "vllm:num_requests_waiting_by_reason{{engine=\"0\",model_name=\"{0}\",reason=\"deferred\"}} 0\n",
      model, waiting_);
  sample("gauge", old_names ? "gpu_cache_usage_perc" : "kv_cache_usage_perc", std::min(1.0, usage));
  sample("counter", "num_preemptions_total", 0);
  sample("counter", "prefix_cache_queries_total", double(prefix_queries_));
  sample("counter", "prefix_cache_hits_total", double(prefix_hits_));
  sample("counter", "prompt_tokens_total", double(prompt_tokens_));
  sample("counter", "generation_tokens_total", double(generated_tokens_));
  out += fmt::format("# TYPE vllm:cache_config_info gauge\n"
                     "vllm:cache_config_info{{block_size=\"{}\",engine=\"0\",num_gpu_blocks=\"{}\"}} 1\n",
                     config_.block_tokens, config_.kv_blocks);
  out += "# TYPE vllm:request_success_total counter\n";
  for (const auto& [reason, count] : finished_) {
    out += fmt::format("vllm:request_success_total{{engine=\"0\",finished_reason=\"{}\",model_name=\"{}\"}} {}\n",
                       reason, model, count);
  }
  out += fmt::format(
      "# TYPE vllm:e2e_request_latency_seconds histogram\n"
      "vllm:e2e_request_latency_seconds_bucket{{engine=\"0\",le=\"+Inf\",model_name=\"{0}\"}} {1}\n"
      "vllm:e2e_request_latency_seconds_sum{{engine=\"0\",model_name=\"{0}\"}} {2}\n"
      "vllm:e2e_request_latency_seconds_count{{engine=\"0\",model_name=\"{0}\"}} {1}\n",
      model, duration_count_, duration_sum_);
  return out;
}

}  // namespace ragtime::load
