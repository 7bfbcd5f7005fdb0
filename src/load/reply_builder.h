// ReplyBuilder: the bytes of an OpenAI-compatible server's reply, piece by piece, as vLLM sends them: head and first
// event together, one event per write.
//
// Thread safety: belongs to one call.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "load/script.h"

namespace ragtime::load {

// Token i of every answer: words with their spaces, in two scripts, so that splits hit multi-byte characters.
std::string_view answer_token(std::size_t i);
std::string answer_text(std::size_t tokens);

std::string error_json(std::string_view message, std::string_view type, std::string_view code);
// A head with Content-Length, and the body.
std::string whole_http(int status, std::string_view content_type, std::string_view body,
                       std::string_view extra_fields = {});
std::string reason_phrase(int status);
std::string as_chunk(std::string_view bytes);  // In chunked framing.

class ReplyBuilder {
 public:
  ReplyBuilder(const ScriptSpec& spec, const ScriptRequest& request);

  const ScriptSpec& spec;
  const ScriptRequest& request;

  // Steps. Bytes that are added without a step between them are one write.
  void raw(std::string_view bytes);
  void next_write(Step::Pace pace = Step::Pace::none, std::chrono::microseconds wait = {});
  // Like next_write, never joined with the write before.
  void apart(std::chrono::microseconds wait = {});
  void hold() { last_step(Step::Kind::hold); }
  void cut() { last_step(Step::Kind::close); }
  void reset() { last_step(Step::Kind::reset); }
  void last_step(Step::Kind kind, std::chrono::microseconds wait = {});
  void repeat_from_here();

  // Whole replies.
  void whole(int status, std::string_view content_type, std::string_view body, std::string_view extra_fields = {});
  void error(int status, std::string_view message, std::string_view type, std::string_view extra_fields = {});
  void whole_answer();  // A good answer in one piece.
  std::string answer_body(std::string_view finish_reason, std::string_view content) const;

  // Parts of a stream, in their order. Every one but the head is a write of its own.
  void stream_head(std::string_view content_type = "text/event-stream; charset=utf-8",
                   std::string_view extra_fields = {});
  void role();
  void token(std::size_t i);
  void tokens(std::size_t from, std::size_t to);
  void delta(std::string_view delta_json, std::size_t choice = 0);  // {"content":"…"}
  void finish(std::string_view reason);
  void finish() { finish(request.length_limited ? "length" : "stop"); }
  void usage();  // When asked for.
  void usage_chunk();
  void done();
  void end();  // The last chunk.
  void event(std::string_view json);
  void text(std::string_view bytes);  // Anything, as one chunk.
  // finish, usage, done, end.
  void close_stream();
  // Head, role and `count` tokens.
  void open_stream(std::size_t count);

  std::size_t after(std::size_t fallback) const;  // The setting, at most the answer's tokens.
  std::string chunk_json(std::string_view choices_json, std::string_view extra = {}) const;
  std::string usage_json() const;

  void set_framing(bool chunked) { chunked_ = chunked; }
  void set_line_end(std::string_view line_end) { line_end_ = line_end; }
  void set_keep_alive(bool keep) { reply_.keep_alive = keep; }
  void mark_status(int status) { reply_.status = status; }
  void set_phase(Phase phase) { phase_ = phase; }
  Reply& reply() { return reply_; }
  Reply take();

 private:
  Reply reply_;
  Phase phase_ = Phase::head;
  bool chunked_ = true;
  bool fresh_ = true;  // The next bytes start a write.
  Step next_;
  std::string_view line_end_ = "\n";
};

}  // namespace ragtime::load
