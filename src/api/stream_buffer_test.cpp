#include "api/stream_buffer.h"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace ragtime::api {
namespace {

// Takes a write only when told to.
class SlowClient final : public http::StreamWriter {
 public:
  explicit SlowClient(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  Task<Result<void>> write(std::string_view bytes) override {
    writes.emplace_back(bytes);
    while (!open) co_await asio::post(executor_, asio::use_awaitable);
    if (gone) co_return make_error(ErrorCode::cancelled, "the client is gone");
    co_return Result<void>();
  }

  std::vector<std::string> writes;
  bool open = true;
  bool gone = false;

 private:
  asio::any_io_executor executor_;
};

Task<> turn() {
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
}

Task<> gather() {
  SlowClient client(co_await asio::this_coro::executor);
  client.open = false;
  StreamBuffer buffer(co_await asio::this_coro::executor, client, {.buffer_bytes = 10});
  EXPECT_TRUE((co_await buffer.write("one")).has_value());
  co_await turn();
  EXPECT_TRUE((co_await buffer.write("two")).has_value());
  EXPECT_TRUE((co_await buffer.write("three")).has_value());
  EXPECT_EQ(client.writes, (std::vector<std::string>{"one"}));
  client.open = true;
  co_await buffer.close();
  EXPECT_EQ(client.writes, (std::vector<std::string>{"one", "twothree"}));
}

TEST(StreamBuffer, WhatASlowClientDoesNotTakeGathers) {
  async::sync_wait(gather());
}

Task<> write_all(StreamBuffer& buffer, int count, int& written) {
  for (; written < count; ++written) (co_await buffer.write("0123456789")).value();
}

Task<> hold_back() {
  const auto executor = co_await asio::this_coro::executor;
  SlowClient client(executor);
  client.open = false;
  StreamBuffer buffer(executor, client, {.buffer_bytes = 25});
  int written = 0;
  async::TaskGroup answer(executor);
  answer.spawn(write_all(buffer, 8, written));
  for (int i = 0; i < 50; ++i) co_await turn();
  // At most three are on their way and two wait; the next one holds the answer up.
  EXPECT_LE(written, 5);
  client.open = true;
  co_await answer.join();
  co_await buffer.close();
  std::string all;
  for (const std::string& each : client.writes) all += each;
  EXPECT_EQ(all.size(), 80u);
}

TEST(StreamBuffer, AFullBufferHoldsTheAnswerUp) {
  async::sync_wait(hold_back());
}

Task<> leave() {
  SlowClient client(co_await asio::this_coro::executor);
  client.gone = true;
  StreamBuffer buffer(co_await asio::this_coro::executor, client, {});
  (void)co_await buffer.write("one");  // Whether this one knows already depends on the connection.
  for (int i = 0; i < 5; ++i) co_await turn();
  EXPECT_EQ((co_await buffer.write("two")).error().code, ErrorCode::cancelled);
  co_await buffer.close();
}

TEST(StreamBuffer, AnswersStopWhenTheClientIsGone) {
  async::sync_wait(leave());
}

Task<> say_two(http::StreamWriter& writer) {
  (co_await writer.write("one")).value();
  co_await turn();
  (co_await writer.write("two")).value();
}

Task<> switched_off() {
  SlowClient client(co_await asio::this_coro::executor);
  co_await stream_buffered({.enabled = false}, client, say_two);
  EXPECT_EQ(client.writes, (std::vector<std::string>{"onetwo"}));
}

TEST(StreamBuffer, SwitchedOffStreamsArriveWhole) {
  async::sync_wait(switched_off());
}

class Texts final : public rag::AnswerEvents {
 public:
  Task<Result<void>> on_search_start(const std::vector<std::string>&) override { co_return Result<void>(); }
  Task<Result<void>> on_search_done(const engine::SearchResults&) override { co_return Result<void>(); }
  Task<Result<void>> on_citation(const rag::Citation&) override { co_return Result<void>(); }
  Task<Result<void>> on_delta(std::string_view text) override {
    texts.emplace_back(text);
    co_return Result<void>();
  }
  std::vector<std::string> texts;
};

TEST(SplitEvents, CutsBetweenCodePoints) {
  Texts texts;
  SplitEvents split(texts, 4);
  async::sync_wait(split.on_delta("abcdef转速a")).value();
  EXPECT_EQ(texts.texts, (std::vector<std::string>{"abcd", "ef", "转", "速a"}));
  SplitEvents tiny(texts, 1);
  texts.texts.clear();
  async::sync_wait(tiny.on_delta("转b")).value();
  EXPECT_EQ(texts.texts, (std::vector<std::string>{"转", "b"}));
}

}  // namespace
}  // namespace ragtime::api
