// AnswerReader: what a client learns from one streamed or whole answer, and when. Sans I/O.
//
// A stream is complete with a finish_reason for every choice that it showed; [DONE] alone proves nothing, and its
// absence is no fault. An error object anywhere is a failure. Times are the caller's.
// Thread safety: belongs to one request.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/sse.h"
#include "load/load_config.h"

namespace ragtime::load {

class AnswerReader {
 public:
  using Time = std::chrono::steady_clock::time_point;

  AnswerReader(LoadOperation operation, bool stream, bool keep_text)
      : operation_(operation), stream_(stream), keep_text_(keep_text) {}

  void feed(std::string_view bytes, Time now);
  // After the last byte. Empty when the answer is good, else what is wrong: "truncated", "error_event", "malformed",
  // "error_body", "empty".
  std::string finish();

  std::optional<Time> first_chunk() const { return first_chunk_; }      // With choices, whatever they hold.
  std::optional<Time> first_content() const { return first_content_; }  // Text, reasoning or a tool call.
  Time last_chunk() const { return last_chunk_; }                       // With choices.
  const std::vector<std::chrono::nanoseconds>& gaps() const { return gaps_; }  // Between chunks with content.
  std::size_t content_chunks() const { return content_chunks_; }
  // Of the usage when the server said it, else the chunks with content.
  std::size_t output_tokens() const { return usage_tokens_.value_or(content_chunks_); }
  const std::string& text() const { return text_; }
  const std::string& error() const { return error_; }  // What an error object said.

 private:
  void take_event(std::string_view data, Time now);
  void take_whole();
  void take_choice(const void* choice, bool& content);
  void note_content(Time now);

  const LoadOperation operation_;
  const bool stream_;
  const bool keep_text_;
  http::SseParser parser_;
  std::string body_;  // Of whole answers.
  std::optional<Time> first_chunk_;
  std::optional<Time> first_content_;
  Time last_chunk_{};
  std::optional<Time> last_content_;
  std::vector<std::chrono::nanoseconds> gaps_;
  std::size_t content_chunks_ = 0;
  std::optional<std::size_t> usage_tokens_;
  std::vector<bool> finished_;  // By choice.
  std::string text_;
  std::string error_;
  bool malformed_ = false;
  bool failed_ = false;
};

}  // namespace ragtime::load
