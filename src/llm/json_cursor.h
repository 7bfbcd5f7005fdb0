// JsonCursor: walks over JSON text (RFC 8259) from front to back and builds nothing.
//
// What is passed over is checked: once something is no JSON, failed() stays true and every step says that there is
// nothing more. Strings are returned as they are written, between their quotes; bytes that are not UTF-8 pass.
// Thread safety: a cursor belongs to one walk. Views refer to the text, which outlives the cursor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ragtime::llm {

class JsonCursor {
 public:
  static constexpr std::size_t kDepthMax = 512;

  explicit JsonCursor(std::string_view text) : text_(text) {}

  // Steps into the value that comes next, if it is of this kind; otherwise stays before it.
  bool enter_object();
  bool enter_array();
  // The next member of the object, up to its value; the next element of the array. False once past the closing bracket.
  // The key is decoded, and valid until the next one.
  bool next_member(std::string_view& key);
  bool next_element();

  // The first character of the value that comes next, '\0' when there is none: '"', '{', '[', 't', 'f', 'n', a digit…
  char peek();
  // Passes over one value and returns its text.
  std::string_view skip_value();
  // The same for a value of a certain kind. Another kind is passed over and gives nothing.
  std::optional<std::string_view> raw_string();
  std::optional<std::int64_t> integer();
  std::optional<bool> boolean();

  bool failed() const { return failed_; }
  // Where the next byte will be taken from, or where the text stopped being JSON.
  std::size_t position() const { return position_; }
  // Nothing but white space is left.
  bool at_end();

 private:
  bool fail();
  void skip_space() {
    while (position_ < text_.size() && text_[position_] <= ' ' && is_space(text_[position_])) ++position_;
  }
  bool take(char c) {
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
  bool enter(char open);
  bool next(char close);
  bool pass_scalar();
  bool pass_string();
  bool pass_escape();
  bool pass_number();
  bool pass_digits();
  bool pass_word(std::string_view word);
  bool pass_key();
  bool pass_nested();

  std::string_view text_;
  std::size_t position_ = 0;
  bool first_ = false;  // No member or element of the container has been taken yet.
  bool failed_ = false;
  bool escaped_ = false;  // The last string that was passed over holds an escape.
  std::string key_;       // Of an object's member, when it had to be decoded.
};

// What a string says, given how it is written. Unpaired surrogates become U+FFFD.
std::string decode_json_string(std::string_view raw);
// The same comparison without decoding where nothing is escaped.
bool json_string_is(std::string_view raw, std::string_view text);
// With quotes. `text` is UTF-8.
std::string encode_json_string(std::string_view text);

}  // namespace ragtime::llm
