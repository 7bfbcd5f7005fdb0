#include "encoder/batcher.h"

#include <algorithm>
#include <exception>
#include <numeric>
#include <optional>
#include <utility>

#include "async/wait.h"

namespace ragtime::encoder {
namespace {

constexpr double kPassSeconds = 0.005;         // What a query may have to wait for.
constexpr std::size_t kPassTokensMin = 128;    // Below, a pass costs more per token.
constexpr std::size_t kQueryPassesInARow = 4;  // While documents wait.
constexpr double kAverageWeight = 0.2;

}  // namespace

// What one run() asked for. The vectors are set before it is queued; the rest is guarded by the batcher's mutex, but
// each row of `values` belongs to the pass that computes it.
struct Batcher::Call {
  explicit Call(const asio::any_io_executor& executor) : done(executor) {}

  std::vector<TokenSequence> sequences;
  std::vector<std::vector<std::int32_t>> types;
  EmbedPurpose purpose = EmbedPurpose::document;
  std::vector<std::size_t> order;       // Of the sequences, longest first.
  std::vector<std::size_t> row_counts;  // Of each sequence.
  std::vector<std::size_t> first_rows;
  std::vector<float> values;
  Clock::time_point queued_at;
  std::size_t next = 0;      // The first in `order` that no pass has taken.
  std::size_t finished = 0;  // Sequences that are computed.
  std::optional<Error> failure;
  // Gone with the one who waits, whose loop it must not outlive: a worker may be the last to hold the call.
  std::optional<async::Event> done;
};

struct Batcher::Pass {
  std::vector<TokenSequence> sequences;
  std::vector<std::vector<std::int32_t>> types;
  std::vector<float*> rows;
  std::vector<std::size_t> row_counts;
  std::vector<std::shared_ptr<Call>> calls;  // Of each sequence.
  std::size_t tokens = 0;
  bool documents = false;
  std::size_t served_tokens = 0;  // Of queries that went before in the middle of the pass.
  double served_seconds = 0;
  std::optional<Error> failure;
};

// Takes a call out of the queue however its coroutine ends.
struct Batcher::Withdrawal {
  Batcher& batcher;
  Call& call;
  ~Withdrawal() { batcher.withdraw(call); }
};

Batcher::Batcher(Forward forward, std::size_t row_floats, const std::string& model, async::ThreadPool& compute,
                 const EncoderConfig& config)
    : forward_(std::move(forward)), row_floats_(row_floats), compute_(compute), config_(config) {
  if (config.metrics == nullptr) return;
  static const std::vector<double> kTokenBuckets = {8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192};
  const telemetry::Labels labels = {{"model", model}};
  tokens_total_ = &config.metrics->counter("ragtime_encoder_tokens_total", "Tokens computed by encoders.", labels);
  batch_tokens_ =
      &config.metrics->histogram("ragtime_encoder_batch_tokens", "Tokens of a forward pass.", labels, kTokenBuckets);
  queue_seconds_ = &config.metrics->histogram("ragtime_encoder_queue_seconds",
                                              "Time from a call to its first forward pass.", labels);
}

Batcher::~Batcher() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return workers_ == 0; });
}

Task<Result<std::vector<float>>> Batcher::run(std::vector<TokenSequence> sequences,
                                              std::vector<std::vector<std::int32_t>> types, EmbedPurpose purpose,
                                              RequestContext& context, Rows rows) {
  RAGTIME_CO_TRY_DONE(context.check());
  if (sequences.empty()) co_return std::vector<float>();
  const auto call = std::make_shared<Call>(co_await asio::this_coro::executor);
  std::size_t row_count = 0;
  for (const TokenSequence& sequence : sequences) {
    call->first_rows.push_back(row_count);
    call->row_counts.push_back(rows == Rows::per_token ? sequence.size() : 1);
    row_count += call->row_counts.back();
  }
  call->values.resize(row_count * row_floats_);
  call->order.resize(sequences.size());
  std::iota(call->order.begin(), call->order.end(), std::size_t{0});
  std::stable_sort(call->order.begin(), call->order.end(),
                   [&](std::size_t a, std::size_t b) { return sequences[a].size() > sequences[b].size(); });
  call->sequences = std::move(sequences);
  call->types = std::move(types);
  call->purpose = purpose;
  const Withdrawal withdrawal{*this, *call};
  RAGTIME_CO_TRY_DONE(enqueue(call));
  RAGTIME_CO_TRY_DONE(co_await call->done->wait(context));
  const std::lock_guard lock(mutex_);
  if (call->failure) co_return std::move(*call->failure);
  co_return std::move(call->values);
}

