#include "api/stream_buffer.h"

#include <exception>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "text/utf8.h"

namespace ragtime::api {

StreamBuffer::StreamBuffer(asio::any_io_executor executor, http::StreamWriter& client, StreamConfig config)
    : client_(client),
      config_(config),
      sender_(executor),
      changed_(executor, asio::steady_timer::time_point::max()) {}

Task<Result<void>> StreamBuffer::write(std::string_view bytes) {
  if (status_.has_error()) co_return status_;
  pending_ += bytes;
  if (!config_.enabled) co_return Result<void>();
  if (!std::exchange(sending_, true)) sender_.spawn(send_pending());
  while (pending_.size() > config_.buffer_bytes && status_.has_value()) co_await wait_for_change();
  co_return status_;
}

Task<> StreamBuffer::close() {
  if (!std::exchange(sending_, true)) sender_.spawn(send_pending());
  co_await sender_.join();
}

Task<> StreamBuffer::send_pending() {
  while (!pending_.empty() && status_.has_value()) {
    const std::string bytes = std::exchange(pending_, {});
    changed_.cancel();
    status_ = co_await client_.write(bytes);
  }
  sending_ = false;
  changed_.cancel();
}

Task<> StreamBuffer::wait_for_change() {
  co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
}

Task<> stream_buffered(StreamConfig config, http::StreamWriter& client,
                       std::function<Task<>(http::StreamWriter&)> body) {
  StreamBuffer buffer(co_await asio::this_coro::executor, client, config);
  std::exception_ptr failure;
  try {
    co_await body(buffer);
  } catch (...) {
    failure = std::current_exception();
  }
  co_await buffer.close();
  if (failure) std::rethrow_exception(failure);
}

Task<Result<void>> SplitEvents::on_search_start(const std::vector<std::string>& queries) {
  co_return co_await events_.on_search_start(queries);
}

Task<Result<void>> SplitEvents::on_search_done(const engine::SearchResults& results) {
  co_return co_await events_.on_search_done(results);
}

Task<Result<void>> SplitEvents::on_delta(std::string_view text) {
  while (text.size() > bytes_max_) {
    std::string_view piece = text::truncate_utf8(text, bytes_max_);
    if (piece.empty()) {
      std::size_t end = 0;
      text::next_code_point(text, end);
      piece = text.substr(0, end);
    }
    RAGTIME_CO_TRY_DONE(co_await events_.on_delta(piece));
    text.remove_prefix(piece.size());
  }
  co_return co_await events_.on_delta(text);
}

Task<Result<void>> SplitEvents::on_citation(const rag::Citation& citation) {
  co_return co_await events_.on_citation(citation);
}

}  // namespace ragtime::api
