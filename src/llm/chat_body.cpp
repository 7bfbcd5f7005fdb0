#include "llm/chat_body.h"

#include <algorithm>

#include "llm/json_cursor.h"

namespace ragtime::llm {
namespace {

constexpr std::string_view kUsageWish = R"("include_usage":true)";
constexpr std::string_view kUsageWishFirst = R"("include_usage":true,)";
constexpr std::string_view kStreamOptions = R"({"include_usage":true})";
constexpr std::string_view kStreamOptionsMember = R"("stream_options":{"include_usage":true},)";
constexpr std::string_view kModelMember = R"("model":)";

class BodyReader {
 public:
  explicit BodyReader(std::string_view text) : text_(text), cursor_(text) {}

  Result<ChatBody> read() {
    if (!cursor_.enter_object()) return not_an_object();
    const std::size_t inside = cursor_.position();
    std::string_view key;
    bool empty = true;
    while (cursor_.next_member(key)) {
      empty = false;
      read_member(key);
    }
    if (!cursor_.at_end()) return broken();
    finish(inside, empty);
    return std::move(out_);
  }

 private:
  Error not_an_object() {
    // Broken text is called so, whatever it begins with.
    cursor_.skip_value();
    if (!cursor_.at_end()) return broken();
    return make_error(ErrorCode::invalid_argument, "The request body must be a JSON object.");
  }

  Error broken() const {
    return make_error(ErrorCode::invalid_argument,
                      "The request body is not valid JSON (at byte " + std::to_string(cursor_.position()) + ").");
  }

  ChatBody::Span span_of(std::string_view part) const {
    return {static_cast<std::size_t>(part.data() - text_.data()), part.size()};
  }

  void read_member(std::string_view key) {
    const auto is = [&](std::string_view name) { return key == name; };
    if (is("model")) {
      read_model();
    } else if (is("messages") || is("prompt")) {
      read_messages();
    } else if (is("stream")) {
      out_.stream = cursor_.boolean().value_or(false);
    } else if (is("stream_options")) {
      read_stream_options();
    } else if (is("n")) {
      out_.choices = std::clamp<std::int64_t>(cursor_.integer().value_or(1), 1, kChoicesMax);
    } else if (is("max_tokens") || is("max_completion_tokens")) {
      if (const auto tokens = cursor_.integer()) out_.tokens_max = tokens;
    } else if (is("tools")) {
      out_.tools = span_of(cursor_.skip_value());
    } else {
      cursor_.skip_value();
    }
  }

  void read_model() {
    const bool is_string = cursor_.peek() == '"';
    const std::string_view value = cursor_.skip_value();
    if (cursor_.failed()) return;
    out_.model = is_string ? decode_json_string(value.substr(1, value.size() - 2)) : std::string();
    has_model_ = true;
    out_.edits.push_back({span_of(value), std::nullopt});
  }

  void read_messages() {
    if (!cursor_.enter_array()) {
      out_.first_message = span_of(cursor_.skip_value());
      return;
    }
    bool first = true;
    while (cursor_.next_element()) {
      const std::string_view message = cursor_.skip_value();
      if (first) out_.first_message = span_of(message);
      first = false;
    }
  }

  void read_stream_options() {
    has_options_ = true;
    out_.include_usage = false;
    const char kind = cursor_.peek();
    if (!cursor_.enter_object()) {
      const std::string_view value = cursor_.skip_value();
      // Another kind of value is a mistake that the upstream will name.
      if (kind == 'n') options_edits_.push_back({span_of(value), kStreamOptions});
      return;
    }
    const std::size_t inside = cursor_.position();
    std::string_view key;
    bool wished = false;
    bool empty = true;
    while (cursor_.next_member(key)) {
      empty = false;
      const bool is_wish = key == "include_usage";
      const std::string_view value = cursor_.skip_value();
      if (!is_wish) continue;
      wished = true;
      out_.include_usage = value == "true";
      if (value != "true") options_edits_.push_back({span_of(value), "true"});
    }
    if (!wished) options_edits_.push_back({{inside, 0}, empty ? kUsageWish : kUsageWishFirst});
  }

  // Members that are missing go in front of the first one. Precondition: the text is a JSON object.
  void finish(std::size_t inside, bool empty) {
    auto& edits = out_.edits;
    if (out_.stream) {
      edits.insert(edits.end(), options_edits_.begin(), options_edits_.end());
      if (!has_options_) edits.push_back({{inside, 0}, kStreamOptionsMember});
    }
    if (!has_model_) {
      edits.push_back({{inside, 0}, kModelMember});
      edits.push_back({{inside, 0}, std::nullopt});
      if (!empty) edits.push_back({{inside, 0}, ","});
    }
    std::stable_sort(edits.begin(), edits.end(),
                     [](const ChatBody::Edit& a, const ChatBody::Edit& b) { return a.span.begin < b.span.begin; });
  }

  static constexpr std::int64_t kChoicesMax = 1024;

  std::string_view text_;
  JsonCursor cursor_;
  ChatBody out_;
  std::vector<ChatBody::Edit> options_edits_;
  bool has_model_ = false;
  bool has_options_ = false;
};

}  // namespace

Result<ChatBody> read_chat_body(std::string_view body) {
  return BodyReader(body).read();
}

std::string body_for_upstream(std::string_view body, const ChatBody& parsed, std::string_view model) {
  const std::string name = encode_json_string(model);
  std::size_t size = body.size();
  for (const auto& edit : parsed.edits) size += edit.text ? edit.text->size() : name.size();
  std::string out;
  out.reserve(size);
  std::size_t taken = 0;
  for (const auto& edit : parsed.edits) {
    out += body.substr(taken, edit.span.begin - taken);
    out += edit.text ? *edit.text : std::string_view(name);
    taken = edit.span.begin + edit.span.size;
  }
  out += body.substr(taken);
  return out;
}

}  // namespace ragtime::llm
