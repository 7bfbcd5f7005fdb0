// How answers reach a client: split into events of a bounded size, and with a bounded amount waiting for a slow reader.
//
// A StreamBuffer stands between an answer and the connection. What the client does not take at once waits in it, so that
// the model is not held up by a slow reader; over `buffer_bytes` the answer waits. Events that gathered meanwhile leave
// in one write. With streaming switched off everything waits until the answer is complete.
// Thread safety: everything here belongs to one request and its executor.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <boost/asio/steady_timer.hpp>

#include "api/service.h"
#include "async/task_group.h"
#include "http/message.h"
#include "rag/answer.h"

namespace ragtime::api {

class StreamBuffer final : public http::StreamWriter {
 public:
  // `client` outlives the buffer.
  StreamBuffer(asio::any_io_executor executor, http::StreamWriter& client, StreamConfig config);

  // Errors: those of the client, also of an earlier write.
  Task<Result<void>> write(std::string_view bytes) override;
  // Sends what is left and joins. To be called once, before the buffer dies.
  Task<> close();

 private:
  Task<> send_pending();
  Task<> wait_for_change();

  http::StreamWriter& client_;
  const StreamConfig config_;
  async::TaskGroup sender_;
  asio::steady_timer changed_;  // Never expires by itself; cancelled when bytes left the buffer.
  std::string pending_;
  bool sending_ = false;
  Result<void> status_;
};

// Runs `body` on a StreamBuffer before `client` and ends when all of it was sent.
Task<> stream_buffered(StreamConfig config, http::StreamWriter& client,
                       std::function<Task<>(http::StreamWriter&)> body);

// Passes an answer's events on, text in pieces of at most `bytes_max`, cut between code points.
class SplitEvents final : public rag::AnswerEvents {
 public:
  SplitEvents(rag::AnswerEvents& events, std::size_t bytes_max) : events_(events), bytes_max_(bytes_max) {}

  Task<Result<void>> on_search_start(const std::vector<std::string>& queries) override;
  Task<Result<void>> on_search_done(const engine::SearchResults& results) override;
  Task<Result<void>> on_delta(std::string_view text) override;
  Task<Result<void>> on_citation(const rag::Citation& citation) override;

 private:
  rag::AnswerEvents& events_;
  const std::size_t bytes_max_;
};

}  // namespace ragtime::api
