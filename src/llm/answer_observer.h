// AnswerObserver: watches a streamed answer of /chat/completions or /completions go by. Sans I/O.
//
// Bytes go in as they come and whole events come out, unchanged; nothing comes out before the first real output (the
// commit point), so that until then the answer can still be replaced. Parsing is for observation only and builds
// nothing. An answer is complete with a finish_reason for every choice; "[DONE]" alone proves nothing.
// Thread safety: belongs to one stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/chat_model.h"
#include "llm/json_cursor.h"
#include "llm/upstream_fault.h"

namespace ragtime::llm {

struct AnswerObserverConfig {
  std::size_t choices = 1;  // Asked for.
  bool keep_usage = true;   // The client wants the usage event; otherwise it is taken out.
  bool hold_all = false;    // Nothing comes out before the answer is complete.
  std::size_t event_bytes_max = 8u << 20;
  std::size_t held_bytes_max = 1u << 20;  // Before the commit point.
};

class AnswerObserver {
 public:
  explicit AnswerObserver(AnswerObserverConfig config) : config_(config) {}

  // The bytes that may go to the client now: whole events, or nothing.
  // After a fault nothing more comes out. What was complete before it stays complete.
  std::string take(std::string bytes);
  // The upstream has ended its reply. The bytes that are left, with the "[DONE]" that was missing.
  std::string finish();

  const std::optional<UpstreamFault>& fault() const { return fault_; }
  bool committed() const { return committed_; }
  // Every choice has its finish_reason.
  bool complete() const { return seen_ > 0 && seen_ >= config_.choices && finished_ == seen_; }
  bool done() const { return done_; }  // "[DONE]" was seen, or added by finish().
  const std::optional<ChatUsage>& usage() const { return usage_; }
  std::size_t outputs() const { return outputs_; }  // Events that carried output.

 private:
  enum class Fate { relay, strip };
  struct Choice {
    bool seen = false;
    bool finished = false;
  };

  // Events up to the end of the last one in `bytes`; sets how many of its bytes they take.
  std::string take_events(std::string bytes, std::size_t search_from);
  void update_commitment();
  Fate observe(std::string_view event);
  Fate observe_plain(std::string_view data);
  Fate observe_data(std::string_view data);
  Fate read_chunk(std::string_view data);
  bool read_choice(JsonCursor& cursor);
  bool read_finish(JsonCursor& cursor);
  void note_choice(std::size_t index, bool output, bool finished);
  void fail(FaultKind kind, std::string message);

  const AnswerObserverConfig config_;
  std::string pending_;  // Bytes of an event that has no end yet.
  std::string held_;     // Events before the commit point.
  std::string data_;     // Of an event with several data lines.
  std::vector<Choice> choices_;
  std::size_t seen_ = 0;
  std::size_t finished_ = 0;
  std::size_t outputs_ = 0;
  std::optional<ChatUsage> usage_;
  std::optional<UpstreamFault> fault_;
  bool committed_ = false;
  bool done_ = false;
  bool begun_ = false;  // A byte order mark can only come first.
};

// The end of the first event in `bytes`, behind its empty line; npos while it has none. `from`: where to begin to look,
// at most three bytes behind what was searched before.
std::size_t event_end(std::string_view bytes, std::size_t from = 0);

}  // namespace ragtime::llm
