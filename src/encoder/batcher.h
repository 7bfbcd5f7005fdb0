// Batcher: shares one encoder between all calls, in passes bounded by tokens.
//
// Two queues: queries first, but one pass in five goes to waiting documents. Passes are kept to some milliseconds, for
// which the speed is measured as it runs, and a pass of documents lets queries go before between two layers.
// An idle encoder starts at once. A busy one lets a small batch of queries wait `batch_wait` for company.
// Thread safety: every member may be called from any thread. `compute` and the metrics must outlive it; the destructor
// waits for passes in flight and must not run before every run() has ended.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "async/task.h"
#include "async/thread_pool.h"
#include "base/request_context.h"
#include "base/result.h"
#include "encoder/embedder.h"
#include "encoder/encoder_config.h"
#include "encoder/tokenizer.h"
#include "telemetry/metrics.h"

namespace ragtime::encoder {

class Batcher {
 public:
  struct PassInput {
    std::span<const TokenSequence> sequences;
    std::span<const std::vector<std::int32_t>> types;  // Empty or of the same size.
    std::span<float* const> rows;                      // Where the rows of each sequence go.
    std::span<const std::size_t> row_counts;           // How many of `row_floats` values: 1, or one per token.
    std::function<void()> breathe;  // May be called in the middle of a pass: lets waiting queries go before.
  };
  // One forward pass: writes row_counts[i] rows to rows[i] for sequences[i].
  using Forward = std::function<void(const PassInput& input)>;
  enum class Rows { per_sequence, per_token };

  Batcher(Forward forward, std::size_t row_floats, const std::string& model, async::ThreadPool& compute,
          const EncoderConfig& config);
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  // One row per sequence, or one per token of each, in order. A cancelled or late call returns at once and leaves the
  // queue. Errors: cancelled, deadline_exceeded, resource_exhausted (queue full), internal.
  Task<Result<std::vector<float>>> run(std::vector<TokenSequence> sequences,
                                       std::vector<std::vector<std::int32_t>> types, EmbedPurpose purpose,
                                       RequestContext& context, Rows rows = Rows::per_sequence);

  std::size_t texts_queued() const;  // Waiting, not those in a pass.

 private:
  using Clock = std::chrono::steady_clock;
  struct Call;
  struct Pass;
  struct Withdrawal;
  using Queue = std::deque<std::shared_ptr<Call>>;

  Result<void> enqueue(const std::shared_ptr<Call>& call);
  void withdraw(Call& call);
  bool start_worker();
  void work();
  void wait_for_company(std::unique_lock<std::mutex>& lock);
  Pass take();
  Pass take_from(Queue& queue);
  std::size_t pass_tokens() const;
  void compute_pass(Pass& pass);
  void serve_queries(Pass& interrupted);
  void deliver(Pass& pass, double seconds);
  bool finish(Pass& pass, double seconds);

  const Forward forward_;
  const std::size_t row_floats_;
  async::ThreadPool& compute_;
  const EncoderConfig config_;
  telemetry::Counter* tokens_total_ = nullptr;
  telemetry::Histogram* batch_tokens_ = nullptr;
  telemetry::Histogram* queue_seconds_ = nullptr;

  mutable std::mutex mutex_;  // Guards everything below.
  std::condition_variable changed_;
  Queue queries_;
  Queue documents_;
  std::size_t texts_queued_ = 0;
  std::size_t query_tokens_queued_ = 0;
  std::size_t workers_ = 0;       // Posted to the pool or running there.
  std::size_t computing_ = 0;     // Workers inside a pass.
  std::size_t query_passes_ = 0;  // Since the last pass of documents.
  double seconds_per_token_ = 0;  // A moving average; 0 before the first pass.
};

}  // namespace ragtime::encoder
