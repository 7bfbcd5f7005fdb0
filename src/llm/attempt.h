// Attempt: one request to one endpoint, up to its commit point; from there on the stream that the client reads.
//
// Private to llm. Destroying it closes the upstream connection, unless the answer was read to its end, and ends the
// lease. Thread safety: belongs to one request and its executor.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/any_io_executor.hpp>

#include "async/time_limit.h"
#include "http/client.h"
#include "llm/answer_observer.h"
#include "llm/gateway.h"
#include "llm/gateway_model.h"
#include "llm/upstream_fault.h"

namespace ragtime::llm {

// A client's request, as all of its attempts see it; outlives their open().
struct RelayJob {
  GatewayRequest request;
  ChatBody parsed;
  std::chrono::steady_clock::time_point start;
  std::chrono::steady_clock::duration waited{0};  // For endpoints.
  bool sent = false;                              // By any attempt.
  StageTimings* timings = nullptr;                // Of the request.
  std::unique_ptr<RunningRequest> running;        // Goes to the attempt that answers.
  Deadline total = Deadline::never();
};

class Attempt final : public GatewayStream {
 public:
  struct Shared {
    http::Client& client;
    ModelState& model;
    OverheadMetrics& overhead;
  };
  // How open() ended. Nothing of both: committed.
  struct End {
    std::optional<UpstreamFault> fault;
    std::optional<Error> error;  // Of the pool, or the request's own end: nothing was wrong with an endpoint.
    bool committed() const { return !fault && !error; }
  };

  // `context` is the request's, which outlives the attempt.
  Attempt(Shared shared, const RelayJob& job, RequestContext& context, asio::any_io_executor executor);
  ~Attempt() override;

  // Takes an endpoint, sends the request and reads until the commit point.
  Task<End> open(RelayJob& job, std::span<const std::string> excluded_urls);
  // Ends a running open(), from the attempt's executor: another attempt won.
  void abandon() { context_.cancel(); }
  // The server's refusal becomes the answer. Precondition: open() ended with a fault that is to be relayed.
  void relay_refusal(UpstreamFault fault);

  // Reports the fault of open() to the endpoint's pool.
  void settle(const UpstreamFault& fault);

  // Empty before an endpoint was taken.
  const std::string& url() const { return url_; }
  bool sent() const { return sent_.has_value(); }
  GatewayReport& mutable_report() { return report_; }
  void keep(std::unique_ptr<RunningRequest> running) { running_ = std::move(running); }

  int status() const override { return status_; }
  std::string_view content_type() const override { return content_type_; }
  Task<Result<std::string>> read_some(RequestContext& context) override;
  const GatewayReport& report() const override { return report_; }

 private:
  using Clock = std::chrono::steady_clock;

  Task<End> send(RelayJob& job);
  Task<End> read_refusal();
  Task<End> read_until_commit();
  Task<End> read_whole(bool for_stream);
  http::ClientRequest upstream_request(const RelayJob& job) const;
  End broken(const Error& error) const;
  End open_failed(const Error& error) const;
  std::string limit_text() const;
  // The request's own end, when that is the reason.
  std::optional<Error> own_end() const;
  End own_ended() const;
  End fail(UpstreamFault fault) const;
  void commit(Clock::time_point arrived);
  void move_limit();
  Task<> drain();
  Result<std::string> ended_early(const Error& error);
  void finish(Outcome outcome, std::optional<std::chrono::milliseconds> retry_after = {});
  void count_tokens();

  const Shared shared_;
  const bool stream_;
  const bool buffered_;
  const GatewayApi api_;
  const Deadline total_;
  const std::size_t prompt_bytes_;
  RequestContext& request_;
  RequestContext context_;  // Of this attempt; cancelled with the request, by limit_ and by abandon().
  std::unique_ptr<Lease> lease_;
  std::string url_;
  std::optional<Clock::time_point> sent_;
  Clock::time_point committed_at_;
  std::unique_ptr<http::ClientStream> reply_;  // Null when nothing more is to be read from it.
  async::TimeLimit limit_;                     // Cancels context_.
  AnswerObserver observer_;
  std::string ready_;  // For the next read_some().
  std::optional<Error> failure_;
  std::string refusal_type_;
  std::string refusal_;
  int status_ = 200;
  std::string content_type_;
  GatewayReport report_;
  std::unique_ptr<RunningRequest> running_;
  bool committed_ = false;
  bool ended_ = false;     // ready_ is the last.
  bool finished_ = false;  // The lease and the counters are settled.
};

}  // namespace ragtime::llm
