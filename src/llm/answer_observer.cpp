#include "llm/answer_observer.h"

#include <algorithm>
#include <utility>

#include "llm/whole_answer.h"

namespace ragtime::llm {
namespace {

constexpr std::string_view kDone = "[DONE]";
constexpr std::string_view kDoneEvent = "data: [DONE]\n\n";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kChoicesMax = 1024;

// The end of the first line of `bytes`: where its text stops and where the next line begins; npos without a line end.
struct LineEnd {
  std::size_t text = std::string_view::npos;
  std::size_t next = std::string_view::npos;
};

LineEnd line_end(std::string_view bytes, std::size_t from) {
  const std::size_t newline = bytes.find('\n', from);
  const std::size_t until = std::min(newline, bytes.size());
  const std::size_t carriage = bytes.substr(from, until - from).find('\r');
  if (carriage != std::string_view::npos) {
    const std::size_t at = from + carriage;
    const bool pair = at + 1 < bytes.size() && bytes[at + 1] == '\n';
    return {at, at + (pair ? 2 : 1)};
  }
  if (newline == std::string_view::npos) return {};
  return {newline, newline + 1};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The value of the field when the line is one of that name.
std::optional<std::string_view> field(std::string_view line, std::string_view name) {
  if (!line.starts_with(name)) return std::nullopt;
  line.remove_prefix(name.size());
  if (line.empty()) return line;
  if (line.front() != ':') return std::nullopt;
  line.remove_prefix(1);
  if (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return line;
}

// Whether the member of a delta, whose value comes next, is something that a model said. Passes over it.
bool read_output(JsonCursor& cursor, std::string_view key) {
  const std::string_view value = cursor.skip_value();
  if (value.empty() || value == "null" || value == "\"\"" || value == "[]") return false;
  for (const std::string_view name :
       {"content", "reasoning", "reasoning_content", "tool_calls", "function_call", "refusal", "audio"}) {
    if (key == name) return true;
  }
  return false;
}

bool read_delta(JsonCursor& cursor) {
  if (!cursor.enter_object()) {
    cursor.skip_value();
    return false;
  }
  bool output = false;
  std::string_view key;
  while (cursor.next_member(key)) output = read_output(cursor, key) || output;
  return output;
}

}  // namespace

std::size_t event_end(std::string_view bytes, std::size_t from) {
  while (true) {
    const LineEnd line = line_end(bytes, from);
    if (line.next >= bytes.size()) return std::string_view::npos;
    if (bytes[line.next] == '\n') return line.next + 1;
    if (bytes[line.next] == '\r') {
      const bool pair = line.next + 1 < bytes.size() && bytes[line.next + 1] == '\n';
      return line.next + (pair ? 2 : 1);
    }
    from = line.next;
  }
}

namespace {

// The data of an event of the usual form, "data: …\n\n", at the front of `bytes`.
std::optional<std::string_view> plain_data(std::string_view bytes) {
  constexpr std::string_view kField = "data: ";
  if (!bytes.starts_with(kField)) return std::nullopt;
  const std::size_t end = bytes.find('\n', kField.size());
  if (end == std::string_view::npos || end + 1 >= bytes.size() || bytes[end + 1] != '\n') return std::nullopt;
  const std::string_view data = bytes.substr(kField.size(), end - kField.size());
  if (data.empty() || data.find('\r') != std::string_view::npos) return std::nullopt;
  return data;
}

constexpr std::size_t kPlainFrame = 8;  // "data: " and two line feeds.

}  // namespace

std::string AnswerObserver::take(std::string bytes) {
  if (fault_ || done_) return {};
  std::size_t searched = 0;
  if (!pending_.empty()) {
    searched = pending_.size() - std::min<std::size_t>(pending_.size(), 3);
    pending_ += bytes;
    bytes = std::exchange(pending_, {});
  }
  return take_events(std::move(bytes), searched);
}

std::string AnswerObserver::take_events(std::string bytes, std::size_t search_from) {
  std::string out;      // Only in use when an event was taken out.
  std::size_t run = 0;  // Where the events begin that go on as they are.
  std::size_t begin = 0;
  const std::string_view view = bytes;
  while (!fault_ && !done_) {
    const auto plain = search_from == 0 ? plain_data(view.substr(begin)) : std::nullopt;
    const std::size_t size = plain ? plain->size() + kPlainFrame : event_end(view.substr(begin), search_from);
    search_from = 0;
    if (size == std::string_view::npos) break;
    if ((plain ? observe_plain(*plain) : observe(view.substr(begin, size))) == Fate::strip) {
      out += view.substr(run, begin - run);
      run = begin + size;
    }
    begin += size;
  }
  if (!fault_ && !done_) pending_ = view.substr(begin);
  if (pending_.size() > config_.event_bytes_max) fail(FaultKind::malformed, "sent an event without end");
  if (out.empty() && run == 0) {
    bytes.resize(begin);
    out = std::move(bytes);
  } else {
    out += view.substr(run, begin - run);
  }
  if (!committed_) {
    held_ += out;
    if (held_.size() > config_.held_bytes_max) fail(FaultKind::malformed, "sent too much before its answer");
    return {};
  }
  if (held_.empty()) return out;
  held_ += out;
  return std::exchange(held_, {});
}

std::string AnswerObserver::finish() {
  std::string out;
  if (!fault_ && !done_ && !pending_.empty()) {
    pending_ += "\n\n";
    out = take_events(std::exchange(pending_, {}), 0);
    if (fault_) fault_->kind = FaultKind::cut;
  }
  if (fault_ || done_) return out;
  if (!complete()) {
    fail(FaultKind::cut, "ended its answer before it was complete");
    return {};
  }
  done_ = true;
  return out += kDoneEvent;
}

AnswerObserver::Fate AnswerObserver::observe(std::string_view event) {
  if (!std::exchange(begun_, true) && event.starts_with(kByteOrderMark)) event.remove_prefix(kByteOrderMark.size());
  std::string_view data;
  std::size_t lines = 0;
  bool is_error = false;
  for (std::size_t begin = 0; begin < event.size();) {
    const LineEnd end = line_end(event, begin);
    const std::string_view line = event.substr(begin, end.text - begin);
    begin = std::min(end.next, event.size());
    if (const auto value = field(line, "data")) {
      if (++lines == 1) {
        data = *value;
      } else {
        if (lines == 2) data_ = data;
        data_ += '\n';
        data_ += *value;
        data = data_;
      }
    } else if (field(line, "event") == "error") {
      is_error = true;
    }
  }
  if (lines == 0 || trimmed(data).empty()) return Fate::relay;
  const Fate fate = observe_data(data);
  if (is_error && !fault_ && !complete())
    fail(FaultKind::cut, "reported an error: " + std::string(data.substr(0, 200)));
  return fault_ ? Fate::strip : fate;
}

AnswerObserver::Fate AnswerObserver::observe_plain(std::string_view data) {
  begun_ = true;
  if (trimmed(data).empty()) return Fate::relay;
  const Fate fate = observe_data(data);
  return fault_ ? Fate::strip : fate;
}

AnswerObserver::Fate AnswerObserver::observe_data(std::string_view data) {
  if (trimmed(data) == kDone) {
    if (complete()) {
      done_ = true;
    } else {
      fail(FaultKind::cut, "ended its answer before it was complete");
    }
    return Fate::relay;
  }
  const bool was_complete = complete();
  const Fate fate = read_chunk(data);
  if (was_complete && fault_) {
    // Nothing can be missing any more.
    fault_.reset();
    return Fate::strip;
  }
  return fate;
}

AnswerObserver::Fate AnswerObserver::read_chunk(std::string_view data) {
  JsonCursor cursor(data);
  std::string_view key;
  std::size_t choices = 0;
  bool well_formed = cursor.enter_object();
  bool is_error = false;
  bool has_usage = false;
  while (cursor.next_member(key)) {
    if (key == "choices" && cursor.enter_array()) {
      for (; cursor.next_element(); ++choices) well_formed = read_choice(cursor) && well_formed;
    } else if (key == "usage") {
      const auto usage = read_usage(cursor);
      has_usage = usage.has_value();
      if (usage) usage_ = usage;
    } else if (key == "error") {
      is_error = is_error || cursor.peek() != 'n';
      cursor.skip_value();
    } else if (key == "object" && cursor.peek() == '"') {
      is_error = is_error || cursor.raw_string() == "error";
    } else {
      cursor.skip_value();
    }
  }
  if (!well_formed || !cursor.at_end()) {
    fail(FaultKind::malformed, "sent an event that is no part of an answer");
  } else if (is_error) {
    fault_ = fault_of_object(data);
    if (fault_) fault_->message = "reported: " + fault_->message;
  }
  update_commitment();
  return has_usage && choices == 0 && !config_.keep_usage ? Fate::strip : Fate::relay;
}

bool AnswerObserver::read_choice(JsonCursor& cursor) {
  if (!cursor.enter_object()) return false;
  std::int64_t index = 0;
  bool output = false;
  bool finished = false;
  std::string_view key;
  while (cursor.next_member(key)) {
    if (key == "index") {
      index = cursor.integer().value_or(0);
    } else if (key == "finish_reason") {
      finished = read_finish(cursor);
    } else if (key == "delta" || key == "message") {
      output = read_delta(cursor) || output;
    } else if (key == "text") {
      output = cursor.skip_value().size() > 2 || output;
    } else {
      cursor.skip_value();
    }
  }
  if (index < 0 || index >= static_cast<std::int64_t>(kChoicesMax)) return false;
  note_choice(static_cast<std::size_t>(index), output, finished);
  return true;
}

bool AnswerObserver::read_finish(JsonCursor& cursor) {
  const auto reason = cursor.raw_string();
  if (!reason || reason->empty()) return false;
  if (!gives_up(*reason)) return true;
  fail(FaultKind::cut, "gave the answer up");
  return false;
}

void AnswerObserver::note_choice(std::size_t index, bool output, bool finished) {
  if (index >= choices_.size()) choices_.resize(index + 1);
  Choice& choice = choices_[index];
  seen_ += choice.seen ? 0 : 1;
  choice.seen = true;
  finished_ += finished && !choice.finished ? 1 : 0;
  choice.finished = choice.finished || finished;
  outputs_ += output ? 1 : 0;
}

void AnswerObserver::update_commitment() {
  if (committed_ || fault_) return;
  committed_ = complete() || (!config_.hold_all && outputs_ > 0);
}

void AnswerObserver::fail(FaultKind kind, std::string message) {
  if (!fault_) fault_ = UpstreamFault{kind, 0, std::move(message), {}};
}

}  // namespace ragtime::llm