Result<void> Batcher::enqueue(const std::shared_ptr<Call>& call) {
  const std::lock_guard lock(mutex_);
  const auto full = [](std::string_view what) {
    return make_error(ErrorCode::resource_exhausted, std::string("the encoder's ").append(what) + " is full; retry");
  };
  if (texts_queued_ >= config_.queue_texts_max) return full("queue");
  if (workers_ < compute_.threads() && !start_worker() && workers_ == 0) return full("thread pool");
  call->queued_at = Clock::now();
  const bool query = call->purpose == EmbedPurpose::query;
  (query ? queries_ : documents_).push_back(call);
  texts_queued_ += call->sequences.size();
  if (query) {
    for (const TokenSequence& sequence : call->sequences) query_tokens_queued_ += sequence.size();
    changed_.notify_all();
  }
  return {};
}

void Batcher::withdraw(Call& call) {
  const std::lock_guard lock(mutex_);
  call.done.reset();
  Queue& queue = call.purpose == EmbedPurpose::query ? queries_ : documents_;
  const auto found = std::find_if(queue.begin(), queue.end(), [&](const auto& each) { return each.get() == &call; });
  if (found == queue.end()) return;
  texts_queued_ -= call.order.size() - call.next;
  if (call.purpose == EmbedPurpose::query) {
    for (std::size_t i = call.next; i < call.order.size(); ++i) {
      query_tokens_queued_ -= call.sequences[call.order[i]].size();
    }
  }
  queue.erase(found);
}

std::size_t Batcher::texts_queued() const {
  const std::lock_guard lock(mutex_);
  return texts_queued_;
}

bool Batcher::start_worker() {
  if (!compute_.post([this] { work(); })) return false;
  ++workers_;
  return true;
}

// One pass; then a new place behind the pool's other jobs, as long as there is work.
void Batcher::work() {
  for (bool again = true; again;) {
    Pass pass;
    {
      std::unique_lock lock(mutex_);
      wait_for_company(lock);
      pass = take();
      ++computing_;
      const bool more = !queries_.empty() || !documents_.empty();
      if (more && workers_ < compute_.threads()) start_worker();
    }
    const auto start = Clock::now();
    if (pass.tokens > 0) compute_pass(pass);
    again = finish(pass, std::chrono::duration<double>(Clock::now() - start).count());
  }
}

// Only while another pass is running: then the processor is busy anyway.
void Batcher::wait_for_company(std::unique_lock<std::mutex>& lock) {
  if (computing_ == 0 || queries_.empty() || !documents_.empty()) return;
  const auto end = queries_.front()->queued_at + config_.batch_wait;
  changed_.wait_until(lock, end,
                      [this] { return queries_.empty() || computing_ == 0 || query_tokens_queued_ >= kPassTokensMin; });
}

std::size_t Batcher::pass_tokens() const {
  if (seconds_per_token_ <= 0) return std::min(kPassTokensMin, config_.batch_tokens_max);
  const auto fitting = static_cast<std::size_t>(kPassSeconds / seconds_per_token_);
  return std::min(std::max(fitting, kPassTokensMin), config_.batch_tokens_max);
}

