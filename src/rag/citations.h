// CitationStream: takes source markers out of a model's text while it streams and turns them into citations.
//
// Markers: [1], [2][3], [1, 2], [1-3], [^1], 【1】. One of an unknown number is removed and cites nothing. Left alone:
// code between backticks, Markdown links `[1](…)`, and `name[0]`. The white space before a marker goes with it.
// Any split of the same bytes gives the same text and citations.
// Sans I/O. Thread safety: an object belongs to one answer; the sources outlive it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "rag/citation.h"

namespace ragtime::rag {

// Text for the reader, or a citation that attaches to the end of all text so far.
struct CitationEvent {
  std::string text;
  std::optional<Citation> citation;
};

class CitationStream {
 public:
  // sources[0] is what the model knows as [1].
  explicit CitationStream(std::vector<const engine::SearchHit*> sources);

  std::vector<CitationEvent> feed(std::string_view delta);
  // The text is complete: what was held back.
  std::vector<CitationEvent> finish();

  // All text given out so far.
  const std::string& text() const { return text_; }

 private:
  void advance(bool final);
  std::string_view pending() const { return std::string_view(received_).substr(taken_); }
  // Handles the beginning of pending(); false when more bytes are needed to tell what it is.
  bool step(bool final);
  bool step_backticks(bool final);
  bool step_marker(bool final);
  bool step_plain(bool final);
  void emit(std::string_view text);
  void take(std::size_t bytes);  // Moves bytes from pending() to the text.
  void cite_number(std::size_t number);
  std::string_view cited_sentence() const;

  const std::vector<const engine::SearchHit*> sources_;
  std::string received_;
  std::size_t taken_ = 0;  // Bytes of received_ that are dealt with.
  std::string text_;
  std::size_t code_points_ = 0;          // Of text_.
  std::size_t code_ticks_ = 0;           // Backticks that opened the code we are in; 0 outside.
  bool after_marker_ = false;            // Nothing was given out since the last marker.
  bool space_before_marker_ = false;     // White space was dropped with it.
  std::vector<std::size_t> cited_here_;  // Numbers cited at the end of the text.
  std::vector<CitationEvent> events_;
};

// The piece of the hit that supports the claim best, as a citation without index. `verified` when it holds at least
// half of the claim's terms and the hit holds all of the claim's numbers.
Citation cite_support(std::string_view claim, const engine::SearchHit& hit);

}  // namespace ragtime::rag