Batcher::Pass Batcher::take() {
  const bool documents = queries_.empty() || (query_passes_ >= kQueryPassesInARow && !documents_.empty());
  query_passes_ = documents ? 0 : query_passes_ + 1;
  return take_from(documents ? documents_ : queries_);
}

// Calls take turns: one that has sequences left goes to the end of its queue.
Batcher::Pass Batcher::take_from(Queue& queue) {
  Pass pass;
  pass.documents = &queue == &documents_;
  const std::size_t tokens_max = pass_tokens();
  const auto fits = [&](const Call& call) {
    return pass.tokens == 0 || pass.tokens + call.sequences[call.order[call.next]].size() <= tokens_max;
  };
  while (!queue.empty() && fits(*queue.front())) {
    const auto call = std::move(queue.front());
    queue.pop_front();
    if (call->next == 0 && queue_seconds_ != nullptr) {
      queue_seconds_->observe(std::chrono::duration<double>(Clock::now() - call->queued_at).count());
    }
    for (; call->next < call->order.size() && fits(*call); ++call->next) {
      const std::size_t i = call->order[call->next];
      pass.tokens += call->sequences[i].size();
      if (!pass.documents) query_tokens_queued_ -= call->sequences[i].size();
      pass.rows.push_back(call->values.data() + call->first_rows[i] * row_floats_);
      pass.row_counts.push_back(call->row_counts[i]);
      pass.sequences.push_back(std::move(call->sequences[i]));
      if (!call->types.empty()) pass.types.push_back(std::move(call->types[i]));
      pass.calls.push_back(call);
    }
    if (call->next < call->order.size()) {
      queue.push_back(call);
      break;
    }
  }
  texts_queued_ -= pass.sequences.size();
  return pass;
}

void Batcher::compute_pass(Pass& pass) {
  try {
    PassInput input{pass.sequences, pass.types, pass.rows, pass.row_counts, {}};
    if (pass.documents) input.breathe = [this, &pass] { serve_queries(pass); };
    forward_(input);
  } catch (const std::exception& error) {
    pass.failure = make_error(ErrorCode::internal, std::string("the encoder failed: ") + error.what());
  }
  if (tokens_total_ == nullptr) return;
  tokens_total_->add(static_cast<double>(pass.tokens));
  batch_tokens_->observe(static_cast<double>(pass.tokens));
}

// At most as many tokens of queries go before as a pass holds, so that documents keep half of the time.
void Batcher::serve_queries(Pass& interrupted) {
  Pass pass;
  {
    const std::lock_guard lock(mutex_);
    if (queries_.empty() || interrupted.served_tokens >= pass_tokens()) return;
    pass = take_from(queries_);
  }
  const auto start = Clock::now();
  compute_pass(pass);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  interrupted.served_tokens += pass.tokens;
  interrupted.served_seconds += seconds;
  const std::lock_guard lock(mutex_);
  deliver(pass, seconds);
}

// Under the lock.
void Batcher::deliver(Pass& pass, double seconds) {
  if (pass.tokens > 0) {
    const double measured = (seconds - pass.served_seconds) / static_cast<double>(pass.tokens);
    seconds_per_token_ += (measured - seconds_per_token_) * (seconds_per_token_ <= 0            ? 1
                                                             : pass.tokens < kPassTokensMin / 2 ? 0
                                                                                                : kAverageWeight);
  }
  for (const auto& call : pass.calls) {
    if (pass.failure) call->failure = pass.failure;
    if (++call->finished == call->order.size() && call->done) call->done->set();
  }
}

// Whether the worker should go on by itself, since the pool has no place for another job.
bool Batcher::finish(Pass& pass, double seconds) {
  const std::lock_guard lock(mutex_);
  --computing_;
  deliver(pass, seconds);
  const bool more = !queries_.empty() || !documents_.empty();
  const bool again = more && !compute_.post([this] { work(); });
  if (!more) --workers_;
  changed_.notify_all();  // Under the lock: the destructor may be waiting.
  return again;
}

}  // namespace ragtime::encoder
